"""Bundles that nobody on this project wrote, where they are at hand. Our own fixtures cover the same code everywhere."""

import json
import random
from collections import Counter
from pathlib import Path

import pytest
from django.utils import timezone

from audit.actors import Actor
from clinics.models import Clinic
from exchange.fhir import parse_bundle
from exchange.services import import_report
from patients.models import Patient
from records.catalogue import catalogue
from records.models import Observation, RecordsChange
from records.readings import Person, read
from tests.factories.records import NOW, SAMPLES

PRESENT = sorted(SAMPLES.glob("s*.json"))
ABSENT = f"The shared samples are not present at {SAMPLES}: set ZHIZHI_SAMPLES to the folder that holds fhir-synthea."
EVERY_SAMPLE = [pytest.param(path, id=path.stem) for path in PRESENT] or [
    pytest.param(None, id="samples not present", marks=pytest.mark.skip(reason=ABSENT))
]


def resources(path: Path, kind: str) -> list[dict[str, object]]:
    document = json.loads(path.read_text("utf-8"))
    return [entry["resource"] for entry in document["entry"] if entry["resource"]["resourceType"] == kind]


@pytest.mark.parametrize("path", EVERY_SAMPLE)
def test_every_value_of_a_sample_is_read_with_its_digits(path: Path) -> None:
    parsed = parse_bundle(path.read_bytes())
    found = Counter(observation.status for report in parsed.reports for observation in report.observations)
    written = 0
    for resource in resources(path, "Observation"):
        components = resource.get("component") or []
        assert isinstance(components, list)
        written += len(components) or 1
    assert found.total() == written
    texts = path.read_text("utf-8")
    for report in parsed.reports:
        for observation in report.observations:
            assert getattr(observation.value, "text", "") in texts
            assert "\u200b" not in observation.name


@pytest.mark.parametrize("path", EVERY_SAMPLE)
def test_the_order_of_a_samples_entries_does_not_matter(path: Path) -> None:
    document = json.loads(path.read_bytes())
    expected = parse_bundle(json.dumps(document).encode())
    random.Random(path.stem).shuffle(document["entry"])  # noqa: S311 - an order, not a secret
    assert parse_bundle(json.dumps(document).encode()) == expected


@pytest.mark.parametrize("path", EVERY_SAMPLE)
def test_a_samples_person_is_not_flagged_by_guess(path: Path) -> None:
    parsed = parse_bundle(path.read_bytes())
    person = Person(sex=parsed.person.sex, born_on=parsed.person.born_on)
    for report in parsed.reports:
        for observation in report.observations:
            day = timezone.localdate(observation.taken_at)
            reading = read(observation, person=person, catalogue=catalogue(), day=day)
            if reading.indicator is None or reading.implausible:
                assert not reading.flag.is_out_of_range
            code = observation.codings[0].code
            if code in {"72106-8", "33756-8", "69453-9", "57905-2"}:
                assert reading.indicator is None
            if code in {"2885-2", "10834-0", "32207-3"}:
                assert reading.implausible


@pytest.mark.django_db
@pytest.mark.parametrize("path", EVERY_SAMPLE)
def test_a_sample_is_brought_in_once(path: Path, clinic: Clinic, at_work: Actor) -> None:
    first = import_report(path.read_bytes(), clinic=clinic, open_card=True, by=at_work, at=NOW)
    again = import_report(path.read_bytes(), clinic=clinic, open_card=True, by=at_work, at=NOW)
    assert first.opens_card
    assert (again.counts.stored, again.counts.same) == (0, first.counts.stored)
    assert Patient.objects.count() == 1
    assert Observation.objects.count() == first.counts.stored
    has_died = bool({"deceasedDateTime", "deceasedBoolean"} & resources(path, "Patient")[0].keys())
    assert RecordsChange.objects.exists() is not has_died
