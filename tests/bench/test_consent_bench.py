"""The consent bench compares what it says it compares; how fast anything is, is for `make bench` to say."""

import pytest

from bench import consent
from bench.measure import Report


@pytest.mark.django_db(transaction=True)
def test_the_consent_bench_measures_every_goal(capsys: pytest.CaptureFixture[str]) -> None:
    report = Report(consent.GOALS, as_json=True)
    consent.compare(report, consent.Size(people=300, batch=3, rounds=1))
    assert {"consent.check", *consent.GOALS} == {measure.name for measure in report.measures}
    assert next(m.value for m in report.measures if m.name == "consent.check") <= 2
