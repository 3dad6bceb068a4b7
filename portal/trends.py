"""A small picture of one item over the last visits, drawn without a script. Pure: numbers in, places on a page out."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from records.shown import Result
from records.values import Comparator, Limits

WIDTH, HEIGHT = 326, 170
LEFT, RIGHT = 34.0, 292.0
TOP, BOTTOM = 34.0, 142.0
MOST_POINTS = 4


@dataclass(frozen=True, slots=True)
class Point:
    """One value on the picture; `x` and `y` in the picture's own units."""

    x: float
    y: float
    words: str
    day: date
    is_last: bool

    @property
    def words_y(self) -> float:
        """Where the value is written, above its point."""
        return self.y - 11


@dataclass(frozen=True, slots=True, kw_only=True)
class Trend:
    """The line, and the band of the range in force at the newest value (`band_top` to `band_bottom`), when there is one."""

    points: list[Point]
    band_top: float | None
    band_bottom: float | None

    @property
    def path(self) -> str:
        return "M" + "L".join(f"{point.x:.1f} {point.y:.1f}" for point in self.points)

    @property
    def band_height(self) -> float:
        return (self.band_bottom or 0.0) - (self.band_top or 0.0)


def trend_of(results: Sequence[Result]) -> Trend | None:
    """The picture of results, oldest first; None for fewer than two that can be drawn as exact numbers of one unit."""
    drawn = [r for r in results if r.detail.value is not None and r.detail.comparator is Comparator.EXACT][
        -MOST_POINTS:
    ]
    if len(drawn) < 2:
        return None
    values = [r.detail.value for r in drawn if r.detail.value is not None]
    limits = drawn[-1].detail.limits or Limits()
    low, high = _scale(values, limits)

    def y_of(value: Decimal) -> float:
        return round(BOTTOM - float((value - low) / (high - low)) * (BOTTOM - TOP), 1)

    step = (RIGHT - LEFT) / (len(drawn) - 1)
    points = [
        Point(round(LEFT + n * step, 1), y_of(value), r.value, r.day, is_last=n == len(drawn) - 1)
        for n, (r, value) in enumerate(zip(drawn, values, strict=True))
    ]
    has_band = limits.low is not None or limits.high is not None
    return Trend(
        points=points,
        band_top=(y_of(limits.high) if limits.high is not None else TOP - 20) if has_band else None,
        band_bottom=(y_of(limits.low) if limits.low is not None else BOTTOM) if has_band else None,
    )


def _scale(values: Sequence[Decimal], limits: Limits) -> tuple[Decimal, Decimal]:
    """Lowest and highest of the picture: every value and both edges fit, with a little room."""
    shown = [*values, *(edge for edge in (limits.low, limits.high) if edge is not None)]
    low, high = min(shown), max(shown)
    room = (high - low) / 5 or abs(high) / 10 or Decimal(1)
    return low - room, high + room
