"""A clinic's own notices: published in both languages at once, never changed, and asking everybody again where they must."""

from datetime import date, timedelta

import pytest
from django.db import DatabaseError, transaction

from audit.actors import Actor
from audit.models import AuditEvent
from audit.purposes import Purpose
from clinics.models import Clinic
from consent.assessments import approve_assessment, write_assessment
from consent.choices import State
from consent.decisions import Reason
from consent.errors import (
    AssessmentMissing,
    NoticeIncomplete,
    NoticeMissing,
    NoticeTooEarly,
    NotWithdrawable,
    OwnAssessment,
)
from consent.models import ConsentNotice, ImpactAssessment
from consent.publishing import current_notice, draft_of, publish_notice
from consent.queries import check, consented, history_of, states_of
from patients.models import Patient
from tests.factories.consent import MONDAY, AssessmentFactory, ConsentFactory, NoticeFactory

TUESDAY = MONDAY + timedelta(days=1)


def texts(clinic: Clinic, purpose: Purpose = Purpose.FOLLOWUP) -> dict[str, dict[str, str]]:
    """The newest words of a notice, with a sentence more."""
    drafts = {locale: draft_of(clinic, purpose, locale) for locale in ("zh-hans", "en")}
    return {locale: {**draft, "data": f"{draft['data']} +"} for locale, draft in drafts.items()}


def publish(
    clinic: Clinic, by: Actor, *, material: bool, effective_from: date | None = None
) -> ConsentNotice:
    return publish_notice(
        clinic,
        Purpose.FOLLOWUP,
        texts(clinic),
        effective_from=effective_from or MONDAY.date(),
        material_change=material,
        assessment=AssessmentFactory(clinic, Purpose.FOLLOWUP, by=by),
        by=by,
        at=MONDAY,
    )["zh-hans"]


def test_a_new_version_stands_in_every_language_under_one_number(at_work: Actor, clinic: Clinic) -> None:
    before = current_notice(clinic, Purpose.FOLLOWUP, "en", MONDAY)
    publish(clinic, at_work, material=False)
    after = current_notice(clinic, Purpose.FOLLOWUP, "en", MONDAY)
    assert (before.version, after.version) == (1, 2)
    assert after.body_sha256 != before.body_sha256
    assert after.title == before.title
    assert ConsentNotice.objects.filter(code="followup", version=2).count() == 2
    assert AuditEvent.objects.get(action="notice.published").count == 2


@pytest.mark.requirement("PIPL-17a")
@pytest.mark.parametrize("gap", ["rights", "title"])
def test_a_notice_that_leaves_a_word_out_is_not_published(at_work: Actor, clinic: Clinic, gap: str) -> None:
    whole = texts(clinic)
    for broken in ({**whole, "en": {**whole["en"], gap: " "}}, {"zh-hans": whole["zh-hans"]}):
        with pytest.raises(NoticeIncomplete) as refused:
            publish_notice(
                clinic,
                Purpose.FOLLOWUP,
                broken,
                effective_from=MONDAY.date(),
                material_change=False,
                assessment="",
                by=at_work,
                at=MONDAY,
            )
        assert f"en.{gap}" in refused.value.missing
    assert not ConsentNotice.objects.filter(version=2).exists()


def test_no_version_was_in_force_before_anybody_could_read_it(at_work: Actor, clinic: Clinic) -> None:
    with pytest.raises(NoticeTooEarly):
        publish(clinic, at_work, material=False, effective_from=date(2026, 1, 1))


def test_nobody_is_told_that_they_agree_to_what_rests_on_law(at_work: Actor, clinic: Clinic) -> None:
    with pytest.raises(NotWithdrawable):
        publish_notice(
            clinic,
            Purpose.SECURITY,
            {},
            effective_from=MONDAY.date(),
            material_change=False,
            assessment="",
            by=at_work,
            at=MONDAY,
        )


@pytest.mark.requirement("PIPL-55/56")
def test_nothing_is_asked_before_somebody_else_approved_what_was_weighed(
    at_work: Actor, clinic: Clinic
) -> None:
    def publish(number: str) -> None:
        publish_notice(
            clinic,
            Purpose.MARKETING,
            texts(clinic, Purpose.MARKETING),
            effective_from=MONDAY.date(),
            material_change=False,
            assessment=number,
            by=at_work,
            at=MONDAY,
        )

    words = {"necessity": "…", "impact": "…", "measures": "…"}
    written = write_assessment(
        clinic, number="PIA-9", purposes=[Purpose.MARKETING], by=at_work, at=MONDAY, **words
    )
    with pytest.raises(AssessmentMissing):
        publish("PIA-9")
    with pytest.raises(OwnAssessment):
        approve_assessment(written, review_on=TUESDAY.date(), by=at_work, at=MONDAY)
    with pytest.raises(AssessmentMissing):
        publish(AssessmentFactory(clinic, Purpose.RESEARCH, by=at_work))
    publish(AssessmentFactory(clinic, Purpose.MARKETING, by=at_work))
    assert current_notice(clinic, Purpose.MARKETING, "en", MONDAY).version == 1
    with pytest.raises(DatabaseError), transaction.atomic():
        ImpactAssessment.objects.all().delete()


def test_a_change_of_words_leaves_permissions_as_they_are(at_work: Actor, patient: Patient) -> None:
    ConsentFactory(patient, by=at_work)
    publish(patient.clinic, at_work, material=False)
    assert check(patient.pk, Purpose.FOLLOWUP, at=MONDAY).allowed


@pytest.mark.requirement("PIPL-14b")
def test_a_material_change_asks_everybody_again_from_its_day_on(at_work: Actor, patient: Patient) -> None:
    ConsentFactory(patient, by=at_work)
    publish(patient.clinic, at_work, material=True, effective_from=TUESDAY.date())
    for at, reason, state in (
        (MONDAY, Reason.PERMITTED, State.GRANTED),
        (TUESDAY, Reason.SUPERSEDED, State.SUPERSEDED),
    ):
        assert check(patient.pk, Purpose.FOLLOWUP, at=at).reason is reason
        assert states_of(patient, at)[Purpose.FOLLOWUP].state is state
        listed = Patient.objects.filter(consented(Purpose.FOLLOWUP, at=at))
        assert listed.exists() == (reason is Reason.PERMITTED)
    ConsentFactory(patient, by=at_work, at=TUESDAY)
    assert check(patient.pk, Purpose.FOLLOWUP, at=TUESDAY).allowed
    assert history_of(patient)[-1].notice_version == 1


def test_nobody_agrees_to_a_notice_that_was_replaced(at_work: Actor, patient: Patient) -> None:
    old = NoticeFactory(patient, Purpose.FOLLOWUP)
    publish(patient.clinic, at_work, material=True)
    with pytest.raises(NoticeMissing):
        ConsentFactory(patient, by=at_work, notice=old)
