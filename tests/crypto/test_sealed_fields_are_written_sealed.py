"""Writing: every path seals for the right row, keeps the seal of an equal value, or refuses."""

from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

import pytest
from django.db import connection, models, transaction
from django.db.models import F
from pytest_django import DjangoAssertNumQueries

from crypto import keyring
from crypto.core.scopes import Scope
from crypto.errors import KeysMissing, SealBroken
from crypto.fields import SealedText
from crypto.ids import uuid7
from crypto.seals import Sealed, raw_seals
from tests.crypto.specimen import FIELDS, Specimen
from tests.factories.crypto import new_subject, reading


def seals_of(row: Specimen) -> dict[str, object]:
    (values,) = Specimen.objects.filter(pk=row.pk).values(*FIELDS)
    return {name: value and value.raw for name, value in values.items()}


def test_no_plaintext_reaches_the_table(row: Specimen) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT convert_to(s::text, 'UTF8') FROM crypto_tests_specimen s")
        dump = b"".join(bytes(line) for (line,) in cursor.fetchall())
    assert b"first" in dump
    for plain in ("王小芳", "13800138000"):
        assert plain.encode() not in dump
        assert plain.encode().hex().encode() not in dump


def test_the_first_save_fills_the_sealing_clinic_and_later_ones_keep_it(row: Specimen) -> None:
    assert row.sealed_by_clinic == row.clinic_id
    row.label = "second"
    row.save()
    row.refresh_from_db()
    assert row.sealed_by_clinic == row.clinic_id


def test_an_equal_value_keeps_its_seal(row: Specimen) -> None:
    before = seals_of(row)
    row.word = "王小芳"
    row.note = ""
    row.identity = {"phone": "+8613800138000", "name": "王小芳"}
    row.save()
    row.identity.replace(name="王小芳")
    row.save()
    assert seals_of(row) == before


def test_a_changed_value_gets_a_new_seal_and_the_others_keep_theirs(row: Specimen) -> None:
    before = seals_of(row)
    row.word = "王小方"
    row.save()
    after = seals_of(row)
    assert {name for name in FIELDS if after[name] != before[name]} == {"word"}
    with reading():
        assert Specimen.objects.get(pk=row.pk).word == "王小方"


def test_saving_again_what_was_read_changes_nothing(
    row: Specimen, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    before = seals_of(row)
    with django_assert_num_queries(1):
        row.save()
    assert seals_of(row) == before


def test_none_over_a_value_is_null_and_a_value_over_none_is_sealed(row: Specimen) -> None:
    row.note = None
    row.amount = Decimal("1.0")
    row.save()
    after = seals_of(row)
    assert after["note"] is None
    assert after["amount"] is not None


def test_a_value_over_a_broken_seal_is_sealed_anew(row: Specimen) -> None:
    vars(row)["word"] = Sealed(b"broken" * 20)
    row.word = "王小芳"
    row.save()
    with reading():
        assert Specimen.objects.get(pk=row.pk).word == "王小芳"


def test_a_row_copied_after_it_was_opened_is_sealed_for_its_new_id(row: Specimen) -> None:
    with reading():
        row.word, row.note, row.detail, row.identity.name  # noqa: B018
    old, row.pk = row.pk, uuid7()
    row._state.adding = True
    row.save()
    with reading():
        copied, original = Specimen.objects.get(pk=row.pk), Specimen.objects.get(pk=old)
        assert (copied.word, copied.identity.phone) == (original.word, original.identity.phone)
        assert copied.word == "王小芳"
    assert seals_of(copied)["word"] != seals_of(original)["word"]


def test_a_row_whose_id_changed_is_sealed_for_its_new_id_without_being_told_it_is_new(row: Specimen) -> None:
    with reading():
        row.word, row.note, row.detail, row.identity.name  # noqa: B018
    row.pk = uuid7()
    row.save()
    with reading():
        assert Specimen.objects.get(pk=row.pk).word == "王小芳"


def test_a_row_copied_unopened_is_refused_and_nothing_is_written(row: Specimen) -> None:
    row.pk = uuid7()
    row._state.adding = True
    with pytest.raises(SealBroken), transaction.atomic():
        row.save()
    assert Specimen.objects.count() == 1


def test_an_opened_value_is_checked_again_for_another_row(row: Specimen) -> None:
    with reading():
        assert row.word == "王小芳"
        row.pk = uuid7()
        with pytest.raises(SealBroken):
            row.word  # noqa: B018


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("word", 5),
        ("word", b"x"),
        ("number", 1.0),
        ("number", "1"),
        ("number", True),
        ("agreed", 1),
        ("agreed", "true"),
        ("sound", "text"),
        ("sound", bytearray(b"x")),
        ("word", F("note")),
        ("number", F("number") + 1),
        ("amount", 1.5),
        ("amount", "1"),
        ("amount", True),
        ("day", "2026-01-01"),
        ("day", datetime(2026, 1, 1)),
        ("detail", "text"),
        ("identity", "王小芳"),
    ],
)
def test_a_value_of_another_type_is_refused_as_it_is_assigned(
    row: Specimen, field: str, value: object
) -> None:
    with pytest.raises(TypeError, match=f"specimen.{field}"):
        setattr(row, field, value)


def test_the_parts_of_another_row_are_not_copied(row: Specimen) -> None:
    other = Specimen(clinic_id=row.clinic_id, subject_id=row.subject_id)
    with pytest.raises(TypeError, match="assign a mapping"):
        other.identity = row.identity
    row.identity = row.identity
    row.save()


def test_a_subject_without_keys_is_refused(clinic: UUID) -> None:
    with pytest.raises(KeysMissing):
        Specimen.objects.create(clinic_id=clinic, subject_id=uuid7(), word="x")


def test_a_row_without_a_subject_is_refused(clinic: UUID) -> None:
    with pytest.raises(TypeError, match="needs its id, subject and clinic"):
        Specimen.objects.create(clinic_id=clinic, word="x")


def test_each_field_is_sealed_with_the_key_of_its_scope(row: Specimen) -> None:
    row.day = date(2026, 11, 21)
    row.save()
    with raw_seals():
        scopes = {
            name: keyring.key_of(int.from_bytes(getattr(row, name).raw[4:12], "big")).scope
            for name in ("word", "day", "identity")
        }
    assert scopes == {"word": Scope.RECORD, "day": Scope.CONSENTED, "identity": Scope.IDENTITY}


# --- querysets ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", ["plain", F("note"), None, Sealed(b"x")])
def test_update_of_a_sealed_field_is_refused(row: Specimen, value: object) -> None:
    with pytest.raises(TypeError, match="word of Specimen is sealed"):
        Specimen.objects.update(word=value)


def test_update_of_a_clear_field_works(row: Specimen) -> None:
    assert Specimen.objects.filter(pk=row.pk).update(label="second") == 1


def test_the_base_manager_refuses_too(row: Specimen) -> None:
    with pytest.raises(TypeError, match="is sealed"):
        Specimen._base_manager.update(word=F("note"))


def test_plain_text_cannot_pass_even_through_djangos_own_queryset(row: Specimen) -> None:
    with pytest.raises(TypeError, match="use save"):
        models.QuerySet(Specimen).update(word="plain")


def test_bulk_update_and_bulk_create_of_sealed_fields_are_refused(row: Specimen) -> None:
    row.word = "x"
    with pytest.raises(TypeError, match="sealed_bulk_update"):
        Specimen.objects.bulk_update([row], ["label", "word"])
    with pytest.raises(TypeError, match="sealed_bulk_create"):
        Specimen.objects.bulk_create([row])
    row.label = "second"
    assert Specimen.objects.bulk_update([row], ["label"]) == 1


def test_many_rows_are_created_with_one_query_for_keys_and_one_insert(
    clinic: UUID, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    subjects = [new_subject(clinic) for _ in range(20)]
    keyring.forget_everything()
    with django_assert_num_queries(2):
        Specimen.objects.sealed_bulk_create(
            Specimen(clinic_id=clinic, subject_id=one, word=f"{at}", identity={"name": f"{at}"})
            for at, one in enumerate(subjects)
        )
    keyring.forget_everything()
    with reading():
        assert {one.subject_id: one.word for one in Specimen.objects.all()} == {
            one: str(at) for at, one in enumerate(subjects)
        }


def test_many_rows_are_updated_and_equal_values_keep_their_seals(row: Specimen) -> None:
    other = Specimen.objects.create(clinic_id=row.clinic_id, subject_id=row.subject_id, word="one")
    before = seals_of(row)
    row.word, row.label = "王小芳", "second"
    other.word = "two"
    assert Specimen.objects.sealed_bulk_update([row, other], ["word", "label"]) == 2
    assert seals_of(row) == before
    with reading():
        assert Specimen.objects.get(pk=other.pk).word == "two"
    assert Specimen.objects.get(pk=row.pk).label == "second"


def test_get_or_create_and_update_or_create_seal_their_defaults(clinic: UUID, subject: UUID) -> None:
    made, created = Specimen.objects.get_or_create(
        clinic_id=clinic, label="a", defaults={"subject_id": subject, "word": "one"}
    )
    assert created
    again, created = Specimen.objects.update_or_create(pk=made.pk, defaults={"word": "two"})
    assert not created
    with reading():
        assert Specimen.objects.get(pk=again.pk).word == "two"


@pytest.mark.parametrize("option", ["unique", "db_index", "primary_key"])
def test_a_sealed_field_that_wants_an_index_is_a_system_check_error(option: str) -> None:
    field: SealedText[str, str] = SealedText(aad_name="a.b", **{option: True})  # type: ignore[arg-type]  # a bool each
    field.set_attributes_from_name("b")
    assert "crypto.E002" in [message.id for message in field.check()]


def test_a_field_is_written_into_migrations_without_our_enums() -> None:
    _name, path, _args, options = Specimen._meta.get_field("identity").deconstruct()
    assert path == "crypto.fields.SealedParts"
    assert options == {
        "aad_name": "specimen.identity",
        "scope": 1,
        "default": dict,
        "editable": False,
        "parts": {"name": "identity", "id_number": "identity", "phone": "contact"},
    }
    assert type(options["scope"]) is int
