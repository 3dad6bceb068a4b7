"""Reading: only inside an access scope, only the role's field sets, noted by name, never printed or serialized."""

import copy
import json
import pickle
from datetime import date
from decimal import Decimal
from uuid import UUID

import pytest
from django.apps import apps
from django.core import serializers
from django.core.exceptions import FieldError
from django.forms import BooleanField, modelform_factory
from pytest_django import DjangoAssertNumQueries

from crypto import keyring
from crypto.errors import FieldNotAllowed, NoAccessScope
from crypto.fields import SealedBoolean
from crypto.seals import MASK, Sealed, raw_seals
from tests.crypto.specimen import Specimen
from tests.factories.crypto import new_subject, reading


def test_nothing_opens_without_an_access_scope(row: Specimen) -> None:
    with pytest.raises(NoAccessScope):
        row.word  # noqa: B018
    with pytest.raises(NoAccessScope):
        row.identity.name  # noqa: B018


def test_every_kind_of_value_comes_back_as_it_was(clinic: UUID, subject: UUID) -> None:
    given = Specimen(clinic_id=clinic, subject_id=subject)
    given.word, given.note = "古丽·阿依", "e\u0301"
    given.amount, given.day = Decimal("5.20"), date(1960, 2, 29)
    given.number, given.agreed, given.sound = -(2**70), True, b"\x00\x80\xff"
    given.detail = {"值": [1, None, True], "unit": "mmol/L"}
    given.identity = {"name": "王小芳", "phone": None}
    given.save()
    found = Specimen.objects.get(pk=given.pk)
    with reading():
        assert (found.word, found.note) == ("古丽·阿依", "\u00e9")
        assert (str(found.amount), found.day) == ("5.20", date(1960, 2, 29))
        assert (found.number, found.agreed, found.sound) == (-(2**70), True, b"\x00\x80\xff")
        assert found.detail == {"值": [1, None, True], "unit": "mmol/L"}
        assert (found.identity.name, found.identity.phone, found.identity.id_number) == ("王小芳", None, None)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("word", ""),
        ("note", ""),
        ("number", 0),
        ("agreed", False),
        ("amount", Decimal(0)),
        ("amount", Decimal("0.00")),
        ("sound", b""),
        ("sound", bytes(40)),
        ("detail", {}),
        ("detail", []),
        ("identity", {}),
    ],
)
def test_empty_and_zero_are_sealed_values_and_none_is_null(
    clinic: UUID, subject: UUID, field: str, value: object
) -> None:
    made = Specimen.objects.create(clinic_id=clinic, subject_id=subject, **{field: value})
    found = Specimen.objects.get(pk=made.pk)
    assert not Specimen.objects.filter(pk=made.pk, **{f"{field}__isnull": True}).exists()
    with reading():
        if field == "identity":
            assert found.identity.name is None
        else:
            assert getattr(found, field) == value
            assert type(getattr(found, field)) is type(value)
    found.amount = None
    found.save()
    assert Specimen.objects.filter(pk=made.pk, amount__isnull=True).exists()


def test_false_and_zero_inside_json_stay_what_they_are(clinic: UUID, subject: UUID) -> None:
    made = Specimen.objects.create(
        clinic_id=clinic, subject_id=subject, detail={"a": False, "b": 0, "c": "", "d": None}
    )
    with reading():
        detail = Specimen.objects.get(pk=made.pk).detail
    assert [type(detail[key]) for key in "abcd"] == [bool, int, str, type(None)]


def test_what_was_opened_is_noted_by_subject_and_name(row: Specimen) -> None:
    with reading() as scope:
        row.word  # noqa: B018
        row.identity.phone  # noqa: B018
    assert scope.opened == {row.subject_id: {"specimen.word", "specimen.identity.phone"}}


def test_a_field_outside_the_roles_field_sets_is_refused_and_not_noted(row: Specimen) -> None:
    with reading({"contact"}) as scope:
        assert row.identity.phone == "+8613800138000"
        for holder, name in ((row.identity, "name"), (row, "word"), (row, "note")):
            with pytest.raises(FieldNotAllowed):
                getattr(holder, name)
    assert scope.opened == {row.subject_id: {"specimen.identity.phone"}}


def test_a_field_opened_once_is_still_refused_to_the_next_reader(row: Specimen) -> None:
    with reading():
        assert row.word == "王小芳"
    with pytest.raises(NoAccessScope):
        row.word  # noqa: B018
    with reading({"contact"}), pytest.raises(FieldNotAllowed):
        row.word  # noqa: B018


def test_scopes_nest_and_the_inner_one_counts(row: Specimen) -> None:
    with reading() as outer:
        with reading({"contact"}) as inner, pytest.raises(FieldNotAllowed):
            row.word  # noqa: B018
        assert row.word == "王小芳"
    assert (inner.opened, outer.opened) == ({}, {row.subject_id: {"specimen.word"}})


def test_what_the_caller_assigned_can_be_read_back_but_not_the_parts_beside_it(row: Specimen) -> None:
    row.identity.replace(phone="+8613900000000")
    assert row.identity.phone == "+8613900000000"
    with pytest.raises(NoAccessScope):
        row.identity.name  # noqa: B018
    with reading({"contact"}), pytest.raises(FieldNotAllowed):
        row.identity.name  # noqa: B018
    row.save()
    with reading():
        found = Specimen.objects.get(pk=row.pk)
        assert (found.identity.name, found.identity.phone) == ("王小芳", "+8613900000000")


def test_parts_that_do_not_exist_are_an_attribute_error(row: Specimen) -> None:
    with reading(), pytest.raises(AttributeError):
        row.identity.address  # noqa: B018
    with pytest.raises(TypeError, match="has no part address"):
        row.identity = {"address": "x"}
    with pytest.raises(TypeError, match="maps its parts"):
        row.identity = {"name": 5}  # type: ignore[dict-item]


def test_json_read_twice_is_two_copies(clinic: UUID, subject: UUID) -> None:
    made = Specimen.objects.create(clinic_id=clinic, subject_id=subject, detail={"a": [1]})
    found = Specimen.objects.get(pk=made.pk)
    with reading():
        found.detail["a"].append(2)
        assert found.detail == {"a": [1]}


# --- places where plaintext usually leaks ---------------------------------------------------------------------------------


def test_printing_and_formatting_show_nothing(row: Specimen) -> None:
    with reading():
        row.word  # noqa: B018
    row.note = "unsaved words"
    with raw_seals():
        for held in (row.word, row.note):
            assert (str(held), repr(held), f"{held:>5}", f"{held}") == (MASK,) * 4
        opened = row.word.opened  # type: ignore[attr-defined]  # the seal itself, inside raw_seals
        assert (str(opened), repr(opened), f"{opened}", "%s" % (opened,)) == (MASK,) * 4  # noqa: UP031
    assert f"{row.identity}" == MASK
    assert "王小芳" not in repr(vars(row))
    assert "unsaved words" not in repr(vars(row))


def test_values_and_values_list_give_sealed_things_that_do_not_serialize(row: Specimen) -> None:
    (values,) = Specimen.objects.values("word", "identity")
    assert repr(values) == "{'word': ‹sealed›, 'identity': ‹sealed›}"
    with pytest.raises(TypeError):
        json.dumps(values)
    ((listed,),) = Specimen.objects.values_list("word")
    assert isinstance(listed, Sealed)


@pytest.mark.parametrize("form", ["json", "xml", "python", "jsonl"])
def test_serializers_refuse(row: Specimen, form: str) -> None:
    with reading(), pytest.raises(TypeError, match="not serialized"):
        serializers.serialize(form, [row])


@pytest.fixture
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Copying and pickling look a model up by its name."""
    monkeypatch.setitem(apps.get_app_config("crypto").models, "specimen", Specimen)


def test_pickling_drops_the_plaintext(row: Specimen, registered: None) -> None:
    with reading():
        row.word  # noqa: B018
        row.identity.name  # noqa: B018
    frozen = pickle.dumps([row, Specimen.objects.filter(pk=row.pk), list(Specimen.objects.values("word"))])
    assert "王小芳".encode() not in frozen
    thawed = pickle.loads(frozen)[0]  # noqa: S301
    with pytest.raises(NoAccessScope):
        thawed.word  # noqa: B018
    with reading():
        assert thawed.word == "王小芳"


def test_an_unsaved_value_and_the_parts_cannot_be_pickled(row: Specimen) -> None:
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(row.identity)
    row.word = "unsaved"
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(row)


def test_a_deep_copy_reads_and_saves_like_the_original(row: Specimen, registered: None) -> None:
    row.note = "unsaved"
    twin = copy.deepcopy(row)
    with reading():
        assert (twin.word, twin.note) == ("王小芳", "unsaved")
    twin.save()
    with reading():
        assert Specimen.objects.get(pk=row.pk).note == "unsaved"


@pytest.mark.parametrize(
    "lookup", ["word", "word__exact", "word__in", "word__icontains", "word__gt", "word__regex"]
)
def test_only_presence_can_be_asked_of_a_sealed_column(row: Specimen, lookup: str) -> None:
    with pytest.raises((FieldError, TypeError)):
        list(Specimen.objects.filter(**{lookup: ["王小芳"] if lookup.endswith("in") else "王小芳"}))
    assert Specimen.objects.filter(note__isnull=False).count() == 1


def test_a_form_shows_changes_and_saves_them(row: Specimen) -> None:
    form_class = modelform_factory(Specimen, fields=["word", "note", "number", "agreed", "amount", "day"])
    typed = {
        "word": "王小芳",
        "note": "",
        "number": "0",
        "agreed": "false",
        "amount": "1.50",
        "day": "2026-11-21",
    }
    with reading():
        form = form_class(typed, instance=row)
        assert form.is_valid(), form.errors
        assert sorted(form.changed_data) == ["agreed", "amount", "day", "number"]
        form.save()
        found = Specimen.objects.get(pk=row.pk)
        assert (found.word, str(found.amount), found.day) == ("王小芳", "1.50", date(2026, 11, 21))
        assert (found.number, found.agreed) == (0, False)
        assert form_class(typed, instance=found).changed_data == []


def test_a_yes_or_no_that_may_not_be_null_is_a_box_to_tick() -> None:
    agreed: SealedBoolean[bool, bool] = SealedBoolean(aad_name="a.b")
    agreed.set_attributes_from_name("agreed")
    box = agreed.formfield()
    assert (type(box), box.required, box.clean("")) == (BooleanField, False, False)


# --- one query for the keys of a page --------------------------------------------------------------------------------------


def test_a_page_of_fifty_people_needs_one_query_for_their_keys(
    clinic: UUID, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    subjects = [new_subject(clinic) for _ in range(50)]
    Specimen.objects.sealed_bulk_create(
        Specimen(clinic_id=clinic, subject_id=one, word=f"{at}", identity={"name": f"人{at}"})
        for at, one in enumerate(subjects)
    )
    keyring.forget_everything()
    with reading() as scope, django_assert_num_queries(2):
        page = list(Specimen.objects.order_by("pk"))
        assert [row.word for row in page] == [str(at) for at in range(50)]
        assert [row.identity.name for row in page] == [f"人{at}" for at in range(50)]
    assert len(scope.opened) == 50
    with reading(), django_assert_num_queries(1):
        assert [row.word for row in Specimen.objects.order_by("pk")] == [str(at) for at in range(50)]


def test_only_loads_what_the_seal_is_bound_to(
    row: Specimen, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    keyring.forget_everything()
    with reading(), django_assert_num_queries(2):
        (found,) = Specimen.objects.only("word")
        assert found.word == "王小芳"
    with reading(), django_assert_num_queries(2):
        (found,) = Specimen.objects.defer("word")
        assert found.word == "王小芳"


def test_refreshing_opens_nothing_and_forgets_what_was_assigned(row: Specimen) -> None:
    row.word = "unsaved"
    row.refresh_from_db()
    with reading() as scope:
        assert row.word == "王小芳"
    row.refresh_from_db(fields=["word"])
    assert scope.opened == {row.subject_id: {"specimen.word"}}
