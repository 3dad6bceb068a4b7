"""Moved to another row, field, subject or clinic, or changed by one bit, a value does not open: in the real database."""

import random
from uuid import UUID

import pytest
from django.db import IntegrityError, connection, transaction

from config.dbroles.owner import as_owner
from crypto import keyring
from crypto.errors import KeyDestroyed, SealBroken
from crypto.seals import Sealed, raw_seals
from tests.crypto.specimen import Specimen
from tests.factories.crypto import act_in, new_subject, reading


def raw_of(row: Specimen, field: str) -> bytes:
    with raw_seals():
        held = getattr(row, field)
    assert isinstance(held, Sealed)
    return held.raw


def put(row: Specimen, field: str, raw: bytes) -> Specimen:
    """Write bytes past the fields, as somebody with the database could."""
    with connection.cursor() as cursor:
        cursor.execute(f"UPDATE crypto_tests_specimen SET {field} = %s WHERE id = %s", [raw, row.pk])
        assert cursor.rowcount == 1
    return Specimen.objects.get(pk=row.pk)


def test_a_value_moved_to_another_row_of_the_same_person_is_refused(row: Specimen) -> None:
    other = Specimen.objects.create(clinic_id=row.clinic_id, subject_id=row.subject_id, word="x")
    with reading(), pytest.raises(SealBroken):
        put(other, "word", raw_of(row, "word")).word  # noqa: B018


def test_a_value_moved_to_another_person_is_refused(row: Specimen) -> None:
    other = Specimen.objects.create(clinic_id=row.clinic_id, subject_id=new_subject(row.clinic_id), word="x")
    with reading(), pytest.raises(SealBroken):
        put(other, "word", raw_of(row, "word")).word  # noqa: B018


def test_a_value_moved_to_another_field_of_the_row_is_refused(row: Specimen) -> None:
    with reading(), pytest.raises(SealBroken):
        put(row, "note", raw_of(row, "word")).note  # noqa: B018


def test_a_value_moved_to_another_clinic_is_refused(row: Specimen) -> None:
    other_clinic = UUID(int=row.clinic_id.int + 1)
    act_in(row.clinic_id, other_clinic)
    subject = new_subject(other_clinic)
    other = Specimen.objects.create(clinic_id=other_clinic, subject_id=subject, word="x")
    with reading(), pytest.raises(SealBroken):
        put(other, "word", raw_of(row, "word")).word  # noqa: B018


def test_another_clinics_key_is_not_even_found(row: Specimen) -> None:
    act_in(UUID(int=7))
    keyring.forget_everything()
    with reading(), pytest.raises(SealBroken, match="no data key"):
        row.word  # noqa: B018


def test_an_opened_value_does_not_serve_another_field(row: Specimen) -> None:
    with reading():
        row.word  # noqa: B018
        vars(row)["note"] = vars(row)["word"]
        with pytest.raises(SealBroken):
            row.note  # noqa: B018


def test_an_older_value_of_the_same_place_still_opens_and_is_the_logs_business(row: Specimen) -> None:
    old = raw_of(row, "word")
    row.word = "newer"
    row.save()
    with reading():
        assert put(row, "word", old).word == "王小芳"


def test_a_few_hundred_flipped_bits_are_all_refused(row: Specimen) -> None:
    chance = random.Random(62)  # noqa: S311  a seed, not a secret
    raw = raw_of(row, "word")
    with reading():
        for _ in range(400):
            changed = bytearray(raw)
            bit = chance.randrange(len(raw) * 8)
            changed[bit // 8] ^= 1 << bit % 8
            found = Specimen.objects.get(pk=row.pk)
            vars(found)["word"] = Sealed(bytes(changed))
            with pytest.raises(SealBroken):
                found.word  # noqa: B018
        assert Specimen.objects.get(pk=row.pk).word == "王小芳"


@pytest.mark.parametrize("raw", [b"", b"x", b"plaintext " * 20, b"\xc5\xe1\x01\x01" + b"\xff" * 80])
def test_bytes_that_were_never_sealed_are_refused_and_do_not_hurt_their_neighbours(
    row: Specimen, raw: bytes
) -> None:
    other = Specimen.objects.create(clinic_id=row.clinic_id, subject_id=row.subject_id, word="fine")
    put(row, "word", raw)
    keyring.forget_everything()
    with reading():
        found = {one.pk: one for one in Specimen.objects.all()}
        with pytest.raises(SealBroken):
            found[row.pk].word  # noqa: B018
        assert found[other.pk].word == "fine"


def test_a_damaged_key_record_breaks_its_own_person_alone(row: Specimen) -> None:
    other = Specimen.objects.create(
        clinic_id=row.clinic_id, subject_id=new_subject(row.clinic_id), word="fine"
    )
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE subject_key SET wrapped = overlay(wrapped PLACING '\\x00000000' FROM 20) WHERE subject_id = %s",
            [row.subject_id],
        )
    keyring.forget_everything()
    with reading():
        found = {one.pk: one for one in Specimen.objects.all()}
        assert found[other.pk].word == "fine"
        with pytest.raises(SealBroken):
            found[row.pk].word  # noqa: B018


def test_the_wrapped_key_of_another_person_does_not_open_in_its_place(row: Specimen) -> None:
    other = new_subject(row.clinic_id)
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE subject_key SET wrapped = o.wrapped FROM (SELECT * FROM subject_key WHERE subject_id = %s) o"
            " WHERE subject_key.subject_id = %s AND subject_key.scope = o.scope",
            [other, row.subject_id],
        )
    keyring.forget_everything()
    with reading(), pytest.raises(SealBroken):
        Specimen.objects.get(pk=row.pk).word  # noqa: B018


def test_a_destroyed_key_is_told_apart_from_a_damaged_value(row: Specimen) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE subject_key SET wrapped = NULL, destroyed_at = now() WHERE subject_id = %s",
            [row.subject_id],
        )
    keyring.forget_everything()
    with reading(), pytest.raises(KeyDestroyed):
        Specimen.objects.get(pk=row.pk).word  # noqa: B018


@pytest.mark.parametrize("column", ["subject_id", "sealed_by_clinic", "id"])
def test_the_database_refuses_to_change_what_a_seal_is_bound_to(row: Specimen, column: str) -> None:
    with (
        pytest.raises(IntegrityError, match="keeps its id, subject and sealing clinic"),
        transaction.atomic(),
    ):
        Specimen.objects.filter(pk=row.pk).update(**{column: UUID(int=5)})


@pytest.mark.django_db(transaction=True)
def test_the_owner_who_changes_the_subject_past_the_trigger_gains_nothing(specimen_table: None) -> None:
    clinic = UUID(int=99)
    with transaction.atomic():
        act_in(clinic)
        subject, other = new_subject(clinic), new_subject(clinic)
        made = Specimen.objects.create(clinic_id=clinic, subject_id=subject, word="王小芳")
    with as_owner() as owner, owner.cursor() as cursor:
        cursor.execute("ALTER TABLE crypto_tests_specimen DISABLE TRIGGER crypto_sealed_row")
        cursor.execute("UPDATE crypto_tests_specimen SET subject_id = %s", [other])
        cursor.execute("ALTER TABLE crypto_tests_specimen ENABLE TRIGGER crypto_sealed_row")
    with transaction.atomic(), reading():
        act_in(clinic)
        with pytest.raises(SealBroken):
            Specimen.objects.get(pk=made.pk).word  # noqa: B018
