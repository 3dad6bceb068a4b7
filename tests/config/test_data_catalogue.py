"""Every column has its entry in the data catalogue, and the entry is true: a new field without one fails here."""

import inspect
import re
from collections.abc import Iterator
from dataclasses import fields, replace
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from django import forms
from django.apps import apps
from django.conf import settings
from django.db import models
from django.test.utils import isolate_apps

from audit.purposes import Purpose
from clinics.api import Said
from consent.catalogue import (
    Collected,
    Level,
    Seal,
    Table,
    collected,
    columns,
    needed_for,
    read_table,
    tables,
)
from consent.catalogue_page import PLACE, page
from consent.catalogue_rules import (
    columns_in_database,
    columns_of_fixed_lists,
    compare,
    defects,
    forbidden_words,
    sealed_columns,
)
from consent.notices import ITEMS
from crypto.fields import Scope, SealedJSON, SealedParts, SealedText
from exchange.fhir import ParsedPerson
from patients.identity import NewIdentity
from records.parsed import ParsedObservation, ParsedReport
from records.services import ReportCounts
from tests.config.test_database_border import TESTS_OWN

RECORDS_THAT_READERS_MAKE = (ParsedPerson, ParsedReport, ParsedObservation, NewIdentity)
# Said on the page, or as a form: nothing of it is written down.
ROW: dict[str, Any] = {
    "what": "Invented.",
    "category": "health",
    "level": "L3",
    "purposes": ["care"],
    "retention": "record",
}


def invented(**columns_of_it: Any) -> dict[str, Table]:
    return {"invented": read_table("invented", {**ROW, "columns": columns_of_it}, app="invented")}


def said_of(column: dict[str, Any], *, kind: str = "uuid", **model: Any) -> list[str]:
    """What is wrong with a table of this one column."""
    return compare(invented(word=column), {"invented": {"word": kind}}, model)


@pytest.mark.requirement("PIPL-51")
@pytest.mark.django_db
def test_every_column_of_every_table_is_described_as_it_is() -> None:
    assert defects(without=TESTS_OWN) == []


@pytest.mark.requirement("GBT45574")
def test_the_page_is_the_one_that_is_made_of_the_entries() -> None:
    assert PLACE.read_text("utf-8") == page(), "run `manage.py data_catalogue`"


@pytest.mark.requirement("GBT39725-6.2")
@pytest.mark.django_db
def test_a_column_that_is_added_to_a_table_is_missed() -> None:
    found = columns_in_database(without=TESTS_OWN)
    as_it_is = compare(tables(), found, {})
    found["patients_patient"]["nickname"] = "text"
    found["patients_hobby"] = {"id": "uuid"}

    assert set(compare(tables(), found, {})) - set(as_it_is) == {
        "patients_hobby.id has no entry in the catalogue.yaml of its app",
        "patients_patient.nickname has no entry in the catalogue.yaml of its app",
    }


def test_an_entry_whose_column_is_gone_is_missed() -> None:
    assert compare(invented(word="id", gone="moment"), {"invented": {"word": "uuid"}}, {}) == [
        "invented.gone has an entry, and the database has no such column"
    ]


@isolate_apps("patients")
def test_a_sealed_field_and_its_entry_agree_on_scope_and_field_set() -> None:
    class Invented(models.Model):
        note = SealedText(aad_name="invented.note", scope=Scope.RECORD, field_set="psychological")
        why = SealedJSON(aad_name="invented.why", scope=Scope.RECORD, field_set="clinical")
        who = SealedParts(aad_name="invented.who", scope=Scope.IDENTITY, parts={"name": "identity"})

        class Meta:
            app_label = "patients"
            db_table = "invented"

        def __str__(self) -> str:
            return ""

    model = sealed_columns([Invented])
    found = {"invented": {"note": "bytea", "who": "bytea", "why": "bytea"}}
    why = {
        "seal": "sealed",
        "scope": "record",
        "field_set": "clinical",
        "reason": "what led to it",
        "parts": {"facts": "values and dates"},
    }
    note = {"seal": "sealed", "scope": "record", "field_set": "psychological", "reason": "what was said"}
    who = {
        "category": "attr",
        "retention": "identity",
        "seal": "sealed",
        "scope": "identity",
        "reason": "who it is",
        "parts": {"name": {"field_set": "identity", "reason": "to call them"}},
    }

    assert compare(invented(note=note, who=who, why=why), found, model) == []
    for wrong in (
        {"note": {**note, "scope": "identity"}},
        {"note": {**note, "field_set": "clinical"}},
        {"note": {**note, "seal": "keyed token"}},
        {"note": {**note, "retention": "identity"}},
        {"note": {**note, "category": "care"}},
        {"why": {**why, "parts": {}}},
        {"who": {**who, "parts": {}}},
        {"who": {**who, "parts": {"name": {"field_set": "contact", "reason": "to call them"}}}},
    ):
        (defect,) = compare(invented(**{"note": note, "who": who, "why": why, **wrong}), found, model)
        assert next(iter(wrong)) in defect


@pytest.mark.requirement("PIPL-28")
@pytest.mark.parametrize(
    ("column", "defect"),
    [
        ({"level": "L5", "reason": "a result"}, "is of level 5 and not sealed"),
        ({"level": "L4", "reason": "state"}, "it gives a reason of its own"),
        ({"seal": "none", "reason": "a result"}, "clear and why, not none"),
        ({"seal": "sealed", "reason": "a result"}, "no sealed field is there"),
        ({"purposes": [], "reason": "a result"}, "names no purpose"),
        ({"purposes": ["marketing"], "reason": "a result"}, "does not use data of the category health"),
        ({"category": "resource", "reason": "a result"}, "at most of level 2"),
    ],
)
def test_what_is_not_protected_as_its_level_asks_is_named(column: dict[str, Any], defect: str) -> None:
    assert any(defect in said for said in said_of(column)), said_of(column)


@pytest.mark.parametrize(
    "column",
    [
        {"reason": "one two", "level": "L6"},
        {"reason": "one two", "category": "gossip"},
        {"reason": "one two", "seal": "rot13"},
        {"reason": "one two", "retention": "for ever"},
        {"reason": "one two", "purposes": ["curiosity"]},
        {"reason": "one two", "colour": "red"},
        {"reason": "misspelt-kind"},
        {"level": "L3"},
    ],
)
def test_a_word_that_is_not_in_the_vocabulary_does_not_load(column: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="invented"):
        invented(word=column)


@pytest.mark.parametrize("kind", ["text", "jsonb", "bytea", "character varying(2)"])
def test_what_can_hold_a_name_in_clear_names_the_test_that_keeps_people_out(kind: str) -> None:
    word = {"reason": "a code", "parts": {"one": "a word"}}
    found = {"invented": {"word": kind}}

    assert compare(invented(word={**word, "proof": "tests/x.py::y"}), found, {}) == []
    assert compare(invented(word=word), found, {}, frozenset({"invented.word"})) == []
    assert "names no test" in compare(invented(word=word), found, {})[0]


@isolate_apps("patients")
def test_a_column_with_a_fixed_list_holds_no_name() -> None:
    class Invented(models.Model):
        state = models.CharField(choices=[("a", "A")], max_length=1)
        word = models.CharField(max_length=9)

        class Meta:
            app_label = "patients"
            db_table = "invented"

        def __str__(self) -> str:
            return ""

    assert columns_of_fixed_lists([Invented]) == {"invented.state"}


def test_json_names_its_parts() -> None:
    said = said_of({"reason": "a list", "proof": "tests/x.py::y"}, kind="jsonb")
    assert said == ["invented.word holds JSON and does not name its parts"]


@pytest.mark.requirement("PIPL-26")
def test_what_no_purpose_needs_has_no_field() -> None:
    table = invented(religion="what they believe", blood_group="found once", party_member="yes or no")[
        "invented"
    ]
    part = {"religious_home": "where they pray"}
    beside = invented(detail={"reason": "all sorts", "parts": part})["invented"]
    form = Collected(source="a.forms.B", field="ethnic_group", column=None, part=None, why_not_kept="read")

    named = [said.split(":")[0] for said in forbidden_words([table, beside], [form])]

    assert named == [
        "invented.religion",
        "invented.party_member",
        "invented.detail.religious_home",
        "a.forms.B.ethnic_group",
    ]


# What is collected


ASKS = re.compile(r"^class \w+\(.*(Form|Said)\b", re.MULTILINE)


def asked_by_apps() -> Iterator[tuple[str, set[str]]]:
    """Every form of a page and every body the API takes, wherever in an app it is, with its fields."""
    for app in apps.get_app_configs():
        if not Path(app.path).is_relative_to(settings.BASE_DIR) or ".venv" in app.path:
            continue
        for path in sorted(Path(app.path).rglob("*.py")):
            if not ASKS.search(path.read_text("utf-8")):
                continue
            module = ".".join(path.relative_to(settings.BASE_DIR).with_suffix("").parts)
            for _name, found in inspect.getmembers(import_module(module), inspect.isclass):
                if found.__module__ != module or found is Said:
                    continue
                if issubclass(found, forms.Form | forms.ModelForm):
                    yield f"{module}.{found.__qualname__}", set(found.base_fields)
                elif issubclass(found, Said):
                    yield f"{module}.{found.__qualname__}", set(found._declared_fields)


def test_every_field_that_somebody_fills_in_or_a_file_brings_says_where_it_ends() -> None:
    asked = {source: names for source, names in asked_by_apps() if names}
    asked |= {
        f"{record.__module__}.{record.__qualname__}": {field.name for field in fields(record)}
        for record in RECORDS_THAT_READERS_MAKE
    }
    described: dict[str, set[str]] = {}
    for one in collected():
        described.setdefault(one.source, set()).add(one.field)

    assert {"clinics.accounts.forms.UnlockForm", "records.api.NewObservation"} <= set(asked)
    assert set(described) == set(asked)
    for source, names in asked.items():
        assert names <= described[source], source
        for extra in described[source] - names:  # such as yes_*: a field the form makes for each purpose
            module, _, form = source.rpartition(".")
            made = inspect.getsource(getattr(import_module(module), form))
            assert f'"{extra.rstrip("*")}' in made, f"{source}.{extra}"


@pytest.mark.requirement("PIPL-06", "HIPAA-502b")
def test_every_field_that_is_kept_names_its_purpose() -> None:
    nobody_needs = [
        f"{one.source}.{one.field}"
        for one in collected()
        if one.column is not None and one.column.category != "resource" and not one.purposes
    ]

    assert nobody_needs == []


@pytest.mark.requirement("NDR-21")
def test_the_collection_list_of_a_purpose_leaves_out_what_every_table_has() -> None:
    care = {column.place for column in needed_for(Purpose.CARE)}

    assert {"patients_patient.identity", "patients_patient.sex", "records_observation.detail"} <= care
    assert not care & {"patients_patient.id", "records_observation.clinic_id"}
    assert needed_for(Purpose.MARKETING) == []


# What the entries say of insides and proofs


def test_the_parts_of_what_is_stored_as_json_are_those_that_the_code_writes() -> None:
    described = tables()
    notice = described["consent_notice"].columns["items"].parts
    detail = described["records_observation"].columns["detail"].parts
    written = set(_keys_of("records.details", "detail_of"))

    assert set(notice) == set(ITEMS)
    assert set(detail) == written
    assert {"sender", "source_id", "title", "counts"} == set(
        described["records_examreport"].columns["summary"].parts
    )
    assert {field.name for field in fields(ReportCounts)} >= {"stored", "critical"}


def _keys_of(module: str, function: str) -> list[str]:
    """The keys of the mapping that a function returns, as its source writes them at the start of a line."""
    source = inspect.getsource(getattr(import_module(module), function))
    return [
        line.strip().split('"')[1]
        for line in source.splitlines()
        if line.strip().startswith('"') and '":' in line and len(line) - len(line.lstrip()) == 12
    ]


def test_every_test_that_is_named_as_proof_is_there() -> None:
    root = Path(settings.BASE_DIR)
    named = {column.proof for column in columns() if column.proof}

    assert named
    for proof in named:
        path, _, test = proof.partition("::")
        assert f"def {test}(" in (root / path).read_text("utf-8"), proof


@pytest.mark.requirement("PIPL-28")
def test_no_level_5_and_no_identity_stands_outside_a_seal() -> None:
    for column in columns():
        if column.level == Level.L5 or "identity" in {part.field_set for part in column.parts.values()}:
            assert column.seal == Seal.SEALED, column.place


def test_an_entry_cannot_be_changed_behind_the_readers_back() -> None:
    patient = tables()["patients_patient"]

    assert isinstance(patient.columns, MappingProxyType)
    assert replace(patient, what="another").columns is patient.columns
