"""What anybody may read before they are asked: every version of every notice of a clinic, in each language, word for word."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

from django.db.models import QuerySet
from django.utils.timezone import localdate
from django.utils.translation import override

from audit.purposes import Purpose
from clinics.models import Clinic
from consent.models import ConsentNotice
from consent.notices import ITEMS, LOCALES, purposes_with_notice
from consent.purposes import PurposeRule, rule_of, rules
from consent.services import current_notices

LANGUAGES = {"zh-hans": "中文版", "en": "English version"}


@dataclass(frozen=True, slots=True)
class NoticeShelf:
    """The versions of one purpose's notice in one language, newest first. Never empty."""

    purpose: Purpose
    versions: Sequence[ConsentNotice]

    @property
    def rule(self) -> PurposeRule:
        return rule_of(self.purpose)

    @property
    def newest(self) -> ConsentNotice:
        return self.versions[0]


@dataclass(frozen=True, slots=True)
class NoticePage:
    """One version in one language, with what else there is of it."""

    notice: ConsentNotice
    newest: ConsentNotice
    others: Sequence[ConsentNotice]

    @property
    def rule(self) -> PurposeRule:
        return rule_of(Purpose(self.notice.code))

    @property
    def is_newest(self) -> bool:
        return self.notice.version == self.newest.version

    @property
    def title(self) -> str:
        """As the notice itself says it, in its own language."""
        title: str = self.notice.body.partition("\n\n")[0]
        return title

    @property
    def items(self) -> list[tuple[str, str]]:
        """Heading and text of each item, in the notice's own language and the order the law names them."""
        with override(self.notice.locale):
            return [(str(heading), self.notice.items[code]) for code, heading in ITEMS.items()]

    @property
    def languages(self) -> list[tuple[str, str]]:
        """The other languages of this version: code and own name."""
        return [(code, LANGUAGES[code]) for code in LOCALES if code != self.notice.locale]


def shelves(clinic: Clinic, locale: str, at: datetime) -> list[NoticeShelf]:
    """Every purpose that has a notice, the clinic's own ones too, in the order people are asked."""
    current_notices(clinic, purposes_with_notice(), locale, at)  # its first reader publishes a version
    found = _in_force(clinic, locale, at).order_by("code", "-version")
    by_code = {code: list(versions) for code, versions in groupby(found, lambda notice: notice.code)}
    return [NoticeShelf(purpose, by_code[purpose]) for purpose in rules() if purpose in by_code]


def notice_page(clinic: Clinic, purpose: str, version: int, locale: str, at: datetime) -> NoticePage | None:
    """One version; None for one that is not there, or not yet in force."""
    if locale not in LOCALES:
        return None
    shelf = next((one for one in shelves(clinic, locale, at) if one.purpose == purpose), None)
    if shelf is None:
        return None
    notice = next((one for one in shelf.versions if one.version == version), None)
    if notice is None:
        return None
    return NoticePage(notice, shelf.newest, [one for one in shelf.versions if one != notice])


def _in_force(clinic: Clinic, locale: str, at: datetime) -> QuerySet[ConsentNotice]:
    return ConsentNotice.objects.filter(clinic=clinic, locale=locale, effective_from__lte=localdate(at))
