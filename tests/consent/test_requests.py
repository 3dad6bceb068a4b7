"""People's requests: inside the law's clock, for whom the clinic knows, field by field, with a reason for every no."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction

from audit.access import access
from audit.actors import Actor
from audit.kinds import Kind
from audit.models import Alarm, Rule
from audit.purposes import Purpose
from consent.choices import (
    GivenThrough,
    IdentityCheck,
    RefusalReason,
    RequestedBy,
    RequestKind,
    RequestState,
)
from consent.errors import (
    IdentityUnknown,
    NotCorrectable,
    NothingAsked,
    ReasonNeeded,
    RequestDecided,
    RequestNotFound,
)
from consent.models import PersonRequest
from consent.queries import check
from consent.requests import (
    ask,
    decide_correction,
    grant_request,
    open_requests,
    raise_overdue,
    refuse_request,
    requests_of,
    take_back,
    verify,
)
from patients.models import Patient
from patients.queries import search_patients
from tests.factories.consent import MONDAY, ConsentFactory
from tests.factories.patients import PatientFactory

DAY = timedelta(days=1)


def asked(
    patient: Patient, by: Actor, kind: RequestKind = RequestKind.COPY, **corrections: str
) -> PersonRequest:
    """Asked for on the person's own phone."""
    return ask(patient, kind, asked_through=GivenThrough.PORTAL, corrections=corrections, by=by, at=MONDAY)


def at_the_desk(patient: Patient, by: Actor, who: RequestedBy = RequestedBy.SELF) -> PersonRequest:
    return ask(
        patient,
        RequestKind.SEE,
        asked_by=who,
        asked_through=GivenThrough.DESK,
        words="想看看自己的报告",
        by=by,
        at=MONDAY,
    )


@pytest.mark.requirement("PIPL-48", "GBT35273-8.5")
def test_a_request_has_fifteen_days_and_is_answered_once(at_work: Actor, patient: Patient) -> None:
    request = asked(patient, at_work)
    assert request.due_at == MONDAY + 15 * DAY
    assert list(open_requests(patient.clinic_id)) == [request]
    grant_request(request.pk, "已发到您的手机", by=at_work, at=MONDAY + DAY)
    with pytest.raises(RequestDecided):
        refuse_request(request.pk, RefusalReason.HARM, "…", by=at_work, at=MONDAY + DAY)
    with access(Purpose.CARE, Kind.VIEWED):
        told = requests_of(patient)[0]
        assert (told.state, told.answer) == (RequestState.DONE, "已发到您的手机")


def test_a_request_that_waits_is_not_taken_down_twice(at_work: Actor, patient: Patient) -> None:
    assert asked(patient, at_work) == asked(patient, at_work)


@pytest.mark.requirement("PIPL-45b", "NDR-23")
def test_nothing_is_done_before_the_clinic_knows_who_asks(at_work: Actor, patient: Patient) -> None:
    request = at_the_desk(patient, at_work)
    with pytest.raises(IdentityUnknown):
        grant_request(request.pk, "给您看了", by=at_work, at=MONDAY)
    with pytest.raises(IdentityUnknown):
        verify(request.pk, IdentityCheck.PORTAL, by=at_work, at=MONDAY)
    verify(request.pk, IdentityCheck.PAPERS, by=at_work, at=MONDAY)
    assert grant_request(request.pk, "给您看了", by=at_work, at=MONDAY).state == RequestState.DONE


@pytest.mark.requirement("PIPL-49", "NDR-25")
@pytest.mark.parametrize("who", [RequestedBy.AGENT, RequestedBy.GUARDIAN, RequestedBy.RELATIVE])
def test_whoever_asks_for_somebody_else_shows_proof_of_it(
    at_work: Actor, patient: Patient, who: RequestedBy
) -> None:
    request = at_the_desk(patient, at_work, who)
    with pytest.raises(IdentityUnknown):
        verify(request.pk, IdentityCheck.PAPERS, by=at_work, at=MONDAY)
    assert verify(request.pk, IdentityCheck.PROOF, by=at_work, at=MONDAY).verified_by == at_work.ref


@pytest.mark.requirement("PIPL-49")
def test_a_relative_of_the_dead_asks_for_little(at_work: Actor, patient: Patient) -> None:
    with pytest.raises(NotCorrectable):
        ask(
            patient,
            RequestKind.MOVE,
            asked_by=RequestedBy.RELATIVE,
            asked_through=GivenThrough.DESK,
            by=at_work,
            at=MONDAY,
        )


@pytest.mark.requirement("PIPL-24c", "PIPL-50")
def test_a_no_has_its_reason_in_words(at_work: Actor, patient: Patient) -> None:
    request = asked(patient, at_work, RequestKind.EXPLAIN)
    with pytest.raises(ReasonNeeded):
        refuse_request(request.pk, RefusalReason.NOT_KNOWN, "  ", by=at_work, at=MONDAY)
    refused = refuse_request(request.pk, RefusalReason.NOT_KNOWN, "没有这份记录", by=at_work, at=MONDAY)
    assert (refused.state, refused.refusal) == ("refused", "not_known")
    with pytest.raises(IntegrityError), transaction.atomic():
        PersonRequest.objects.filter(pk=request.pk).update(refusal="")


@pytest.mark.requirement("PIPL-46")
def test_a_correction_is_decided_field_by_field_with_old_and_new(at_work: Actor, patient: Patient) -> None:
    request = asked(patient, at_work, RequestKind.CORRECT, name="邓淑瑛", phone="13800009999")
    with access(Purpose.CARE, Kind.VIEWED):
        name, phone = request.corrections.order_by("field")
        assert (name.old, name.new) == ("邓淑英", "邓淑瑛")
        with pytest.raises(ReasonNeeded):
            grant_request(request.pk, "", by=at_work, at=MONDAY)
        decide_correction(name.pk, by=at_work, at=MONDAY)
        decide_correction(phone.pk, refusal=RefusalReason.NOT_WRONG, by=at_work, at=MONDAY)
        with pytest.raises(RequestDecided):
            decide_correction(phone.pk, by=at_work, at=MONDAY)
        grant_request(request.pk, "名字已更正", by=at_work, at=MONDAY)
        corrected = Patient.objects.get(pk=patient.pk)
        assert corrected.identity.name == "邓淑瑛"
        assert corrected.identity.phone != "+8613800009999"
        name.refresh_from_db()
        assert name.old == "邓淑英"
    assert [found.patient.pk for found in search_patients(at_work, patient.clinic_id, "淑瑛")] == [patient.pk]


def test_a_correction_names_fields_that_can_be_corrected(at_work: Actor, patient: Patient) -> None:
    with pytest.raises(NothingAsked):
        asked(patient, at_work, RequestKind.CORRECT)
    with pytest.raises(NotCorrectable):
        asked(patient, at_work, RequestKind.CORRECT, service_number="ZZ-0000-0000")
    assert not PersonRequest.objects.exists()


@pytest.mark.requirement("PIPL-44", "HIPAA-522")
def test_to_restrict_ends_every_permission_and_leaves_the_record_to_nobody(
    at_work: Actor, patient: Patient
) -> None:
    ConsentFactory(patient, Purpose.CARE, by=at_work)
    ConsentFactory(patient, Purpose.FOLLOWUP, by=at_work)
    request = asked(patient, at_work, RequestKind.RESTRICT)
    grant_request(request.pk, "", by=at_work, at=MONDAY)
    assert not check(patient.pk, Purpose.CARE, at=MONDAY).allowed
    assert Patient.objects.get(pk=patient.pk).restricted_at == MONDAY


def test_somebody_elses_request_cannot_be_taken_back(at_work: Actor, patient: Patient) -> None:
    request = asked(patient, at_work)
    stranger = PatientFactory(clinic=patient.clinic, by=at_work)
    with pytest.raises(RequestNotFound):
        take_back(request.pk, stranger, by=at_work, at=MONDAY)
    assert take_back(request.pk, patient, by=at_work, at=MONDAY).state == RequestState.TAKEN_BACK


@pytest.mark.requirement("GBT35273-8.7", "HIPAA-524/526")
def test_after_thirty_days_an_alarm_rings(at_work: Actor, patient: Patient) -> None:
    asked(patient, at_work)
    assert raise_overdue(patient.clinic_id, MONDAY + 29 * DAY) == 0
    assert raise_overdue(patient.clinic_id, MONDAY + 30 * DAY) == 1
    assert Alarm.objects.get().rule == Rule.REQUEST_OVERDUE
