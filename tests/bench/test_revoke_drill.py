"""The revoke drill in small: what is taken away while people work is gone at the next request."""

import pytest

from bench.drills import revoke
from bench.drills.tally import Scale, Tally


@pytest.mark.django_db(transaction=True)
def test_nothing_comes_after_it_was_taken_away() -> None:
    tally = Tally()
    revoke.run(Scale.SMALL, tally, seed=20261121)
    assert tally.failures == []
    assert tally.passed > 8
