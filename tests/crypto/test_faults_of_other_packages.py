"""Faults that were found in packages which seal fields for Django: each stands here as a test that ours does not have it.

django-fernet-encrypted-fields 0.4.0 and django-cryptography 1.1.
"""

import base64
import pickle
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from django.db import connection
from django.forms import modelform_factory
from pytest_django import Settings

from crypto import keyring
from crypto.core import values, wire
from crypto.core.scopes import Scope
from crypto.errors import SealBroken
from crypto.fields import SealedField
from crypto.seals import Sealed
from tests.crypto.specimen import FIELDS, Specimen
from tests.factories.crypto import reading

FULL: dict[str, Any] = {
    "word": "王小芳",
    "note": "怕打针",
    "number": 7,
    "agreed": True,
    "amount": Decimal("5.20"),
    "day": date(1960, 2, 29),
    "sound": b"voice",
    "detail": {"a": 1},
    "identity": {"name": "王小芳"},
}
SpecimenForm = modelform_factory(Specimen, fields=["word", "note", "number", "amount", "day"])
GOOD = {"word": "王小芳", "note": "怕打针", "number": "7", "amount": "5.20", "day": "1960-02-29"}


@pytest.fixture
def full(clinic: UUID, subject: UUID) -> Specimen:
    made = Specimen.objects.create(clinic_id=clinic, subject_id=subject, **FULL)
    return Specimen.objects.get(pk=made.pk)


def value_of(row: Specimen, name: str) -> Any:
    """A field's value; of the parts, their first."""
    return {"name": row.identity.name} if name == "identity" else getattr(row, name)


def raw_of(row: Specimen, name: str) -> bytes:
    held = vars(row)[name]
    assert isinstance(held, Sealed)
    return held.raw


def holding(row: Specimen, name: str, raw: bytes) -> Specimen:
    """The row as it is read when these bytes stand in the column."""
    found = Specimen.objects.get(pk=row.pk)
    vars(found)[name] = Sealed(raw)
    return found


def test_every_field_is_full() -> None:
    assert set(FULL) == set(FIELDS)


# --- a failed form made ciphertext the value, in the whole process, until it was started again ------------------------------


@pytest.mark.parametrize("field", ["number", "amount", "day"])
def test_a_failed_form_leaves_every_other_reading_as_it_was(full: Specimen, field: str) -> None:
    with reading():
        form = SpecimenForm({**GOOD, "word": "", field: "no such thing"}, instance=full)
        assert not form.is_valid()
        assert set(form.errors) == {"word", field}
        found = Specimen.objects.get(pk=full.pk)
        assert {name: value_of(found, name) for name in FIELDS} == FULL
        assert SpecimenForm(instance=found).initial["word"] == "王小芳"
        assert SpecimenForm(GOOD, instance=found).is_valid()


# --- what did not open was handed out as it stood -------------------------------------------------------------------------


@pytest.mark.parametrize("name", FIELDS)
def test_a_value_that_was_changed_or_never_sealed_is_never_a_value(full: Specimen, name: str) -> None:
    raw = raw_of(full, name)
    wrong = [raw[:at] + bytes((raw[at] ^ 1,)) + raw[at + 1 :] for at in (0, 4, 11, 12, 24, len(raw) - 1)]
    wrong += [raw[:-1], raw + b"\0", "王小芳".encode(), b"", b"gAAAAABm" + bytes(80)]
    with reading() as scope:
        for bytes_there in wrong:
            with pytest.raises(SealBroken):
                value_of(holding(full, name, bytes_there), name)
        assert scope.opened == {}
        assert value_of(holding(full, name, raw), name) == FULL[name]


# --- an empty text, zero and False became NULL ----------------------------------------------------------------------------


def test_a_column_that_may_not_be_null_takes_an_empty_text(clinic: UUID, subject: UUID) -> None:
    made = Specimen.objects.create(clinic_id=clinic, subject_id=subject, word="", number=0, agreed=False)
    with connection.cursor() as cursor:
        cursor.execute("SELECT word IS NULL OR number IS NULL OR agreed IS NULL FROM crypto_tests_specimen")
        assert cursor.fetchall() == [(False,)]
    with reading():
        found = Specimen.objects.get(pk=made.pk)
        assert (found.word, found.number, found.agreed, found.note) == ("", 0, False, None)


# --- values could be swapped between rows and columns ------------------------------------------------------------------------


@pytest.mark.parametrize("name", FIELDS)
def test_a_value_of_another_row_or_field_of_the_same_person_is_refused(full: Specimen, name: str) -> None:
    twin = Specimen.objects.create(clinic_id=full.clinic_id, subject_id=full.subject_id, **FULL)
    others = [raw_of(twin, name), *(raw_of(full, other) for other in FIELDS if other != name)]
    with reading():
        for raw in others:
            with pytest.raises(SealBroken):
                value_of(holding(full, name, raw), name)


# --- what a user typed was opened on trial ----------------------------------------------------------------------------------


def test_text_that_looks_like_a_seal_stays_text(full: Specimen) -> None:
    raw = raw_of(full, "note")
    for typed in (
        raw.hex(),
        base64.b64encode(raw).decode(),
        "gAAAAABmZm9v",
        "\xc5\xe1 and more",
        "\\xc5e1",
    ):
        with reading():
            form = SpecimenForm({**GOOD, "word": typed}, instance=Specimen.objects.get(pk=full.pk))
            assert form.is_valid(), form.errors
            form.save()
            assert Specimen.objects.get(pk=full.pk).word == typed
    field = Specimen._meta.get_field("word")
    assert field.to_python("gAAAAABmZm9v") == "gAAAAABmZm9v"
    with pytest.raises(TypeError, match="is a text"):
        Specimen(word=raw)


# --- a flag on the field, which all threads share, said whether a value was open -----------------------------------------------


def test_fields_hold_nothing_of_any_row_and_threads_do_not_meet(full: Specimen) -> None:
    fields: list[SealedField[Any, Any]] = [Specimen._meta.get_field(name) for name in FIELDS]  # type: ignore[misc]
    with reading():
        value_of(full, "word")  # the keys are at hand: the threads ask no database
    before = [dict(vars(field)) for field in fields]
    raws = {name: raw_of(full, name) for name in FIELDS}

    def work(at: int) -> list[Any]:
        seen = []
        for turn in range(20):
            row = Specimen(
                pk=full.pk,
                clinic_id=full.clinic_id,
                subject_id=full.subject_id,
                sealed_by_clinic=full.sealed_by_clinic,
                **{name: Sealed(raw) for name, raw in raws.items()},
            )
            with reading({"clinical", "remarks", "identity"} if at % 2 else None):
                seen.append({name: value_of(row, name) for name in FIELDS})
            row.word = f"{at}-{turn}"
            assert row.word == f"{at}-{turn}"
            vars(row)["note"] = Sealed(raws["note"][:-1] + bytes([raws["note"][-1] ^ 1]))
            with reading(), pytest.raises(SealBroken):
                row.note  # noqa: B018
        return seen

    with ThreadPoolExecutor(4) as threads:
        for seen in threads.map(work, range(4)):
            assert seen == [FULL] * 20
    assert [dict(vars(field)) for field in fields] == before


# --- the key was the web framework's, and opened bytes were unpickled ----------------------------------------------------------


def test_the_frameworks_secret_opens_nothing(full: Specimen, settings: Settings) -> None:
    settings.SECRET_KEY = "another secret altogether"
    keyring.forget_everything()
    with reading():
        assert Specimen.objects.get(pk=full.pk).word == "王小芳"


class Exploit:
    """Unpickling it would raise."""

    def __reduce__(self) -> Any:
        return (exec, ("raise SystemExit('unpickled')",))


@pytest.mark.parametrize("name", FIELDS)
def test_sealed_bytes_are_never_unpickled(full: Specimen, name: str) -> None:
    """Not even when they were sealed with the right key, for the right place."""
    field: SealedField[Any, Any] = Specimen._meta.get_field(name)  # type: ignore[assignment]
    key = keyring.sealing_key(full.subject_id, field.scope)
    assert key.cipher is not None
    binding = key.binding(full.sealed_by_clinic, field.aad_name)
    payload = pickle.dumps(Exploit())
    tags = [bytes((tag,)) for tag in (*range(9), pickle.PROTO[0])]
    tags.remove(values.BYTES if name == "sound" else values.TEXT)
    with reading():
        for tag in tags:
            raw = wire.seal(key.cipher, binding, full.pk, tag + payload)
            with pytest.raises(SealBroken):
                value_of(holding(full, name, raw), name)


def test_scopes_of_the_fields_differ_so_that_the_tests_above_meet_several_keys() -> None:
    scopes = {Specimen._meta.get_field(name).scope for name in FIELDS}  # type: ignore[union-attr]
    assert scopes == set(Scope)
