"""The loop that turns what is known into what is done: news of records into to-dos, due messages into the outbox.

The state lives in PostgreSQL; whoever wakes the loop (Celery, a test, a command) may be killed anywhere. Each step is one
transaction, claims its rows with SKIP LOCKED, and is safe to run in several workers at once.
"""

import logging
from contextlib import suppress
from datetime import datetime, timedelta
from uuid import UUID

from django.db import connection

from audit.access import access
from audit.acting import acting
from audit.actors import Actor, system_actor
from audit.kinds import Kind
from audit.purposes import Purpose
from audit.services import record
from clinics.models import Clinic
from consent.choices import Operation
from consent.decisions import Need
from consent.gate import pass_gate
from crypto.errors import SealBroken
from followups.choices import FollowUpState, Outcome, Urgency
from followups.findings import Finding, action_findings, critical_findings, measured_since, tag_findings
from followups.messaging import at_rest
from followups.models import PENDING, RUNNING, Enrolment, FollowUp
from followups.pathways import pathway_book, pathway_of
from followups.planning import end, enrol
from followups.sending import send_queued
from followups.services import go_on
from patients.errors import PatientNotFound
from patients.models import Patient
from patients.queries import patient_for, tags_of
from records.models import RecordsChange
from records.services import apply_rules

__all__ = ["claim_due", "send_queued", "take_changes"]

logger = logging.getLogger(__name__)

LOOK_AGAIN_IN = timedelta(hours=1)
PATIENTS_A_TURN = 50
MESSAGES_A_CLAIM = 500

# Claim and outbox in one statement: a message is never marked without its outbox row, nor twice.
_CLAIM = """
WITH due AS (
  SELECT id, clinic_id FROM followups_message
  WHERE clinic_id = %(clinic)s AND state = 'planned' AND due_at <= %(at)s
  ORDER BY due_at, id LIMIT %(limit)s FOR UPDATE SKIP LOCKED),
claimed AS (
  UPDATE followups_message m SET state = 'queued' FROM due WHERE m.id = due.id RETURNING m.id, m.clinic_id),
written AS (
  INSERT INTO followups_outbox (id, clinic_id, message_id, idem_key, not_before, tries)
  SELECT gen_random_uuid(), clinic_id, id, 'message:' || id, %(at)s, 0 FROM claimed
  ON CONFLICT (clinic_id, idem_key) DO NOTHING)
SELECT id FROM claimed ORDER BY id
"""


def take_changes(clinic: Clinic, at: datetime, *, limit: int = PATIENTS_A_TURN) -> int:
    """Looks at patients whose records changed, one transaction each; answers how many.

    A patient whose look fails keeps the change for the next turn, and does not stop the others.
    """
    failed: list[UUID] = []
    for taken in range(limit):
        if not _take_one(clinic, at, failed):
            return taken
    return limit


def claim_due(clinic: Clinic, at: datetime, *, limit: int = MESSAGES_A_CLAIM) -> int:
    """Moves messages whose time has come into the outbox; answers how many. In quiet hours none."""
    if at_rest(at):
        return 0
    with acting(system_actor("followups", clinic.pk), clinic.pk):
        with connection.cursor() as cursor:
            cursor.execute(_CLAIM, {"clinic": clinic.pk, "at": at, "limit": limit})
            claimed = [row[0] for row in cursor.fetchall()]
        if claimed:
            record("message.queued", object=("followups.message", str(claimed[0])), count=len(claimed))
    return len(claimed)


def _take_one(clinic: Clinic, at: datetime, failed: list[UUID]) -> bool:
    actor = system_actor("followups", clinic.pk)
    patient_id: UUID | None = None
    try:
        with acting(actor, clinic.pk):
            waiting = RecordsChange.objects.filter(clinic=clinic, at__lte=at).exclude(patient_id__in=failed)
            first = waiting.order_by("at", "pk").select_for_update(skip_locked=True).first()
            if first is None:
                return False
            patient_id = first.patient_id
            own = RecordsChange.objects.filter(clinic=clinic, patient_id=patient_id)
            changes = list(own.select_for_update(skip_locked=True).values_list("pk", flat=True))
            look_at(patient_id, at, by=actor)
            RecordsChange.objects.filter(pk__in=changes).delete()
    except SealBroken:
        if patient_id is None:
            raise
        _put_off(clinic, patient_id, at)
    except (
        Exception
    ) as error:  # one patient's trouble must not stop the others; the row stays, and health says so
        if patient_id is None:
            raise
        logger.error("A change of records was not taken: %s", type(error).__name__)
        failed.append(patient_id)
    return True


def _put_off(clinic: Clinic, patient_id: UUID, at: datetime) -> None:
    """A record that cannot be read as a whole is looked at again later, when it may be repaired. What is critical is told now."""
    actor = system_actor("followups", clinic.pk)
    with suppress(SealBroken), acting(actor, clinic.pk):
        begin_critical(patient_id, at, by=actor)
    with acting(actor, clinic.pk):
        RecordsChange.objects.filter(clinic=clinic, patient_id=patient_id).update(at=at + LOOK_AGAIN_IN)


def look_at(patient_id: UUID, at: datetime, *, by: Actor) -> list[Enrolment]:
    """What the record asks for now: rules applied, done steps closed, pathways begun and ended. Runs inside `acting`.

    The gates come first, then the patient's lock: the order in which a withdrawal takes them. Raises SealBroken where the
    record does not open: then nothing changes.
    """
    followup = Need(patient_id=patient_id, purpose=Purpose.FOLLOWUP)
    risk = Need(patient_id=patient_id, purpose=Purpose.RISK, op=Operation.AUTOMATED)
    permitted = pass_gate([followup, risk], at)[followup].allowed
    try:
        patient = patient_for(by, patient_id)
    except PatientNotFound:  # restricted since: the record is only kept
        return []
    Patient.objects.select_for_update(no_key=True).only("pk").get(pk=patient_id)
    apply_rules(patient_id, at=at, by=by)
    with access(Purpose.CARE, Kind.COMPUTED):
        tags = tags_of(by, patient)
        findings = critical_findings(patient, at)
        findings += action_findings(tags, findings)
        wanted = tag_findings(tags)
    close_satisfied(patient, at, permitted=permitted, by=by)
    end_without_reason(patient, wanted, at, by=by)
    return _begin(patient, [*findings, *wanted], permitted=permitted, at=at)


def begin_critical(patient_id: UUID, at: datetime, *, by: Actor) -> list[Enrolment]:
    """The pathways of critical values that do open, and nothing else of `look_at`. Runs inside `acting`."""
    followup = Need(patient_id=patient_id, purpose=Purpose.FOLLOWUP)
    permitted = pass_gate([followup], at)[followup].allowed
    patient = patient_for(by, patient_id)
    Patient.objects.select_for_update(no_key=True).only("pk").get(pk=patient_id)
    with access(Purpose.CARE, Kind.COMPUTED):
        findings = critical_findings(patient, at)
    return _begin(patient, findings, permitted=permitted, at=at)


def _begin(patient: Patient, findings: list[Finding], *, permitted: bool, at: datetime) -> list[Enrolment]:
    begun = [
        enrol(
            patient,
            finding.pathway,
            cause=finding.cause,
            why=finding.why,
            permitted=permitted or finding.pathway.purpose is not Purpose.FOLLOWUP,
            at=at,
        )
        for finding in findings
        if not (finding.late and Enrolment.objects.filter(patient=patient, cause=finding.cause).exists())
    ]
    return [enrolment for enrolment in begun if enrolment is not None]


def close_satisfied(patient: Patient, at: datetime, *, permitted: bool, by: Actor) -> None:
    """To-dos that asked for a result which has come are done, without anybody's hand."""
    pending = FollowUp.objects.filter(patient=patient, state__in=PENDING, urgency=Urgency.ROUTINE)
    for follow_up in pending.select_related("enrolment").defer("note", "enrolment__why").order_by("pk"):
        enrolment = follow_up.enrolment
        step = pathway_of(enrolment.pathway, enrolment.version).step(follow_up.step)
        if not step.satisfied_by or not measured_since(patient, step.satisfied_by, follow_up.opened_at):
            continue
        follow_up.state, follow_up.outcome = FollowUpState.DONE, Outcome.DONE_ELSEWHERE
        follow_up.closed_at, follow_up.closed_by = at, by.ref
        follow_up.save(update_fields=["state", "outcome", "closed_at", "closed_by"])
        record("follow_up.done", object=follow_up, subjects=[patient.subject_id], reason="result_came")
        go_on(follow_up, enrolment, patient, permitted=permitted, at=at, by=by)


def end_without_reason(patient: Patient, wanted: list[Finding], at: datetime, *, by: Actor) -> None:
    """Pathways that began with a tag end when the tag is gone."""
    reasons = {finding.pathway.code for finding in wanted}
    tagged = [pathway.code for pathway in pathway_book().newest.values() if pathway.tag]
    running = Enrolment.objects.filter(patient=patient, state__in=RUNNING, pathway__in=tagged)
    for enrolment in running.select_for_update().order_by("pk"):
        if enrolment.pathway not in reasons:
            end(enrolment, patient, at, by=by.ref)
