"""What the owner of an account is told, in the account and by mail where it has an address."""

import logging
from uuid import UUID

from django.conf import settings
from django.utils import timezone
from django.utils.translation import gettext as _

from audit.services import record
from clinics.accounts.keys import open_for, seal_for
from clinics.accounts.models import AccountNotice, NoticeKind
from clinics.channels import CarrierRefused, CarrierUnavailable, send_mail_text
from clinics.models import Clinic, StaffRole, User
from crypto.errors import KeysMissing

logger = logging.getLogger(__name__)
ADDRESS = "notice-address"
UNSEEN = "notices_unseen"  # in the session: how many the owner has not looked at, counted at sign-in
A_TURN = 50


def give_notice(user: User, kind: NoticeKind, *, device: str = "") -> None:
    """Note it for the owner, who reads it on the page of their account."""
    AccountNotice.objects.create(
        user=user, kind=kind, device=device, at=timezone.now(), mail_due=bool(user.sealed_email)
    )


def email_of(user: User) -> str:
    """The owner's address for notices, opened. Raises KeysMissing."""
    return open_for(user.pk, ADDRESS, user.sealed_email) if user.sealed_email else ""


def set_email(user: User, email: str) -> None:
    """Keep, change or take away the address; the old one is told that it was the last notice there."""
    if email == email_of(user):
        return
    give_notice(user, NoticeKind.MAIL_CHANGED)
    send_notices_of(user)
    user.sealed_email = seal_for(user.pk, ADDRESS, email) if email else ""
    user.save(update_fields=["sealed_email"])
    record("account.notice_address_changed", object=user)


def unseen(user_id: UUID) -> int:
    return AccountNotice.objects.filter(user_id=user_id, seen_at=None).count()


def see_notices(user_id: UUID) -> None:
    AccountNotice.objects.filter(user_id=user_id, seen_at=None).update(seen_at=timezone.now())


def send_notices() -> int:
    """Send what waits, oldest first; a mail that cannot be sent now is tried again. How many left."""
    waiting = AccountNotice.objects.filter(mail_due=True).select_related("user").order_by("at")[:A_TURN]
    return sum(_send(notice) for notice in waiting)


def send_notices_of(user: User) -> None:
    for notice in AccountNotice.objects.filter(user=user, mail_due=True):
        notice.user = user
        _send(notice)


def _send(notice: AccountNotice) -> bool:
    role = StaffRole.objects.filter(user_id=notice.user_id).select_related("clinic").first()
    clinic = role.clinic if role else Clinic.objects.filter(is_active=True).first()
    try:
        address = email_of(notice.user)
        if address and clinic:
            send_mail_text(
                clinic,
                address,
                _("About your account"),
                _body(notice),
                idempotency_key=f"account-{notice.pk}",
            )
    except CarrierUnavailable:
        return False
    except (CarrierRefused, KeysMissing) as error:
        logger.warning("A notice about an account was not sent: %s", type(error).__name__)
    AccountNotice.objects.filter(pk=notice.pk).update(mail_due=False)
    return True


def _body(notice: AccountNotice) -> str:
    """No name, no link with meaning: what happened, when, on what, and whom to tell."""
    what = NoticeKind(notice.kind).label
    when = timezone.localtime(notice.at).strftime("%Y-%m-%d %H:%M")
    device = f" ({notice.device})" if notice.device else ""
    return "\n".join(
        [
            f"{what}{device}: {when}",
            "",
            _("If that was you, there is nothing to do. If not, tell the administrator of your clinic now."),
            f"{settings.PUBLIC_URL}/account/",
        ]
    )
