"""What follow-up does when a permission changes below it, a person is erased, or who cares for them changes. Runs inside the transaction of the change, its rows locked first."""

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from django.db.models import Q, QuerySet
from django.utils.timezone import localtime

from audit.actors import current_actor
from audit.purposes import Purpose
from audit.removal import delete_rows
from audit.services import record
from audit.wrote import wrote
from consent.purposes import Words, rule_of
from consent.queries import check
from consent.services import Stopped
from crypto.core.scopes import Scope
from followups.choices import CancelReason, EnrolmentState, MessageState
from followups.models import PENDING, RUNNING, Attempt, Enrolment, FollowUp, Message, Outbox
from followups.pathways import pathway_of
from followups.planning import UNSENT, cancel, cancel_unsent, end, resume
from patients.models import Patient

STOPS = frozenset({"messages", "pathway"})


def on_withdrawn(*, patient_id: UUID, purpose: Purpose, at: datetime) -> list[Stopped]:
    """Cancels what waits to be sent, pauses the pathways and takes their to-dos away. Answers what stopped, in words."""
    stops = rule_of(purpose).stops
    if not stops & {"messages", "pathway"} or not _concerns(purpose):
        return []
    patient = Patient.objects.select_for_update(no_key=True).get(pk=patient_id)
    stopping = _stopping(Enrolment.objects.filter(patient=patient).select_for_update())
    for enrolment in stopping:
        enrolment.state, enrolment.paused_at = EnrolmentState.PAUSED, at
        enrolment.save(update_fields=["state", "paused_at"])
        record("enrolment.paused", object=enrolment, subjects=[patient.subject_id], purpose=purpose)
    sending = list(_on_their_way(patient))
    follow_ups, messages = cancel(
        patient,
        FollowUp.objects.filter(enrolment__in=stopping),
        CancelReason.WITHDRAWN,
        at=at,
        by=current_actor().ref,
    )
    return _words(follow_ups, messages, sending)


def on_channel_refused(*, patient_id: UUID, purpose: Purpose, channel: str, at: datetime) -> None:
    """Nothing more is sent this way; to-dos and calls by people go on."""
    patient = Patient.objects.select_for_update(no_key=True).get(pk=patient_id)
    cancel_unsent(
        patient,
        Message.objects.filter(patient=patient, purpose=purpose, channel=channel),
        CancelReason.WITHDRAWN,
        at,
    )


def would_stop(*, patient_id: UUID, purpose: Purpose, at: datetime) -> list[Stopped]:
    """The same words before the deed. Changes nothing."""
    if not rule_of(purpose).stops & {"messages", "pathway"} or not _concerns(purpose):
        return []
    patient = Patient.objects.get(pk=patient_id)
    stopping = _stopping(Enrolment.objects.filter(patient=patient))
    follow_ups = FollowUp.objects.filter(enrolment__in=stopping, state__in=PENDING)
    messages = Message.objects.filter(follow_up__enrolment__in=stopping, state__in=UNSENT)
    return _words(
        list(follow_ups.select_related("enrolment").defer("note", "enrolment__why")),
        list(
            messages.select_related("follow_up__enrolment").defer(
                "follow_up__note", "follow_up__enrolment__why"
            )
        ),
        list(_on_their_way(patient)),
    )


def on_granted(*, patient_id: UUID, purpose: Purpose, at: datetime) -> None:
    """What waited for the permission goes on."""
    if not _concerns(purpose) or not check(patient_id, Purpose.FOLLOWUP, at=at).allowed:
        return
    paused = Q(patient_id=patient_id, state=EnrolmentState.PAUSED)
    if not Enrolment.objects.filter(paused).exists():
        return
    patient = Patient.objects.select_for_update(no_key=True).get(pk=patient_id)
    for enrolment in Enrolment.objects.filter(paused).select_for_update().order_by("pk"):
        resume(enrolment, patient, at)


def on_erased(
    *,
    clinic_id: UUID,
    patient_id: UUID,
    subject_ids: Collection[UUID],
    scopes: frozenset[Scope],
    at: datetime,
) -> None:
    """Nothing more is done or sent. What was done goes where the key of its notes does: steps tell what somebody has."""
    patient = Patient.objects.get(pk=patient_id)
    by = current_actor().ref
    running = Enrolment.objects.filter(patient=patient, state__in=RUNNING).select_for_update()
    for enrolment in running.order_by("pk"):
        end(enrolment, patient, at, by=by)
    cancel(patient, FollowUp.objects.filter(patient=patient), CancelReason.ENDED, at=at, by=by)
    Outbox.objects.filter(message__patient=patient).delete()
    if Scope.RECORD in scopes:
        Attempt.objects.filter(message__patient=patient).delete()
        for model, action in (
            (Message, "message.erased"),
            (FollowUp, "follow_up.erased"),
            (Enrolment, "enrolment.erased"),
        ):
            rows = model.objects.filter(patient=patient)
            delete_rows(action, rows, about=patient.pk, subjects=subject_ids)


def _concerns(purpose: Purpose) -> bool:
    """Whether follow-up rests on this permission: its own, or care's."""
    return purpose in (Purpose.FOLLOWUP, Purpose.CARE)


def _stopping(enrolments: QuerySet[Enrolment]) -> list[Enrolment]:
    """Those that run and rest on follow-up. What rests on care is finished by a person, whatever is withdrawn."""
    return [
        enrolment
        for enrolment in enrolments.filter(state=EnrolmentState.ACTIVE).order_by("pk")
        if pathway_of(enrolment.pathway, enrolment.version).purpose is Purpose.FOLLOWUP
    ]


def _on_their_way(patient: Patient) -> list[Message]:
    """Messages whose sending has started: nobody can call them back."""
    return list(Message.objects.filter(patient=patient, state=MessageState.SENDING))


def _words(follow_ups: list[FollowUp], messages: list[Message], sending: list[Message]) -> list[Stopped]:
    stopped = [_to_do_in_words(f) for f in sorted(follow_ups, key=_day)]
    stopped += [_message_in_words(m) for m in sorted(messages, key=lambda m: m.due_at)]
    return stopped + [
        Stopped(Words("1 条提醒已经在路上", "1 message was already on its way"), on_its_way=True)
        for _one in sending
    ]


def _day(follow_up: FollowUp) -> str:
    return follow_up.due_on.isoformat() if follow_up.due_on else ""


def _to_do_in_words(follow_up: FollowUp) -> Stopped:
    step = pathway_of(follow_up.enrolment.pathway, follow_up.enrolment.version).step(follow_up.step)
    day = follow_up.due_on
    if day is None:
        return Stopped(Words(f"我们为“{step.name.zh}”找您的电话", f"our call about “{step.name.en}”"))
    return Stopped(
        Words(
            f"{day.month} 月 {day.day} 日我们为“{step.name.zh}”找您的电话",
            f"our call about “{step.name.en}” on {day:%Y-%m-%d}",
        )
    )


def _message_in_words(message: Message) -> Stopped:
    due = localtime(message.due_at)
    return Stopped(
        Words(f"{due.month} 月 {due.day} 日要发的提醒", f"the unsent reminder of {due:%Y-%m-%d}"),
    )


def on_left(*, clinic_id: UUID, user_id: UUID, at: datetime) -> None:
    """Somebody leaves the clinic: what they had to do goes back to the pool."""
    _give(clinic_id, FollowUp.objects.filter(assignee_id=user_id), user_id, taker_id=None)


def on_reassigned(*, clinic_id: UUID, patient_ids: Collection[UUID], giver_id: UUID, taker_id: UUID) -> None:
    """Somebody else is responsible for these patients: what the one before had to do for them is theirs now."""
    theirs = FollowUp.objects.filter(assignee_id=giver_id, patient_id__in=patient_ids)
    _give(clinic_id, theirs, giver_id, taker_id=taker_id)


def _give(clinic_id: UUID, follow_ups: QuerySet[FollowUp], giver_id: UUID, *, taker_id: UUID | None) -> None:
    pending = follow_ups.filter(clinic_id=clinic_id, state__in=PENDING)
    if count := pending.update(assignee_id=taker_id):
        giver = ("clinics.user", str(giver_id))
        record("followup.handed_over", object=giver, count=count, wrote=wrote(FollowUp, count=count))
