"""Who looked at my record, in a person's own words: role and team, when, what, why; the name as the clinic tells names."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from itertools import groupby
from typing import Final
from uuid import UUID

from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from audit.actors import Actor
from audit.checks import checks_of
from audit.explorer import Told
from audit.kinds import Kind
from audit.looks import ASKED, Look, Looks, look_of, names_asked, who_looked
from audit.models import NamesTold
from audit.names import names_told_in
from audit.purposes import Purpose
from audit.relations import Relation
from audit.services import record
from audit.words import KINDS
from clinics.errors import NoSuchPage
from clinics.models import CareTeam, User, UserKind
from clinics.roles import Role
from consent.purposes import rule_of
from patients.choices import RevealReason
from patients.models import Patient
from patients.queries import field_words, subjects_of

WINDOW: Final = timedelta(days=30)
TIES: Final[dict[str, Promise]] = {
    Relation.OWN: gettext_lazy("looks after you"),
    Relation.TEAM: gettext_lazy("of the team that looks after you"),
    Relation.NONE: gettext_lazy("does not usually look after you"),
    Relation.BREAK_GLASS: gettext_lazy("in an emergency, does not usually look after you"),
    Relation.PROXY: gettext_lazy("somebody you chose"),
}
_PURPOSES: Final = frozenset(purpose.value for purpose in Purpose)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownLook:
    """One look as the person reads it. `who` is role and team, or the name where it is told."""

    look: Look
    who: str
    tie: str
    did: str
    what: str
    why: str
    may_ask: bool

    @property
    def at(self) -> datetime:
        moment: datetime = self.look.last.event.timestamp
        return moment


@dataclass(frozen=True, slots=True, kw_only=True)
class LooksPage:
    """Thirty days of looks by day, newest first. `checked_at`: when the log was last read and found whole.

    `by_officer`: names are said by the privacy officer alone.
    """

    looks: Looks
    days: list[tuple[date, list[ShownLook]]]
    since: date
    until: date
    is_latest: bool
    exported: int
    by_officer: bool
    checked_at: datetime | None


def looks_page(actor: Actor, patient: Patient, before: date | None, today: date) -> LooksPage:
    """The looks of the thirty days that end before a day, or with today. Eight statements, however many looks."""
    until = before if before and before <= today else today + timedelta(days=1)
    looks = who_looked(
        patient.clinic_id,
        subjects_of(patient),
        since=_begin(until - WINDOW),
        until=_begin(until),
        own=actor.ref,
        zone=timezone.get_current_timezone(),
    )
    telling = names_told_in(patient.clinic_id)
    shown = _shown(looks.looks, patient, _named(telling, looks, patient, own=actor.ref))
    return LooksPage(
        looks=looks,
        days=[(day, list(found)) for day, found in groupby(shown, lambda s: timezone.localdate(s.at))],
        since=until - WINDOW,
        until=until - timedelta(days=1),
        is_latest=until > today,
        exported=sum(look.kind in (Kind.EXPORTED, Kind.PRINTED) for look in looks.looks),
        by_officer=telling == NamesTold.BY_OFFICER,
        checked_at=_checked_at(patient.clinic_id),
    )


def ask_name(actor: Actor, patient: Patient, uid: UUID) -> None:
    """The person wants to know who it was: from now on the page says the name. The asking is on the log.

    Raises NoSuchPage for a look at somebody else, for what no member of staff did, and where the clinic tells names otherwise.
    """
    if names_told_in(patient.clinic_id) != NamesTold.ON_REQUEST:
        raise NoSuchPage
    subjects = subjects_of(patient)
    event = look_of(patient.clinic_id, subjects, uid)
    if event is None or event.actor_kind != "staff" or event.actor_id is None:
        raise NoSuchPage
    record(ASKED, object=("clinics.user", str(event.actor_id)), subjects=subjects, purpose=Purpose.CARE)


def _begin(day: date) -> datetime:
    return timezone.make_aware(datetime.combine(day, time.min))


def _checked_at(clinic_id: UUID) -> datetime | None:
    check = checks_of(clinic_id).exclude(finished_at=None).first()
    return check.finished_at if check and not check.problems else None


def _named(telling: NamesTold, looks: Looks, patient: Patient, *, own: str) -> Collection[str] | None:
    """The accounts whose names are told, as references; None where a name cannot even be asked for."""
    match telling:
        case NamesTold.AT_ONCE:
            return looks.actors
        case NamesTold.ON_REQUEST:
            return names_asked(patient.clinic_id, own)
        case NamesTold.BY_OFFICER:
            return None


def _shown(looks: list[Look], patient: Patient, named: Collection[str] | None) -> list[ShownLook]:
    ids = {look.last.event.actor_id for look in looks if look.last.event.actor_id}
    users = User.objects.in_bulk(ids)
    teams: dict[UUID, list[str]] = {}
    memberships = CareTeam.objects.filter(clinic_id=patient.clinic_id, teammember__user_id__in=ids)
    for user_id, name in memberships.values_list("teammember__user_id", "name").order_by("name"):
        teams.setdefault(user_id, []).append(name)
    return [
        _one(look, users.get(look.last.event.actor_id), teams.get(look.last.event.actor_id, []), named)
        for look in looks
    ]


def _one(look: Look, user: User | None, teams: list[str], named: Collection[str] | None) -> ShownLook:
    event = look.last.event
    is_staff = event.actor_kind == "staff"
    name = user.get_full_name() if user and is_staff and event.actor_ref in (named or ()) else ""
    place = [_role(look.last), *teams] if is_staff else []
    tie = str(TIES.get(event.relation, ""))
    return ShownLook(
        look=look,
        who=name or (" ".join(place) if is_staff else _other(event.actor_kind, user)),
        tie=_(" · ").join(words for words in ([*place, tie] if name else [tie]) if words),
        did=str(KINDS.get(event.kind, event.kind)),
        what=_what(look),
        why=_why(look.last),
        may_ask=is_staff and not name and user is not None and named is not None,
    )


def _role(told: Told) -> str:
    words = [str(Role(role).label) for role in told.roles if role in Role.values]
    return _(", ").join(words) or _("Somebody of the clinic")


def _other(kind: str, user: User | None) -> str:
    if user and user.kind == UserKind.PATIENT:
        return _("Another account you opened your record to")
    return _("The system") if kind == "system" else _("Somebody")


def _what(look: Look) -> str:
    if look.last.event.action != "access":
        return _("the log about you")
    return _(", ").join(field_words(look.fields))


def _why(told: Told) -> str:
    purpose, reason = told.event.purpose, told.event.reason
    words = str(rule_of(Purpose(purpose)).name) if purpose in _PURPOSES else ""
    said = str(RevealReason(reason).label) if reason in RevealReason.values else ""
    return _("; ").join(part for part in (words, said) if part)
