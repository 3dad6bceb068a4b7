"""Impact assessments: what is weighed before anybody is asked (PIPL arts. 55, 56). Nobody approves what they wrote themselves."""

from collections.abc import Collection
from datetime import date, datetime

from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.utils.timezone import localdate

from audit.actors import Actor
from audit.purposes import Purpose
from audit.services import record
from clinics.models import Clinic
from consent.errors import AssessmentMissing, NumberTaken, OwnAssessment, ReviewTooSoon
from consent.models import AssessmentApproval, ImpactAssessment


@transaction.atomic
def write_assessment(
    clinic: Clinic,
    *,
    number: str,
    purposes: Collection[Purpose],
    necessity: str,
    impact: str,
    measures: str,
    by: Actor,
    at: datetime,
) -> ImpactAssessment:
    """One assessment of these purposes, to be approved by somebody else. It is never changed. Raises NumberTaken."""
    assessment = ImpactAssessment(
        clinic=clinic,
        number=number,
        purposes=sorted(purposes),
        necessity=necessity,
        impact=impact,
        measures=measures,
        written_by=by.ref,
        written_at=at,
    )
    try:
        with transaction.atomic():
            assessment.save(force_insert=True)
    except IntegrityError:
        raise NumberTaken(number) from None
    record("assessment.written", object=assessment)
    return assessment


@transaction.atomic
def approve_assessment(
    assessment: ImpactAssessment, *, review_on: date, by: Actor, at: datetime
) -> AssessmentApproval:
    """Approve it until `review_on`; approved twice it stays as it is. Raises OwnAssessment for its author, ReviewTooSoon."""
    if assessment.written_by == by.ref:
        raise OwnAssessment(str(assessment.pk))
    if review_on <= localdate(at):
        raise ReviewTooSoon(str(assessment.pk))
    approval, made = AssessmentApproval.objects.get_or_create(
        assessment=assessment,
        defaults={
            "clinic_id": assessment.clinic_id,
            "approved_by": by.ref,
            "approved_at": at,
            "review_on": review_on,
        },
    )
    if made:
        record("assessment.approved", object=assessment)
    return approval


def approved_assessments(
    clinic: Clinic, purposes: Collection[Purpose], at: datetime
) -> QuerySet[ImpactAssessment]:
    """The approved assessments that cover all of these purposes and are not due for review, newest first."""
    return ImpactAssessment.objects.filter(
        clinic=clinic, purposes__contains=sorted(purposes), approval__review_on__gt=localdate(at)
    ).order_by("-written_at")


def check_assessed(
    clinic: Clinic, purposes: Collection[Purpose], number: str, at: datetime
) -> ImpactAssessment:
    """The approved assessment of that number, if it covers these purposes and is not overdue. Raises AssessmentMissing."""
    assessment = approved_assessments(clinic, purposes, at).filter(number=number).first()
    if assessment is None:
        raise AssessmentMissing(number)
    return assessment
