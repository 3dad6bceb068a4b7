"""The bench compares what it says it compares. How fast anything is, is for `make bench` to say: a test asserts no time."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection, models
from django.test.utils import override_settings
from pytest_django import DjangoDbBlocker

from bench import seal, specimens
from bench.measure import Goal, Measure, Report, median_ratio, race
from config.dbroles.owner import as_owner

KEYS = ["name", "value", "unit", "reference", "ratio", "n"]
TINY = seal.Size(page=3, wide=6, rounds=3)


@pytest.fixture(scope="module")
def bench_tables(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    with django_db_blocker.unblock():
        with as_owner():
            specimens.create_tables()
        yield
        with as_owner(), connection.schema_editor() as editor:
            for model in specimens.MODELS:
                editor.delete_model(model)


@pytest.fixture
def clinics(bench_tables: None, db: None) -> Iterator[seal.Clinics]:
    with override_settings(SALT_KEY=seal.SALT):
        yield seal.seed(TINY)


def lines(printed: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in printed.splitlines()]


def test_a_ratio_is_the_median_of_the_rounds_and_not_of_the_sides() -> None:
    assert median_ratio([2.0, 30.0, 8.0], [1.0, 10.0, 1.0]) == 3.0


@pytest.mark.django_db
def test_contestants_take_turns_and_each_begins_a_round() -> None:
    order: list[str] = []
    contestants = {name: (lambda name=name: order.append(name)) for name in ("a", "b", "c")}

    samples = race(contestants, rounds=3, times=2, warm_ups=0)

    assert "".join(order) == "aabbccbbccaaccaabb"
    assert {name: len(costs) for name, costs in samples.items()} == {"a": 3, "b": 3, "c": 3}


def test_a_measure_is_one_line_of_json(capsys: pytest.CaptureFixture[str]) -> None:
    report = Report({}, as_json=True)
    report.ratio("page", {"ours": [3.0, 3.0], "theirs": [2.0, 2.0]}, "ours", "theirs")
    report.add(Measure(name="size", value=1 / 3, unit="MB"))

    first, second = lines(capsys.readouterr().out)

    assert first == {"name": "page", "value": 3.0, "unit": "ms", "reference": 2.0, "ratio": 1.5, "n": 2}
    assert list(second) == KEYS
    assert (second["value"], second["ratio"]) == (0.3333, None)


def test_a_table_for_people_names_the_goal(capsys: pytest.CaptureFixture[str]) -> None:
    report = Report({"page": Goal(1.8, "plain text")})
    report.ratio("page", {"ours": [3.0], "theirs": [2.0]}, "ours", "theirs")

    assert "goal 1.8 of plain text" in capsys.readouterr().out


def test_a_goal_is_missed_by_a_larger_ratio_and_by_none() -> None:
    report = Report(
        {"page": Goal(1.4, "plain text"), "list": Goal(2, "plain text"), "chart": Goal(1, "plain text")}
    )
    report.ratio("page", {"ours": [3.0], "theirs": [2.0]}, "ours", "theirs")
    report.ratio("list", {"ours": [3.0], "theirs": [2.0]}, "ours", "theirs")

    assert report.missed() == [
        "page: 1.5 of plain text, the goal is at most 1.4",
        "chart: not measured",
    ]


def test_the_seal_bench_measures_every_goal(
    clinics: seal.Clinics, capsys: pytest.CaptureFixture[str]
) -> None:
    report = Report(seal.GOALS, as_json=True)

    seal.compare(report, TINY, clinics)

    printed = lines(capsys.readouterr().out)
    assert seal.GOALS.keys() <= {line["name"] for line in printed}
    assert all(list(line) == KEYS and line["n"] == TINY.rounds for line in printed)


def test_every_contestant_of_the_seal_bench_reads_the_same_values(clinics: seal.Clinics) -> None:
    def read(model: type[models.Model], reader: Any, sealed: bool = True) -> list[Any]:
        rows: list[Any] = []
        page: Any = seal._sealed_page if sealed else seal._page
        page(model, lambda row: rows.append(reader(row)), clinics.aes, limit=TINY.wide)
        return rows

    seal.show(clinics.aes)
    plain = read(specimens.PlainRow, seal._read_fields, sealed=False)

    assert len(plain) == TINY.wide
    assert read(specimens.FernetRow, seal._read_fields, sealed=False) == plain
    assert read(specimens.BareRow, seal._read_fields, sealed=False) == plain
    assert read(specimens.FieldsRow, seal._read_fields) == plain
    assert read(specimens.BlobRow, seal._read_blob) == plain
