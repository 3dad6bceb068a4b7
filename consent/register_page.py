"""docs/processing-register.md: what is processed, for what, on which basis, who receives it, and what is collected and shared.

Made from the registry of purposes and the data catalogue, so that it cannot say something else (GB/T 35273-2020 11.3; the two
lists of 网络数据安全管理条例 art. 21).
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

from django.conf import settings

from consent.catalogue import needed_for
from consent.choices import LegalBasis, Operation
from consent.purposes import PurposeRule, recipient_kinds, rules, version

PLACE = Path(settings.BASE_DIR) / "docs" / "processing-register.md"
_HEAD = """# Register of processing

What is processed about people, for what, on which basis, with whom it is shared and what ends it. For the privacy officer, and
for whoever checks the clinic. Recipients by name, their agreements and what was given to each stand in the product, clinic by clinic.

This page is made by `manage.py processing_register` from `consent/data/purposes.yaml` (version {version}) and the data catalogue;
edit those. Nothing is agreed to by default, and no purpose brings another one along.
"""


def page() -> str:
    """The whole page, in Markdown."""
    return "\n".join(
        [_HEAD.format(version=version()), *_activities(), *_collected(), *_shared(), *_what_ends(), ""]
    )


def _activities() -> Iterator[str]:
    yield from ("## Activities 处理活动", "")
    yield from _table(
        (
            "Purpose",
            "用途",
            "Basis",
            "Article",
            "Data",
            "Operations",
            "Recipients",
            "Longest term",
            "Assessment",
        ),
        (
            (
                f"{rule.purpose}: {rule.name.en}",
                rule.name.zh,
                LegalBasis(rule.legal_basis).value,
                f"PIPL {rule.article}",
                _list(category.code for category in rule.data),
                _list(Operation(op).value for op in rule.operations),
                _list(kind.code for kind in rule.recipients),
                f"{rule.term.days} days" if rule.term else "as the law or the contract says",
                "needed" if rule.needs_assessment else "",
            )
            for rule in rules().values()
        ),
    )


def _collected() -> Iterator[str]:
    yield from (
        "## Collected 收集清单",
        "",
        "Each column stands in the [data catalogue](data-catalogue.md).",
        "",
    )
    yield from _table(
        ("Purpose", "Kinds of data 数据类别", "What is kept"),
        (
            (
                rule.purpose.value,
                _list(c.name.zh for c in rule.data),
                f"{len(needed_for(rule.purpose))} columns",
            )
            for rule in rules().values()
        ),
    )


def _shared() -> Iterator[str]:
    yield from ("## Shared 共享清单", "")
    yield from _table(
        ("Recipient", "接收方", "For", "Data", "How it is permitted"),
        (
            (
                kind.name.en,
                kind.name.zh,
                _list(rule.purpose.value for rule in received),
                _list(dict.fromkeys(category.code for rule in received for category in rule.data)),
                _list(dict.fromkeys(_permitted(rule) for rule in received)),
            )
            for kind in recipient_kinds().values()
            if (received := [rule for rule in rules().values() if kind in rule.recipients])
        ),
    )


def _permitted(rule: PurposeRule) -> str:
    if not rule.needs_consent:
        return f"by {rule.legal_basis.value}"
    return "a consent for each recipient" if rule.leaves_the_clinic else "a separate consent"


def _what_ends() -> Iterator[str]:
    yield from ("## What ends with a withdrawal 撤回后停止什么", "")
    yield from _table(
        ("Purpose", "Ends", "In the person's words", "Goes on"),
        (
            (
                rule.purpose.value,
                _list(sorted(rule.stops)),
                rule.if_withdrawn.zh,
                _list(k.zh for k in rule.keeps),
            )
            for rule in rules().values()
            if rule.withdrawable
        ),
    )


def _list(words: Iterable[str]) -> str:
    return ", ".join(words)


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield f"|{'---|' * len(head)}"
    for row in rows:
        yield f"| {' | '.join(row)} |"
    yield ""
