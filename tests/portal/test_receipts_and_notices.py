"""Every decision leaves a receipt for the person alone; every version of a notice stays readable for anybody."""

from datetime import timedelta
from uuid import uuid4

import pytest
import time_machine
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from audit.acting import acting
from audit.purposes import Purpose
from clinics.models import Clinic
from consent.models import ConsentEvent, ConsentNotice
from consent.notices import LOCALES, purposes_with_notice
from tests.factories.consent import MONDAY, ConsentFactory
from tests.laid_out import laid_out
from tests.portal.conftest import Person, Register, system

HISTORY = "/p/east/history/"
NOTICE = "/p/east/notices/followup/{}/{}/"


@laid_out
def said(person: Person, clinic: Clinic) -> ConsentEvent:
    """The person agreed to follow-up."""
    by = system(clinic)
    with acting(by), time_machine.travel(MONDAY, tick=False):
        ConsentFactory(person.patient, Purpose.FOLLOWUP, by=by, at=MONDAY)
        return ConsentEvent.objects.filter(patient=person.patient).defer("evidence").order_by("pk")[0]


def receipt(event: ConsentEvent) -> str:
    return f"{HISTORY}{event.pk}/"


def test_the_history_tells_each_decision_once_and_leads_to_its_receipt(
    said: ConsentEvent, phone_client: Client
) -> None:
    page = phone_client.get(HISTORY)

    assert [(entry.purpose, entry.event) for entry in page.context["history"]] == [("followup", "granted")]
    assert f"{HISTORY}{page.context['history'][0].event_id}/" in page.content.decode()


def test_a_receipt_names_data_term_notice_and_fingerprint(said: ConsentEvent, phone_client: Client) -> None:
    text = phone_client.get(receipt(said)).content.decode()

    assert str(said.pk) in text
    assert bytes(said.notice_sha256 or b"").hex() in text
    assert NOTICE.format(said.notice_version, said.locale) in text
    assert all(name in text for name in ("姓名与联系方式", "就诊、用药与随访"))


def test_any_line_of_a_decision_leads_to_the_whole_of_it(said: ConsentEvent, phone_client: Client) -> None:
    found = phone_client.get(receipt(said)).context["receipt"]

    assert {line.data_category for line in found.lines} == {"attr", "care"}


def test_nobody_elses_receipt_opens(
    said: ConsentEvent, clinic: Clinic, register: Register, client: Client
) -> None:
    other = register(clinic, phone="+8613800000002", name="李桂兰")
    client.force_login(other.user)

    theirs, nobodys = client.get(receipt(said)), client.get(f"{HISTORY}{uuid4()}/")
    assert (theirs.status_code, nobodys.status_code) == (404, 404)


@pytest.mark.requirement("PIPL-17b")
@pytest.mark.parametrize("locale", LOCALES)
def test_anybody_may_read_every_notice_in_each_language(clinic: Clinic, client: Client, locale: str) -> None:
    client.cookies["django_language"] = locale
    page = client.get("/p/east/notices/")

    assert [shelf.purpose for shelf in page.context["shelves"]] == list(purposes_with_notice())
    for shelf in page.context["shelves"]:
        notice = client.get(f"/p/east/notices/{shelf.purpose}/{shelf.newest.version}/{locale}/")
        assert notice.status_code == 200
        assert len(notice.context["page"].items) == 11
        assert all(text in shelf.newest.body for _heading, text in notice.context["page"].items)


@pytest.mark.requirement("PIPL-17b")
def test_an_earlier_version_stays_and_says_that_there_is_a_newer_one(clinic: Clinic, client: Client) -> None:
    client.get(NOTICE.format(1, "en"))
    with acting(system(clinic)):
        first = ConsentNotice.objects.get(code="followup", locale="en", version=1)
        body = first.body
        first.pk, first.version, first.body = uuid4(), 2, "New words"
        first.save(force_insert=True)
    old, new = client.get(NOTICE.format(1, "en")), client.get(NOTICE.format(2, "en"))

    assert not old.context["page"].is_newest
    assert old.context["page"].notice.body == body
    assert new.context["page"].is_newest


def test_a_version_that_is_not_in_force_yet_is_not_shown(clinic: Clinic, client: Client) -> None:
    client.get(NOTICE.format(1, "en"))
    with acting(system(clinic)):
        coming = ConsentNotice.objects.get(code="followup", locale="en", version=1)
        coming.pk, coming.version = uuid4(), 2
        coming.effective_from = coming.published_at.date() + timedelta(days=30)
        coming.save(force_insert=True)

    assert client.get(NOTICE.format(2, "en")).status_code == 404


def test_reading_a_notice_needs_no_account_and_opens_nothing(clinic: Clinic, client: Client) -> None:
    client.get("/p/east/notices/")
    with CaptureQueriesContext(connection) as statements:
        assert client.get("/p/east/notices/").status_code == 200
    assert not any("patients_patient" in query["sql"] for query in statements)
