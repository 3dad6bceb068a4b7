"""Conditions with three answers: true, false, unknown (Kleene's logic). A leaf whose fact is missing is unknown."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Protocol, TypeAlias

from records.rules.facts import Facts, Known
from records.values import STEPS, Interval

Truth: TypeAlias = bool | None
"""None is unknown."""

Wanted: TypeAlias = Decimal | str | bool | tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """One leaf that was true, and the fact behind it. `known` is None for facts about the person."""

    path: str
    op: str
    wanted: Wanted
    known: Known | None = None


class Condition(Protocol):
    """Anything that is true, false or unknown of the facts; `evidence` collects the leaves that were true."""

    def holds(self, facts: Facts, evidence: list[Evidence]) -> Truth: ...


@dataclass(frozen=True, slots=True)
class AllOf:
    """True when every part is; false as soon as one is."""

    parts: tuple[Condition, ...]

    def holds(self, facts: Facts, evidence: list[Evidence]) -> Truth:
        answers = [part.holds(facts, evidence) for part in self.parts]
        if False in answers:
            return False
        return None if None in answers else True


@dataclass(frozen=True, slots=True)
class AnyOf:
    """True as soon as one part is; false when every part is."""

    parts: tuple[Condition, ...]

    def holds(self, facts: Facts, evidence: list[Evidence]) -> Truth:
        answers = [part.holds(facts, evidence) for part in self.parts]
        if True in answers:
            return True
        return None if None in answers else False


@dataclass(frozen=True, slots=True)
class Not:
    """The opposite; unknown stays unknown. What it rests on is no evidence for anything."""

    part: Condition

    def holds(self, facts: Facts, evidence: list[Evidence]) -> Truth:
        answer = self.part.holds(facts, [])
        return None if answer is None else not answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaf:
    """One comparison: what the path gives, an operator, a wanted value."""

    path: str
    op: str
    wanted: Wanted
    days: int

    @property
    def reaches_back(self) -> int:
        """How many days of results the comparison may need."""
        counting = _COUNT.fullmatch(self.path.removeprefix("ind."))
        return int(counting["days"]) if counting else self.days

    def holds(self, facts: Facts, evidence: list[Evidence]) -> Truth:
        answer, known = self._ask(facts)
        if answer:
            evidence.append(Evidence(path=self.path, op=self.op, wanted=self.wanted, known=known))
        return answer

    def _ask(self, facts: Facts) -> tuple[Truth, Known | None]:
        root, _, rest = self.path.partition(".")
        if root == "profile":
            return _compare_any(_profile(facts, rest), self.op, self.wanted), None
        if root != "ind":
            return None, None
        if counting := _COUNT.fullmatch(rest):
            return self._count(facts, counting)
        key, _, what = rest.partition(".")
        known = facts.latest(key, self.days)
        if known is None or what not in ("", "flag"):
            return None, None
        seen = (known.detail.flag.side or None) if what == "flag" else _value(known)
        return _compare_any(seen, self.op, self.wanted), known

    def _count(self, facts: Facts, asked: re.Match[str]) -> tuple[Truth, Known | None]:
        """How many values fulfil the comparison: unknown while no value at all is there, or while one may or may not."""
        found = facts.within(asked["key"], int(asked["days"]))
        if not found:
            return None, None
        answers = [_compare_any(_value(known), asked["op"], Decimal(asked["edge"])) for known in found]
        sure, possible = answers.count(True), answers.count(True) + answers.count(None)
        newest = next((known for known, answer in zip(found, answers, strict=True) if answer), None)
        return _compare_any(Interval(Decimal(sure), Decimal(possible)), self.op, self.wanted), newest


_COUNT = re.compile(
    r"(?P<key>\w+)\.count\(\s*(?P<op><=|>=|<|>|==)\s*(?P<edge>-?\d+(?:\.\d+)?)\s*,\s*(?P<days>\d+)\s*\)"
)

Seen: TypeAlias = Interval | str | bool | None


def _value(known: Known) -> Seen:
    """A number, a step as a number of its scale, or the answer of a list."""
    detail = known.detail
    if detail.number is not None:
        return detail.number
    if detail.step is not None:
        return Interval.of(Decimal(detail.step))
    return detail.answer or None


def _profile(facts: Facts, what: str) -> Seen:
    match what:
        case "age":
            return facts.age()
        case "sex":
            return None if facts.person.sex == "unknown" else facts.person.sex
        case "pregnant":
            return False if facts.person.sex == "male" else None
        case _:
            return None


_OF_NUMBERS: dict[str, Callable[[Interval, Decimal], Truth]] = {
    "<": Interval.is_below,
    "<=": Interval.is_at_most,
    ">": Interval.is_above,
    ">=": Interval.is_at_least,
    "==": Interval.equals,
    "!=": lambda interval, number: None if (same := interval.equals(number)) is None else not same,
}


def _compare_any(seen: Seen, op: str, wanted: Wanted) -> Truth:
    if seen is None:
        return None
    if isinstance(seen, Interval):
        edge = Decimal(STEPS.index(wanted)) if isinstance(wanted, str) and wanted in STEPS else wanted
        return _OF_NUMBERS[op](seen, edge) if isinstance(edge, Decimal) and op in _OF_NUMBERS else None
    if op == "in":
        return isinstance(wanted, tuple) and seen in wanted
    if op in ("==", "!="):
        return (seen == wanted) is (op == "==")
    return None


def condition_from(written: Any, *, days: int) -> Condition:
    """A condition as `data/tags.yaml` writes it. Raises ValueError for anything else."""
    match written:
        case {"all": [*parts]}:
            return AllOf(_conditions(parts, days))
        case {"any": [*parts]}:
            return AnyOf(_conditions(parts, days))
        case {"not": part}:
            return Not(condition_from(part, days=days))
        case [str(path), str(op), wanted] if op in (*_OF_NUMBERS, "in"):
            return Leaf(path=path, op=op, wanted=_wanted(wanted), days=days)
        case _:
            raise ValueError("a rule has a part that is neither all, any, not nor a comparison")


def _conditions(parts: Sequence[Any], days: int) -> tuple[Condition, ...]:
    return tuple(condition_from(part, days=days) for part in parts)


def _wanted(written: Any) -> Wanted:
    if isinstance(written, list):
        return tuple(str(member) for member in written)
    if isinstance(written, bool | str):
        return written
    return Decimal(written)


def leaves_of(condition: Condition) -> list[Leaf]:
    """Every comparison a condition makes."""
    match condition:
        case AllOf(parts) | AnyOf(parts):
            return [leaf for part in parts for leaf in leaves_of(part)]
        case Not(part):
            return leaves_of(part)
        case Leaf():
            return [condition]
        case _:
            return []
