"""The sealstorm in small: the sequencer is killed and every session of the database ended, and nothing acknowledged is lost."""

import pytest

from bench.drills import sealstorm
from bench.drills.tally import Scale, Tally


@pytest.mark.django_db(transaction=True)
def test_nothing_acknowledged_is_lost_and_every_checkpoint_given_out_holds() -> None:
    tally = Tally()
    sealstorm.run(Scale.SMALL, tally, seed=20261121)
    assert tally.failures == []
    assert tally.passed == 4
