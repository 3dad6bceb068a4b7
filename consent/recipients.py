"""Giving data to somebody outside: who may be given what, what was given, and how it ends at once.

A recipient stands in the register with agreement, assessment, scope and term. Each giving takes the gate of the person's
own permission for this recipient and a shared lock on the register's row, so a cut-off is in force when it answers.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID

from django.db import IntegrityError, connection, transaction
from django.db.models import QuerySet
from django.utils.timezone import localdate

from audit.actors import Actor
from audit.purposes import Purpose
from audit.services import record
from clinics.models import Clinic
from consent.assessments import check_assessed
from consent.choices import Operation, RecipientRole
from consent.errors import (
    AlreadyCutOff,
    NotARecipient,
    NumberTaken,
    OutsideAgreement,
    RecipientNotFound,
    ReviewTooSoon,
)
from consent.gate import gate
from consent.models import Disclosure, Recipient
from consent.models.recipients import HOME
from consent.purposes import rule_of
from patients.models import Patient

TAKEN_DOWN_WITHIN = timedelta(hours=24)
DELETED_WITHIN = timedelta(days=15)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRecipient:
    """What is agreed with somebody outside. `country` is of ISO 3166; abroad needs one of the routes of PIPL art. 38."""

    code: str
    name: str
    kind: str
    role: RecipientRole
    contact: str
    agreement: str
    assessment: str
    purposes: frozenset[Purpose]
    data: frozenset[str]
    begins_on: date
    ends_on: date
    review_on: date
    country: str = HOME
    route: str = ""


@transaction.atomic
def add_recipient(clinic: Clinic, new: NewRecipient, *, by: Actor, at: datetime) -> Recipient:
    """Put somebody on the register. Raises AssessmentMissing, OutsideAgreement where scope, kind or country do not fit, ReviewTooSoon,
    and NumberTaken for a code somebody has."""
    rules = [rule_of(purpose) for purpose in new.purposes]
    fits = (
        bool(rules)
        and all(new.kind in {kind.code for kind in rule.recipients} for rule in rules)
        and new.data <= frozenset().union(*(rule.codes for rule in rules))
        and (new.country == HOME or (bool(new.route) and new.purposes == {Purpose.CROSSBORDER}))
    )
    if not fits:
        raise OutsideAgreement(new.code)
    if new.review_on <= localdate(at):
        raise ReviewTooSoon(new.code)
    recipient = Recipient(
        clinic=clinic,
        code=new.code,
        name=new.name,
        kind=new.kind,
        role=new.role,
        contact=new.contact,
        country=new.country,
        route=new.route,
        agreement=new.agreement,
        assessment=check_assessed(clinic, new.purposes, new.assessment, at),
        purposes=sorted(new.purposes),
        data_categories=sorted(new.data),
        begins_on=new.begins_on,
        ends_on=new.ends_on,
        review_on=new.review_on,
    )
    try:
        with transaction.atomic():
            recipient.save(force_insert=True)
    except IntegrityError:
        raise NumberTaken(new.code) from None
    record("recipient.added", object=recipient)
    return recipient


def recipient_of(clinic: Clinic, recipient_id: UUID) -> Recipient:
    """One entry of the clinic's register. Raises RecipientNotFound."""
    recipient = Recipient.objects.filter(clinic=clinic, pk=recipient_id).select_related("assessment").first()
    if recipient is None:
        raise RecipientNotFound(str(recipient_id))
    return recipient


@transaction.atomic
def review_recipient(recipient_id: UUID, review_on: date, *, by: Actor, at: datetime) -> Recipient:
    """Somebody looked at agreement and scope and found them in order, until `review_on`.

    Raises NotARecipient, AlreadyCutOff, and ReviewTooSoon for a day that is over.
    """
    recipient = Recipient.objects.select_for_update().filter(pk=recipient_id).first()
    if recipient is None:
        raise NotARecipient(str(recipient_id))
    if recipient.cut_off_at is not None:
        raise AlreadyCutOff(recipient.code)
    if review_on <= localdate(at):
        raise ReviewTooSoon(recipient.code)
    recipient.review_on = review_on
    recipient.save(update_fields=["review_on"])
    record("recipient.reviewed", object=recipient)
    return recipient


def recipients_for(clinic: Clinic, purpose: Purpose, at: datetime) -> QuerySet[Recipient]:
    """Whom data may be given to for this purpose at the moment, by name."""
    today = localdate(at)
    found = Recipient.objects.filter(clinic=clinic, purposes__contains=[purpose.value], cut_off_at=None)
    return found.filter(begins_on__lte=today, ends_on__gt=today).order_by("name", "pk")


@transaction.atomic
def cut_off(recipient_id: UUID, *, by: Actor, at: datetime) -> Recipient:
    """Nothing is given to them any more, from the moment this commits. Raises NotARecipient."""
    recipient = Recipient.objects.select_for_update().filter(pk=recipient_id).first()
    if recipient is None:
        raise NotARecipient(str(recipient_id))
    if recipient.cut_off_at is None:
        recipient.cut_off_at = at
        recipient.save(update_fields=["cut_off_at"])
        record("recipient.cut_off", object=recipient)
    return recipient


@transaction.atomic
def give(
    patient: Patient,
    code: str,
    purpose: Purpose,
    *,
    op: str,
    data: frozenset[str],
    what: str,
    by: Actor,
    at: datetime,
) -> Disclosure:
    """Note that `what` (a code, never content) goes to a recipient; whoever calls hands it over after the commit.

    Raises ConsentMissing without the person's own permission for this recipient, NotARecipient where it is unknown or cut
    off, OutsideAgreement where the agreement does not cover it.
    """
    with gate(patient.pk, purpose, data=data, recipient=code, op=op, at=at) as decision:
        recipient = _in_force(patient.clinic_id, code, at)
        if purpose not in recipient.purposes or not data <= set(recipient.data_categories):
            raise OutsideAgreement(code)
        if (recipient.country == HOME) == (op == Operation.CROSSBORDER):
            raise OutsideAgreement(code)
        disclosure = Disclosure.objects.create(
            clinic_id=patient.clinic_id,
            patient=patient,
            recipient=recipient,
            purpose=purpose,
            operation=op,
            data_categories=sorted(data),
            what=what,
            decision_id=decision.event_uid,
            given_by=by.ref,
            given_at=at,
        )
        record(
            "data.given",
            object=disclosure,
            subjects=[patient.subject_id],
            purpose=purpose,
            decision=decision.event_uid,
        )
    return disclosure


_SHARE = """
SELECT id FROM consent_recipient
WHERE clinic_id = %s AND code = %s AND cut_off_at IS NULL AND begins_on <= %s AND ends_on > %s FOR SHARE
"""


def _in_force(clinic_id: UUID, code: str, at: datetime) -> Recipient:
    """The register's row, locked against a cut-off until the transaction ends. Raises NotARecipient."""
    today = localdate(at)
    with connection.cursor() as cursor:
        cursor.execute(_SHARE, [clinic_id, code, today, today])
        found = cursor.fetchone()
    if found is None:
        raise NotARecipient(code)
    return Recipient.objects.get(pk=found[0])


def given_out(patient: Patient, purpose: Purpose, operations: Collection[str]) -> QuerySet[Disclosure]:
    """What was given for a purpose in these ways and nobody has asked back."""
    return Disclosure.objects.filter(
        patient=patient, purpose=purpose, operation__in=operations, recall_asked_at=None
    )


def ask_back(patient: Patient, purpose: Purpose, operation: str, at: datetime) -> int:
    """What was published or sent abroad is asked back, with a day by which that is done; answers how many things."""
    due = at + (TAKEN_DOWN_WITHIN if operation == Operation.PUBLISH else DELETED_WITHIN)
    count = given_out(patient, purpose, [operation]).update(recall_asked_at=at, recall_due_at=due)
    if count:
        record(
            "data.asked_back",
            object=("consent.disclosure", str(patient.pk)),
            subjects=[patient.subject_id],
            purpose=purpose,
            count=count,
        )
    return count


@transaction.atomic
def confirm_recalled(disclosure_id: UUID, *, by: Actor, at: datetime) -> Disclosure:
    """Somebody looked: it is taken down, or the recipient confirmed that it is deleted. Raises NotARecipient."""
    disclosure = (
        Disclosure.objects.select_for_update().filter(pk=disclosure_id, recall_asked_at__lte=at).first()
    )
    if disclosure is None:
        raise NotARecipient(str(disclosure_id))
    if disclosure.recalled_at is None:
        disclosure.recalled_at = at
        disclosure.save(update_fields=["recalled_at"])
        record("data.recalled", object=disclosure, subjects=[disclosure.patient.subject_id])
    return disclosure
