"""The import page: upload, look, write or put aside; the file is kept sealed only until somebody decides."""

from datetime import date, timedelta
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from audit.acting import acting
from audit.actors import Actor, system_actor
from clinics.accounts.attempts import Limit
from clinics.models import Clinic, User
from clinics.roles import Role
from exchange.choices import BatchState
from exchange.models import ImportBatch
from exchange.services import try_file
from patients.models import Patient
from records.models import Observation
from tests.factories.clinics import StaffFactory, StaffRoleFactory
from tests.factories.patients import PatientFactory
from tests.factories.records import bundle, fixture, observation_resource

pytestmark = pytest.mark.django_db
UPLOADS = "exchange:import"


@pytest.fixture
def desk(client: Client, nurse_account: User) -> Client:
    client.force_login(nurse_account)
    return client


def upload(client: Client, data: bytes, name: str = "陈雅琴_体检.json") -> Any:
    """The page a reader sees after sending a file."""
    return client.post(reverse(UPLOADS), {"file": SimpleUploadedFile(name, data)}, follow=True)


def batch(clinic: Clinic) -> ImportBatch:
    with acting(system_actor("test", clinic.pk)):
        found: ImportBatch = ImportBatch.objects.get()
        return found


def counted(clinic: Clinic) -> tuple[int, int]:
    with acting(system_actor("test", clinic.pk)):
        return Patient.objects.count(), Observation.objects.count()


def test_a_trial_says_what_would_happen_and_writes_nothing(desk: Client, clinic: Clinic) -> None:
    page = upload(desk, fixture("checkup")).content.decode()
    assert "陈*琴" in page
    assert "陈雅琴" not in page
    assert "33914-3" in page
    assert "LX-0417" in page
    assert counted(clinic) == (0, 0)
    assert batch(clinic).state == BatchState.TRIED


def test_whoever_tries_many_files_to_learn_who_is_a_patient_is_stopped(
    desk: Client, clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("exchange.views.FILES", Limit("files", 1, 60))

    assert [upload(desk, fixture(name)).status_code for name in ("checkup", "child")] == [200, 429]
    assert batch(clinic).state == BatchState.TRIED


def test_writing_files_the_report_and_forgets_the_file(desk: Client, clinic: Clinic) -> None:
    upload(desk, fixture("checkup"))
    response = desk.post(reverse("exchange:write", args=[batch(clinic).pk]), follow=True)
    assert response.redirect_chain[-1][0].endswith("/results/")
    assert counted(clinic) == (1, 17)
    written = batch(clinic)
    assert written.state == BatchState.WRITTEN
    assert written.content is None


def test_a_second_click_changes_nothing(desk: Client, clinic: Clinic) -> None:
    upload(desk, fixture("checkup"))
    address = reverse("exchange:write", args=[batch(clinic).pk])
    desk.post(address)
    assert desk.post(address).status_code == 302
    assert counted(clinic) == (1, 17)


def test_putting_aside_forgets_the_file_and_writes_nothing(desk: Client, clinic: Clinic) -> None:
    upload(desk, fixture("checkup"))
    page = desk.post(reverse("exchange:discard", args=[batch(clinic).pk]), follow=True)
    assert page.status_code == 200
    assert batch(clinic).state == BatchState.DISCARDED
    assert counted(clinic) == (0, 0)
    assert desk.post(reverse("exchange:write", args=[batch(clinic).pk])).status_code == 404


def test_a_file_for_a_known_patient_names_their_card(desk: Client, clinic: Clinic, patient: Patient) -> None:
    page = upload(desk, bundle()).content.decode()
    assert patient.service_number in page
    desk.post(reverse("exchange:write", args=[batch(clinic).pk]))
    assert counted(clinic) == (1, 1)


def test_a_card_outside_ones_care_is_filed_to_and_not_named(desk: Client, clinic: Clinic) -> None:
    house = system_actor("test", clinic.pk)
    with acting(house):
        other = PatientFactory(clinic=clinic, by=house, name="陈雅琴", birth_date=date(1968, 5, 17))
        other.care_relationships.all().delete()
    page = upload(desk, bundle()).content.decode()
    assert other.service_number not in page
    response = desk.post(reverse("exchange:write", args=[batch(clinic).pk]))
    assert response.headers["Location"] == reverse(UPLOADS)
    assert counted(clinic) == (1, 1)


def test_a_broken_file_shows_each_place_and_keeps_nothing(desk: Client, clinic: Clinic) -> None:
    page = upload(desk, bundle(observation_resource(effectiveDateTime="?"))).content.decode()
    assert "entry[1] Observation/ldl effectiveDateTime" in page
    with acting(system_actor("test", clinic.pk)):
        assert not ImportBatch.objects.exists()


def test_a_file_that_fits_two_cards_says_so_and_offers_no_writing(
    desk: Client, clinic: Clinic, patient: Patient, nurse: Actor
) -> None:
    with acting(nurse, clinic.pk):
        PatientFactory(
            clinic=clinic, by=nurse, name="陈雅琴", birth_date=date(1968, 5, 17), phone="+8613900009999"
        )
    page = upload(desk, bundle()).content.decode()
    assert reverse("exchange:write", args=[batch(clinic).pk]) not in page
    assert reverse("exchange:discard", args=[batch(clinic).pk]) in page


def test_no_file_and_an_empty_file_are_said_beside_the_field(desk: Client) -> None:
    assert b"is-bad" in desk.post(reverse(UPLOADS)).content
    assert b"is-bad" in upload(desk, b"").content


def test_the_content_and_the_name_of_a_file_stand_nowhere_in_clear(desk: Client, clinic: Clinic) -> None:
    upload(desk, fixture("checkup"))
    with acting(system_actor("test", clinic.pk)), connection.cursor() as cursor:
        cursor.execute("SELECT b::text FROM exchange_importbatch b")
        [(plain,)] = cursor.fetchall()
    assert "tried" in plain
    assert "Bundle" not in plain
    assert "陈雅琴" not in plain


def test_somebody_elses_upload_is_not_there(desk: Client, clinic: Clinic, client: Client) -> None:
    upload(desk, fixture("checkup"))
    colleague = StaffFactory()
    StaffRoleFactory(user=colleague, clinic=clinic, role=Role.NURSE)
    other = Client()
    other.force_login(colleague)
    assert other.get(reverse("exchange:trial", args=[batch(clinic).pk])).status_code == 404
    assert other.post(reverse("exchange:write", args=[batch(clinic).pk])).status_code == 404
    assert counted(clinic) == (0, 0)


@pytest.mark.parametrize("role", [Role.FRONT_DESK, Role.NUTRITIONIST, Role.MANAGER, Role.ADMINISTRATOR])
def test_only_those_who_may_import_see_the_page(client: Client, clinic: Clinic, role: Role) -> None:
    account = StaffFactory()
    StaffRoleFactory(user=account, clinic=clinic, role=role)
    client.force_login(account)
    assert client.get(reverse(UPLOADS)).status_code == 403
    assert upload(client, fixture("checkup")).status_code == 403


def test_files_nobody_decided_about_are_forgotten_after_a_day(nurse: Actor, clinic: Clinic) -> None:
    now = timezone.now()
    with acting(nurse, clinic.pk):
        old = try_file(bundle(), clinic=clinic, by=nurse, at=now - timedelta(hours=25))
        young = try_file(fixture("child"), clinic=clinic, by=nurse, at=now)
        states = dict(ImportBatch.objects.values_list("pk", "state"))
    assert states == {old.pk: BatchState.DISCARDED, young.pk: BatchState.TRIED}


def test_what_was_decided_lately_is_listed_with_its_counts(desk: Client, clinic: Clinic) -> None:
    upload(desk, fixture("checkup"))
    desk.post(reverse("exchange:write", args=[batch(clinic).pk]))
    page = desk.get(reverse(UPLOADS)).content.decode()
    assert "17" in page


def test_an_uploaded_file_never_touches_the_disk(
    desk: Client, clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        raise AssertionError("a temporary file was opened")

    monkeypatch.setattr("tempfile.NamedTemporaryFile", refuse)
    monkeypatch.setattr("django.core.files.uploadedfile.tempfile.NamedTemporaryFile", refuse)
    padded = fixture("checkup") + b" " * (3 * 1024 * 1024)
    assert "陈*琴" in upload(desk, padded).content.decode()


def test_a_file_over_twenty_megabytes_is_refused_at_the_door(desk: Client) -> None:
    page = upload(desk, b" " * (21 * 1024 * 1024 + 1))
    assert b"is-bad" in page.content
