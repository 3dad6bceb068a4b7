"""The withdraw drill in small: nothing begins after a withdrawal was acknowledged, and none waits for a carrier."""

import pytest

from bench.drills import withdraw
from bench.drills.tally import Scale, Tally


@pytest.mark.django_db(transaction=True)
def test_nothing_begins_after_a_withdrawal() -> None:
    tally = Tally()
    withdraw.run(Scale.SMALL, tally, seed=20261121)
    assert tally.failures == []
    assert tally.passed == withdraw.ROUNDS_IN_TESTS * withdraw.PEOPLE + 2
