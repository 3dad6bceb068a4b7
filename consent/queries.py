"""What is allowed, and where each permission stands: reads alone.

`check` reads the ledger. Lists and counts read the state table through `consented`. Whoever starts something that
rests on a permission takes the gate (`consent.gate`), not these.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection
from django.db.models import Exists, F, Max, OuterRef, Q, QuerySet, Value
from django.utils.timezone import localdate

from audit.purposes import Purpose
from consent.choices import (
    ANY_CHANNEL,
    SELF_RECIPIENT,
    EventKind,
    GivenThrough,
    LegalBasis,
    Method,
    Operation,
    State,
)
from consent.decisions import (
    AFTER,
    NO,
    Decision,
    Need,
    Permission,
    Reason,
    Standing,
    ask_again_on,
    decide,
    judge,
)
from consent.models import ConsentEvent, ConsentNotice, ConsentState
from consent.models.ledger import hash_of
from consent.notices import purposes_with_notice
from consent.purposes import PurposeRule, rests_on, rule_of, rules
from patients.models import Patient

# The newest line that decided, for each permission of these patients. It is a statement of its own: asked together
# with the lock it would see the ledger as it was before waiting for the lock.
_READ = """
SELECT p.id, p.restricted_at IS NOT NULL, s.subject_id, s.purpose, s.data_category, s.operation, s.recipient, s.channel,
       coalesce(n.version, 0), e.event, e.valid_from, e.valid_until, e.notice_version, e.occurred_at, e.id, e.version
FROM patients_patient p
LEFT JOIN consent_state s ON s.patient_id = p.id AND s.purpose = ANY (%(purposes)s)
LEFT JOIN (
  SELECT clinic_id, code, max(version) AS version FROM consent_notice
  WHERE material_change AND effective_from <= %(today)s GROUP BY clinic_id, code
) n ON n.clinic_id = s.clinic_id AND n.code = s.purpose
LEFT JOIN LATERAL (
  SELECT l.* FROM consent_event l
  WHERE l.subject_id = s.subject_id AND l.purpose = s.purpose AND l.data_category = s.data_category
    AND l.recipient = s.recipient AND l.operation = s.operation AND l.channel = s.channel AND l.event <> 'requested'
  ORDER BY l.version DESC LIMIT 1) e ON true
WHERE p.id = ANY (%(patients)s)
"""


def check(
    patient_id: UUID,
    purpose: Purpose,
    *,
    data: frozenset[str] = frozenset(),
    recipient: str = SELF_RECIPIENT,
    op: str = Operation.USE,
    channel: str = ANY_CHANNEL,
    at: datetime,
) -> Decision:
    """Whether this use is allowed now. A yes holds for this moment only: to start something, take the gate."""
    need = Need(
        patient_id=patient_id, purpose=purpose, data=data, recipient=recipient, op=op, channel=channel
    )
    return decisions([need], at)[need]


def decisions(needs: Iterable[Need], at: datetime) -> dict[Need, Decision]:
    """The answers to several needs, read from the ledger in one statement."""
    needs = list(needs)
    purposes = {purpose for need in needs for purpose in (need.purpose, *rests_on(need.purpose))}
    found = permissions_of({need.patient_id for need in needs}, purposes, at)
    return {need: decide(need, found[need.patient_id], at) for need in needs}


def permissions_of(
    patient_ids: Collection[UUID], purposes: Collection[Purpose], at: datetime
) -> dict[UUID, list[Permission]]:
    """Each patient's permissions as the ledger has them. A patient nobody may see has none."""
    found: dict[UUID, list[Permission]] = defaultdict(list)
    with connection.cursor() as cursor:
        cursor.execute(
            _READ,
            {
                "patients": list(patient_ids),
                "purposes": [p.value for p in purposes],
                "today": localdate(at),
            },
        )
        for row in cursor.fetchall():
            found[row[0]].append(_permission(row))
    return found


def _permission(row: tuple[Any, ...]) -> Permission:
    _patient, restricted, subject, purpose, category, operation, recipient, channel, needed, event = row[:10]
    standing = Standing()
    if event is not None:
        valid_from, valid_until, notice_version, occurred_at, event_id, version = row[10:]
        standing = Standing(
            state=AFTER[event],
            valid_from=valid_from,
            valid_until=valid_until,
            notice_version=notice_version,
            decided_at=occurred_at,
            last_event_id=event_id,
            version=version,
        )
    return Permission(
        subject_id=subject,
        purpose=purpose or "",
        data_category=category or "",
        operation=operation or "",
        recipient=recipient or "",
        channel=channel or "",
        restricted=restricted,
        notice_needed=needed,
        standing=standing,
    )


def consented(
    purpose: Purpose,
    *,
    data: frozenset[str] = frozenset(),
    recipient: str = SELF_RECIPIENT,
    op: str = Operation.USE,
    channel: str = ANY_CHANNEL,
    at: datetime,
) -> Q:
    """A filter for querysets of patients: those whose standing permits this use. For lists, counts and previews.

    A list that leaves passes the gate with each of them (`pass_gate`), and keeps the line each decision rests on.
    """
    rule = rule_of(purpose)
    categories = data or rule.codes
    if not categories <= rule.codes or op not in rule.operations or rule.legal_basis is LegalBasis.EMERGENCY:
        return Q(pk__in=())
    permitted = Q(restricted_at=None)
    if not rule.needs_consent:
        return permitted
    still_taken = Q(notice_version__gte=rule.min_notice_version)
    for clinic_id, version in _asking_again(purpose, at):
        still_taken &= ~Q(clinic_id=clinic_id, notice_version__lt=version)
    a_no_may_stand_beside = channel != ANY_CHANNEL or _somebody_has_two_cards()
    # The clinic is named although row security knows it: then the index is in the order of the persons.
    of_patient = ConsentState.objects.filter(patient_id=OuterRef("pk"), clinic_id=OuterRef("clinic_id"))
    for category in sorted(categories):
        asked = {
            way: hash_of(*map(Value, (purpose.value, category, op, way, recipient)))
            for way in (ANY_CHANNEL, channel)
        }
        yes = of_patient.filter(
            still_taken,
            Q(valid_until=None) | Q(valid_until__gt=at),
            permission_hash__in=[*asked.values()],
            state=State.GRANTED,
            valid_from__lte=at,
        )
        permitted &= Q(Exists(yes))
        if a_no_may_stand_beside:
            permitted &= ~Q(Exists(of_patient.filter(permission_hash=asked[channel], state__in=NO)))
    if bases := rests_on(purpose):
        permitted &= ~Q(Exists(of_patient.filter(purpose__in=bases, state__in=NO)))
    return permitted


def _somebody_has_two_cards() -> bool:
    """Whether permissions of another subject than the person's own stand anywhere: only then yes and no of one stand side by side.

    Read in the order of an index that is empty until then.
    """
    others = ConsentState.objects.exclude(subject_id=F("patient_id"))
    return bool(others.order_by("patient_id").values_list("patient_id")[:1])


def _asking_again(purpose: Purpose, at: datetime) -> list[tuple[UUID, int]]:
    """Clinics whose notice asks everybody again, with the version that does."""
    material = ConsentNotice.objects.filter(
        code=purpose, material_change=True, effective_from__lte=localdate(at)
    )
    return list(material.values_list("clinic_id").annotate(newest=Max("version")))


@dataclass(frozen=True, slots=True, kw_only=True)
class PurposeStanding:
    """Where one purpose stands for one patient, as a page tells it."""

    rule: PurposeRule
    state: State
    decided_at: datetime | None
    valid_until: datetime | None
    ask_again_on: date | None
    offered: bool

    @property
    def granted(self) -> bool:
        return self.state is State.GRANTED


def states_of(
    patient: Patient, at: datetime, *, recipient: str = SELF_RECIPIENT
) -> dict[Purpose, PurposeStanding]:
    """Where every purpose stands for this patient, in the order people are shown them; `recipient` towards whom."""
    return states_towards(patient, [recipient], at)[recipient]


def states_towards(
    patient: Patient, recipients: Collection[str], at: datetime
) -> dict[str, dict[Purpose, PurposeStanding]]:
    """The same towards each of several recipients, in two statements."""
    notices = _notices_of(patient.clinic_id, at)
    rows: dict[str, dict[tuple[str, str, str], Standing]] = {code: {} for code in recipients}
    for row in ConsentState.objects.filter(patient=patient, recipient__in=recipients, channel=ANY_CHANNEL):
        rows[row.recipient][row.purpose, row.data_category, row.operation] = standing_of(row)
    return {
        code: {
            purpose: _purpose_standing(rule, rows[code], at, notices.get(purpose, NoNotice))
            for purpose, rule in rules().items()
        }
        for code in recipients
    }


class NoticesOfPurpose(NamedTuple):
    """Of one purpose in one clinic: whether a notice is in force, and the oldest version that still counts."""

    in_force: bool
    needed: int


NoNotice = NoticesOfPurpose(in_force=False, needed=0)


def _notices_of(clinic_id: UUID, at: datetime) -> dict[Purpose, NoticesOfPurpose]:
    """What a clinic asks for: the purposes of its own notices, and those the house has a text for."""
    published = (
        ConsentNotice.objects.filter(clinic_id=clinic_id, effective_from__lte=localdate(at))
        .values_list("code")
        .annotate(needed=Max("version", filter=Q(material_change=True)))
    )
    found = {purpose: NoticesOfPurpose(in_force=True, needed=0) for purpose in purposes_with_notice()}
    for code, needed in published:
        found[Purpose(code)] = NoticesOfPurpose(in_force=True, needed=needed or 0)
    return found


def standing_of(row: ConsentState) -> Standing:
    return Standing(
        state=State(row.state),
        valid_from=row.valid_from,
        valid_until=row.valid_until,
        notice_version=row.notice_version,
        decided_at=row.decided_at,
        last_event_id=row.last_event_id,
        version=row.version,
    )


def _purpose_standing(
    rule: PurposeRule,
    rows: dict[tuple[str, str, str], Standing],
    at: datetime,
    notices: NoticesOfPurpose,
) -> PurposeStanding:
    """A purpose is agreed to when everything it covers is; otherwise the latest word that is not a yes counts."""
    standings = [rows.get((rule.purpose, category, op), Standing()) for category, op in rule.grants]
    judged = [(judge(standing, rule, at, notice_needed=notices.needed), standing) for standing in standings]
    reason, standing = max(
        judged,
        key=lambda pair: (
            pair[0] is not Reason.PERMITTED,
            pair[1].decided_at is not None,
            pair[1].decided_at or at,
        ),
    )
    return PurposeStanding(
        rule=rule,
        state=_SHOWN.get(reason, standing.state),
        decided_at=standing.decided_at,
        valid_until=standing.valid_until,
        ask_again_on=ask_again_on(standing, at),
        offered=notices.in_force,
    )


_SHOWN = {Reason.EXPIRED: State.EXPIRED, Reason.SUPERSEDED: State.SUPERSEDED}


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryEntry:
    """One thing the person said about one purpose; the ledger keeps a line for each kind of data it covers."""

    purpose: Purpose
    event: EventKind
    occurred_at: datetime
    valid_until: datetime | None
    method: str
    given_through: GivenThrough
    notice_version: int
    event_id: UUID

    @property
    def at_the_desk(self) -> bool:
        """Whether somebody of the clinic wrote it down, so that evidence shows it."""
        return bool(self.method) and self.method != Method.TAP

    @property
    def rule(self) -> PurposeRule:
        return rule_of(self.purpose)

    @property
    def method_label(self) -> str:
        return str(Method(self.method).label) if self.method else ""


def said_of(patient: Patient) -> QuerySet[ConsentEvent]:
    """The lines of what was said about this patient's data. An emergency is nobody's word: it is told by itself."""
    lines = ConsentEvent.objects.filter(patient=patient).defer("evidence")
    return lines.exclude(purpose=Purpose.EMERGENCY)


def history_of(patient: Patient, limit: int = 200) -> list[HistoryEntry]:
    """What the person said so far, newest first. The repeat key's last two parts are the kind of data and the operation."""
    told: dict[str, HistoryEntry] = {}
    for line in said_of(patient).order_by("-occurred_at", "-id")[: limit * 4]:
        told.setdefault(
            line.idem_key.rsplit(":", 2)[0],
            HistoryEntry(
                purpose=Purpose(line.purpose),
                event=EventKind(line.event),
                occurred_at=line.occurred_at,
                valid_until=line.valid_until,
                method=line.method,
                given_through=GivenThrough(line.given_through),
                notice_version=line.notice_version,
                event_id=line.id,
            ),
        )
    return list(told.values())[:limit]


def was_recorded(patient: Patient, form_token: str) -> bool:
    """Whether the form with this token was recorded for the patient already; a token that is none was not."""
    try:
        token = UUID(form_token)
    except ValueError:
        return False
    recorded = ConsentEvent.objects.filter(clinic_id=patient.clinic_id, patient=patient)
    return recorded.filter(idem_key__startswith=f"{token}:").exists()
