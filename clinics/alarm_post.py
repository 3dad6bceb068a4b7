"""The post for letters about alarms: by mail, to those who decide about alarms of the clinic; of the installation's, of every clinic."""

from collections.abc import Callable, Collection
from uuid import UUID

from django.conf import settings
from django.utils import timezone, translation
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from audit.letters import Letter
from audit.models import SYSTEM_LOG
from clinics.accounts.notices import email_of
from clinics.channels import CarrierRefused, CarrierUnavailable, send_mail_text
from clinics.models import Clinic, StaffRole, User
from clinics.queries import active_clinics
from clinics.roles import Role

LANGUAGES = ("zh-hans", "en")


class AlarmPost:
    """Accounts have no language of their own, so a letter is in both. A letter the carrier refuses for good is out of our hands."""

    def receivers(self, log_id: UUID) -> Collection[UUID]:
        roles = StaffRole.objects.filter(
            role=Role.PRIVACY_OFFICER, user__is_active=True, clinic__is_active=True
        ).exclude(user__sealed_email="")
        if log_id != SYSTEM_LOG:
            roles = roles.filter(clinic_id=log_id)
        return set(roles.values_list("user_id", flat=True))

    def deliver(self, account: UUID, letter: Letter) -> bool:
        clinic = active_clinics().filter(pk=letter.log_id).first() or active_clinics().first()
        user = User.objects.filter(pk=account).first()
        if clinic is None or user is None:
            return True
        try:
            send_mail_text(
                clinic, email_of(user), subject_of(letter), body_of(letter, clinic),
                idempotency_key=f"alarms:{letter.id}:{account}",
            )  # fmt: skip
        except CarrierUnavailable:
            return False
        except CarrierRefused:
            return True
        return True


def subject_of(letter: Letter) -> str:
    return " / ".join(_in(language, _subject, letter) for language in LANGUAGES)


def body_of(letter: Letter, clinic: Clinic) -> str:
    """Rules, numbers and moments; nothing of a patient, and no name."""
    return "\n\n".join(_in(language, _body, letter, clinic) for language in LANGUAGES)


def _in(language: str, say: Callable[..., str], *about: object) -> str:
    with translation.override(language):
        return say(*about)


def _subject(letter: Letter) -> str:
    return ngettext(
        "%(count)s alarm waits for a decision", "%(count)s alarms wait for a decision", letter.count
    ) % {"count": letter.count}


def _body(letter: Letter, clinic: Clinic) -> str:
    whose = _("The whole installation") if letter.log_id == SYSTEM_LOG else clinic.name
    since = date_format(timezone.localtime(letter.since), _("j F Y, H:i"))
    lines = [
        _("%(whose)s, since %(since)s:") % {"whose": whose, "since": since},
        *(f"- {rule.label} × {count}" for rule, count in letter.rules),
        _("Look at them and decide: %(address)s") % {"address": f"{settings.PUBLIC_URL}/alarms/"},
    ]
    return "\n".join(lines)
