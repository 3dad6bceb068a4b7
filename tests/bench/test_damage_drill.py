"""The damage drill in small: two hundred ways of damaging a sealed value, on bytes and in the real database."""

import pytest

from bench.drills import damage, damage_core
from bench.drills.tally import Scale, Tally


@pytest.mark.django_db(transaction=True)
def test_a_damaged_value_never_opens() -> None:
    tally = Tally()
    damage.run(Scale.SMALL, tally, seed=20261121)
    assert tally.failures == []
    assert tally.passed >= 200


def test_the_drill_notices_a_value_that_opens_where_it_should_not() -> None:
    assert not damage_core.refused(lambda: "a value")
    assert not damage_core.refused(lambda: int("not the typed error"))
