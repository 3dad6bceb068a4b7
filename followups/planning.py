"""Putting a patient on a pathway and taking them off: enrolments, the to-dos of their steps, and the reminders around them.

Called inside a unit of work, after the gate and with the patient locked. Locks are taken in one order everywhere:
permission, patient, enrolment, to-do, message.
"""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import Max, Q, QuerySet

from audit.access import access
from audit.kinds import Kind
from audit.purposes import Purpose
from audit.services import record
from clinics.models import StaffRole
from clinics.roles import Permission, Role, permissions_of
from crypto.errors import SealBroken
from followups.choices import (
    CancelReason,
    Channel,
    EnrolmentState,
    FollowUpState,
    MessageState,
)
from followups.messaging import newest_template, not_at_night, policy
from followups.models import PENDING, RUNNING, Enrolment, FollowUp, Message, Outbox
from followups.pathways import AT_START, Pathway, Step, pathway_of
from patients.choices import CareRole, PhoneOwner
from patients.models import CareRelationship, Patient

UNSENT = (MessageState.PLANNED, MessageState.QUEUED)
ADULT = 18
_NEAREST_FIRST = [CareRole.MANAGER, CareRole.DOCTOR, CareRole.COVERING, CareRole.OPENER]


def enrol(
    patient: Patient, pathway: Pathway, *, cause: str, why: Any, permitted: bool, at: datetime
) -> Enrolment | None:
    """Put a patient on a pathway and open its first steps. None when this cause, or a running round, is there already.

    Not permitted, the enrolment waits, paused and without any to-do, until the permission is given.
    """
    there = Enrolment.objects.filter(patient=patient, pathway=pathway.code)
    if (pathway.one_at_a_time and there.filter(state__in=RUNNING).exists()) or there.filter(
        cause=cause
    ).exists():
        return None
    enrolment = Enrolment.objects.create(
        clinic_id=patient.clinic_id,
        patient=patient,
        subject_id=patient.subject_id,
        pathway=pathway.code,
        version=pathway.version,
        cause=cause,
        why=why,
        one_at_a_time=pathway.one_at_a_time,
        state=EnrolmentState.ACTIVE if permitted else EnrolmentState.PAUSED,
        started_at=at,
        paused_at=None if permitted else at,
    )
    record("enrolment.started", object=enrolment, subjects=[patient.subject_id], purpose=pathway.purpose)
    if permitted:
        open_steps(enrolment, patient, pathway.opening_after(AT_START), at=at)
    return enrolment


def open_steps(
    enrolment: Enrolment, patient: Patient, steps: Sequence[Step], *, at: datetime
) -> list[FollowUp]:
    """The to-dos of these steps, each with its reminders, for whoever looks after the patient."""
    if not steps:
        return []
    pathway = pathway_of(enrolment.pathway, enrolment.version)
    rounds = dict(
        FollowUp.objects.filter(enrolment=enrolment).values_list("step").annotate(last=Max("occurrence"))
    )
    staff_id, team_id = carer_of(patient, at)
    follow_ups = []
    for step in steps:
        due_at = at + step.within if step.within is not None else None
        due_on = policy().day_of(due_at) if due_at else policy().day_of(at) + timedelta(days=step.days or 0)
        follow_up = FollowUp.objects.create(
            clinic_id=patient.clinic_id,
            patient=patient,
            subject_id=patient.subject_id,
            enrolment=enrolment,
            step=step.code,
            occurrence=rounds.get(step.code, 0) + 1,
            urgency=step.urgency,
            opened_at=at,
            due_on=due_on,
            due_at=due_at,
            assignee_id=staff_id,
            team_id=team_id,
        )
        record("follow_up.opened", object=follow_up, subjects=[patient.subject_id], purpose=pathway.purpose)
        follow_ups.append(follow_up)
    plan_reminders(patient, [(f, s) for f, s in zip(follow_ups, steps, strict=True)], pathway.purpose, at)
    return follow_ups


def plan_reminders(
    patient: Patient, opened: Iterable[tuple[FollowUp, Step]], purpose: Purpose, at: datetime
) -> list[Message]:
    """The messages around these to-dos. Nobody is written to whose phone is somebody else's, or who has no address."""
    wanted = [(follow_up, step) for follow_up, step in opened if step.reminders]
    channel = channel_of(patient, at) if wanted else None
    if channel is None:
        return []
    messages = []
    for follow_up, step in wanted:
        for reminder in step.reminders:
            template = newest_template(reminder.template)
            day = (follow_up.due_on or policy().day_of(at)) + timedelta(days=reminder.days)
            if day < policy().day_of(at):
                continue
            message = Message(
                clinic_id=patient.clinic_id,
                patient=patient,
                follow_up=follow_up,
                template=template.code,
                template_version=template.version,
                offset_days=reminder.days,
                channel=channel,
                purpose=purpose,
                due_at=at,
            )
            wanted_at = at if reminder.at_once else max(at, policy().at_send_hour(day))
            message.due_at = not_at_night(wanted_at, message.pk)
            messages.append(message)
    Message.objects.bulk_create(messages)
    if messages:
        record(
            "message.planned",
            object=messages[0],
            subjects=[patient.subject_id],
            purpose=purpose,
            count=len(messages),
        )
    return messages


def channel_of(patient: Patient, at: datetime) -> Channel | None:
    """How this patient can be written to: by text to their own phone (a child's: the parent's), else by e-mail.

    None also where nobody can read the addresses: a message is planned for an address, or not at all.
    """
    with access(Purpose.FOLLOWUP, Kind.COMPUTED), suppress(SealBroken):
        if patient.identity.phone and may_text(patient, at):
            return Channel.SMS
        return Channel.EMAIL if patient.identity.email else None
    return None


def may_text(patient: Patient, at: datetime) -> bool:
    """Whether a text reaches the person themselves: a proxy would need a permission of its own (domain rule)."""
    minor = patient.birth_year is not None and at.year - patient.birth_year < ADULT
    return patient.phone_owner == PhoneOwner.SELF or (minor and patient.phone_owner == PhoneOwner.PARENT)


def carer_of(patient: Patient, at: datetime) -> tuple[UUID | None, UUID | None]:
    """Whose to-do it becomes: the nearest member of staff who works to-dos, else their team's pool, else everybody's."""
    caring = list(
        CareRelationship.objects.filter(
            Q(valid_until=None) | Q(valid_until__gt=at), patient=patient, valid_from__lte=at
        )
    )
    staff = sorted(
        (c for c in caring if c.staff_id and c.role in _NEAREST_FIRST),
        key=lambda c: (_NEAREST_FIRST.index(CareRole(c.role)), c.valid_from),
    )
    working = {
        role.user_id
        for role in StaffRole.objects.filter(
            clinic_id=patient.clinic_id, user__in=[c.staff_id for c in staff], user__is_active=True
        )
        if Permission.WORK_FOLLOWUPS in permissions_of(Role(role.role))
    }
    nearest = next((c.staff_id for c in staff if c.staff_id in working), None)
    return nearest, next((c.team_id for c in caring if c.team_id), None)


def resume(enrolment: Enrolment, patient: Patient, at: datetime) -> None:
    """The permission is there (again): the steps that were not done yet open anew."""
    enrolment.state, enrolment.paused_at = EnrolmentState.ACTIVE, None
    enrolment.save(update_fields=["state", "paused_at"])
    record("enrolment.resumed", object=enrolment, subjects=[patient.subject_id])
    pathway = pathway_of(enrolment.pathway, enrolment.version)
    done = set(
        FollowUp.objects.filter(enrolment=enrolment, state=FollowUpState.DONE).values_list("step", flat=True)
    )
    ready = [s for s in pathway.steps if s.code not in done and s.opens in {AT_START, *done}]
    open_steps(enrolment, patient, ready, at=at)


def end(enrolment: Enrolment, patient: Patient, at: datetime, *, by: str, finished: bool = False) -> None:
    """Take a patient off a pathway: what is still to do or to send is no longer needed."""
    enrolment.state = EnrolmentState.DONE if finished else EnrolmentState.ENDED
    enrolment.ended_at = at
    enrolment.save(update_fields=["state", "ended_at"])
    record("enrolment.ended", object=enrolment, subjects=[patient.subject_id])
    cancel(patient, FollowUp.objects.filter(enrolment=enrolment), CancelReason.ENDED, at=at, by=by)


def cancel(
    patient: Patient, follow_ups: QuerySet[FollowUp], reason: CancelReason, *, at: datetime, by: str
) -> tuple[list[FollowUp], list[Message]]:
    """Cancel those of these to-dos that are pending, and every unsent message around them."""
    pending = list(
        follow_ups.filter(state__in=PENDING)
        .select_related("enrolment")
        .defer("note", "enrolment__why")
        .select_for_update(of=("self",))
        .order_by("pk")
    )
    cancelled = cancel_messages(patient, follow_ups, reason, at)
    ids = [follow_up.pk for follow_up in pending]
    if ids:
        FollowUp.objects.filter(pk__in=ids).update(
            state=FollowUpState.CANCELLED, cancel_reason=reason, closed_at=at, closed_by=by
        )
        record(
            "follow_up.cancelled",
            object=pending[0],
            subjects=[patient.subject_id],
            count=len(ids),
            reason=reason.value,
        )
    return pending, cancelled


def cancel_messages(
    patient: Patient, follow_ups: QuerySet[FollowUp], reason: CancelReason, at: datetime
) -> list[Message]:
    """Cancel the unsent messages around these to-dos."""
    return cancel_unsent(patient, Message.objects.filter(follow_up__in=follow_ups), reason, at)


def cancel_unsent(
    patient: Patient, concerned: QuerySet[Message], reason: CancelReason, at: datetime
) -> list[Message]:
    """Cancel those of these messages that were not sent. One that is on its way is left to its sender."""
    messages = list(concerned.filter(state__in=UNSENT).select_for_update(of=("self",)).order_by("pk"))
    if messages:
        ids = [message.pk for message in messages]
        Message.objects.filter(pk__in=ids).update(
            state=MessageState.CANCELLED, cancel_reason=reason, settled_at=at
        )
        Outbox.objects.filter(message__in=ids).delete()
        record(
            "message.cancelled",
            object=messages[0],
            subjects=[patient.subject_id],
            count=len(ids),
            reason=reason.value,
        )
    return messages
