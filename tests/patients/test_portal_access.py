"""A phone finds the accounts of those who gave it; nothing is opened for somebody who has not signed in."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import IntegrityError, transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from audit.acting import acting
from audit.actors import Actor
from audit.models import AuditEvent
from clinics.models import CareTeam, Clinic, User, UserKind
from clinics.queries import anonymous_actor
from patients.choices import PhoneOwner, PortalRelation
from patients.errors import BirthDateMissing, NotTheirPhone, OwnInvitation
from patients.models import PortalAccess, PortalInvitation
from patients.queries import has_portal, portal_accounts_by_phone, portal_patients
from patients.services import give_portal_access
from tests.factories.patients import OPENED_AT, PatientFactory

pytestmark = pytest.mark.django_db
PHONE = "+8613800001234"


def test_a_phone_finds_every_account_of_the_family_that_shares_it(clinic: Clinic, nurse: Actor) -> None:
    with acting(nurse):
        family = [PatientFactory(clinic=clinic, by=nurse, phone=PHONE) for _ in range(2)]
        PatientFactory(clinic=clinic, by=nurse, phone=PHONE)  # without an account
        given = [give_portal_access(each, PortalRelation.SELF, nurse, at=OPENED_AT) for each in family]
    with acting(anonymous_actor(clinic.pk)):
        accounts = portal_accounts_by_phone(clinic, "138 0000 1234")

        assert set(accounts) == set(given)
        assert portal_accounts_by_phone(clinic, "13800009999") == []
        assert portal_accounts_by_phone(clinic, "nonsense") == []
        assert not AuditEvent.objects.filter(action="access", actor_kind="anonymous").exists()


@pytest.mark.parametrize("relation", [PortalRelation.PROXY, PortalRelation.GUARDIAN])
def test_the_phone_of_somebody_who_is_looked_after_never_opens_the_account_of_who_looks_after_them(
    clinic: Clinic, nurse: Actor, relation: PortalRelation
) -> None:
    with acting(nurse):
        daughter = PatientFactory(clinic=clinic, by=nurse, phone="+8613800005678")
        mother = PatientFactory(clinic=clinic, by=nurse, phone=PHONE)
        own = give_portal_access(daughter, PortalRelation.SELF, nurse, at=OPENED_AT)
        give_portal_access(mother, relation, nurse, at=OPENED_AT, user=own.user)

        assert portal_accounts_by_phone(clinic, PHONE) == []
        mothers = give_portal_access(mother, PortalRelation.SELF, nurse, at=OPENED_AT)
        assert portal_accounts_by_phone(clinic, PHONE) == [mothers]
        assert portal_accounts_by_phone(clinic, "13800005678") == [own]


def test_an_account_says_nothing_of_whose_it_is(clinic: Clinic, nurse: Actor) -> None:
    with acting(nurse):
        patient = PatientFactory(clinic=clinic, by=nurse)
        access = give_portal_access(patient, PortalRelation.SELF, nurse, at=OPENED_AT)

    assert (access.user.kind, access.user.display_name) == (UserKind.PATIENT, "")
    assert patient.service_number not in access.user.username
    assert not access.user.has_usable_password()


def test_an_ended_access_an_inactive_account_and_another_clinic_find_nobody(
    clinic: Clinic, other_clinic: Clinic, nurse: Actor
) -> None:
    with acting(nurse, clinic.pk, other_clinic.pk):
        ended, inactive = (PatientFactory(clinic=clinic, by=nurse, phone=PHONE) for _ in range(2))
        give_portal_access(ended, PortalRelation.SELF, nurse, at=OPENED_AT)
        PortalAccess.objects.update(valid_until=timezone.now() - timedelta(days=1))
        account = give_portal_access(inactive, PortalRelation.SELF, nurse, at=OPENED_AT).user
        account.is_active = False
        account.save()

        assert portal_accounts_by_phone(clinic, PHONE) == []
        assert portal_accounts_by_phone(other_clinic, PHONE) == []


def test_a_person_has_one_account_of_their_own(clinic: Clinic, nurse: Actor) -> None:
    with acting(nurse):
        patient, other = (PatientFactory(clinic=clinic, by=nurse) for _ in range(2))
        own = give_portal_access(patient, PortalRelation.SELF, nurse, at=OPENED_AT)
        account = give_portal_access(other, PortalRelation.SELF, nurse, at=OPENED_AT).user
        with pytest.raises(IntegrityError), transaction.atomic():
            PortalAccess.objects.create(
                clinic=clinic, user=account, patient=patient, relation=PortalRelation.SELF, given_at=OPENED_AT
            )
        give_portal_access(other, PortalRelation.GUARDIAN, nurse, at=OPENED_AT, user=own.user)

        shown = portal_patients(own.user_id, clinic.pk)
        assert [row.patient for row in shown] == [patient, other]


def test_the_desk_opens_the_portal_for_a_person_once(
    clinic: Clinic, nurse: Actor, nurse_account: User, client: Client
) -> None:
    client.force_login(nurse_account)
    with acting(nurse):
        patient = PatientFactory(clinic=clinic, by=nurse, phone=PHONE)
    address = reverse("patients:open_portal", args=[patient.pk])

    answers = [client.post(address).status_code for _ in range(2)]

    assert answers == [302, 302]
    with acting(nurse):
        assert PortalAccess.objects.get().patient == patient
    assert client.get(address).status_code == 405


@pytest.mark.parametrize("card", [{"phone": None}, {"phone": PHONE, "phone_owner": PhoneOwner.CHILD}])
def test_a_phone_that_is_not_the_persons_own_opens_no_portal(
    clinic: Clinic, nurse: Actor, nurse_account: User, client: Client, card: dict[str, Any]
) -> None:
    client.force_login(nurse_account)
    with acting(nurse):
        patient = PatientFactory(clinic=clinic, by=nurse, **card)

    answer = client.post(reverse("patients:open_portal", args=[patient.pk]))

    assert answer.status_code == NotTheirPhone.status
    with acting(nurse):
        assert not PortalAccess.objects.exists()


def test_the_portal_of_a_patient_in_other_care_looks_like_one_that_is_not_there(
    clinic: Clinic, other_team: CareTeam, hire: Callable[..., User], nurse: Actor, client: Client
) -> None:
    client.force_login(hire(clinic, other_team))
    with acting(nurse):
        patient = PatientFactory(clinic=clinic, by=nurse, phone=PHONE)

    answers = [client.post(reverse("patients:open_portal", args=[pk])) for pk in (patient.pk, uuid4())]

    assert [answer.status_code for answer in answers] == [404, 404]
    assert _without_tokens(answers[0]) == _without_tokens(answers[1])
    with acting(nurse):
        denied = AuditEvent.objects.filter(action="access.denied")
        assert [event.object_pk for event in denied].count(str(patient.pk)) == 1


def test_the_desk_shows_a_qr_code_with_the_link_and_the_log_says_so(
    clinic: Clinic, nurse: Actor, nurse_account: User, client: Client
) -> None:
    client.force_login(nurse_account)
    with acting(nurse):
        patient = PatientFactory(clinic=clinic, by=nurse, phone=None)

    page = client.post(reverse("patients:invite", args=[patient.pk]))

    assert page.context["link"].startswith("http://testserver/p/")
    assert page.context["picture"].startswith("data:image/svg+xml")
    with acting(nurse):
        assert AuditEvent.objects.filter(action="portal.invited", actor_ref=nurse.ref).count() == 1


def test_whoever_has_a_phone_of_their_own_signs_in_with_it_and_the_desk_holds_no_key(
    clinic: Clinic, nurse: Actor, nurse_account: User, client: Client
) -> None:
    client.force_login(nurse_account)
    with acting(nurse):
        patient = PatientFactory(clinic=clinic, by=nurse, phone=PHONE)
        twin = PatientFactory(clinic=clinic, by=nurse, phone=PHONE)

    page = client.post(reverse("patients:invite", args=[patient.pk]))
    assert page.context["link"].endswith(f"/p/{clinic.code}/sign-in/")
    with acting(nurse):
        assert not PortalInvitation.objects.exists()
        assert has_portal(patient, at=timezone.now())
    shared = client.post(reverse("patients:invite", args=[twin.pk]))
    assert "/first/" in shared.context["link"]  # a code would sign in neither


def test_a_colleague_confirms_what_one_made(
    clinic: Clinic,
    nurse: Actor,
    nurse_account: User,
    team: CareTeam,
    hire: Callable[..., User],
    client: Client,
) -> None:
    with acting(nurse):
        patient = PatientFactory(clinic=clinic, by=nurse, phone=None, team=team)
    colleague = Client()
    client.force_login(nurse_account)
    colleague.force_login(hire(clinic, team))
    confirm = reverse("patients:confirm_invited", args=[patient.pk])
    client.post(reverse("patients:invite", args=[patient.pk]))

    assert client.post(confirm).status_code == OwnInvitation.status
    assert confirm in colleague.get(reverse("consent:record", args=[patient.pk])).content.decode()
    assert colleague.post(confirm).status_code == 302
    with acting(nurse):
        assert AuditEvent.objects.filter(action="portal.invitation_confirmed").count() == 1


def test_no_link_is_made_by_who_may_not_or_for_somebody_without_a_birth_date(
    clinic: Clinic,
    other_team: CareTeam,
    hire: Callable[..., User],
    nurse: Actor,
    nurse_account: User,
    client: Client,
) -> None:
    with acting(nurse):
        patient = PatientFactory(clinic=clinic, by=nurse)
        undated = PatientFactory(clinic=clinic, by=nurse, birth_date=None, phone=None)
    client.force_login(nurse_account)
    assert client.post(reverse("patients:invite", args=[undated.pk])).status_code == BirthDateMissing.status
    assert client.get(reverse("patients:invite", args=[patient.pk])).status_code == 405
    client.force_login(hire(clinic, other_team))
    answers = [client.post(reverse("patients:invite", args=[pk])) for pk in (patient.pk, uuid4())]

    assert [answer.status_code for answer in answers] == [404, 404]
    with acting(nurse):
        assert not PortalInvitation.objects.exists()


def _without_tokens(answer: Any) -> str:
    return re.sub(r'"[A-Za-z0-9]{64}"|nonce="[^"]+"', "", answer.content.decode())
