"""What an administrator does for somebody who is locked out, and what the link they hand over does."""

from datetime import datetime, timedelta
from hashlib import sha256
from secrets import token_urlsafe
from typing import Final
from uuid import UUID

from allauth.mfa.models import Authenticator
from django.db import transaction

from audit.services import record
from audit.wrote import wrote_rows
from clinics.accounts.models import AccountSession, NoticeKind, ResetLink
from clinics.accounts.notices import give_notice
from clinics.errors import AccountBeyondReach, NoSuchPage
from clinics.models import StaffRole, User, UserKind
from clinics.roles import Permission, Role, permissions_of
from clinics.sessions import end_session, end_sessions

GOOD_FOR: Final = timedelta(hours=1)


def account_within_reach(account_id: UUID, clinic_id: UUID, by: User) -> User:
    """An account that `by` administers in all it can do: every clinic it works in, and no more of Django admin than they have.

    Raises NoSuchPage for one that does not work here, AccountBeyondReach for one's own and for one that can do more elsewhere.
    """
    user = (
        User.objects.filter(pk=account_id, kind=UserKind.STAFF, staff_roles__clinic_id=clinic_id)
        .distinct()
        .first()
    )
    if user is None:
        raise NoSuchPage
    administered = {
        role.clinic_id
        for role in StaffRole.objects.at_work(by.pk)
        if Permission.MANAGE_ACCOUNTS in permissions_of(Role(role.role))
    }
    works_in = set(StaffRole.objects.filter(user=user).values_list("clinic_id", flat=True))
    more = (user.is_superuser and not by.is_superuser) or (user.is_staff and not by.is_staff)
    if user == by or more or not works_in <= administered:
        raise AccountBeyondReach
    return user


@transaction.atomic
def issue_reset_link(user: User, by: User, *, at: datetime) -> str:
    """A token for a new password, shown once; it works for an hour, once, and ends the one before it. The second factor stays."""
    replaced = list(ResetLink.objects.filter(user=user, used_at=None))
    ResetLink.objects.filter(pk__in=[link.pk for link in replaced]).delete()
    token = token_urlsafe(32)
    link = ResetLink.objects.create(
        user=user, token_hash=_hash(token), issued_by=by, issued_at=at, expires_at=at + GOOD_FOR
    )
    record("account.reset_issued", object=link, wrote=wrote_rows(replaced))
    give_notice(user, NoticeKind.RESET_ISSUED)
    return token


def link_for(token: str, *, at: datetime) -> ResetLink | None:
    return ResetLink.objects.open(at).filter(token_hash=_hash(token)).select_related("user").first()


def open_link(link_id: UUID, *, at: datetime) -> ResetLink | None:
    """The link somebody has followed, locked until the new password stands."""
    return (
        ResetLink.objects.open(at)
        .filter(pk=link_id)
        .select_related("user")
        .select_for_update(of=("self",))
        .first()
    )


@transaction.atomic
def use_reset_link(link: ResetLink, password: str, *, at: datetime) -> None:
    """Set the password and sign the account out everywhere. Nobody is signed in by it."""
    user = link.user
    user.set_password(password)
    user.save(update_fields=["password"])
    link.used_at = at
    link.save(update_fields=["used_at"])
    end_sessions(user.pk)
    record("account.reset_used", object=user, wrote=wrote_rows([link]))
    give_notice(user, NoticeKind.PASSWORD_CHANGED)


@transaction.atomic
def take_factors(user: User) -> int:
    """For somebody who lost phone, passkey and codes: at the next sign-in they reach nothing but setting up new ones."""
    taken = list(Authenticator.objects.filter(user=user))
    for factor in taken:
        factor.delete()
    end_sessions(user.pk)
    record("account.factors_taken", object=user, count=len(taken))
    give_notice(user, NoticeKind.FACTORS_TAKEN)
    return len(taken)


@transaction.atomic
def end_all_sessions(user: User) -> int:
    ended = end_sessions(user.pk)
    record("account.sessions_ended", object=user, count=ended, reason="administrator")
    give_notice(user, NoticeKind.SESSIONS_ENDED)
    return ended


@transaction.atomic
def end_own_session(user: User, session_id: UUID) -> None:
    """Raises NoSuchPage for a session of anybody else."""
    session = AccountSession.objects.filter(pk=session_id, user=user).first()
    if session is None:
        raise NoSuchPage
    end_session(session)
    record("account.session_ended", object=user)


def _hash(token: str) -> str:
    """A token is long and random, so its hash needs no secret."""
    return sha256(f"zhizhi/reset/{token}".encode()).hexdigest()
