"""A destroyed key stays destroyed, whoever speaks to the database as the application."""

from uuid import UUID

import pytest
from django.db import IntegrityError, connection, transaction

from crypto.models import Kek

AGAIN = {
    "subject_key": "SET wrapped = %s, destroyed_at = NULL, destroy_ref = NULL",
    "index_key": "SET wrapped = %s, destroyed_at = NULL",
}


@pytest.mark.parametrize("table", AGAIN)
def test_an_older_wrap_is_not_put_back(clinic: UUID, subject: UUID, table: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT wrapped FROM {table}")
        before = cursor.fetchone()
        cursor.execute(f"UPDATE {table} SET wrapped = NULL, destroyed_at = now()")
        with pytest.raises(IntegrityError, match="stays destroyed"), transaction.atomic():
            cursor.execute(f"UPDATE {table} {AGAIN[table]}", before)
        cursor.execute(f"SELECT count(*) FROM {table} WHERE wrapped IS NOT NULL")
        assert cursor.fetchone() == (0,)


@pytest.mark.parametrize("state", ["active", "decrypt", "hold"])
def test_a_destroyed_key_encryption_key_is_never_in_use_again(
    clinic: UUID, subject: UUID, state: str
) -> None:
    Kek.objects.filter(clinic_id=clinic).update(state="destroyed")
    with pytest.raises(IntegrityError, match="stays destroyed"), transaction.atomic():
        Kek.objects.filter(clinic_id=clinic).update(state=state)
