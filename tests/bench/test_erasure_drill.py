"""The erasure drill in small: four people, two of them erased, and a thief with everything that is left."""

import pytest

from bench.drills import erasure
from bench.drills.tally import Scale, Tally


@pytest.mark.django_db(transaction=True)
def test_nothing_of_the_erased_opens_and_everything_of_their_neighbours_does() -> None:
    tally = Tally()
    erasure.run(Scale.SMALL, tally, seed=20261121)
    assert tally.failures == []
    assert tally.passed >= 40
