"""Two clinics, a subject of the first, and the table of specimens."""

from uuid import UUID

import pytest
from pytest_django import DjangoDbBlocker

from config.dbroles.owner import as_owner
from crypto import keyring
from crypto.ids import uuid7
from tests.crypto import specimen
from tests.crypto.specimen import Specimen
from tests.crypto.vault_server import Authority, make_authority
from tests.factories.crypto import act_in, new_subject


@pytest.fixture(scope="session")
def specimen_table(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> None:
    with django_db_blocker.unblock(), as_owner():
        specimen.create_table()


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Vouches for the key service of the tests."""
    return make_authority(tmp_path_factory.mktemp("tls") / "ours")


@pytest.fixture
def clinic(specimen_table: None, db: None) -> UUID:
    """The clinic the test acts in, with keys."""
    keyring.begin_unit(0)
    clinic_id = uuid7()
    act_in(clinic_id)
    return clinic_id


@pytest.fixture
def subject(clinic: UUID) -> UUID:
    return new_subject(clinic)


@pytest.fixture
def row(clinic: UUID, subject: UUID) -> Specimen:
    """A saved specimen, read back, so that nothing of it is open yet."""
    made = Specimen.objects.create(
        clinic_id=clinic,
        subject_id=subject,
        label="first",
        word="王小芳",
        note="",
        identity={"name": "王小芳", "phone": "+8613800138000"},
    )
    return Specimen.objects.get(pk=made.pk)
