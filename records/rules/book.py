"""The rule book: which tags rules set, and which of two gives way. Read once from `data/tags.yaml`."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from patients.choices import TagLevel
from patients.services import TagDefinition
from records.catalogue import DATA, read_yaml
from records.rules.expressions import Condition, Evidence, Truth, condition_from, leaves_of
from records.rules.facts import Facts


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One tag and when it fits. `action` is what a person must do at once, as the follow-up catalogue names it."""

    tag: TagDefinition
    condition: Condition
    window_days: int
    action: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a rule says now. `truth` None: the facts do not tell, and the chart stays as it is."""

    rule: Rule
    truth: Truth
    evidence: tuple[Evidence, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleBook:
    """All rules of one version."""

    version: str
    rules: Mapping[str, Rule]
    exclusive: tuple[tuple[str, ...], ...]
    gives_way_to: tuple[tuple[str, str], ...]

    @property
    def longest_window_days(self) -> int:
        """How far back any rule looks."""
        return max(leaf.reaches_back for rule in self.rules.values() for leaf in leaves_of(rule.condition))

    @property
    def indicators(self) -> frozenset[str]:
        """Every indicator any rule asks about."""
        leaves = (leaf for rule in self.rules.values() for leaf in leaves_of(rule.condition))
        return frozenset(leaf.path.split(".")[1] for leaf in leaves if leaf.path.startswith("ind."))

    def judge(self, facts: Facts) -> list[Verdict]:
        """Every rule's verdict, conflicts settled: a tag that gives way to a true one is false, its evidence kept out."""
        verdicts = {code: _verdict(rule, facts) for code, rule in self.rules.items()}
        true = {code for code, verdict in verdicts.items() if verdict.truth}
        yielding = {code for code, other in self.gives_way_to if other in true}
        for group in self.exclusive:
            if winner := next((code for code in group if code in true), None):
                yielding |= set(group) - {winner}
        return [
            Verdict(rule=v.rule, truth=False, evidence=()) if code in yielding else v
            for code, v in verdicts.items()
        ]


def _verdict(rule: Rule, facts: Facts) -> Verdict:
    evidence: list[Evidence] = []
    truth = rule.condition.holds(facts, evidence)
    return Verdict(rule=rule, truth=truth, evidence=tuple(evidence) if truth else ())


@cache
def rule_book() -> RuleBook:
    """The rules in force. Read once a process."""
    written = read_yaml(DATA / "tags.yaml")
    default = written["defaults"]["window_days"]
    return RuleBook(
        version=str(written["version"]),
        rules={row["code"]: _rule(row, default) for row in written["tags"]},
        exclusive=tuple(tuple(row["exclusive"]) for row in written["conflicts"] if "exclusive" in row),
        gives_way_to=tuple((row["tag"], row["gives_way_to"]) for row in written["conflicts"] if "tag" in row),
    )


def _rule(row: dict[str, Any], default_window: int) -> Rule:
    days = row.get("window_days", default_window)
    return Rule(
        tag=TagDefinition(
            code=row["code"],
            name_zh=row["name_zh"],
            name_en=row["name_en"],
            group=row["group"],
            level=TagLevel(row["level"]),
            sealed=row.get("sealed", False),
        ),
        condition=condition_from(row["when"], days=days),
        window_days=days,
        action=row.get("action", ""),
    )
