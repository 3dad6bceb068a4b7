"""The clinic's link leads a person to their own pages once; who finds it, guesses it or uses it again gets nowhere."""

import re
from datetime import date, timedelta

import pytest
import time_machine
from django.contrib.sessions.backends.cache import SessionStore
from django.db import IntegrityError, transaction
from django.db.models import F
from django.test import Client
from django.utils import timezone

from audit.access import access
from audit.acting import acting
from audit.actors import system_actor
from audit.kinds import Kind
from audit.models import AuditEvent
from audit.purposes import Purpose
from clinics.models import Clinic
from patients.errors import InvitationWaits, NoInvitation, OwnInvitation
from patients.models import Patient, PortalInvitation
from patients.services import confirm_invitation, end_portal_access, invite_to_portal, redeem_invitation
from portal.reading import begin_reading, reads_large
from portal.tasks import forget_codes
from tests.factories.patients import PatientFactory
from tests.laid_out import laid_out
from tests.portal.conftest import Person, system

BORN = "19600229"


@laid_out
def patient(clinic: Clinic) -> Patient:
    with acting(system(clinic)):
        return PatientFactory(clinic=clinic, phone=None)


def invite(patient: Patient, clinic: Clinic, *, confirmed: bool = True) -> str:
    """The address of a fresh link, which a colleague has confirmed."""
    with acting(system(clinic)), access(Purpose.CARE, Kind.COMPUTED):
        token = invite_to_portal(patient, by=system(clinic), at=timezone.now()).token
        if confirmed:
            confirm_invitation(patient, by=system_actor("colleague", clinic.pk), at=timezone.now())
    return f"/p/east/first/{token}/"


def is_signed_in(client: Client) -> bool:
    return "_auth_user_id" in client.session


def test_link_and_birth_date_lead_to_the_permissions_even_without_a_phone_of_ones_own(
    patient: Patient, clinic: Clinic, client: Client
) -> None:
    link = invite(patient, clinic)

    assert client.get(link).status_code == 200
    answer = client.post(link, {"born": "1960-02-29"})
    assert answer.headers["Location"] == "/p/east/permissions/"
    assert client.get("/p/east/permissions/").status_code == 200


def test_whoever_made_the_link_opens_nothing_with_the_birth_date_alone(
    patient: Patient, clinic: Clinic, client: Client
) -> None:
    link = invite(patient, clinic, confirmed=False)
    for _ in range(4):
        assert client.post(link, {"born": BORN}).status_code == 200
    assert not is_signed_in(client)
    with acting(system(clinic)):
        with pytest.raises(OwnInvitation):
            confirm_invitation(patient, by=system(clinic), at=timezone.now())
        with pytest.raises(InvitationWaits):
            redeem_invitation(clinic, link.split("/")[-2], date(1960, 2, 29), at=timezone.now())
        with pytest.raises(IntegrityError), transaction.atomic():
            PortalInvitation.objects.update(confirmed_by=F("made_by"))
        confirm_invitation(patient, by=system_actor("colleague", clinic.pk), at=timezone.now())
        with pytest.raises(NoInvitation):
            confirm_invitation(patient, by=system_actor("colleague", clinic.pk), at=timezone.now())

    client.post(link, {"born": BORN})
    assert is_signed_in(client)


def test_a_link_opens_once(patient: Patient, clinic: Clinic, client: Client) -> None:
    link = invite(patient, clinic)
    client.post(link, {"born": BORN})

    second = Client()
    assert second.post(link, {"born": BORN}).status_code == 404
    assert not is_signed_in(second)


def test_looking_at_a_link_uses_nothing_up(patient: Patient, clinic: Clinic, client: Client) -> None:
    link = invite(patient, clinic)
    for _ in range(5):
        client.get(link)
        client.head(link)

    client.post(link, {"born": BORN})
    assert is_signed_in(client)


def test_three_wrong_birth_dates_end_a_link_even_for_the_right_one(
    patient: Patient, clinic: Clinic, client: Client
) -> None:
    link = invite(patient, clinic)
    for year in (1961, 1962, 1963):
        assert client.post(link, {"born": f"{year}0301"}).status_code == 200

    assert client.post(link, {"born": BORN}).status_code == 404
    assert not is_signed_in(client)
    with acting(system(clinic)):
        assert AuditEvent.objects.filter(action="portal.invitation_missed").count() == 3


@pytest.mark.parametrize(
    "how", ["after a day", "after a newer one", "after the access ended", "at another clinic"]
)
def test_a_link_that_is_over_opens_nothing(
    patient: Patient, clinic: Clinic, other_clinic: Clinic, client: Client, how: str
) -> None:
    link, at = invite(patient, clinic), timezone.now()
    if how == "after a newer one":
        invite(patient, clinic)
    if how == "after the access ended":
        with acting(system(clinic)):
            end_portal_access(PortalInvitation.objects.get().access, at=timezone.now())
    if how == "at another clinic":
        link = link.replace("/east/", "/west/")
    with time_machine.travel(at + timedelta(days=1 if how == "after a day" else 0, seconds=1)):
        assert client.post(link, {"born": BORN}).status_code == 404
    assert not is_signed_in(client)


def test_a_guessed_link_looks_like_one_that_is_over(patient: Patient, clinic: Clinic, client: Client) -> None:
    link = invite(patient, clinic)
    client.post(link, {"born": BORN})

    used, guessed = Client().get(link), Client().get("/p/east/first/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA/")
    assert (used.status_code, guessed.status_code) == (404, 404)
    assert without_tokens(used.content) == without_tokens(guessed.content)


def test_the_table_gives_neither_link_nor_birth_date_away(patient: Patient, clinic: Clinic) -> None:
    token = invite(patient, clinic).split("/")[-2]
    with acting(system(clinic)):
        row = PortalInvitation.objects.values().get()

    assert token not in str(row)
    assert not re.search("1960-?02-?29", row["birth_hash"] + row["token_hash"])


def test_links_that_are_over_leave_the_table(patient: Patient, clinic: Clinic) -> None:
    invite(patient, clinic)
    with time_machine.travel(timezone.now() + timedelta(days=1, minutes=1)):
        forget_codes()

    with acting(system(clinic)):
        assert not PortalInvitation.objects.exists()


def test_the_elder_mode_is_offered_chosen_and_remembered(person: Person, phone_client: Client) -> None:
    assert phone_client.get("/p/east/").context["offers_elder"]
    phone_client.post("/p/east/reading/", {"elder": "yes"})

    page = phone_client.get("/p/east/")
    assert "portal/home_elder.html" in [template.name for template in page.templates]
    assert 'class="zz-elder"' in page.content.decode()
    phone_client.post("/p/east/sign-out/")
    begin_reading(session := SessionStore(), person.user)
    assert reads_large(session)


def without_tokens(page: bytes) -> bytes:
    return re.sub(rb'"[A-Za-z0-9]{64}"|nonce="[^"]+"', b"", page)
