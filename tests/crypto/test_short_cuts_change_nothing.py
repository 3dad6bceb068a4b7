"""What makes a list of sealed rows cheap to read: rows and their parts are what they are without it, and refuse the same."""

import pickle
from uuid import UUID

import pytest
from django.db import models
from django.db.models.signals import post_init, pre_init

from crypto.core import values
from crypto.core.suites import Broken
from crypto.errors import FieldNotAllowed, NoAccessScope, SealBroken
from crypto.ids import uuid7
from crypto.seals import raw_seals
from tests.crypto.specimen import Specimen
from tests.factories.crypto import act_in, new_subject, reading

# --- rows ----------------------------------------------------------------------------------------------------------------


def as_django_makes_it(row: Specimen) -> Specimen:
    """The same columns through the walk of `Model.__init__`."""
    names = [field.attname for field in Specimen._meta.concrete_fields]
    made = Specimen(*(vars(row)[name] for name in names))
    made._state.adding, made._state.db = False, row._state.db
    return made


def test_a_row_of_a_query_holds_what_django_would_have_put_into_it(row: Specimen) -> None:
    made = as_django_makes_it(row)
    here, there = dict(vars(row)), dict(vars(made))
    state, expected = here.pop("_state"), there.pop("_state")
    assert here == there
    assert (state.adding, state.db, state.fields_cache) == (expected.adding, expected.db, {})
    assert (row, hash(row)) == (made, hash(made))


def test_columns_that_were_not_asked_for_are_deferred(row: Specimen) -> None:
    (found,) = Specimen.objects.only("label")
    assert found.get_deferred_fields() >= {"word", "identity", "parent_id", "clinic_id"}
    assert (found.label, found.clinic_id) == ("first", row.clinic_id)


def test_relations_come_with_their_row(row: Specimen) -> None:
    child = Specimen.objects.create(clinic_id=row.clinic_id, subject_id=row.subject_id, parent=row, word="x")
    found = Specimen.objects.select_related("parent").get(pk=child.pk)
    assert (found.parent, vars(found)["parent_id"]) == (row, row.pk)
    with reading():
        assert found.parent is not None
        assert found.parent.word == "王小芳"


def test_whoever_listens_to_new_instances_hears_of_each_row(row: Specimen) -> None:
    heard: list[str] = []

    def before(sender: type[models.Model], **kwargs: object) -> None:
        heard.append("before")

    def after(sender: type[models.Model], instance: Specimen, **kwargs: object) -> None:
        heard.append(instance.label)

    pre_init.connect(before, sender=Specimen)
    post_init.connect(after, sender=Specimen)
    try:
        Specimen.objects.get(pk=row.pk)
    finally:
        pre_init.disconnect(before, sender=Specimen)
        post_init.disconnect(after, sender=Specimen)
    assert heard == ["before", "first"]


def test_ids_come_back_as_they_were_and_null_stays_null(row: Specimen) -> None:
    found = Specimen.objects.get(pk=row.pk)
    for one, other in (
        (found.id, row.id),
        (found.subject_id, row.subject_id),
        (found.clinic_id, row.clinic_id),
    ):
        assert (type(one), one, hash(one), str(one), one.is_safe) == (
            UUID,
            other,
            hash(other),
            str(other),
            other.is_safe,
        )
    assert vars(found)["parent_id"] is None


# --- parts that are read one after the other ----------------------------------------------------------------------------


def test_parts_at_hand_are_refused_once_the_scope_is_over_and_noted_in_the_next(row: Specimen) -> None:
    with reading() as first:
        parts = row.identity
        assert (parts.name, parts.phone) == ("王小芳", "+8613800138000")
    with pytest.raises(NoAccessScope):
        parts.phone  # noqa: B018
    with reading({"contact"}) as second:
        assert parts.phone == "+8613800138000"
        with pytest.raises(FieldNotAllowed):
            parts.name  # noqa: B018
    assert first.opened == {row.subject_id: {"specimen.identity.name", "specimen.identity.phone"}}
    assert second.opened == {row.subject_id: {"specimen.identity.phone"}}


def test_the_parts_beside_one_that_is_allowed_are_still_refused(row: Specimen) -> None:
    with reading({"contact"}) as scope:
        parts = row.identity
        assert parts.phone == "+8613800138000"
        for _ in range(2):
            with pytest.raises(FieldNotAllowed):
                parts.name  # noqa: B018
    assert scope.opened == {row.subject_id: {"specimen.identity.phone"}}


@pytest.mark.parametrize("column", ["id", "subject_id", "sealed_by_clinic"])
def test_a_row_that_became_another_does_not_open_what_it_held(row: Specimen, column: str) -> None:
    """Parts that were opened before are still those of the person they were opened for, and are noted under that person."""
    subject_id, other = row.subject_id, new_subject(row.clinic_id)
    with reading() as scope:
        parts = row.identity
        assert parts.name == "王小芳"
        setattr(row, column, other)
        with pytest.raises(SealBroken):
            row.identity.phone  # noqa: B018
        assert parts.phone == "+8613800138000"
    assert scope.opened == {subject_id: {"specimen.identity.name", "specimen.identity.phone"}}


def test_parts_at_hand_show_what_was_assigned_since(row: Specimen) -> None:
    with reading():
        parts = row.identity
        assert parts.phone == "+8613800138000"
        row.identity.replace(phone="+8613900000000")
        assert (parts.phone, parts.name) == ("+8613900000000", "王小芳")
        row.identity = None  # type: ignore[assignment]  # NULL
        assert parts.phone is None


def test_a_seal_of_another_row_put_under_parts_at_hand_is_refused(row: Specimen) -> None:
    other = Specimen.objects.create(
        clinic_id=row.clinic_id, subject_id=row.subject_id, identity={"name": "李"}
    )
    with reading():
        parts = row.identity
        assert parts.name == "王小芳"
        vars(row)["identity"] = vars(Specimen.objects.get(pk=other.pk))["identity"]
        with pytest.raises(SealBroken):
            parts.name  # noqa: B018


def test_what_was_opened_cannot_be_pickled(row: Specimen) -> None:
    with reading():
        row.word  # noqa: B018
    with raw_seals(), pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(row.word.opened)  # type: ignore[attr-defined]  # the seal itself, inside raw_seals


def test_rows_that_two_clinics_sealed_for_one_person_open_in_turn(row: Specimen) -> None:
    other_clinic = uuid7()
    act_in(row.clinic_id, other_clinic)
    Specimen.objects.create(clinic_id=other_clinic, subject_id=row.subject_id, word="elsewhere")
    with reading():
        for _ in range(2):
            assert [one.word for one in Specimen.objects.order_by("pk")] == ["王小芳", "elsewhere"]


@pytest.mark.parametrize("body", [b"{} {}", b"{}x", b"[1", b"NaN", b"\xef\xbb\xbf{}", b""])
def test_json_that_is_more_or_less_than_one_value_is_broken(body: bytes) -> None:
    with pytest.raises(Broken):
        values.to_json(values.JSON + body)
