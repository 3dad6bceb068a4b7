"""The completeness drill in small: a hundred deeds by every robot, each found on the log once, and none invented."""

import pytest

from bench.drills import completeness
from bench.drills.tally import Scale, Tally


@pytest.mark.django_db(transaction=True)
def test_every_deed_is_on_the_log_and_no_other() -> None:
    tally = Tally()
    completeness.run(Scale.SMALL, tally, seed=20261121)
    assert tally.failures == []
    assert tally.passed >= 100
