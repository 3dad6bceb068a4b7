"""Rules that read facts and say which tags a chart should carry. Pure: facts in, verdicts with their evidence out."""

from records.rules.book import Rule, RuleBook, rule_book
from records.rules.expressions import Evidence, Truth
from records.rules.facts import Facts, Known

__all__ = ["Evidence", "Facts", "Known", "Rule", "RuleBook", "Truth", "rule_book"]
