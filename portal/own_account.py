"""What happened lately to an account of the own pages, and where it is signed in."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.contrib.sessions.models import Session
from django.db.models import QuerySet
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from clinics.accounts.models import AccountNotice, AccountSession, NoticeKind
from clinics.models import User

SHOWN: Final = 10
# What the owner reads; what does not happen to accounts of patients has no words here.
WORDS: Final[dict[NoticeKind, Promise]] = {
    NoticeKind.NEW_DEVICE: _("Signed in on a phone or computer that is new to your pages"),
    NoticeKind.FACTOR_ADDED: _("A passkey was set up: it signs in without a code"),
    NoticeKind.FACTOR_REMOVED: _("A passkey was removed"),
    NoticeKind.PIN_SET: _("The PIN for a shared phone was set"),
    NoticeKind.PIN_REMOVED: _("The PIN for a shared phone was removed"),
    NoticeKind.SIGNED_OUT: _("You signed out on every phone and computer"),
    NoticeKind.SESSIONS_ENDED: _("The clinic signed you out on every phone and computer"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """Something about the account; `device` may be empty."""

    words: Promise
    at: datetime
    device: str
    is_new: bool


def changes_of(user: User) -> list[Change]:
    """What happened lately, the newest first."""
    told = AccountNotice.objects.filter(user=user, kind__in=list(WORDS)).order_by("-at")[:SHOWN]
    return [
        Change(words=WORDS[NoticeKind(one.kind)], at=one.at, device=one.device, is_new=one.seen_at is None)
        for one in told
    ]


def signed_in_on(user: User, *, at: datetime) -> QuerySet[AccountSession]:
    """Where somebody would go on without signing in, the newest first: a session of these pages is over after two hours."""
    living = Session.objects.filter(expire_date__gt=at).values("session_key")
    return AccountSession.objects.filter(user=user, session_key__in=living).order_by("-started_at")
