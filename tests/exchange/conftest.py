"""The clinic and the nurse of the records' tests."""

from tests.records.conftest import at_work, clinic, nurse, nurse_account, patient

__all__ = ["at_work", "clinic", "nurse", "nurse_account", "patient"]
