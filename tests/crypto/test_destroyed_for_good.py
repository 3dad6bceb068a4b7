"""A destroyed key stays destroyed, whoever speaks to the database as the application."""

from uuid import UUID

import pytest
from django.db import IntegrityError, connection, transaction

from crypto.models import IndexKey, Kek, SubjectKey

AGAIN = {
    "subject_key": "SET wrapped = %s, destroyed_at = NULL, destroy_ref = NULL",
    "index_key": "SET wrapped = %s, destroyed_at = NULL",
}


@pytest.mark.parametrize("table", AGAIN)
def test_an_older_wrap_is_not_put_back(clinic: UUID, subject: UUID, table: str) -> None:
    model = {"subject_key": SubjectKey, "index_key": IndexKey}[table]
    before = [bytes(key.wrapped or b"") for key in model.objects.all()]
    with connection.cursor() as cursor:
        cursor.execute(f"UPDATE {table} SET wrapped = NULL, destroyed_at = now()")
        with pytest.raises(IntegrityError, match="stays destroyed"), transaction.atomic():
            cursor.execute(f"UPDATE {table} {AGAIN[table]}", [before[0]])
    assert not model.objects.exclude(wrapped=None).exists()


@pytest.mark.parametrize("state", ["active", "decrypt", "hold"])
def test_a_destroyed_key_encryption_key_is_never_in_use_again(
    clinic: UUID, subject: UUID, state: str
) -> None:
    Kek.objects.filter(clinic_id=clinic).update(state="destroyed")
    with pytest.raises(IntegrityError, match="stays destroyed"), transaction.atomic():
        Kek.objects.filter(clinic_id=clinic).update(state=state)
