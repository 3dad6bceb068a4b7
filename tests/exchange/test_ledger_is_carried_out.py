"""What the ledger says is so before the first request: after a restore, after older keys came back, and not beside another ledger."""

import shutil
from concurrent.futures import ThreadPoolExecutor
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client

from audit.access import access
from audit.acting import acting
from audit.kinds import Kind
from audit.models import AuditEvent
from audit.purposes import Purpose
from config.dbroles.owner import as_owner
from config.start import refuse_to_start
from crypto import ledger
from crypto.core.scopes import Scope
from crypto.keyring import forget_everything
from crypto.models import SubjectKey
from exchange.services import carry_out_ledger
from patients.models import Patient, PatientSearchPerson, PatientTag
from patients.queries import patient_for, search_patients
from tests.factories.clinics import ClinicFactory
from tests.factories.erasure import ERASED_AT, PHONE, House, living_keys_of

pytestmark = pytest.mark.django_db(transaction=True)


def as_before(*statements: str) -> None:
    """What somebody does who may write every table."""
    with as_owner() as owner, owner.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


class Copy:
    """The database as it was, in tables of the owner's; put back, it is what a restored dump is."""

    TABLES = ("subject_key", "patient_search_person", "patient_search", "patients_patienttag", "sealed_file")

    def __init__(self) -> None:
        as_before("; ".join(f"CREATE TABLE before_{t} AS TABLE {t}" for t in self.TABLES))

    def put_back(self) -> None:
        statements = [f"ALTER TABLE {t} DISABLE TRIGGER USER" for t in self.TABLES]
        statements += [f"DELETE FROM {t}" for t in reversed(self.TABLES)]
        statements += [f"INSERT INTO {t} SELECT * FROM before_{t}" for t in self.TABLES]
        statements += [f"ALTER TABLE {t} ENABLE TRIGGER USER" for t in self.TABLES]
        patient = "UPDATE patients_patient SET restricted_at = NULL"
        epoch = "UPDATE crypto_epoch SET ledger_length = 0, ledger_head = '', counter = counter + 1"
        as_before(*statements, patient, epoch)
        forget_everything()

    def drop(self) -> None:
        as_before("; ".join(f"DROP TABLE IF EXISTS before_{t}" for t in self.TABLES))


@pytest.fixture
def restored(house: House, in_care: Patient) -> Any:
    """The database of before the erasure of `in_care`, with the keys and the ledger of now; and a neighbour in it."""
    neighbour = house.opened(name="李四光", phone=PHONE)
    copy = Copy()
    try:
        house.erase(in_care)
        copy.put_back()
        with acting(house.system):
            assert set(living_keys_of(in_care.subject_id).values()) == {"open"}
        yield neighbour
    finally:
        copy.drop()


def found(house: House, text: str) -> set[Any]:
    with acting(house.system):
        return {match.patient.pk for match in search_patients(house.system, house.clinic.pk, text)}


@pytest.mark.requirement("HIPAA-308a7")
def test_a_restored_database_erases_again_before_its_first_request(
    house: House, in_care: Patient, restored: Patient
) -> None:
    assert in_care.pk in found(house, PHONE)
    refuse_to_start()
    with acting(house.system), access(Purpose.CARE, Kind.COMPUTED):
        assert living_keys_of(in_care.subject_id) == {Scope.IDENTITY: "held", Scope.RECORD: "held"}
        assert not PatientSearchPerson.objects.filter(subject_id=in_care.subject_id).exists()
        assert not PatientTag.objects.filter(patient=in_care).exists()
        assert Patient.objects.get(pk=in_care.pk).restricted_at == ERASED_AT
        assert Patient.objects.get(pk=restored.pk).identity.name == "李四光"
        assert AuditEvent.objects.filter(action="patient.erased", reason="replayed").count() == 1
    assert found(house, PHONE) == {restored.pk}
    refuse_to_start()
    assert carry_out_ledger() == 0
    with acting(house.system):
        assert AuditEvent.objects.filter(action="patient.erased").count() == 2


def test_several_processes_that_start_at_once_carry_it_out_once(
    house: House, in_care: Patient, restored: Patient
) -> None:
    def start(_number: int) -> int:
        try:
            return carry_out_ledger()
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(start, range(4))) == 1
    assert ledger.known().length == 1


def test_keys_that_an_older_copy_brings_back_are_destroyed_and_held_again(
    house: House, in_care: Patient
) -> None:
    with acting(house.system):
        before = {
            row.pk: (row.wrapped, row.kek_id) for row in SubjectKey.objects.filter(subject_id=in_care.pk)
        }
    house.erase(in_care)
    with as_owner():  # the application cannot
        for pk, (wrapped, kek) in before.items():
            SubjectKey.objects.filter(pk=pk).update(
                wrapped=wrapped, kek_id=kek, destroyed_at=None, destroy_ref=None
            )
    with acting(house.system):
        assert len(living_keys_of(in_care.pk)) == 3
    assert carry_out_ledger() == 2
    with acting(house.system):
        assert living_keys_of(in_care.pk) == {Scope.IDENTITY: "held", Scope.RECORD: "held"}
    assert carry_out_ledger() == 0


def test_a_ledger_that_is_shorter_broken_or_another_one_lets_nobody_start(house: House) -> None:
    first, second = house.opened(), house.opened()
    house.erase(first)
    file = ledger.ledger_file()
    before = file.read_bytes()
    house.erase(second)
    whole = file.read_bytes()
    for content, words in [
        (before, "has 1 erasures, and the database knows of 2"),
        (b"", "has 0 erasures"),
        (whole.replace(b'"restricted":[]', b'"restricted":["record"]', 1), "does not go on"),
        (before + before, "does not go on"),
    ]:
        file.write_bytes(content)
        with pytest.raises(ImproperlyConfigured, match=words):
            refuse_to_start()
    file.unlink()
    with pytest.raises(ImproperlyConfigured, match="restore the file"):
        refuse_to_start()
    file.write_bytes(whole)
    file.chmod(0o600)
    refuse_to_start()


def test_without_the_hold_pair_a_restored_database_does_not_start(
    house: House, in_care: Patient, restored: Patient, settings: Any
) -> None:
    pair = Path(settings.KEYS_DIR) / "hold.pub"
    shutil.move(pair, pair.with_suffix(".away"))
    with pytest.raises(ImproperlyConfigured, match="create_hold_key"):
        refuse_to_start()
    with acting(house.system):
        assert set(living_keys_of(in_care.subject_id).values()) == {"open"}
    assert ledger.known().length == 0


def test_the_page_for_watchers_says_when_the_witness_lacks_a_line(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("config.health.LATE", (("erasure_witness", lambda: True),))
    assert Client().get("/health/").json()["late"] == ["erasure_witness"]


def command(*words: str) -> str:
    said = StringIO()
    call_command(*words, stdout=said)
    return said.getvalue()


def test_the_command_shows_asks_erases_and_does_it_once(house: House, in_care: Patient) -> None:
    words = [
        "erase_patient",
        in_care.service_number,
        "--clinic",
        "east",
        "--reason",
        "request",
        "--by",
        "officer",
    ]
    looked = command(*words, "--dry-run")
    for told in (
        "identity   stored until 2041-11-",
        "consented  destroyed (1 keys, 1 files)",
        "Nothing was changed.",
    ):
        assert told in looked
    with pytest.raises(CommandError, match="add --yes"):
        command(*words)
    with acting(house.system):
        assert set(living_keys_of(in_care.subject_id).values()) == {"open"}
    done = command(*words, "--yes")
    assert "line 1 of the ledger" in done
    assert "nothing left" in command(*words, "--yes")
    assert "王" not in looked + done
    with acting(house.system):
        assert set(living_keys_of(in_care.subject_id).values()) == {"held"}


def test_the_command_refuses_in_one_sentence(house: House) -> None:
    patient, _west = house.opened(), ClinicFactory("west")
    for clinic, number, by, words in [
        ("north", patient.service_number, None, "no open clinic"),
        ("west", patient.service_number, None, f"no patient {patient.service_number} in this clinic"),
        ("east", patient.service_number, "nobody", "does not work in this clinic"),
        ("east", patient.service_number, house.nurse_name, "Your role does not include"),
    ]:
        with pytest.raises(CommandError, match=words):
            call_command("erase_patient", number, clinic=clinic, reason="request", by=by, yes=True)
    assert ledger.read().length == 0


def test_the_command_gives_a_held_record_back_to_one_reader(house: House, in_care: Patient) -> None:
    command("erase_patient", in_care.service_number, "--clinic", "east", "--reason", "request", "--yes")
    words = ["release_hold", in_care.service_number, "--clinic", "east", "--to", house.nurse_name]
    words += ["--reason", "complaint", "--private", str(house.private)]
    with pytest.raises(CommandError, match="Your role does not include"):
        command(*words, "--by", house.nurse_name)
    with pytest.raises(CommandError, match="is missing"):
        command(*words, "--by", "officer", "--private", f"{house.private}.lost")
    said = command(*words, "--by", "officer")
    assert said.startswith("2 keys came back.")
    assert "王" not in said
    with acting(house.nurse, house.clinic.pk), access(Purpose.CARE, Kind.VIEWED):
        assert patient_for(house.nurse, in_care.pk).identity.name == "王小芳"
        assert AuditEvent.objects.get(action="hold.released").reason == "complaint"
    with pytest.raises(CommandError, match="Nothing of this person is under the legal hold"):
        command(*words, "--by", "officer")
