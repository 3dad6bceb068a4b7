"""Alarms in words: what happened, to whose record, who came upon it, when. Nothing of a patient is opened for it."""

from collections.abc import Iterable
from dataclasses import dataclass
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
    """One alarm as the page tells it. `number` is empty where it concerns no patient, or one who is there no more."""

    alarm: Alarm
    what: str
    number: str
    who: str
    decided_by: str

    @property
    def is_decoy(self) -> bool:
        return self.alarm.rule == Rule.DECOY_OPENED


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmBoard:
    """What waits for a decision, the newest first, and what was decided lately. `counted_all`: no more wait than are shown."""

    open: list[ShownAlarm]
    decided: list[ShownAlarm]
    counted_all: bool


def alarm_board(actor: Actor, clinic_id: UUID) -> AlarmBoard:
    """The alarms of the clinic the actor works in. Four statements."""
    waiting = list(open_alarms(actor, clinic_id)[: MOST_COUNTED + 1])
    decided = list(decided_alarms(actor, clinic_id)[:DECIDED_SHOWN])
    found = [*waiting[:MOST_COUNTED], *decided]
    numbers = service_numbers_of(clinic_id, [a.subject_id for a in found if a.subject_id])
    names = _names_of(ref for a in found for ref in (a.actor_ref, a.decided_by))
    told = [_told(alarm, numbers, names) for alarm in found]
    shown = len(found) - len(decided)
    return AlarmBoard(open=told[:shown], decided=told[shown:], counted_all=len(waiting) <= MOST_COUNTED)


def _told(alarm: Alarm, numbers: dict[UUID, str], names: dict[str, str]) -> ShownAlarm:
    return ShownAlarm(
        alarm=alarm,
        what=_what(alarm),
        number=numbers.get(alarm.subject_id, "") if alarm.subject_id else "",
        who=_who(alarm.actor_ref, names),
        decided_by=_who(alarm.decided_by, names) if alarm.decided_by else "",
    )


def _what(alarm: Alarm) -> str:
    if alarm.rule == Rule.DECOY_OPENED:
        return str(OPENED.get(alarm.object_type, alarm.object_type))
    if alarm.object_type in KEYS:
        return str(KEYS[alarm.object_type])
    names = _field_names().get(alarm.object_type)
    if names is None:
        return alarm.object_type
    return _("%(field)s of one %(thing)s") % {"field": names[1], "thing": names[0]}


@cache
def _field_names() -> dict[str, tuple[Promise | str, Promise | str]]:
    """By the lasting name of a sealed field, what its row and itself are called."""
    return {
        field.aad_name: (model._meta.verbose_name or "", field.verbose_name)
        for model in apps.get_models()
        for field in model._meta.concrete_fields
        if isinstance(field, SealedField)
    }


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
