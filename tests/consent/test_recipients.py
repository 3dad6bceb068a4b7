"""Nothing goes to anybody outside who is not on the register, under an agreement that covers it, with the person's own yes."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction

from audit.acting import acting
from audit.actors import Actor
from audit.models import AuditEvent
from audit.purposes import Purpose
from clinics.models import Clinic
from consent.choices import GivenThrough, Operation
from consent.errors import AssessmentMissing, ConsentMissing, NotARecipient, OutsideAgreement
from consent.models import Disclosure, Recipient
from consent.recipients import confirm_recalled, cut_off, give
from consent.services import withdraw_consent
from patients.models import Patient
from tests.factories.consent import MONDAY, ConsentFactory, RecipientFactory, published
from tests.laid_out import laid_out

HEALTH = frozenset({"health"})


def hand_over(patient: Patient, by: Actor, to: str = "hospital", **other: Any) -> Disclosure:
    asked: dict[str, Any] = {"op": Operation.SHARE, "data": HEALTH, "what": "report", "by": by, "at": MONDAY}
    return give(patient, to, Purpose.REFERRAL, **{**asked, **other})


@laid_out
def referred(clinic: Clinic, patient: Patient, nurse: Actor) -> Recipient:
    """The hospital, to which this patient has agreed to be referred."""
    with acting(nurse):
        hospital = RecipientFactory(clinic, by=nurse)
        notice = published(clinic, Purpose.REFERRAL, by=nurse)
        ConsentFactory(patient, Purpose.REFERRAL, by=nurse, notice=notice, recipient=hospital.code)
    return hospital


@pytest.mark.requirement("NDR-12", "HIPAA-528")
def test_each_giving_is_on_the_sharing_log_with_the_line_it_rests_on(
    referred: Recipient, at_work: Actor, patient: Patient
) -> None:
    given = hand_over(patient, at_work)
    assert given.decision is not None
    assert (given.decision.recipient, given.decision.event) == ("hospital", "granted")
    assert AuditEvent.objects.get(action="data.given").consent_decision == given.decision_id
    with pytest.raises(DatabaseError), transaction.atomic():
        Disclosure.objects.all().delete()


@pytest.mark.requirement("PIPL-23")
def test_a_yes_to_one_recipient_is_no_yes_to_another(
    referred: Recipient, at_work: Actor, clinic: Clinic, patient: Patient
) -> None:
    RecipientFactory(clinic, by=at_work, code="laboratory")
    with pytest.raises(ConsentMissing):
        hand_over(patient, at_work, "laboratory")
    withdraw_consent(
        patient,
        Purpose.REFERRAL,
        by=at_work,
        at=MONDAY,
        given_through=GivenThrough.PORTAL,
        recipient="hospital",
    )
    with pytest.raises(ConsentMissing):
        hand_over(patient, at_work)
    assert not Disclosure.objects.exists()


@pytest.mark.requirement("PIPL-21")
def test_nothing_is_given_outside_the_agreement_or_after_it(
    referred: Recipient, at_work: Actor, patient: Patient
) -> None:
    Recipient.objects.update(data_categories=["attr"])
    with pytest.raises(OutsideAgreement):
        hand_over(patient, at_work)
    Recipient.objects.update(ends_on=MONDAY.date(), begins_on=MONDAY.date() - timedelta(days=9))
    with pytest.raises(NotARecipient):
        hand_over(patient, at_work, data=frozenset({"attr"}))


@pytest.mark.requirement("PIPL-38/40")
@pytest.mark.parametrize(
    "agreed",
    [
        {"kind": "employer"},
        {"data": frozenset({"marketing"})},
        {"purposes": frozenset[Purpose]()},
        {"country": "US"},
        {"country": "US", "route": "standard contract"},
    ],
)
def test_what_does_not_fit_the_purposes_is_not_put_on_the_register(
    at_work: Actor, clinic: Clinic, agreed: dict[str, Any]
) -> None:
    with pytest.raises(OutsideAgreement):
        RecipientFactory(clinic, by=at_work, **agreed)


@pytest.mark.requirement("PIPL-20")
def test_nobody_is_on_the_register_without_an_assessment(at_work: Actor, clinic: Clinic) -> None:
    with pytest.raises(AssessmentMissing):
        RecipientFactory(clinic, by=at_work, assessment="PIA-0")


@pytest.mark.requirement("PIPL-39")
def test_what_left_the_country_is_asked_back_and_the_answer_is_kept(
    at_work: Actor, clinic: Clinic, patient: Patient
) -> None:
    RecipientFactory(
        clinic, Purpose.CROSSBORDER, by=at_work, kind="abroad", country="DE", route="standard contract"
    )
    notice = published(clinic, Purpose.CROSSBORDER, by=at_work)
    ConsentFactory(patient, Purpose.CROSSBORDER, by=at_work, notice=notice, recipient="hospital")
    abroad = give(
        patient,
        "hospital",
        Purpose.CROSSBORDER,
        op=Operation.CROSSBORDER,
        data=HEALTH,
        what="report",
        by=at_work,
        at=MONDAY,
    )
    with pytest.raises(NotARecipient):
        confirm_recalled(abroad.pk, by=at_work, at=MONDAY)
    withdraw_consent(patient, Purpose.CROSSBORDER, by=at_work, at=MONDAY, given_through=GivenThrough.PORTAL)
    assert confirm_recalled(abroad.pk, by=at_work, at=MONDAY).recalled_at == MONDAY


@pytest.mark.requirement("PIPL-21", "GBT35273-9.7")
@pytest.mark.django_db(transaction=True)
def test_a_cut_off_waits_for_what_is_being_given_and_then_nothing_more_is(
    referred: Recipient, nurse: Actor, patient: Patient
) -> None:
    def own(work: Callable[[], object]) -> object:
        try:
            with acting(nurse):
                return work()
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        with acting(nurse):
            hand_over(patient, nurse)
            cutting = pool.submit(own, lambda: cut_off(referred.pk, by=nurse, at=MONDAY))
            time.sleep(0.2)
            assert not cutting.done()
        cutting.result(timeout=5)
    with acting(nurse), pytest.raises(NotARecipient):
        hand_over(patient, nurse)
