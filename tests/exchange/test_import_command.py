"""`manage.py import_report` brings files in, says what it did, and fails plainly."""

from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError, connection

from audit.acting import acting
from audit.actors import system_actor
from clinics.models import Clinic
from patients.models import Patient
from records.models import Observation
from tests.factories.records import TODAY, bundle, fixture, patient_resource

pytestmark = pytest.mark.django_db


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("checkup", "critical_potassium", "child"):
        (tmp_path / f"{name}.json").write_bytes(fixture(name, on=TODAY))
    (tmp_path / "broken.json").write_bytes(bundle(patient=patient_resource(birthDate="tomorrow")))
    return tmp_path


def run(*arguments: object) -> tuple[str, str]:
    out, err = StringIO(), StringIO()
    try:
        call_command("import_report", *map(str, arguments), stdout=out, stderr=err)
    except CommandError as error:
        err.write(str(error))
    return out.getvalue(), err.getvalue()


def counted(clinic: Clinic) -> tuple[int, int]:
    with acting(system_actor("test", clinic.pk)):
        return Patient.objects.count(), Observation.objects.count()


def test_files_are_brought_in_and_counted(clinic: Clinic, folder: Path) -> None:
    out, err = run(
        folder / "checkup.json", folder / "critical_potassium.json", "--clinic", "east", "--open-card"
    )
    assert err == ""
    first, second = out.splitlines()
    assert (
        "stored 17, already there 0, flagged 3, critical 0, uncatalogued 2 (33914-3 x1, LX-0417 x1)" in first
    )
    assert "critical 1" in second
    assert counted(clinic) == (2, 21)


def test_the_same_files_again_say_that_nothing_is_new(clinic: Clinic, folder: Path) -> None:
    run(folder / "checkup.json", "--clinic", "east", "--open-card")
    out, err = run(folder / "checkup.json", "--clinic", "east")
    assert "nothing new, all 17 results are there already" in out
    assert err == ""
    assert counted(clinic) == (1, 17)


def test_a_dry_run_writes_nothing(clinic: Clinic, folder: Path) -> None:
    out, _err = run(folder / "checkup.json", "--clinic", "east", "--open-card", "--dry-run")
    assert "(dry run) a new card would be opened" in out
    assert counted(clinic) == (0, 0)


def test_a_broken_file_is_named_with_the_place_and_the_others_come_in(clinic: Clinic, folder: Path) -> None:
    out, err = run(folder / "broken.json", folder / "child.json", "--clinic", "east", "--open-card")
    assert "entry[0] Patient/person birthDate: This is not a date." in err
    assert "1 of 2 files refused, 1 brought in." in err
    assert "child.json" in out
    assert counted(clinic) == (1, 3)


def test_a_command_that_refused_something_fails(clinic: Clinic, folder: Path) -> None:
    with pytest.raises(CommandError):
        call_command(
            "import_report",
            str(folder / "broken.json"),
            "--clinic",
            "east",
            stdout=StringIO(),
            stderr=StringIO(),
        )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["checkup.json", "--clinic", "east"], "No card in this clinic matches"),
        (["missing.json", "--clinic", "east"], "No such file"),
        ([".", "--clinic", "east"], "Is a directory"),
        (["checkup.json", "--clinic", "nowhere"], "no open clinic with the code 'nowhere'"),
    ],
)
def test_every_refusal_is_a_sentence(clinic: Clinic, folder: Path, arguments: list[str], said: str) -> None:
    out, err = run(folder / arguments[0], *arguments[1:])
    assert said in err
    assert out == ""
    assert counted(clinic) == (0, 0)


def test_a_database_that_ends_the_work_is_said_in_a_sentence(
    clinic: Clinic, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ends(*args: object, **kwargs: object) -> None:
        raise OperationalError("terminating connection due to transaction timeout")

    monkeypatch.setattr("exchange.management.commands.import_report.import_bundle", ends)
    monkeypatch.setattr(connection, "close", lambda: None)  # the test's own transaction goes on
    _out, err = run(folder / "child.json", "--clinic", "east", "--open-card")
    assert "the database ended the work (OperationalError), so nothing of it was written" in err
    assert counted(clinic) == (0, 0)


def test_nothing_the_command_prints_names_the_person_or_a_value(clinic: Clinic, folder: Path) -> None:
    out, err = run(folder / "checkup.json", folder / "broken.json", "--clinic", "east", "--open-card")
    for secret in ("陈雅琴", "13800001234", "990101196805170049", "4.35", "hbsag", "5196-1"):
        assert secret not in out + err
