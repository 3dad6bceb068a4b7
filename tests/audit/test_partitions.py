"""The log has room for a year ahead, and never refuses an entry for want of a month."""

from datetime import UTC, datetime
from typing import Any

import pytest
import time_machine
from django.core.management import CommandError, call_command

from audit.acting import acting
from audit.services import record
from tests.audit.reading import run, run_as_owner
from tests.factories.audit import SETUP


@pytest.mark.usefixtures("clinic")
def test_an_entry_stands_in_the_partition_of_its_month() -> None:
    with acting(SETUP):
        event = record("card.opened", object=("patients.card", "17"))
        (partition,) = run("SELECT tableoid::regclass::text FROM audit_event WHERE uid = %s", str(event.uid))[
            0
        ]
    assert partition == f"audit_event_{event.timestamp.astimezone(UTC):%Y%m}"


@pytest.mark.usefixtures("clinic")
def test_a_month_without_a_partition_is_taken_by_the_spare_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crypto.ids._last", 0)
    with time_machine.travel(datetime(2040, 5, 1, tzinfo=UTC)), acting(SETUP):
        event = record("card.opened", object=("patients.card", "17"))
        found = run("SELECT tableoid::regclass::text FROM audit_event WHERE uid = %s", str(event.uid))
    assert found == [("audit_event_other",)]


@pytest.mark.django_db(transaction=True)
def test_the_command_adds_months_once_and_closes_them(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("audit_partitions", "--months", "14")
    assert "4 partitions added" in capsys.readouterr().out
    call_command("audit_partitions", "--months", "14")
    assert "0 partitions added" in capsys.readouterr().out
    made = [
        name
        for (name,) in run(
            "SELECT relname FROM pg_class WHERE relispartition AND relkind = 'r' AND relname ~ '^audit_' ORDER BY relname DESC"
        )
    ]
    assert not any(run("SELECT has_table_privilege('zhizhi_app', %s, 'SELECT')", name)[0][0] for name in made)
    run_as_owner(f"DROP TABLE {', '.join(n for n in made if n[-6:] in latest(made))}")


@pytest.mark.django_db(transaction=True)
def test_the_command_names_months_that_need_not_be_kept_and_removes_none(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for month, following in (("201901", "2019-02-01"), (f"{datetime.now(UTC).year - 5}01", "")):
        first = f"audit_first_uuid('{month[:4]}-01-01')"
        following = following or f"{month[:4]}-02-01"
        run_as_owner(
            f"DO $do$ BEGIN EXECUTE format('CREATE TABLE audit_event_{month} PARTITION OF audit_event FOR VALUES FROM (%L) TO (%L)',"
            f" {first}, audit_first_uuid('{following}')); END $do$"
        )
    call_command("audit_partitions")
    told = capsys.readouterr().out
    assert "audit_event_201901 is older than 6 years" in told
    assert told.count("is older than") == 1
    run_as_owner(f"DROP TABLE audit_event_201901, audit_event_{datetime.now(UTC).year - 5}01")


def latest(names: list[str]) -> set[str]:
    """The two months the test added."""
    return set(sorted({name[-6:] for name in names if name[-6:].isdigit()})[-2:])


def test_only_the_owner_adds_months(settings: Any) -> None:
    settings.DATABASE_OWNER = None
    with pytest.raises(CommandError, match="DATABASE_OWNER_URL"):
        call_command("audit_partitions")
