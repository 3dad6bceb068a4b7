"""The rotation drill in small: keys of 600 people change under readers and writers, and whoever changes them is killed."""

import re

import pytest

from bench.drills import rotation
from bench.drills.tally import Scale, Tally


@pytest.mark.django_db(transaction=True)
def test_keys_change_under_readers_and_writers_and_kills(capsys: pytest.CaptureFixture[str]) -> None:
    tally = Tally()
    rotation.run(Scale.SMALL, tally, seed=20261121)
    assert tally.failures == []
    assert tally.passed > 600
    took = re.search(r"search tokens of (\d+) people built in ([\d.]+) s", capsys.readouterr().out)
    assert took is not None
    assert (int(took[1]) >= 600, 0 < float(took[2]) < 60) == (True, True)
