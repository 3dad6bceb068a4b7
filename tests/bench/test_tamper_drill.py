"""The tamper drill in small: every tampering is named outside, and nothing untouched is."""

import pytest

from bench.drills import tamper
from bench.drills.tally import Scale, Tally
from bench.drills.tampering import TAMPERINGS
from tests.owner import owner_connection


@pytest.mark.django_db(transaction=True)
def test_every_tampering_is_named_outside_and_what_nobody_touched_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    owner_connection().close()  # no database is copied that somebody uses
    monkeypatch.setattr("audit.export.os.sync", lambda: None)  # no export is to outlive a power cut here
    tally = Tally()
    tamper.run(Scale.SMALL, tally, seed=20261121)
    assert tally.failures == []
    assert tally.passed == len(TAMPERINGS) + 3 + 2
