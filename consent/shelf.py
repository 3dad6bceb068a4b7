"""What the clinic asks people for, as those who answer for it see it: each purpose with its notice, its assessment and who permits it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from itertools import groupby
from typing import Final

from django.utils.timezone import localdate

from audit.purposes import Purpose
from clinics.models import Clinic
from consent.choices import State
from consent.models import ConsentNotice, ConsentState, ImpactAssessment, Recipient
from consent.notices import LOCALES, purposes_with_notice
from consent.publishing import current_notices
from consent.purposes import PurposeRule, carries, rule_of, rules

COUNTED_TO: Final = 1000  # pages say “1,000+”


class Assessed(StrEnum):
    """Where the impact assessment of a purpose stands."""

    NOT_NEEDED = "not_needed"
    NOT_ASKED = "not_asked"  # no notice in force: nobody is asked
    OF_THE_HOUSE = "of_the_house"  # the model assessment of the house, which the clinic signs on paper
    APPROVED = "approved"
    OVERDUE = "overdue"


@dataclass(frozen=True, slots=True, kw_only=True)
class PurposeShelf:
    """One purpose: the versions of its notice in one language, newest first, and what was weighed before."""

    rule: PurposeRule
    versions: Sequence[ConsentNotice]
    in_force: ConsentNotice | None
    assessed: Assessed
    review_on: date | None
    today: date

    @property
    def upcoming(self) -> list[ConsentNotice]:
        """Published, and in force later."""
        return [one for one in self.versions if one.effective_from > self.today]


def purpose_shelves(clinic: Clinic, locale: str, at: datetime) -> list[PurposeShelf]:
    """Every purpose, in the order people are shown them."""
    current_notices(
        clinic, purposes_with_notice(), locale, at
    )  # the first reader of the house's texts publishes them
    found = ConsentNotice.objects.filter(clinic=clinic, locale=_known(locale)).order_by("code", "-version")
    versions = {code: list(group) for code, group in groupby(found, lambda notice: notice.code)}
    reviews = _reviews(clinic)
    return [_shelf(rule, versions.get(rule.purpose, []), reviews, localdate(at)) for rule in rules().values()]


def purpose_shelf(clinic: Clinic, purpose: Purpose, locale: str, at: datetime) -> PurposeShelf:
    """The same for one purpose."""
    if purpose in purposes_with_notice():
        current_notices(clinic, [purpose], locale, at)
    found = ConsentNotice.objects.filter(clinic=clinic, code=purpose, locale=_known(locale))
    return _shelf(rule_of(purpose), list(found.order_by("-version")), _reviews(clinic), localdate(at))


def who_permits(clinic: Clinic, purpose: Purpose) -> int:
    """How many people permit a purpose today, counted no further than COUNTED_TO + 1."""
    category, operation = rule_of(purpose).grants[0]
    standing = ConsentState.objects.filter(
        clinic=clinic,
        purpose=purpose,
        data_category=category,
        operation=operation,
        state=State.GRANTED,
    )
    return standing.values("patient").distinct()[: COUNTED_TO + 1].count()


def who_permits_recipient(recipient: Recipient) -> int:
    """How many people permit that this recipient gets something, counted no further than COUNTED_TO + 1."""
    standing = ConsentState.objects.filter(
        clinic_id=recipient.clinic_id,
        purpose__in=recipient.purposes,
        recipient=recipient.code,
        state=State.GRANTED,
    )
    return standing.values("patient").distinct()[: COUNTED_TO + 1].count()


def asked_again_with(purpose: Purpose) -> list[PurposeRule]:
    """What stops beside a purpose when it ends: the purposes that rest on it, in the order people are shown them."""
    return [rule for rule in rules().values() if rule.purpose in carries(purpose)]


def version_of(clinic: Clinic, purpose: Purpose, version: int, at: datetime) -> dict[str, ConsentNotice]:
    """One version in each of its languages; nothing where there is none."""
    if purpose in purposes_with_notice():
        for locale in LOCALES:
            current_notices(clinic, [purpose], locale, at)
    found = ConsentNotice.objects.filter(clinic=clinic, code=purpose, version=version)
    by_locale = {notice.locale: notice for notice in found}
    return {locale: by_locale[locale] for locale in LOCALES if locale in by_locale}


def _known(locale: str) -> str:
    return locale if locale in LOCALES else LOCALES[0]


def _reviews(clinic: Clinic) -> Mapping[str, date]:
    """By number, until when each approved assessment holds."""
    approved = ImpactAssessment.objects.filter(clinic=clinic, approval__isnull=False)
    return dict(approved.values_list("number", "approval__review_on"))


def _shelf(
    rule: PurposeRule, versions: Sequence[ConsentNotice], reviews: Mapping[str, date], today: date
) -> PurposeShelf:
    in_force = next((one for one in versions if one.effective_from <= today), None)
    review_on = reviews.get(in_force.assessment) if in_force else None
    return PurposeShelf(
        rule=rule,
        versions=versions,
        in_force=in_force,
        assessed=_assessed(rule, in_force, review_on, today),
        review_on=review_on,
        today=today,
    )


def _assessed(
    rule: PurposeRule, in_force: ConsentNotice | None, review_on: date | None, today: date
) -> Assessed:
    if not rule.needs_assessment:
        return Assessed.NOT_NEEDED
    if in_force is None:
        return Assessed.NOT_ASKED
    if review_on is None:
        return Assessed.OF_THE_HOUSE
    return Assessed.APPROVED if review_on > today else Assessed.OVERDUE
