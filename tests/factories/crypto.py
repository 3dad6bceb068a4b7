"""Keys and access scopes for tests that seal and open."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from django.db import connection

from crypto.core.scopes import Scope
from crypto.ids import uuid7
from crypto.keyring import forget_everything
from crypto.models import IndexKey, Kek, KekState
from crypto.scope import AccessScope, opening
from crypto.services import create_index_key, create_subject_keys, open_clinic_keys


def act_in(*clinic_ids: UUID) -> None:
    """Let row security show these clinics until the test's transaction ends."""
    with connection.cursor() as cursor:
        shown = ",".join(str(clinic_id) for clinic_id in clinic_ids)
        cursor.execute("SELECT set_config('zhizhi.clinics', %s, true)", [f"{{{shown}}}"])


def new_subject(clinic_id: UUID) -> UUID:
    """A subject with keys, in a clinic that is given its keys when it has none."""
    subject_id = uuid7()
    open_clinic_keys(clinic_id)
    create_subject_keys(clinic_id, subject_id)
    return subject_id


@contextmanager
def reading(field_sets: Iterable[str] | None = None) -> Iterator[AccessScope]:
    """An access scope; without field sets it may open everything."""
    allowed = None if field_sets is None else frozenset(field_sets)
    with opening(AccessScope("user:test", "care", "VIEWED", allowed)) as scope:
        yield scope


@contextmanager
def in_nobodys_name() -> Iterator[Any]:
    """A cursor beside every unit of work, as somebody with the database has one: what it writes is no deed of the actor in hand."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT coalesce(current_setting('zhizhi.actor', true), '')")
        (actor,) = cursor.fetchone()
        cursor.execute("SELECT set_config('zhizhi.actor', '', true)")
        yield cursor
        cursor.execute("SELECT set_config('zhizhi.actor', %s, true)", [actor])


def damage(table: str, column: str, row_id: UUID, *, byte: int = 40) -> None:
    """Change one bit of a sealed value past the fields, as somebody with the database could: by default of its ciphertext."""
    with in_nobodys_name() as cursor:
        cursor.execute(
            f"UPDATE {table} SET {column} = set_byte({column}, %s, get_byte({column}, %s) # 1) WHERE id = %s",
            [byte, byte, row_id],
        )
        assert cursor.rowcount == 1


def damage_key(subject_id: UUID, scope: Scope) -> None:
    """Change one bit of a wrapped data key, and let this process forget the key."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE subject_key SET wrapped = set_byte(wrapped, 20, get_byte(wrapped, 20) # 1)"
            " WHERE subject_id = %s AND scope = %s",
            [subject_id, int(scope)],
        )
        assert cursor.rowcount == 1
    forget_everything()


def damage_index_key(clinic_id: UUID) -> None:
    """Change one bit of a clinic's wrapped index secrets, and let this process forget them."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE index_key SET wrapped = set_byte(wrapped, 20, get_byte(wrapped, 20) # 1) WHERE clinic_id = %s",
            [clinic_id],
        )
    forget_everything()


def new_index_key(clinic_id: UUID) -> None:
    """One more version of the clinic's index secret, under its active key-encryption key."""
    kek = Kek.objects.get(clinic_id=clinic_id, state=KekState.ACTIVE)
    create_index_key(kek, version=IndexKey.objects.filter(clinic_id=clinic_id).count() + 1)
    forget_everything()
