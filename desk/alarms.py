"""Alarms in words: what happened, to whose record, who did it or came upon it, when. Nothing of a patient is opened for it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Final
from urllib.parse import urlencode
from uuid import UUID

from django.apps import apps
from django.db.models import Q, QuerySet, TextChoices
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from audit.access import access
from audit.actors import Actor
from audit.alarms import ABOUT_A_PERSON, Rule, alarms_of
from audit.kinds import Kind
from audit.limits import Limits
from audit.models import SYSTEM_LOG, Alarm, AlarmNote
from audit.purposes import Purpose
from clinics.models import User, UserKind
from crypto.fields import SealedField
from crypto.reading import Unreadable, shown
from patients.queries import service_numbers_of

PAGE: Final = 50
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
# What to find out, said once below the list for each rule that stands in it.
ADVICE: Final[dict[str, Promise]] = {
    Rule.SEAL_BROKEN: gettext_lazy(
        "A value that cannot be read: compare its row with the last good backup and put it back. The pages say “unreadable” in its place until then."
    ),
    Rule.DECOY_OPENED: gettext_lazy(
        "A decoy is an invented patient with whom nobody has a task: ask what the person was looking for, then invent another one."
    ),
    Rule.UNATTRIBUTED: gettext_lazy(
        "Rows changed past the application: ask who works on the database, and compare the rows with the last good backup."
    ),
    Rule.VERIFICATION_FAILED: gettext_lazy(
        "The log was changed after it was written: keep everything as it is, and compare with the last checkpoint that the witness signed."
    ),
    Rule.MANY_OPENED: gettext_lazy(
        "Far more people than this person usually opens: ask what the work was, and look at the entries."
    ),
    Rule.ODD_HOURS: gettext_lazy("Ask who was on duty; an account that works while nobody is here may be in strange hands."),
    Rule.OUTSIDE_CARE: gettext_lazy("Ask what the task was; if there was one, have the care relationship written down."),
    Rule.VIP_OPENED: gettext_lazy("Colleagues and well-known people are looked at out of curiosity more often than others."),
    Rule.BREAK_GLASS: gettext_lazy("An emergency explains itself: check its reason by the next working day."),
    Rule.LARGE_EXPORT: gettext_lazy("Ask where the file is now, who receives it, and on what agreement."),
    Rule.DENIALS: gettext_lazy("Refused so often: a wrong role, or somebody who tries doors."),
    Rule.SIGN_INS_FAILED: gettext_lazy("A forgotten password, or somebody who guesses: ask the person before anything is reset."),
    Rule.LIMITS_LOOSENED: gettext_lazy("Fewer alarms will ring from now on: somebody else says whether that is right."),
    Rule.SEALING_LATE: gettext_lazy("The sequencer does not seal: see whether its process runs."),
    Rule.WITNESS_SILENT: gettext_lazy("See whether the witness runs and can be reached; until then only our own signature stands."),
    Rule.PARTITIONS_MISSING: gettext_lazy("Have the administrator run manage.py audit_partitions today."),
    Rule.REQUEST_OVERDUE: gettext_lazy("The law gives fifteen days: answer today, and find out where the request lay."),
}  # fmt: skip
GRAVE: Final = frozenset(
    {
        Rule.DECOY_OPENED,
        Rule.UNATTRIBUTED,
        Rule.VERIFICATION_FAILED,
        Rule.LARGE_EXPORT,
        Rule.PARTITIONS_MISSING,
    }
)


class AlarmState(TextChoices):
    """Which alarms are looked at."""

    OPEN = "open", gettext_lazy("Waiting")
    OVERDUE = "overdue", gettext_lazy("Overdue")
    DECIDED = "decided", gettext_lazy("Decided")


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmQuestion:
    """What the address asks for: ids and codes alone. `before` is the last alarm of the page before."""

    state: AlarmState = AlarmState.OPEN
    rule: str = ""
    account: UUID | None = None
    before: tuple[datetime, UUID] | None = None

    @classmethod
    def of(cls, asked: Mapping[str, str]) -> "AlarmQuestion":
        """What cannot be understood is not asked."""
        state, rule = asked.get("state", ""), asked.get("rule", "")
        return cls(
            state=AlarmState(state) if state in AlarmState.values else AlarmState.OPEN,
            rule=rule if rule in Rule.values else "",
            account=_uuid(asked.get("account", "")),
            before=_place(asked.get("before", "")),
        )

    @property
    def is_narrow(self) -> bool:
        return bool(self.rule or self.account)

    def address(self, **change: object) -> str:
        """An address that asks the same, changed in this; without `before` it is its first page."""
        asked = {"state": self.state.value, "rule": self.rule, "account": self.account or ""} | change
        kept = {
            key: str(value) for key, value in asked.items() if value and (key, value) != ("state", "open")
        }
        return reverse("desk:alarms") + (f"?{urlencode(kept)}" if kept else "")


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _place(text: str) -> tuple[datetime, UUID] | None:
    moment, _underscore, alarm = text.partition("_")
    alarm_id = _uuid(alarm)
    try:
        at = datetime.fromisoformat(moment)
    except ValueError:
        return None
    return (at, alarm_id) if alarm_id and at.tzinfo else None


@dataclass(frozen=True, slots=True)
class Way:
    """One of the page's chips."""

    url: str
    words: str | Promise
    current: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownAlarm:
    """Alarms that one decision answers, as the page tells them. `number` is empty where they concern no patient, or one who
    is there no more; `account` where they are about nobody who signs in. `evidence` is where the log tells it."""

    alarms: list[Alarm]
    what: str
    figures: str
    number: str
    who: str
    account: UUID | None
    decided_by: str
    note: str | Unreadable | None
    evidence: str
    is_overdue: bool
    is_own: bool

    @property
    def alarm(self) -> Alarm:
        """The latest of them."""
        return self.alarms[0]

    @property
    def only_account(self) -> str:
        """The address of what waits about the same account."""
        return AlarmQuestion(account=self.account).address()

    @property
    def is_grave(self) -> bool:
        return self.alarm.rule in GRAVE

    @property
    def is_about_a_person(self) -> bool:
        return self.alarm.rule in ABOUT_A_PERSON

    @property
    def is_of_the_house(self) -> bool:
        """Whether it is about the installation, so that every clinic of it sees it."""
        return self.alarm.clinic_id == SYSTEM_LOG

    @property
    def raised_at(self) -> datetime:
        return min(alarm.raised_at for alarm in self.alarms)

    @property
    def count(self) -> int:
        return sum(alarm.count for alarm in self.alarms)


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmBoard:
    """One page of alarms, the newest first, in groups that one decision answers. `next` is the place of the next page."""

    question: AlarmQuestion
    shown: list[ShownAlarm]
    next: str = ""
    account_name: str = ""
    advice: list[Promise] = field(default_factory=list)

    @property
    def total(self) -> int:
        return sum(len(group.alarms) for group in self.shown)

    @property
    def here(self) -> str:
        """Where a decision leads back to: the same question's first page."""
        return self.question.address()

    @property
    def ways(self) -> list[Way]:
        return [
            Way(self.question.address(state=state), state.label, current=state is self.question.state)
            for state in AlarmState
        ]

    @property
    def next_url(self) -> str:
        return self.question.address(before=self.next) if self.next else ""

    @property
    def first_url(self) -> str:
        return self.here if self.question.before else ""

    @property
    def without_account(self) -> str:
        return self.question.address(account="")


def alarm_board(actor: Actor, clinic_id: UUID, question: AlarmQuestion, limits: Limits) -> AlarmBoard:
    """What the question asks for among the alarms of the clinic the actor works in and of the installation.

    Reasons of decisions are opened: inside an access scope's unit of work. Four statements, and one for their keys.
    """
    found = list(_asked(alarms_of(actor, clinic_id), question, limits).select_related("note")[: PAGE + 1])
    alarms = found[:PAGE]
    numbers = service_numbers_of(clinic_id, [alarm.subject_id for alarm in alarms if alarm.subject_id])
    asked = [f"user:{question.account}"] if question.account else []
    names = _names_of([*asked, *(ref for alarm in alarms for ref in (alarm.actor_ref, alarm.decided_by))])
    overdue_before = timezone.now() - limits.decide_within
    with access(Purpose.SECURITY, Kind.LISTED, field_sets=frozenset({"log"})):
        told = [_told(actor, group, numbers, names, overdue_before) for group in _together(alarms)]
    last = alarms[-1] if len(found) > PAGE else None
    return AlarmBoard(
        question=question,
        shown=told,
        next=f"{_moment_of(last, question).isoformat()}_{last.pk}" if last else "",
        account_name=_who(asked[0], names) if asked else "",
        advice=[
            ADVICE[rule] for rule in Rule if rule in {alarm.rule for alarm in alarms if not alarm.decision}
        ],
    )


def _asked(alarms: QuerySet[Alarm], question: AlarmQuestion, limits: Limits) -> QuerySet[Alarm]:
    moment = "decided_at" if question.state is AlarmState.DECIDED else "last_at"
    alarms = alarms.filter(decided_at__isnull=question.state is not AlarmState.DECIDED)
    if question.state is AlarmState.OVERDUE:
        alarms = alarms.filter(raised_at__lt=timezone.now() - limits.decide_within)
    if question.rule:
        alarms = alarms.filter(rule=question.rule)
    if question.account:
        alarms = alarms.filter(actor_ref=f"user:{question.account}")
    if question.before:
        at, alarm_id = question.before
        alarms = alarms.filter(Q(**{f"{moment}__lt": at}) | Q(**{moment: at, "pk__lt": alarm_id}))
    return alarms.order_by(f"-{moment}", "-pk")


def _moment_of(alarm: Alarm, question: AlarmQuestion) -> datetime:
    decided = question.state is AlarmState.DECIDED and alarm.decided_at
    return decided or alarm.last_at


def _together(alarms: list[Alarm]) -> list[list[Alarm]]:
    """One group for what one decision answers: damaged values of one kind of one patient; a person and what they did to whom."""
    groups: dict[tuple[object, ...], list[Alarm]] = {}
    for alarm in alarms:
        broken = alarm.rule == Rule.SEAL_BROKEN and alarm.subject_id
        what = alarm.object_type if broken or not alarm.subject_id else ""
        whose = "" if broken else alarm.object_id
        key = (
            alarm.clinic_id,
            alarm.rule,
            alarm.subject_id,
            what,
            whose,
            alarm.decision,
            alarm.decided_by,
            alarm.note_id,
        )
        groups.setdefault(key, []).append(alarm)
    return list(groups.values())


def _told(
    actor: Actor,
    alarms: list[Alarm],
    numbers: dict[UUID, str],
    names: dict[str, str],
    overdue_before: datetime,
) -> ShownAlarm:
    alarm = alarms[0]
    kind, _colon, account = alarm.actor_ref.partition(":")
    first = min(one.raised_at for one in alarms)
    return ShownAlarm(
        alarms=alarms,
        what="; ".join(dict.fromkeys(_what(one) for one in alarms)),
        figures=_figures(alarm),
        number=numbers.get(alarm.subject_id, "") if alarm.subject_id else "",
        who=_who(alarm.actor_ref, names),
        account=_uuid(account) if kind == "user" else None,
        decided_by=_who(alarm.decided_by, names) if alarm.decided_by else "",
        note=_note(alarm.note),
        evidence=_evidence(alarm, first),
        is_overdue=alarm.decided_at is None and first < overdue_before,
        is_own=alarm.rule in ABOUT_A_PERSON and alarm.actor_ref == actor.ref,
    )


def _note(note: AlarmNote | None) -> str | Unreadable | None:
    return shown(lambda: note.text) if note else None


def _evidence(alarm: Alarm, first: datetime) -> str:
    """The log's answer about these days: of the account the alarm is about, or the event that raised it. Empty where neither helps."""
    if alarm.actor_ref.startswith("user:") and alarm.rule in ABOUT_A_PERSON:
        begin, end = (timezone.localdate(at).isoformat() for at in (alarm.since or first, alarm.last_at))
        system = {"log": "system"} if alarm.clinic_id == SYSTEM_LOG else {}
        return f"{reverse('desk:log')}?{urlencode({'who': alarm.actor_ref, 'since': begin, 'until': end} | system)}"
    if alarm.event_uid and alarm.clinic_id != SYSTEM_LOG:
        return reverse("desk:log_entry", args=[alarm.event_uid])
    return ""


def _what(alarm: Alarm) -> str:
    if alarm.object_type in OPENED:
        return str(OPENED[alarm.object_type])
    if alarm.rule == Rule.UNATTRIBUTED:
        return str(_table_names().get(alarm.object_type, alarm.object_type))
    if alarm.rule != Rule.SEAL_BROKEN:
        return ""
    if alarm.object_type in KEYS:
        return str(KEYS[alarm.object_type])
    names = _field_names().get(alarm.object_type)
    if names is None:
        return _("a sealed file (%(name)s)") % {"name": alarm.object_type}
    thing, name = (str(part) for part in names)
    return thing if thing == name else _("%(field)s (%(thing)s)") % {"field": name, "thing": thing}


def _figures(alarm: Alarm) -> str:
    """What was counted, and what would have stayed silent."""
    if alarm.measured is None:
        return ""
    count = alarm.measured
    told: dict[tuple[str, str], str] = {
        (Rule.MANY_OPENED, "hour"): ngettext("%(n)s patient within an hour", "%(n)s patients within an hour", count),
        (Rule.MANY_OPENED, "day"): ngettext("%(n)s patient on one day", "%(n)s patients on one day", count),
        (Rule.ODD_HOURS, "closed"): ngettext(
            "%(n)s patient since the clinic closed", "%(n)s patients since the clinic closed", count
        ),
        (Rule.LARGE_EXPORT, "hour"): ngettext(
            "%(n)s person in several files within an hour", "%(n)s people in several files within an hour", count
        ),
        (Rule.DENIALS, "minutes"): ngettext(
            "%(n)s refusal within ten minutes", "%(n)s refusals within ten minutes", count
        ),
        (Rule.SIGN_INS_FAILED, "account"): ngettext(
            "%(n)s failed sign-in within a quarter of an hour", "%(n)s failed sign-ins within a quarter of an hour", count
        ),
        (Rule.SIGN_INS_FAILED, "address"): ngettext(
            "%(n)s failed sign-in from one address", "%(n)s failed sign-ins from one address", count
        ),
    }  # fmt: skip
    words = told.get((alarm.rule, alarm.object_type)) or ngettext("%(n)s person", "%(n)s people", count)
    said = words % {"n": count}
    if alarm.allowed is None:
        return said
    return _("%(said)s; up to %(allowed)s stay silent") % {"said": said, "allowed": alarm.allowed}


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
