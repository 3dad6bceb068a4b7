"""A deed of a lower app asks the apps above it, in the order of the staircase."""

import sys
from types import ModuleType

import pytest

from audit import participation


def test_every_app_that_takes_part_is_asked_in_staircase_order(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, dict[str, object]]] = []

    def part_of(app: str) -> ModuleType:
        def on_tested(**facts: object) -> list[str]:
            asked.append((app, facts))
            return [app]

        module = ModuleType(f"{app}.participation")
        module.on_tested = on_tested  # type: ignore[attr-defined]
        return module

    for app in ("records", "patients"):
        monkeypatch.setitem(sys.modules, f"{app}.participation", part_of(app))
    monkeypatch.setattr(participation, "find_spec", lambda name: name if name in sys.modules else None)
    assert participation.call("on_tested", patient_id=17) == [["patients"], ["records"]]
    assert asked == [("patients", {"patient_id": 17}), ("records", {"patient_id": 17})]


def test_a_deed_nobody_takes_part_in_is_no_error() -> None:
    assert participation.call("on_nothing") == []
