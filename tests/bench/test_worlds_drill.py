"""The drill of the worlds in small: forty random clinics, and every way of looking agrees with the rules."""

import pytest

from bench.drills import worlds
from bench.drills.tally import Scale, Tally


@pytest.mark.django_db
def test_every_way_of_looking_agrees_with_the_rules() -> None:
    tally = Tally()
    worlds.run(Scale.SMALL, tally, seed=20261121)
    assert tally.failures == []
    assert tally.passed > 500
