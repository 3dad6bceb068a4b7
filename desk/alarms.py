"""Alarms in words: what happened, to whose record, who came upon it, when. Nothing of a patient is opened for it."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Final
from uuid import UUID

from django.apps import apps
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from audit.actors import Actor
from audit.alarms import MOST_COUNTED, Rule, decided_alarms, open_alarms
from audit.kinds import Kind
from audit.models import Alarm
from clinics.models import User, UserKind
from crypto.fields import SealedField
from patients.queries import service_numbers_of

DECIDED_SHOWN: Final = 10
OPENED: Final[dict[str, Promise]] = {
    Kind.VIEWED: gettext_lazy("opened the chart or a page of it"),
    Kind.REVEALED: gettext_lazy("had a masked value shown in full"),
    Kind.PLAYED: gettext_lazy("played a recording"),
    Kind.EXPORTED: gettext_lazy("exported the data"),
    Kind.PRINTED: gettext_lazy("printed the data"),
}
KEYS: Final[dict[str, Promise]] = {
    "subject_key": gettext_lazy("a key of this person, and with it everything under it"),
    "index_key": gettext_lazy("the clinic's search key: nobody is found by name or phone"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownAlarm:
    """Alarms of one kind about one patient, as the page tells them. `number` is empty where they concern no patient, or one who
    is there no more."""

    alarms: list[Alarm]
    what: str
    number: str
    who: str
    decided_by: str

    @property
    def alarm(self) -> Alarm:
        """The latest of them."""
        return self.alarms[0]

    @property
    def is_decoy(self) -> bool:
        return self.alarm.rule == Rule.DECOY_OPENED

    @property
    def raised_at(self) -> datetime:
        return min(alarm.raised_at for alarm in self.alarms)

    @property
    def count(self) -> int:
        return sum(alarm.count for alarm in self.alarms)


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmBoard:
    """What waits for a decision, the newest first, and what was decided lately. `counted_all`: no more wait than are shown."""

    open: list[ShownAlarm]
    decided: list[ShownAlarm]
    counted_all: bool

    @property
    def total(self) -> int:
        """How many alarms wait, as the frame counts them."""
        return sum(len(shown.alarms) for shown in self.open)

    @property
    def with_broken(self) -> bool:
        return any(not shown.is_decoy for shown in self.open)

    @property
    def with_decoys(self) -> bool:
        return any(shown.is_decoy for shown in self.open)


def alarm_board(actor: Actor, clinic_id: UUID) -> AlarmBoard:
    """The alarms of the clinic the actor works in. Four statements."""
    found = list(open_alarms(actor, clinic_id)[: MOST_COUNTED + 1])
    waiting, decided = found[:MOST_COUNTED], list(decided_alarms(actor, clinic_id)[:DECIDED_SHOWN])
    numbers = service_numbers_of(clinic_id, [a.subject_id for a in [*waiting, *decided] if a.subject_id])
    names = _names_of(ref for a in [*waiting, *decided] for ref in (a.actor_ref, a.decided_by))
    return AlarmBoard(
        open=[_told(alarms, numbers, names) for alarms in _together(waiting)],
        decided=[_told(alarms, numbers, names) for alarms in _together(decided)],
        counted_all=len(found) <= MOST_COUNTED,
    )


def _together(alarms: list[Alarm]) -> list[list[Alarm]]:
    """One group for what one decision answers: damaged values of one kind of one patient; a decoy and who opened it how."""
    groups: dict[tuple[object, ...], list[Alarm]] = {}
    for alarm in alarms:
        whose = alarm.object_id if alarm.rule == Rule.DECOY_OPENED or alarm.subject_id is None else ""
        key = alarm.rule, alarm.subject_id, alarm.object_type, whose, alarm.decision, alarm.decided_by
        groups.setdefault(key, []).append(alarm)
    return list(groups.values())


def _told(alarms: list[Alarm], numbers: dict[UUID, str], names: dict[str, str]) -> ShownAlarm:
    alarm = alarms[0]
    return ShownAlarm(
        alarms=alarms,
        what=_what(alarm),
        number=numbers.get(alarm.subject_id, "") if alarm.subject_id else "",
        who=_who(alarm.actor_ref, names),
        decided_by=_who(alarm.decided_by, names) if alarm.decided_by else "",
    )


def _what(alarm: Alarm) -> str:
    if alarm.rule == Rule.DECOY_OPENED:
        return str(OPENED.get(alarm.object_type, alarm.object_type))
    if alarm.rule == Rule.UNATTRIBUTED:
        return str(_table_names().get(alarm.object_type, alarm.object_type))
    if alarm.object_type in KEYS:
        return str(KEYS[alarm.object_type])
    names = _field_names().get(alarm.object_type)
    if names is None:
        return _("a sealed file (%(name)s)") % {"name": alarm.object_type}
    thing, field = (str(name) for name in names)
    return thing if thing == field else _("%(field)s (%(thing)s)") % {"field": field, "thing": thing}


@cache
def _field_names() -> dict[str, tuple[Promise | str, Promise | str]]:
    """By the lasting name of a sealed field, what its row and itself are called."""
    return {
        field.aad_name: (model._meta.verbose_name or "", field.verbose_name)
        for model in apps.get_models()
        for field in model._meta.concrete_fields
        if isinstance(field, SealedField)
    }


@cache
def _table_names() -> dict[str, Promise | str]:
    return {model._meta.db_table: model._meta.verbose_name_plural or "" for model in apps.get_models()}


def _who(ref: str, names: dict[str, str]) -> str:
    """A person by name, a patient's account and a job by what they are."""
    kind, _colon, name = ref.partition(":")
    if kind == "system":
        return _("the system (%(job)s)") % {"job": name}
    if kind == "user":
        return names.get(ref) or _("an account that is gone")
    return _("somebody not signed in")


def _names_of(refs: Iterable[str]) -> dict[str, str]:
    ids = {ref.removeprefix("user:") for ref in refs if ref.startswith("user:")}
    return {
        f"user:{user.pk}": _("a patient's own account")
        if user.kind == UserKind.PATIENT
        else user.get_full_name()
        for user in User.objects.filter(pk__in=ids)
    }
