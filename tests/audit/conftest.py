"""The tests' own watched table, a clinic with keys, and readers of what the log says."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from audit import configured
from audit.acting import acting
from config.dbroles.owner import as_owner
from crypto.keyring import forget_everything
from crypto.services import open_clinic_keys
from tests.audit.sealing import WitnessProcess
from tests.factories.audit import CLINIC, PROBE_TABLE, SETUP


@pytest.fixture(scope="session")
def probe_table(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    with django_db_blocker.unblock():
        with as_owner() as owner, owner.cursor() as cursor:
            cursor.execute(PROBE_TABLE)
        yield
        with as_owner() as owner, owner.cursor() as cursor:
            cursor.execute("DROP TABLE audit_probe")


@pytest.fixture
def clinic(probe_table: None, db: None) -> UUID:
    """A clinic with keys, inside the test's transaction."""
    forget_everything()
    with acting(SETUP):
        open_clinic_keys(CLINIC)
    return CLINIC


@pytest.fixture
def open_clinic(probe_table: None, transactional_db: None) -> UUID:
    """The same for tests that commit."""
    forget_everything()
    with acting(SETUP):
        open_clinic_keys(CLINIC)
    return CLINIC


@pytest.fixture
def log_keys(settings: Any, tmp_path: Path) -> Path:
    """A signing key of this test's own; answers its file."""
    settings.SEQUENCER_KEY_FILE = str(tmp_path / "sequencer.key")
    settings.WITNESS_URL = ""
    configured.log_signer()
    return tmp_path / "sequencer.key"


@pytest.fixture
def witness(settings: Any, tmp_path: Path, log_keys: Path) -> Iterator[WitnessProcess]:
    """A running witness that the sequencer asks."""
    process = WitnessProcess(tmp_path / "witness", configured.log_public_file())
    settings.WITNESS_URL = process.start()
    settings.WITNESS_PUBLIC_KEY_FILE = str(process.public_key)
    yield process
    process.kill()
