"""What is too much, too deep, too often or no JSON: a plain refusal in the reader's language, and never an error of ours."""

import pytest
from django.core.cache import cache
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from rest_framework import serializers

from audit.acting import acting
from clinics.models import ApiToken, ApiTokenUse
from patients.models import Patient
from tests.api.conftest import House
from tests.api.machine import Machine
from tests.factories.patients import PatientFactory

pytestmark = pytest.mark.django_db
SEARCH = "/api/v1/patients/search/"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ("", 400),
        ("{", 400),
        ("[1]", 400),
        ('"text"', 400),
        ('{"q": NaN}', 400),
        ("[" * 100_000, 400),
        ('{"q": "' + "x" * 300_000 + '"}', 413),
        ('{"q": "\\ud800"}', 400),
        ('{"q": "\\u0000"}', 400),
        (b"\xff\xfe", 400),
    ],
)
def test_a_body_that_is_none_is_refused(doctor: Machine, body: str | bytes, status: int) -> None:
    answer = doctor.post(SEARCH, body or "", key=None)
    assert (answer.status_code, answer["Content-Type"]) == (status, "application/problem+json")


def test_other_methods_media_and_words_are_refused(house: House, doctor: Machine) -> None:
    put = doctor._client.put(
        "/api/v1/patients/", "{}", content_type="application/json", headers=doctor._headers
    )
    form = doctor._client.post(SEARCH, {"q": "陈"}, headers=doctor._headers)
    html = doctor.get("/api/v1/patients/", Accept="text/html")
    options = doctor._client.options("/api/v1/patients/", headers=doctor._headers)
    nowhere = doctor.get("/api/v1/nowhere/")

    statuses = [answer.status_code for answer in (put, form, html, options, nowhere)]
    assert statuses == [405, 415, 406, 405, 404]
    for answer in (put, form, html, options, nowhere):
        assert answer["Content-Type"] == "application/problem+json"


def test_refusals_come_in_the_readers_language(house: House, doctor: Machine) -> None:
    zh, en = (
        doctor.get("/api/v1/patients/?x=1", Accept_Language=language).json() for language in ("zh-CN", "en")
    )
    assert zh["type"] == en["type"] == "urn:zhizhi:problem:validation-error"
    assert en["title"] == "Some of what was sent cannot be taken. Nothing was changed."
    assert zh["title"] != en["title"]


def test_a_token_asks_so_often_a_minute_and_no_more(
    house: House, doctor: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clinics.api.throttles.MOST_A_MINUTE", 2)
    cache.clear()
    answers = [doctor.get("/api/v1/schema/") for _ in range(3)]
    assert [answer.status_code for answer in answers][-1] == 429
    assert 0 < int(answers[-1]["Retry-After"]) <= 60


def test_who_tries_tokens_is_slowed_down_and_others_are_not(
    house: House, doctor: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clinics.api.placing.MOST_REFUSED_A_MINUTE", 2)
    cache.clear()
    tried = [Machine("zhizhi_" + "B" * 43).get("/api/v1/patients/").status_code for _ in range(4)]
    assert tried[-1] == 429
    assert doctor.get("/api/v1/patients/").status_code == 200


def test_a_token_with_a_session_beside_it_is_judged_alone(house: House) -> None:
    from tests.api.conftest import browser

    both = Machine("zhizhi_" + "C" * 43, client=browser(house.doctor))
    assert both.get("/api/v1/patients/").status_code == 401


def test_the_use_of_a_token_is_noted_now_and_then(house: House, doctor: Machine) -> None:
    doctor.get("/api/v1/schema/")
    (first,) = ApiTokenUse.objects.values_list("last_used_at", flat=True)
    doctor.get("/api/v1/schema/")
    assert list(ApiTokenUse.objects.values_list("last_used_at", flat=True)) == [first]
    assert ApiToken.objects.get().use.last_used_at <= timezone.now()


@pytest.mark.parametrize(
    "path",
    ["patients/", "follow-ups/", "patients/{patient_id}/observations/", "patients/{patient_id}/consents/"],
)
def test_a_page_costs_the_same_however_long_it_is(house: House, doctor: Machine, path: str) -> None:
    """No statement for a row; and few at all."""
    address = "/api/v1/" + path.format(**house.ids)
    doctor.get(address)
    with CaptureQueriesContext(
        connection,
    ) as few:
        assert doctor.get(f"{address}?limit=1").status_code == 200
    with acting(house.actor):
        for _ in range(3):
            PatientFactory(clinic=house.clinic, by=house.actor)
    with CaptureQueriesContext(connection) as many:
        doctor.get(address)

    assert len(many) <= len(few) + 1  # the keys of the others on the page, in one statement
    assert len(many) <= 18


def test_a_serializer_made_of_a_model_gives_no_sealed_value_away(house: House) -> None:
    """Ours are declared by hand; whoever forgets that gets an error and no name."""

    class Careless(serializers.ModelSerializer[Patient]):
        class Meta:
            model = Patient
            fields = ("id", "identity")

    with acting(house.actor), pytest.raises(Exception) as refused:  # noqa: PT011  # whichever of them is first
        str(Careless(Patient.objects.get(pk=house.patient.pk)).data["identity"]["name"])
    assert "陈雅琴" not in str(refused.value)
