"""The clinic and the nurse of the records' tests; and a house with keys of its own, for whoever erases."""

from pathlib import Path
from typing import Any

import pytest

from patients.models import Patient
from tests.factories.erasure import House, HouseFactory, own_keys, person_in_care
from tests.records.conftest import at_work, clinic, nurse, nurse_account, patient

__all__ = ["at_work", "clinic", "house", "in_care", "nurse", "nurse_account", "patient"]


@pytest.fixture
def house(transactional_db: None, settings: Any, tmp_path: Path) -> House:
    """For tests that commit."""
    return HouseFactory(own_keys(settings, tmp_path))


@pytest.fixture
def in_care(house: House) -> Patient:
    return person_in_care(house)
