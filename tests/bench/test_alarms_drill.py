"""The drill of alarms in small: what beat wakes a worker for is done here at each look, so that nobody waits for twenty seconds."""

from contextlib import nullcontext

import pytest

from bench.drills import alarms
from bench.drills.tally import Scale, Tally
from clinics.tasks import attribute_changes, watch_for_alarms


@pytest.mark.django_db(transaction=True)
def test_every_deed_of_the_drill_raises_its_alarm(monkeypatch: pytest.MonkeyPatch) -> None:
    def work(seconds: float) -> None:
        attribute_changes()
        watch_for_alarms()

    monkeypatch.setattr(alarms, "at_work", nullcontext)
    monkeypatch.setattr(alarms, "pause", work)
    tally = Tally()
    alarms.run(Scale.SMALL, tally, seed=1)

    assert tally.failures == []
    assert tally.passed == len(alarms.DEEDS) + 1  # and the witness, who falls silent once
