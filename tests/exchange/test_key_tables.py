"""A database restored from an old dump opens again with a newer copy of the key tables, and nothing that was erased does."""

import gzip
import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils.timezone import now
from pytest_django import Settings

from audit.acting import acting
from audit.canon import moment
from audit.models import SYSTEM_LOG, AuditEvent
from audit.services import record
from audit.wrote import wrote_keys
from clinics.models import Clinic
from config.dbroles.owner import as_owner
from crypto import ledger
from crypto.core.ledger import NOTHING, Erasure
from crypto.core.scopes import Scope
from crypto.erasure import destroy_subject_keys
from crypto.models import Kek, KekState, SubjectKey
from exchange.errors import KeyCopyRefused
from exchange.services import keys
from exchange.services.key_copies import back_up_key_tables, is_backed_up, restore_key_tables
from exchange.tasks import keep_keys_task
from patients.models import Patient
from tests.exchange.test_key_commands import House
from tests.factories.erasure import own_keys

pytestmark = pytest.mark.django_db(transaction=True)

RESTORED = ("index_key", "subject_key", "sealed_file", "patient_search", "crypto_job", "crypto_kek")


@pytest.fixture
def house(
    transactional_db: None, settings: Settings, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> House:
    own_keys(settings, tmp_path_factory.mktemp("own"))
    settings.KEY_TABLES_DIR = tmp_path
    return House()


def erase_in_ledger(patient: Patient) -> UUID:
    """A line of the ledger, as an erasure of this person would have written it; answers its reference."""
    line = Erasure(
        number=1,
        at=moment(now()),
        clinic_id=patient.clinic_id,
        patient_id=patient.pk,
        subject_ids=(patient.subject_id,),
        destroyed=frozenset({Scope.IDENTITY}),
        restricted=frozenset(),
        key_ids=(),
        held_key_ids=(),
        file_ids=(),
        reference=uuid4(),
        previous=NOTHING,
    )
    ledger.ledger_file().write_bytes(line.line() + b"\n")
    ledger.ledger_file().chmod(0o600)
    return line.reference


def destroyed(patient: Patient, scopes: list[Scope], *, reference: UUID) -> None:
    keys = destroy_subject_keys([patient.subject_id], scopes, at=now(), reference=reference)
    record("test.arranged", object=patient, wrote=wrote_keys(SubjectKey, keys))


@contextmanager
def old_dump() -> Iterator[None]:
    """When it ends, the tables of keys and tokens hold again what they held when it began."""
    with as_owner(), connection.cursor() as cursor:
        for table in RESTORED:
            cursor.execute(f"CREATE TABLE dumped_{table} AS TABLE {table}")
        cursor.execute("SELECT max(id) FROM crypto_kek")
        (highest,) = cursor.fetchone()
    try:
        yield
    finally:
        with as_owner(), connection.cursor() as cursor:
            for table in RESTORED:
                cursor.execute(f"DELETE FROM {table}")
            for table in reversed(RESTORED):
                cursor.execute(f"INSERT INTO {table} TABLE dumped_{table}; DROP TABLE dumped_{table}")
            cursor.execute(
                "SELECT setval(pg_get_serial_sequence('crypto_kek', 'id'), %s);"
                " UPDATE crypto_epoch SET counter = counter + 1",
                [highest],
            )


def change_keys(clinic: Clinic) -> None:
    """A new epoch, and the old key-encryption key destroyed."""
    for _job in keys.keep_keys_of(clinic, at=now(), start=True):
        pass
    assert keys.destroy_old_keks(clinic, at=now() + timedelta(days=30)) == 1


def test_an_old_dump_opens_with_a_newer_copy(house: House) -> None:
    erased = house.patients.pop("欧阳晓静")
    with old_dump():
        change_keys(house.clinic)
        with acting(house.system):
            destroyed(erased, [Scope.IDENTITY], reference=erase_in_ledger(erased))
        copy = back_up_key_tables(at=now())

    out = io.StringIO()
    call_command("key_tables", "restore", str(copy), stdout=out)
    call_command("rotate_keys", stdout=io.StringIO())

    house.everything_opens_and_everybody_is_found()
    with acting(house.system):
        gone = SubjectKey.objects.get(subject_id=erased.subject_id, scope=Scope.IDENTITY)
        assert gone.wrapped is None
        assert gone.destroyed_at
        states = list(Kek.objects.order_by("pk").values_list("state", flat=True))
        assert states == [KekState.DESTROYED, KekState.ACTIVE]
        wrapped = list(SubjectKey.objects.order_by("pk").values_list("wrapped", flat=True))
    call_command("key_tables", "restore", str(copy), stdout=io.StringIO())
    with acting(house.system):
        assert list(SubjectKey.objects.order_by("pk").values_list("wrapped", flat=True)) == wrapped
        newcomer = house.open_card
    change_keys(house.clinic)  # the numbers of restored records are not given again
    with acting(house.doctor):
        house.patients["新来"] = newcomer("新来")
    house.everything_opens_and_everybody_is_found()


def test_a_copy_and_a_pair_for_the_hold_stand_in_the_systems_log(
    house: House, settings: Settings, tmp_path: Path
) -> None:
    call_command("key_tables", "backup", stdout=io.StringIO())
    (Path(settings.KEYS_DIR) / "hold.pub").unlink()
    call_command("create_hold_key", private=tmp_path / "hold.private", stdout=io.StringIO())
    with pytest.raises(CommandError, match="is there already"):
        call_command("create_hold_key", private=tmp_path / "another")

    assert not (tmp_path / "another").exists()
    with acting(house.system, SYSTEM_LOG):
        told = AuditEvent.objects.filter(log_id=SYSTEM_LOG, action__in=["keys.copied", "hold.made"])
        assert list(told.order_by("uid").values_list("action", "actor_ref")) == [
            ("keys.copied", "system:keys"),
            ("hold.made", "system:keys"),
        ]


def test_a_key_that_was_destroyed_here_does_not_come_back(house: House) -> None:
    """The copy is from before the erasure, and its wrap would open."""
    patient = house.patients.pop("李娜")
    copy = back_up_key_tables(at=now())
    with acting(house.system):
        destroyed(patient, list(Scope), reference=uuid4())

    restored = restore_key_tables(copy)

    assert (restored.wrapped, restored.destroyed, restored.closed) == (0, 0, 0)
    with acting(house.system):
        assert not SubjectKey.objects.filter(subject_id=patient.subject_id, wrapped__isnull=False).exists()


def test_a_forged_copy_destroys_nothing(house: House, tmp_path: Path) -> None:
    """It says of every key that an erasure destroyed it, and of the key-encryption key that it is gone."""
    lines = [
        json.loads(line) for line in gzip.decompress(back_up_key_tables(at=now()).read_bytes()).splitlines()
    ]
    for row in lines:
        if row.get("table") == "subject_key":
            row["wrapped"], row["destroyed_at"], row["destroy_ref"] = None, now().isoformat(), str(uuid4())
        if row.get("table") == "crypto_kek":
            row["state"] = "destroyed"
    forged = tmp_path / "forged"
    forged.write_bytes(gzip.compress(b"".join(json.dumps(row).encode() + b"\n" for row in lines)))

    restored = restore_key_tables(forged)

    assert restored.destroyed == 0
    house.everything_opens_and_everybody_is_found()


def test_a_copy_of_another_installation_or_a_damaged_one_changes_nothing(
    house: House, tmp_path: Path
) -> None:
    copy = back_up_key_tables(at=now())
    lines = gzip.decompress(copy.read_bytes()).splitlines(keepends=True)
    for number, content in enumerate(
        [
            gzip.compress(b"".join(lines).replace(b'"key_store":"', b'"key_store":"0')),
            gzip.compress(b"".join(lines[:-1])),
            gzip.compress(b"".join(lines[:3] + lines[4:])),
            copy.read_bytes()[:-200],
            b"",
            b"no copy",
        ]
    ):
        path = tmp_path / f"bad{number}"
        path.write_bytes(content)
        with pytest.raises(KeyCopyRefused):
            restore_key_tables(path)
    with pytest.raises(CommandError):
        call_command("key_tables", "restore", str(tmp_path / "absent"))


def test_a_copy_is_private_whole_and_holds_no_key_in_clear(house: House, tmp_path: Path) -> None:
    copy = back_up_key_tables(at=now())
    assert copy.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == [copy.name]
    text = gzip.decompress(copy.read_bytes())
    assert text.count(b'"table":"subject_key"') == 3 * len(house.patients)
    assert b'"table":"sealed_file"' in text
    assert b"sealed_by" not in text


def test_every_day_has_its_copy_and_a_week_of_them_is_kept(house: House, tmp_path: Path) -> None:
    today = now()
    for days in (30, 8, 7, 1):
        back_up_key_tables(at=today - timedelta(days=days))
    (tmp_path / ".key-tables-20260101T000000Z.jsonl.gz.part").touch()
    assert not is_backed_up(at=today)

    keep_keys_task()
    keep_keys_task()

    kept = sorted(path.name[11:19] for path in tmp_path.iterdir())
    assert kept == [f"{today - timedelta(days=days):%Y%m%d}" for days in (7, 1, 0)]
    assert is_backed_up(at=today)


def test_the_task_starts_an_epoch_that_is_due(house: House) -> None:
    with as_owner(), connection.cursor() as cursor:
        cursor.execute("UPDATE crypto_kek SET not_after = now()")
    keep_keys_task()
    with acting(house.system):
        assert Kek.objects.count() == 2
    house.everything_opens_and_everybody_is_found()


def test_the_status_names_what_lives_and_what_is_to_be_done(house: House) -> None:
    run = house.run(start=True)
    next(run)
    run.close()
    out = io.StringIO()
    call_command("crypto_status", "--clinic", "east", stdout=out)
    text = out.getvalue()
    assert "patients.patient.identity: AES_256_GCM 4" in text
    assert "consent.consentevent.evidence: AES_256_GCM 8 (" in text
    assert "(patient_search): 0 " in text
    assert "12" in text
    with pytest.raises(CommandError):
        call_command("crypto_status", "--clinic", "nowhere")
