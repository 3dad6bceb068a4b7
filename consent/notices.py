"""The notices in plain words, one file a purpose and language; every item that the law asks for must be there.

PIPL art. 17 (who, contact, purpose, method, kinds of data, retention, how to use one's rights) and art. 30 (necessity and
impact of sensitive data). A published notice is immutable: a change is a new version in the file.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

import yaml
from django.utils.translation import gettext_lazy as _

from audit.purposes import Purpose

_FOLDER = Path(__file__).parent / "data" / "notices"
LOCALES = ("zh-hans", "en")
ITEMS = MappingProxyType(
    {
        "who": _("Who is responsible"),
        "contact": _("How to reach us"),
        "purposes": _("What for"),
        "data": _("Which data"),
        "method": _("How they are handled"),
        "recipients": _("Who receives them"),
        "necessity": _("Why they are needed"),
        "impact": _("What it can mean for you"),
        "retention": _("How long they are kept"),
        "refusing": _("If you say no"),
        "rights": _("What you can do at any time"),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeText:
    """One notice as the file has it: the clinic's name and telephone are still to be filled in."""

    purpose: Purpose
    version: int
    locale: str
    title: str
    effective_from: date
    material_change: bool
    assessment: str
    items: Mapping[str, str]

    def for_clinic(self, name: str, phone: str) -> dict[str, str]:
        """The items as this clinic's patients read them."""
        return {code: self.items[code].format(clinic=name, phone=phone) for code in ITEMS}


def _load(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.load((_FOLDER / f"{name}.yaml").read_text("utf-8"), Loader=yaml.CSafeLoader)
    return loaded


def _read(purpose: Purpose, locale: str) -> NoticeText:
    row = _load(f"{purpose.value}.{locale}")
    items = {**_load(f"common.{locale}"), **row["items"]}
    if set(items) != set(ITEMS) or not all(items.values()):
        raise ValueError(f"notice {purpose.value}.{locale}: items differ: {sorted(set(items) ^ set(ITEMS))}")
    if row["code"] != purpose.value:
        raise ValueError(f"notice {purpose.value}.{locale} says it is {row['code']}")
    return NoticeText(
        purpose=purpose,
        version=row["version"],
        locale=locale,
        title=row["title"],
        effective_from=row["effective_from"],
        material_change=row["material_change"],
        assessment=row["assessment"],
        items=MappingProxyType(items),
    )


@cache
def purposes_with_text() -> tuple[Purpose, ...]:
    """The purposes the house has words for, in every language."""
    return tuple(
        p for p in Purpose if all((_FOLDER / f"{p.value}.{locale}.yaml").exists() for locale in LOCALES)
    )


@cache
def purposes_with_notice() -> tuple[Purpose, ...]:
    """The purposes people are asked about in every clinic: those whose text names the assessment it rests on.

    The other texts are drafts, for a clinic that does what they say and has weighed it.
    """
    return tuple(
        p for p in purposes_with_text() if all(notice_text(p, locale).assessment for locale in LOCALES)
    )


@cache
def notice_text(purpose: Purpose, locale: str) -> NoticeText:
    """The newest text of the notice. Raises FileNotFoundError where the purpose has none."""
    return _read(purpose, locale if locale in LOCALES else LOCALES[0])
