"""The pages of those who answer for what people are asked: purposes, assessments, a new version; nothing is published unseen."""

from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from audit.acting import acting
from audit.actors import Actor
from audit.models import AuditEvent
from audit.purposes import Purpose
from clinics.models import Clinic, User
from clinics.roles import Role
from consent.models import AssessmentApproval, ConsentNotice, ImpactAssessment
from consent.publishing import publish_notice
from patients.models import Patient
from tests.consent.conftest import Hire
from tests.consent.test_notices import texts
from tests.factories.consent import AssessmentFactory, ConsentFactory
from tests.factories.patients import actor_for
from tests.laid_out import laid_out

PUBLISH = "/purposes/followup/publish/"


@laid_out
def officer_account(clinic: Clinic, hire: Hire) -> User:
    return hire(clinic, role=Role.PRIVACY_OFFICER)


@pytest.fixture
def officer(client: Client, officer_account: User) -> Client:
    client.force_login(officer_account)
    return client


@laid_out
def approved(clinic: Clinic, nurse: Actor) -> str:
    with acting(nurse):
        return AssessmentFactory(clinic, Purpose.FOLLOWUP, by=nurse, at=timezone.now())


def filled(officer: Client, **typed: Any) -> dict[str, Any]:
    """The form as it comes, with what somebody types into it."""
    form = officer.get(PUBLISH).context["form"]
    return {**{name: form[name].value() for name in form.fields if form[name].value()}, **typed}


def versions(clinic: Clinic, nurse: Actor) -> list[tuple[int, str]]:
    with acting(nurse):
        found = ConsentNotice.objects.filter(clinic=clinic, code="followup").order_by("version", "locale")
        return list(found.values_list("version", "locale"))


def test_a_new_version_is_seen_before_it_is_published(
    officer: Client, clinic: Clinic, nurse: Actor, patient: Patient, approved: str
) -> None:
    with acting(nurse):
        ConsentFactory(patient, by=nurse, at=timezone.now())
    typed = filled(officer, assessment=approved, material_change="on", **{"en-data": "Name and phone."})

    seen = officer.post(PUBLISH, typed)
    assert [(one.locale, one.item, one.new) for _name, found in seen.context["changes"] for one in found] == [
        ("en", "data", "Name and phone.")
    ]
    assert seen.context["permits"] == 1
    assert {number for number, _locale in versions(clinic, nurse)} == {1}

    again = officer.post(PUBLISH, {**typed, "change": "1"})
    assert again.context["form"]["en-data"].value() == "Name and phone."
    assert officer.post(PUBLISH, {**typed, "publish": "1"}).status_code == 302
    assert versions(clinic, nurse)[-2:] == [(2, "en"), (2, "zh-hans")]
    with acting(nurse):
        assert AuditEvent.objects.get(action="notice.published").reason == "material"
    assert b"Name and phone." in officer.get("/purposes/followup/2/").content


@pytest.mark.parametrize(
    ("typed", "where"),
    [
        ({"zh-hans-rights": " "}, "zh-hans-rights"),
        ({"effective_from": "2020-01-01"}, "effective_from"),
        ({"assessment": "PIA-0"}, "assessment"),
        ({"en-data": None}, "__all__"),
    ],
    ids=["an item left out", "a day that is over", "no such assessment", "nothing changed"],
)
def test_what_may_not_be_published_is_said_beside_the_words_and_nothing_is_lost(
    officer: Client, clinic: Clinic, nurse: Actor, approved: str, typed: dict[str, Any], where: str
) -> None:
    form = filled(officer, assessment=approved, **{"en-data": "Name and phone."})
    if typed.get("en-data", "") is None:
        form["en-data"], typed = filled(officer)["en-data"], {}
    answer = officer.post(PUBLISH, {**form, **typed, "publish": "1"})

    assert where in answer.context["form"].errors
    assert answer.context["form"]["en-data"].value() == form["en-data"]
    assert versions(clinic, nurse) in ([], [(1, "en"), (1, "zh-hans")])


def test_two_who_write_at_once_do_not_overwrite_each_other(
    officer: Client, clinic: Clinic, nurse: Actor, approved: str
) -> None:
    typed = filled(officer, assessment=approved, **{"en-data": "Name and phone."})
    with acting(nurse):
        publish_notice(clinic, Purpose.FOLLOWUP, texts(clinic), effective_from=timezone.localdate(), material_change=False,
                       assessment=approved, by=nurse, at=timezone.now())  # fmt: skip
    answer = officer.post(PUBLISH, {**typed, "publish": "1"})

    assert answer.context["form"].non_field_errors()
    assert versions(clinic, nurse)[-1][0] == 2


def test_what_one_writes_another_approves(
    officer: Client, officer_account: User, clinic: Clinic, hire: Hire, nurse: Actor
) -> None:
    words = {"necessity": "a", "impact": "b", "measures": "c"}
    officer.post("/assessments/", {"number": "PIA-7", "purposes": ["marketing"], **words})
    assert (
        "number"
        in officer.post("/assessments/", {"number": "PIA-7", "purposes": ["marketing"], **words})
        .context["form"]
        .errors
    )
    with acting(nurse):
        address = f"/assessments/{ImpactAssessment.objects.get().pk}/"
    review = {"review_on": timezone.localdate().replace(year=timezone.localdate().year + 1).isoformat()}
    assert officer.post(address, review).status_code == 403
    manager = Client()
    manager.force_login(hire(clinic, role=Role.MANAGER))
    assert manager.post(address, {"review_on": "2020-01-01"}).status_code == 200
    assert manager.post(address, review).status_code == 302

    with acting(nurse):
        approval = AssessmentApproval.objects.get()
    assert approval.approved_by != actor_for(officer_account, clinic).ref
    assert b"PIA-7" in officer.get("/purposes/marketing/publish/").content


def test_the_registry_says_of_each_purpose_where_it_stands_in_few_statements(
    officer: Client, django_assert_max_num_queries: Any
) -> None:
    officer.get("/purposes/")
    with django_assert_max_num_queries(20):
        page = officer.get("/purposes/")
    states = {str(shelf.rule.purpose): shelf.assessed.value for shelf in page.context["asked"]}

    assert (states["followup"], states["marketing"]) == ("of_the_house", "not_asked")
    assert officer.get("/purposes/security/").status_code == 404
    assert officer.get("/purposes/nonsense/publish/").status_code == 404
    assert officer.get("/purposes/followup/9/").status_code == 404
