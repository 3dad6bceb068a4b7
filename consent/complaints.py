"""Complaints and suggestions: taken down in the person's own words, answered within fifteen days by the privacy officer."""

from datetime import datetime
from typing import Final
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet

from audit.actors import Actor
from audit.alarms import raise_alarm
from audit.models import Rule
from audit.services import record
from consent.errors import ComplaintNotFound, ReasonNeeded, TooManyComplaints
from consent.models import Complaint
from consent.requests import ALARM_AFTER, ANSWER_WITHIN
from patients.models import Patient

MOST_OPEN: Final = 5  # of one person; more would only push each other down


@transaction.atomic
def complain(patient: Patient, words: str, *, by: Actor, at: datetime) -> Complaint:
    """Take it down; the same words that wait already are that complaint. Raises ReasonNeeded without words, TooManyComplaints."""
    if not words.strip():
        raise ReasonNeeded(str(patient.pk))
    Patient.objects.select_for_update(no_key=True).only("pk").get(pk=patient.pk)
    if Complaint.objects.filter(patient=patient, answered_at=None).count() >= MOST_OPEN:
        raise TooManyComplaints(str(patient.pk))
    complaint = Complaint(
        clinic_id=patient.clinic_id,
        patient=patient,
        subject_id=patient.subject_id,
        words=words.strip(),
        made_at=at,
        due_at=at + ANSWER_WITHIN,
    )
    complaint.save(force_insert=True)
    record("complaint.made", object=complaint, subjects=[patient.subject_id])
    return complaint


@transaction.atomic
def answer_complaint(complaint_id: UUID, answer: str, *, by: Actor, at: datetime) -> None:
    """Once: a second answer changes nothing. Raises ComplaintNotFound, ReasonNeeded without words."""
    if not answer.strip():
        raise ReasonNeeded(str(complaint_id))
    waiting = Complaint.objects.select_for_update().filter(pk=complaint_id).defer("words")
    complaint = waiting.filter(clinic_id=by.clinic_id).first() if by.clinic_id else None
    if complaint is None:
        raise ComplaintNotFound(str(complaint_id))
    if complaint.answered_at is not None:
        return
    complaint.answer, complaint.answered_at, complaint.answered_by_id = answer.strip(), at, by.user_id
    complaint.save(update_fields=["answer", "answered_at", "answered_by"])
    record("complaint.answered", object=complaint, subjects=[complaint.subject_id])


def open_complaints(clinic_id: UUID) -> QuerySet[Complaint]:
    """What waits for an answer, the most urgent first."""
    waiting = Complaint.objects.filter(clinic_id=clinic_id, answered_at=None, patient__restricted_at=None)
    return waiting.select_related("patient").order_by("due_at", "pk")


def complaints_of(patient: Patient) -> QuerySet[Complaint]:
    """What this person wrote, newest first."""
    return Complaint.objects.filter(patient=patient).order_by("-made_at", "-pk")


def raise_overdue_complaints(clinic_id: UUID, at: datetime) -> int:
    """An alarm for each that nobody answered in thirty days; answers how many. Inside `acting`."""
    late = Complaint.objects.filter(clinic_id=clinic_id, answered_at=None, made_at__lte=at - ALARM_AFTER)
    waiting = list(late.defer("words", "answer").order_by("pk"))
    for complaint in waiting:
        raise_alarm(
            Rule.REQUEST_OVERDUE,
            clinic_id=clinic_id,
            subject_id=complaint.subject_id,
            object=("consent.complaint", str(complaint.pk)),
        )
    return len(waiting)
