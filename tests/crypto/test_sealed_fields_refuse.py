"""What would show, copy, compare or count a sealed value past its row and its reader is refused, and says what to do instead."""

import json
import logging
import re
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from operator import attrgetter, methodcaller
from typing import Any
from uuid import UUID

import pytest
from django.apps import apps
from django.contrib.admin import ModelAdmin
from django.contrib.admin.sites import AdminSite
from django.contrib.admin.utils import display_for_value, lookup_field
from django.core import serializers
from django.core.exceptions import FieldError
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models, transaction
from django.db.models import Case, Count, Exists, F, Max, OuterRef, Q, Subquery, Sum, When
from django.db.models.functions import Cast, Coalesce, Length, Upper
from django.forms import modelform_factory
from django.test import RequestFactory
from pytest_django import DjangoAssertNumQueries

from crypto.errors import NoAccessScope
from crypto.fields import SealedField, SealedText
from crypto.managers import SealedQuerySet
from crypto.models import SealedModel
from crypto.seals import MASK, Sealed
from tests.crypto.specimen import FIELDS, Specimen
from tests.factories.crypto import reading

Rows = SealedQuerySet[Specimen]


@pytest.fixture
def child(row: Specimen) -> Specimen:
    return Specimen.objects.create(
        clinic_id=row.clinic_id, subject_id=row.subject_id, label="child", word="邓淑英", parent=row
    )


@pytest.fixture(params=["default", "base", "related"])
def rows(row: Specimen, child: Specimen, request: pytest.FixtureRequest) -> Rows:
    """The same refusals through every manager by which rows are reached."""
    managers: dict[str, Any] = {
        "default": Specimen.objects,
        "base": Specimen._base_manager,
        "related": row.children,  # type: ignore[attr-defined]  # a model the type checker's plugin does not know
    }
    found: Rows = managers[request.param].all()
    return found


def changed(rows: Rows) -> Specimen:
    """A row whose clear label is to be taken from a sealed column."""
    row = rows.all()[0]
    row.label = F("word")
    return row


REFUSED: dict[str, Callable[[Rows], object]] = {
    "update": lambda rows: rows.update(word="x"),
    "update from itself": lambda rows: rows.update(word=F("word")),
    "update from another": lambda rows: rows.update(word=F("note")),
    "update of a clear field": lambda rows: rows.update(label=F("word")),
    "update by a function": lambda rows: rows.update(label=Upper("word")),
    "update by a case": lambda rows: rows.update(label=Case(When(note__isnull=True, then=F("word")))),
    "update by a query": lambda rows: rows.update(
        label=Subquery(Specimen.objects.annotate(other=F("word")).values("other")[:1])
    ),
    "save of a clear field": lambda rows: changed(rows).save(),
    "bulk_update of a clear field": lambda rows: rows.bulk_update([changed(rows)], ["label"]),
    "sealed_bulk_update of a clear field": lambda rows: rows.sealed_bulk_update(
        [changed(rows)], ["label", "word"]
    ),
    "bulk_update": lambda rows: rows.bulk_update(list(rows), ["word"]),
    "bulk_create": lambda rows: rows.bulk_create(list(rows)),
    "annotate": lambda rows: list(rows.annotate(other=F("word"))),
    "annotate a function": lambda rows: list(rows.annotate(other=Length("word"))),
    "annotate a cast": lambda rows: list(rows.annotate(other=Cast("word", models.TextField()))),
    "annotate over a relation": lambda rows: list(rows.annotate(other=F("parent__word"))),
    "alias": lambda rows: list(rows.alias(other=Coalesce("word", "note"))),
    "values of an expression": lambda rows: list(rows.values(other=F("word"))),
    "aggregate": lambda rows: rows.aggregate(Max("day")),
    "aggregate a sum": lambda rows: rows.aggregate(total=Sum("amount")),
    "aggregate a count": lambda rows: rows.aggregate(Count("word", distinct=True)),
    "filter": lambda rows: rows.filter(word="王小芳").first(),
    "filter over a relation": lambda rows: rows.filter(parent__word="王小芳").first(),
    "filter by a part": lambda rows: rows.filter(identity__name="王小芳").first(),
    "filter by None": lambda rows: rows.filter(word=None).first(),
    "filter a clear field by it": lambda rows: rows.filter(label=F("word")).first(),
    "filter by an outer field": lambda rows: rows.filter(
        Exists(Specimen.objects.filter(label=OuterRef("word")))
    ).first(),
    "exclude": lambda rows: rows.exclude(Q(label="x") | Q(number=0)).first(),
    "get": lambda rows: rows.get(word="王小芳"),
    "get_or_create": lambda rows: rows.get_or_create(word="王小芳"),
    "update_or_create": lambda rows: rows.update_or_create(word="王小芳", defaults={"label": "x"}),
    "order_by": lambda rows: rows.order_by("label", "-word").first(),
    "order_by over a relation": lambda rows: rows.order_by("parent__day").first(),
    "order_by an expression": lambda rows: rows.order_by(F("word").desc()).first(),
    "distinct": lambda rows: list(rows.distinct("word")),
    "latest": lambda rows: rows.latest("day"),
    "dates": lambda rows: list(rows.dates("day", "year")),
}


def refusal_of(work: Callable[[Rows], object], rows: Rows) -> str:
    try:
        with reading(), transaction.atomic():
            work(rows)
    except (FieldError, TypeError) as refusal:
        return str(refusal)
    return "not refused"


def test_a_query_that_would_look_into_a_seal_is_refused(rows: Rows) -> None:
    before = list(Specimen.objects.order_by("pk").values_list())
    refusals = {name: refusal_of(work, rows) for name, work in REFUSED.items()}
    wanted = re.compile(r"sealed.*(Open the rows|use sealed_|use save)")
    assert {name: said for name, said in refusals.items() if not wanted.search(said)} == {}
    assert list(Specimen.objects.order_by("pk").values_list()) == before


def test_what_does_not_look_into_seals_still_works(
    row: Specimen, child: Specimen, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    rows = Specimen.objects.all()
    assert rows.order_by("-label", "pk", "?").distinct().count() == 2
    assert rows.filter(Q(note__isnull=True) | Q(amount__isnull=False)).get() == child
    assert rows.aggregate(known=Count("pk", filter=Q(note__isnull=False))) == {"known": 1}
    assert rows.annotate(size=Length("label")).order_by("-size", "parent__label").first() is not None
    assert rows.filter(parent__note__isnull=False).distinct("label").get() == child
    assert rows.update(label=Upper(F("label"))) == 2
    assert rows.filter(label="CHILD").update(label=Case(When(note__isnull=True, then=F("label")))) == 1
    child.label = Upper("label")
    child.save()
    assert rows.bulk_update([child], ["label"]) == rows.sealed_bulk_update([child], ["label", "note"]) == 1
    child.refresh_from_db()
    with django_assert_num_queries(1):
        assert rows.sealed_bulk_update([child], ["parent"]) == 1
    assert rows.in_bulk([row.pk])[row.pk] == row


def test_values_give_seals_and_raw_queries_too(row: Specimen) -> None:
    for found in (
        Specimen.objects.values_list("word", flat=True).get(),
        Specimen.objects.values("label", "word").get()["word"],
        Specimen.objects.values_list("word", named=True).get().word,
        next(iter(Specimen.objects.values_list("word").iterator()))[0],
    ):
        assert isinstance(found, Sealed)
    (found,) = Specimen.objects.raw("SELECT * FROM crypto_tests_specimen")
    with pytest.raises(NoAccessScope):
        found.word  # noqa: B018


SEALED_MODELS = [model for model in apps.get_models() if issubclass(model, SealedModel)]


def test_every_manager_of_every_sealed_model_refuses() -> None:
    assert len(SEALED_MODELS) > 5
    for model in SEALED_MODELS:
        for manager in (model._base_manager, *model._meta.managers):
            assert isinstance(manager.none(), SealedQuerySet), manager
        assert "crypto.E003" not in [message.id for message in model.check()]


def test_a_sealed_model_with_a_manager_that_refuses_nothing_is_a_system_check_error() -> None:
    class Leaky(SealedModel):
        clinic_id = models.UUIDField()
        word = SealedText[str, str](aad_name="leaky.word")
        plain = models.Manager["Leaky"]()

        class Meta:
            app_label = "crypto"
            apps = Specimen._meta.apps  # known to these tests alone

        def __str__(self) -> str:
            return ""

    (error,) = [message for message in Leaky.check() if message.id == "crypto.E003"]
    assert "SealedManager" in error.msg


# --- written down -----------------------------------------------------------------------------------------------------


@pytest.fixture
def full(row: Specimen) -> Specimen:
    """A specimen with something in every field."""
    row.number, row.agreed, row.sound, row.detail = 7, True, b"voice", {"a": 1}
    row.amount, row.day, row.note = Decimal("5.2"), date(1960, 2, 29), "怕打针"
    row.save()
    return Specimen.objects.get(pk=row.pk)


@pytest.mark.parametrize("form", ["json", "xml", "python", "jsonl"])
def test_no_serializer_writes_a_sealed_row_whichever_fields_are_asked_for(full: Specimen, form: str) -> None:
    for fields in (None, *((field,) for field in FIELDS), ("label",)):
        with reading() as scope, pytest.raises(TypeError, match="not serialized: read it in an access scope"):
            serializers.serialize(form, [full], fields=fields)
        assert scope.opened == {}


def test_what_was_serialized_elsewhere_is_not_loaded_past_the_seals(row: Specimen) -> None:
    built = Specimen(pk=row.pk, clinic_id=row.clinic_id, subject_id=row.subject_id, word="王小方")
    with pytest.raises(TypeError, match="use save"):
        built.save_base(raw=True)  # as loaddata does


@pytest.mark.parametrize("encoder", [json.JSONEncoder, DjangoJSONEncoder])
def test_json_takes_neither_a_seal_nor_parts(row: Specimen, encoder: type[json.JSONEncoder]) -> None:
    for thing in (Specimen.objects.values("word").get(), {"identity": row.identity}, [vars(row)["word"]]):
        with pytest.raises(TypeError, match="not JSON serializable"):
            json.dumps(thing, cls=encoder)


def test_a_log_line_shows_nothing(full: Specimen, caplog: pytest.LogCaptureFixture) -> None:
    with reading():
        for field in FIELDS:
            getattr(full, field)
    full.word = "unsaved words"
    held = [vars(full)[field] for field in FIELDS]
    logging.getLogger("zhizhi.test").warning(
        "%s %r %s %s", full, vars(full), held, f"{held[0]} {held[0]!r:>40}"
    )
    assert MASK in caplog.text
    for plain in ("王小芳", "怕打针", "13800138000", "voice", "5.2", "1960", "unsaved words"):
        assert plain not in caplog.text


# --- admin and forms -----------------------------------------------------------------------------------------------------


class SpecimenAdmin(ModelAdmin[Specimen]):
    """What somebody might write who has not read the documents."""

    list_display = ("label", "word")
    search_fields = ("word", "identity__name")
    ordering = ("word",)
    readonly_fields = ("word",)


@pytest.fixture
def admin() -> SpecimenAdmin:
    return SpecimenAdmin(Specimen, AdminSite())


def test_a_column_or_readonly_field_of_admin_opens_nothing_outside_a_scope(
    row: Specimen, admin: SpecimenAdmin
) -> None:
    with pytest.raises(NoAccessScope):
        lookup_field("word", row, admin)
    assert display_for_value(row.identity, "-") == MASK
    assert display_for_value(vars(row)["word"], "-") == MASK


def test_search_and_order_of_admin_are_refused(row: Specimen, admin: SpecimenAdmin) -> None:
    request = RequestFactory().get("/")
    with pytest.raises(FieldError, match="sealed"):
        admin.get_search_results(request, Specimen.objects.all(), "王")
    with pytest.raises(FieldError, match="sealed"):
        admin.get_queryset(request)


def test_a_form_of_a_saved_row_cannot_be_made_outside_a_scope(row: Specimen) -> None:
    form_class = modelform_factory(Specimen, fields=["label", "word"])
    with pytest.raises(NoAccessScope):
        form_class(instance=row)
    with pytest.raises(NoAccessScope):
        form_class({"label": "x", "word": "y"}, instance=row)
    assert modelform_factory(Specimen, fields=["label"])(instance=row).initial == {"label": "first"}


def test_a_form_for_a_new_row_needs_no_scope_and_seals_what_was_typed(clinic: UUID, subject: UUID) -> None:
    form = modelform_factory(Specimen, fields=["word", "number"])({"word": "邓淑英", "number": "0"})
    assert form.is_valid(), form.errors
    made = form.save(commit=False)
    made.clinic_id, made.subject_id = clinic, subject
    made.save()
    with reading():
        found = Specimen.objects.get(pk=made.pk)
        assert (found.word, found.number) == ("邓淑英", 0)


def test_checking_a_whole_row_opens_it_and_needs_a_scope(row: Specimen) -> None:
    with pytest.raises(NoAccessScope):
        row.full_clean()
    with reading():
        row.full_clean()


def test_what_a_rest_serializer_asks_of_a_field_opens_nothing_outside_a_scope(full: Specimen) -> None:
    """Django REST framework reads the attribute, or asks the field for its value or its text."""
    for name in FIELDS:
        field: SealedField[Any, Any] = Specimen._meta.get_field(name)  # type: ignore[assignment]
        asks: list[Callable[[Specimen], object]] = [
            field.value_from_object,
            attrgetter(name),
            methodcaller("serializable_value", name),
        ]
        for ask in (
            asks if name != "identity" else [attrgetter("identity.name"), attrgetter("identity.phone")]
        ):
            with pytest.raises(NoAccessScope):
                ask(full)
        with reading(), pytest.raises(TypeError, match="not serialized"):
            field.value_to_string(full)
