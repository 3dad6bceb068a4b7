"""Publishing notices: what this clinic's patients are shown, version by version, in every language at once.

A clinic begins with the texts of the house; its own versions follow. A published version never changes. One that asks
everybody again (`material_change`) ends, on the day it comes into force, every permission given under an older one.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from types import MappingProxyType
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import Max
from django.utils.timezone import localdate
from django.utils.translation import gettext_lazy as _

from audit.actors import Actor
from audit.purposes import Purpose
from audit.services import record
from clinics.models import Clinic
from consent.assessments import check_assessed
from consent.errors import (
    NoticeIncomplete,
    NoticeMissing,
    NoticeTooEarly,
    NotWithdrawable,
    PublishedMeanwhile,
)
from consent.models import ConsentNotice
from consent.notices import (
    ITEMS,
    LOCALES,
    NoticeText,
    notice_text,
    purposes_with_notice,
)
from consent.purposes import rule_of, rules

TITLE = "title"
HEADINGS = MappingProxyType({TITLE: _("Title"), **ITEMS})


def current_notices(
    clinic: Clinic, purposes: Iterable[Purpose], locale: str, at: datetime
) -> dict[Purpose, ConsentNotice]:
    """The notices that people of this clinic are shown; a purpose without one in force is absent.

    The first reader of a text of the house publishes it, word for word; from then on it never changes.
    """
    asked, locale = list(purposes), locale if locale in LOCALES else LOCALES[0]
    found = _in_force(clinic, asked, locale, at)
    texts = [notice_text(p, locale) for p in asked if p in purposes_with_notice()]
    texts = [text for text in texts if text.effective_from <= localdate(at)]
    missing = [t for t in texts if t.purpose not in found or found[t.purpose].version < t.version]
    if missing:
        ConsentNotice.objects.bulk_create(
            [_of_the_house(clinic, text, at) for text in missing], ignore_conflicts=True
        )
        found = _in_force(clinic, asked, locale, at)
    return found


def current_notice(clinic: Clinic, purpose: Purpose, locale: str, at: datetime) -> ConsentNotice:
    """The notice of one purpose. Raises NoticeMissing."""
    notice = current_notices(clinic, [purpose], locale, at).get(purpose)
    if notice is None:
        raise NoticeMissing(purpose.value)
    return notice


def draft_of(clinic: Clinic, purpose: Purpose, locale: str) -> dict[str, str]:
    """Title and items to begin a new version with: the newest published ones, else the text of the house."""
    newest = (
        ConsentNotice.objects.filter(clinic=clinic, code=purpose, locale=locale).order_by("version").last()
    )
    if newest is not None:
        return {TITLE: newest.title, **{code: newest.items[code] for code in ITEMS}}
    text = notice_text(purpose, locale)
    return {TITLE: text.title, **text.for_clinic(clinic.name, clinic.phone)}


@dataclass(frozen=True, slots=True)
class WordChange:
    """One item of a notice whose words a new version changes, in one language. `item` is "title" or a code of ITEMS."""

    locale: str
    item: str
    old: str
    new: str

    @property
    def heading(self) -> str:
        return str(HEADINGS[self.item])


def word_changes(
    clinic: Clinic, purpose: Purpose, texts: Mapping[str, Mapping[str, str]]
) -> list[WordChange]:
    """What differs between these texts and the newest published words, in the order people read them; all of a first version."""
    changes, is_first = [], newest_version(clinic, purpose) == 0
    for locale in LOCALES:
        old = dict.fromkeys(HEADINGS, "") if is_first else draft_of(clinic, purpose, locale)
        changes += [
            WordChange(locale, item, old[item], texts[locale][item])
            for item in HEADINGS
            if old[item].strip() != texts[locale][item].strip()
        ]
    return changes


def newest_version(clinic: Clinic, purpose: Purpose) -> int:
    """The highest number taken. The texts of the house count as published, read or not."""
    published = ConsentNotice.objects.filter(clinic=clinic, code=purpose).aggregate(newest=Max("version"))
    house = notice_text(purpose, LOCALES[0]).version if purpose in purposes_with_notice() else 0
    return max(published["newest"] or 0, house)


@transaction.atomic
def publish_notice(
    clinic: Clinic,
    purpose: Purpose,
    texts: Mapping[str, Mapping[str, str]],
    *,
    effective_from: date,
    material_change: bool,
    assessment: str,
    by: Actor,
    at: datetime,
    after: int | None = None,
) -> dict[str, ConsentNotice]:
    """A new version in every language at once. `texts` has, for each locale, a title and every item the law asks for.

    `assessment` is the number of the impact assessment it rests on, `after` the version the words were changed from, where
    somebody has read one. Raises NotWithdrawable for a purpose nobody agrees to, NoticeIncomplete with what is missing,
    NoticeTooEarly for a day that is over, AssessmentMissing, and PublishedMeanwhile when somebody else has published since.
    """
    if not rule_of(purpose).needs_consent:
        raise NotWithdrawable(purpose.value)
    if missing := _missing(texts):
        raise NoticeIncomplete(missing)
    if effective_from < localdate(at):
        raise NoticeTooEarly(purpose.value)
    if rule_of(purpose).needs_assessment:
        check_assessed(clinic, [purpose], assessment, at)
    newest = newest_version(clinic, purpose)
    if after not in (None, newest):
        raise PublishedMeanwhile(purpose.value)
    version = newest + 1
    notices = [
        _notice(
            clinic,
            purpose,
            locale,
            version=version,
            title=texts[locale][TITLE].strip(),
            items={code: texts[locale][code].strip() for code in ITEMS},
            material_change=material_change,
            assessment=assessment,
            effective_from=effective_from,
            at=at,
        )
        for locale in LOCALES
    ]
    try:
        with transaction.atomic():
            ConsentNotice.objects.bulk_create(notices)
    except IntegrityError:
        raise PublishedMeanwhile(purpose.value) from None
    record(
        "notice.published",
        object=notices[0],
        purpose=purpose,
        count=len(notices),
        reason="material" if material_change else "",
    )
    return {notice.locale: notice for notice in notices}


def versions_needed(clinic_id: UUID, at: datetime) -> Mapping[Purpose, int]:
    """For each purpose the oldest version of its notice under which a permission still holds in this clinic."""
    asking_again = (
        ConsentNotice.objects.filter(
            clinic_id=clinic_id, material_change=True, effective_from__lte=localdate(at)
        )
        .values_list("code")
        .annotate(newest=Max("version"))
    )
    needed = defaultdict(int, {rule.purpose: rule.min_notice_version for rule in rules().values()})
    for code, newest in asking_again:
        needed[Purpose(code)] = max(needed[Purpose(code)], newest)
    return needed


def _in_force(
    clinic: Clinic, purposes: Sequence[Purpose], locale: str, at: datetime
) -> dict[Purpose, ConsentNotice]:
    newest = (
        ConsentNotice.objects.filter(
            clinic=clinic, code__in=purposes, locale=locale, effective_from__lte=localdate(at)
        )
        .order_by("code", "-version")
        .distinct("code")
    )
    return {Purpose(notice.code): notice for notice in newest}


def _missing(texts: Mapping[str, Mapping[str, str]]) -> list[str]:
    """Which words are not there, as "en.rights"."""
    return [
        f"{locale}.{code}"
        for locale in LOCALES
        for code in (TITLE, *ITEMS)
        if not texts.get(locale, {}).get(code, "").strip()
    ]


def _of_the_house(clinic: Clinic, text: NoticeText, at: datetime) -> ConsentNotice:
    return _notice(
        clinic,
        text.purpose,
        text.locale,
        version=text.version,
        title=text.title,
        items=text.for_clinic(clinic.name, clinic.phone),
        material_change=text.material_change,
        assessment=text.assessment,
        effective_from=text.effective_from,
        at=at,
    )


def _notice(
    clinic: Clinic,
    purpose: Purpose,
    locale: str,
    *,
    version: int,
    title: str,
    items: dict[str, str],
    material_change: bool,
    assessment: str,
    effective_from: date,
    at: datetime,
) -> ConsentNotice:
    body = "\n\n".join([title, *items.values()])
    return ConsentNotice(
        clinic=clinic,
        code=purpose,
        version=version,
        locale=locale,
        body=body,
        body_sha256=hashlib.sha256(body.encode()).digest(),
        items=items,
        material_change=material_change,
        assessment=assessment,
        effective_from=effective_from,
        published_at=at,
    )
