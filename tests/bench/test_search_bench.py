"""The clinic of the search bench is one the product can search, and both sides of the bench find the same people in it."""

from collections.abc import Iterator
from itertools import islice

import pytest
from django.db import connection

from audit.acting import acting
from bench import search
from bench.measure import Report
from bench.people import PlainPatient, clinic_of, desk_of, people
from config.dbroles.owner import as_owner
from patients.queries import search_patients

FEW, MANY = 6, 12


@pytest.fixture
def plain_table(transactional_db: None) -> Iterator[None]:
    """The bench makes the plaintext copy itself; here it is taken away again."""
    yield
    with as_owner(), connection.schema_editor() as editor:
        editor.delete_model(PlainPatient)


def silent(words: str) -> None:
    pass


def test_the_people_of_a_smaller_clinic_are_among_those_of_a_larger() -> None:
    assert list(people(FEW)) == list(islice(people(MANY), FEW))


def test_both_sides_of_the_bench_find_the_same_people(
    plain_table: None, capsys: pytest.CaptureFixture[str]
) -> None:
    few, many = (desk_of(clinic_of(size, silent), silent) for size in (FEW, MANY))
    search._show(*(search._clinic(actor) for actor in (few, many)))

    for person in people(MANY):
        sides = [
            (search.find_by_phone(many, person.phone), search.plain_by_phone(many, person.phone)),
            (search.find_by_whole_name(many, person.name), search.plain_by_whole_name(many, person.name)),
            (search.find_by_name(many, person.name[:2]), search.plain_by_part_of_name(many, person.name[:2])),
        ]
        for sealed, plain in sides:
            assert sealed
            assert [patient.pk for patient in sealed] == [patient.pk for patient in plain]

    person = next(people(MANY))
    with acting(many):
        (match,) = search_patients(many, search._clinic(many), person.phone)
    assert match.patient.pk == search.plain_by_phone(many, person.phone)[0].pk

    report = Report(search.GOALS, as_json=True)
    search.compare(report, few=few, many=many, rounds=1)
    search.sizes_and_build(report)
    assert search.GOALS.keys() <= {measure.name for measure in report.measures}
