"""The fold drill in small: where a permission stands is what its ledger says."""

import pytest

from bench.drills import fold
from bench.drills.tally import Scale, Tally


@pytest.mark.django_db(transaction=True)
def test_where_a_permission_stands_is_the_fold_of_its_ledger() -> None:
    tally = Tally()
    fold.run(Scale.SMALL, tally, seed=20261121)
    assert tally.failures == []
    assert tally.passed > 2500
