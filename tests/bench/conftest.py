"""Benches in small: how long anything takes is for `make bench` to say."""

from types import SimpleNamespace

import pytest


@pytest.fixture(autouse=True)
def nothing_is_collected_for_a_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody looks at the times; and what the run has put aside for good (`config.heap`) stays aside."""
    nothing = dict.fromkeys(("collect", "freeze", "unfreeze"), lambda: None)
    monkeypatch.setattr("bench.measure.gc", SimpleNamespace(**nothing))
