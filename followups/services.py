"""What staff do with to-dos: take one from the pool, write down what came of it."""

from collections.abc import Callable, Collection
from datetime import date, datetime
from uuid import UUID

from django.db import transaction

from audit.actors import Actor
from audit.purposes import Purpose
from audit.removal import delete_rows
from audit.services import record
from clinics.models import Clinic
from consent.decisions import Need
from consent.gate import pass_gate
from crypto.reading import opens
from followups.choices import (
    ENDING_OUTCOMES,
    CancelReason,
    EnrolmentState,
    FollowUpState,
    Outcome,
    Urgency,
)
from followups.errors import AlreadyClosed, AlreadyTaken
from followups.models import PENDING, Attempt, Enrolment, FollowUp, Message
from followups.pathways import pathway_of
from followups.planning import cancel_messages, end, open_steps
from followups.queries import follow_up_for
from patients.models import Patient


@transaction.atomic
def complete_follow_up(
    follow_up_id: UUID,
    *,
    outcome: Outcome,
    by: Actor,
    at: datetime,
    note: str = "",
    read_back: bool | None = None,
    again_on: date | None = None,
    unchanged: Callable[[], None] | None = None,
) -> FollowUp:
    """Write down what came of a to-do. An ending outcome closes it and opens the next steps; any other is one more try.

    A note takes the place of the one before, also of one that cannot be read, which the log then says.
    `unchanged` is called when the rows are locked: it raises where the caller had read another version of them.
    `again_on` is the day agreed, or the day to call again. Told a critical result, `read_back` says whether the person
    repeated it. Raises FollowUpNotFound, AlreadyClosed.
    """
    seen = follow_up_for(by, follow_up_id)
    purpose = pathway_of(seen.enrolment.pathway, seen.enrolment.version).purpose
    need = Need(patient_id=seen.patient_id, purpose=Purpose.FOLLOWUP)
    permitted = purpose is Purpose.CARE or pass_gate([need], at)[need].allowed
    patient, enrolment, follow_up = _locked(seen)
    if unchanged is not None:
        unchanged()
    if follow_up.state not in PENDING:
        raise AlreadyClosed(str(follow_up.pk))
    follow_up.outcome = outcome
    follow_up.tries += 1
    follow_up.last_try_at = at
    follow_up.read_back = read_back if follow_up.urgency == Urgency.CLASS_A else None
    if note:
        if not opens(follow_up, "note"):
            record(
                "follow_up.note_replaced",
                object=follow_up,
                subjects=[patient.subject_id],
                reason="unreadable",
            )
        follow_up.note = note
    if outcome in ENDING_OUTCOMES:
        follow_up.state, follow_up.closed_at, follow_up.closed_by = FollowUpState.DONE, at, by.ref
    else:
        follow_up.state = FollowUpState.WAITING if outcome is Outcome.AGREED else FollowUpState.OPEN
        follow_up.due_on = again_on or follow_up.due_on
    follow_up.save()
    record(
        "follow_up.done" if follow_up.state == FollowUpState.DONE else "follow_up.tried",
        object=follow_up,
        subjects=[patient.subject_id],
        purpose=purpose,
        reason=outcome.value,
    )
    if follow_up.state == FollowUpState.DONE:
        go_on(follow_up, enrolment, patient, permitted=permitted, at=at, by=by)
    return follow_up


@transaction.atomic
def claim_follow_up(follow_up_id: UUID, *, by: Actor, at: datetime) -> FollowUp:
    """Take a to-do from the pool. Raises FollowUpNotFound, AlreadyClosed, and AlreadyTaken when a colleague was quicker."""
    _patient, _enrolment, follow_up = _locked(follow_up_for(by, follow_up_id))
    if follow_up.state not in PENDING:
        raise AlreadyClosed(str(follow_up.pk))
    if follow_up.assignee_id == by.user_id:
        return follow_up
    if follow_up.assignee_id is not None:
        raise AlreadyTaken(str(follow_up.pk))
    follow_up.assignee_id = by.user_id
    follow_up.save(update_fields=["assignee_id"])
    record("follow_up.taken", object=follow_up, subjects=[follow_up.subject_id])
    return follow_up


def go_on(
    follow_up: FollowUp, enrolment: Enrolment, patient: Patient, *, permitted: bool, at: datetime, by: Actor
) -> None:
    """After a step is done: its unsent messages are no longer needed, the next steps open, or the pathway is finished."""
    cancel_messages(patient, FollowUp.objects.filter(pk=follow_up.pk), CancelReason.ENDED, at)
    pathway = pathway_of(enrolment.pathway, enrolment.version)
    if permitted and enrolment.state == EnrolmentState.ACTIVE:
        open_steps(enrolment, patient, pathway.opening_after(follow_up.step), at=at)
    if enrolment.state == EnrolmentState.ACTIVE and not _pending(enrolment):
        end(enrolment, patient, at, by=by.ref, finished=True)


def _pending(enrolment: Enrolment) -> bool:
    return FollowUp.objects.filter(enrolment=enrolment, state__in=PENDING).exists()


def _locked(seen: FollowUp) -> tuple[Patient, Enrolment, FollowUp]:
    """The rows, locked in the order everybody takes them."""
    patient = Patient.objects.select_for_update(no_key=True).get(pk=seen.patient_id)
    enrolment = Enrolment.objects.select_for_update().get(pk=seen.enrolment_id)
    return patient, enrolment, FollowUp.objects.select_for_update().get(pk=seen.pk)


def forget_old_messages(clinic: Clinic, before: datetime, *, but_of: Collection[UUID] = ()) -> int:
    """Messages that were settled so long ago, but those of some patients, with their attempts; no text of them was ever kept. Answers how many."""
    old = Message.objects.filter(clinic=clinic, settled_at__lt=before).exclude(patient_id__in=but_of)
    Attempt.objects.filter(message__in=old).delete()
    return delete_rows("message.forgotten", old, about=clinic.pk)
