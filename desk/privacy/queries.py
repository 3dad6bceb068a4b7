"""What the privacy desk shows of the log: each entry in words, with service numbers in place of people."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final
from uuid import UUID

from django.apps import apps
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from audit.explorer import LogCount, LogPage, LogQuestion, Told, changes_of_row, count_of_log, page_of_log
from audit.kinds import Kind
from audit.models import RowChange
from audit.relations import Relation
from audit.words import RELATIONS, RESULTS
from clinics.models import User, UserKind
from desk.privacy.words import (
    deed_in_words,
    job_in_words,
    purpose_in_words,
    reason_in_words,
    role_in_words,
    thing_in_words,
)
from patients.models import Patient
from patients.queries import field_words

NUMBERS_SHOWN: Final = 3
FIELDS_SHOWN: Final = 4
KEYS_SHOWN: Final = 5
LOOK_BACK: Final = timedelta(days=92)
OPERATIONS: Final[dict[str, Promise]] = {
    "I": gettext_lazy("added the row"),
    "U": gettext_lazy("changed the row"),
    "D": gettext_lazy("deleted the row"),
}
ODD_RELATIONS: Final = frozenset({Relation.NONE, Relation.BREAK_GLASS})


@dataclass(frozen=True, slots=True, kw_only=True)
class LogRow:
    """One entry as the page tells it. `whose` are service numbers with the patient's id, `others` how many more people it concerns."""

    told: Told
    who: str
    role: str
    did: str
    what: str
    whose: list[tuple[UUID, str]]
    others: int
    why: str
    result: str
    relation: str
    is_odd: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class LogBoard:
    """A page of answers, and how many there are in all."""

    rows: list[LogRow]
    next: UUID | None
    count: LogCount


def log_board(clinic_id: UUID, question: LogQuestion, before: UUID | None) -> LogBoard:
    """A page of a log in hand, read in a clinic whose patients are told by number. Four statements, however many rows."""
    page: LogPage = page_of_log(question, before=before)
    return LogBoard(rows=rows_of(page.entries, clinic_id), next=page.next, count=count_of_log(question))


def rows_of(entries: list[Told], clinic_id: UUID) -> list[LogRow]:
    """Entries in words. Two statements."""
    names = names_of(told.event.actor_ref for told in entries)
    numbers = _numbers_of(
        clinic_id, {subject for told in entries for subject in told.subjects[:NUMBERS_SHOWN]}
    )
    return [_row(told, names, numbers) for told in entries]


def _row(told: Told, names: dict[str, str], numbers: dict[UUID, tuple[UUID, str]]) -> LogRow:
    event, concerned = told.event, told.subjects
    whose = [numbers[subject] for subject in concerned[:NUMBERS_SHOWN] if subject in numbers]
    return LogRow(
        told=told,
        who=who_in_words(event.actor_ref, names),
        role=_(", ").join(role_in_words(role) for role in told.roles),
        did=deed_in_words(event.action, event.kind),
        what=_what(told),
        whose=whose,
        others=max(len(concerned), event.count or 0 if event.kind else 0) - len(whose),
        why=_why(told),
        result="" if event.result == "ok" else str(RESULTS.get(event.result, event.result)),
        relation=str(RELATIONS[event.relation]) if event.relation in ODD_RELATIONS else "",
        is_odd=event.relation in ODD_RELATIONS or event.result == "refused",
    )


def _what(told: Told) -> str:
    """The fields that were opened, or the kind of record it was about."""
    if told.event.action != "access":
        return thing_in_words(told.object_type)
    if told.event.kind == Kind.MATCHED:
        return ""
    words = field_words(told.fields)
    more = len(words) - FIELDS_SHOWN
    listed = _(", ").join(words[:FIELDS_SHOWN])
    return _("%(listed)s and %(more)s more") % {"listed": listed, "more": more} if more > 0 else listed


def _why(told: Told) -> str:
    purpose, reason = told.event.purpose, told.event.reason
    words = [purpose_in_words(purpose) if purpose else "", reason_in_words(reason) if reason else ""]
    return _("; ").join(word for word in words if word)


# --- rows of tables -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeRow:
    """What a statement did to the row that was asked about, whoever ran it."""

    change: RowChange
    who: str
    did: str
    columns: list[str]


def record_changes(question: LogQuestion) -> list[ChangeRow]:
    """The row changes of the record a question names; those of the last three months where it names no day. Two statements."""
    if question.object is None:
        return []
    label, key = question.object
    since = question.since or timezone.now() - LOOK_BACK
    found = changes_of_row(replace(question, since=since), apps.get_model(label)._meta.db_table, key)
    names = names_of(row.change.actor_ref for row in found)
    return [
        ChangeRow(
            change=row.change,
            who=who_in_words(row.change.actor_ref, names),
            did=str(OPERATIONS[row.change.op]),
            columns=row.columns,
        )
        for row in found
    ]


def row_keys(change: RowChange) -> list[str]:
    """The rows a statement changed, as far as a page shows them."""
    return [row["pk"] for row in json.loads(bytes(change.canon))["rows"][:KEYS_SHOWN]]


# --- people ---------------------------------------------------------------------------------------------------------------


def names_of(refs: Iterable[str]) -> dict[str, str]:
    """Staff by name, a patient's account by what it is. One statement."""
    ids = {ref.removeprefix("user:") for ref in refs if ref.startswith("user:")}
    return {
        f"user:{user.pk}": _("a patient's own account")
        if user.kind == UserKind.PATIENT
        else user.get_full_name()
        for user in User.objects.filter(pk__in=ids)
    }


def who_in_words(ref: str, names: dict[str, str]) -> str:
    kind, _colon, name = ref.partition(":")
    if kind == "system":
        return job_in_words(name)
    if kind == "user":
        return names.get(ref) or _("an account that is gone")
    return _("somebody not signed in")


def _numbers_of(clinic_id: UUID, subjects: set[UUID]) -> dict[UUID, tuple[UUID, str]]:
    """By subject, the patient and the number that names them."""
    patients = Patient.objects.filter(clinic_id=clinic_id, subject_id__in=subjects)
    return {
        subject: (pk, number)
        for subject, pk, number in patients.values_list("subject_id", "pk", "service_number")
    }
