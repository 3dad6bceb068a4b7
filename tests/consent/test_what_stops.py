"""Whatever a purpose says that ends with it has somebody who ends it, and ends."""

from datetime import timedelta

import pytest
from django.apps import apps
from django.utils.module_loading import import_string

from audit.actors import Actor
from audit.purposes import Purpose
from clinics.models import Clinic
from consent.choices import GivenThrough, Operation
from consent.decisions import Need
from consent.errors import ConsentMissing
from consent.gate import pass_gate
from consent.models import Disclosure
from consent.permitted import requires_consent
from consent.purposes import PurposeRule, rules, stop_codes
from consent.queries import consented
from consent.recipients import give
from consent.services import withdraw_consent, would_stop
from patients.choices import PortalRelation
from patients.models import Patient, PortalAccess
from patients.queries import proxies_of
from patients.services import give_portal_access
from tests.factories.consent import MONDAY, ConsentFactory, RecipientFactory, published
from tests.factories.patients import OPENED_AT, PatientFactory

WITHDRAWABLE = [rule for rule in rules().values() if rule.withdrawable]


def stoppers() -> dict[str, str]:
    """Each stop code with the app that takes part in it."""
    return {
        code: app.name
        for app in apps.get_app_configs()
        for code in getattr(_participation(app.name), "STOPS", ())
    }


def _participation(app: str) -> object:
    try:
        return import_string(f"{app}.participation")
    except ImportError:
        return None


def withdraw(patient: Patient, purpose: Purpose, by: Actor) -> list[str]:
    withdrawal = withdraw_consent(patient, purpose, by=by, at=MONDAY, given_through=GivenThrough.PORTAL)
    return [str(stopped) for stopped in withdrawal.stopped]


def test_every_stop_of_a_participant_has_one_app_that_carries_it_out() -> None:
    assert set(stoppers()) == {code for code, by in stop_codes().items() if by == "participant"}


def test_what_nobody_ends_yet_is_named() -> None:
    assert {code for code, by in stop_codes().items() if by == "nobody"} == {"consented_keys"}


@pytest.mark.parametrize("rule", WITHDRAWABLE, ids=lambda rule: rule.purpose.value)
def test_after_a_withdrawal_the_gate_is_shut_and_no_list_has_the_person(
    at_work: Actor, clinic: Clinic, patient: Patient, rule: PurposeRule
) -> None:
    notice = published(clinic, rule.purpose, by=at_work)
    ConsentFactory(patient, rule.purpose, by=at_work, notice=notice)
    needs = [Need(patient_id=patient.pk, purpose=rule.purpose, op=op) for op in rule.operations]

    def standing() -> set[bool]:
        listed = [Patient.objects.filter(consented(rule.purpose, op=n.op, at=MONDAY)).exists() for n in needs]
        return {answer.allowed for answer in pass_gate(needs, MONDAY).values()} | set(listed)

    assert standing() == {True}
    withdraw(patient, rule.purpose, at_work)
    assert standing() == {False}


def test_a_proxy_sees_nothing_from_the_moment_the_person_says_so_and_a_guardian_stays(
    at_work: Actor, clinic: Clinic, patient: Patient
) -> None:
    ConsentFactory(patient, Purpose.FAMILY, by=at_work, notice=published(clinic, Purpose.FAMILY, by=at_work))
    for relation in (PortalRelation.PROXY, PortalRelation.GUARDIAN):
        helper = give_portal_access(
            PatientFactory(clinic=clinic, by=at_work), PortalRelation.SELF, at_work, at=OPENED_AT
        ).user
        give_portal_access(patient, relation, at_work, at=OPENED_AT, user=helper)
    assert (
        str(would_stop(patient, Purpose.FAMILY, MONDAY)[0]) == withdraw(patient, Purpose.FAMILY, at_work)[0]
    )
    assert not proxies_of(patient, MONDAY).exists()
    assert PortalAccess.objects.get(patient=patient, relation=PortalRelation.GUARDIAN).valid_until is None


@pytest.mark.requirement("PIPL-25")
def test_what_was_published_is_to_be_taken_down_within_a_day(
    at_work: Actor, clinic: Clinic, patient: Patient
) -> None:
    RecipientFactory(clinic, Purpose.PUBLISH, by=at_work, code="website", kind="public")
    notice = published(clinic, Purpose.PUBLISH, by=at_work)
    ConsentFactory(patient, Purpose.PUBLISH, by=at_work, notice=notice, recipient="website")
    give(
        patient,
        "website",
        Purpose.PUBLISH,
        op=Operation.PUBLISH,
        data=frozenset({"image"}),
        what="case",
        by=at_work,
        at=MONDAY,
    )
    assert withdraw(patient, Purpose.PUBLISH, at_work)
    assert Disclosure.objects.get().recall_due_at == MONDAY + timedelta(hours=24)


def test_a_function_runs_behind_the_permission_it_names(at_work: Actor, patient: Patient) -> None:
    @requires_consent(Purpose.FOLLOWUP, patient=lambda person: person.pk, at=lambda _person: MONDAY)
    def write(person: Patient) -> str:
        return "written"

    with pytest.raises(ConsentMissing):
        write(patient)
    ConsentFactory(patient, by=at_work, at=OPENED_AT)
    assert write(patient) == "written"
