"""Every method of every address: it happens as the schema says, it is refused to whoever may not, and without a log nothing happens."""

import json
import re
from datetime import timedelta
from typing import Any
from uuid import uuid4

import jsonschema
import pytest
from allauth.mfa.models import Authenticator
from django.db import connection
from django.test import override_settings
from django.utils import timezone

from audit.acting import acting
from audit.actors import system_actor
from audit.errors import LogUnavailable
from audit.models import AuditEvent
from clinics.api.schema import described
from clinics.models import ApiToken, ApiTokenUse, StaffRole, User
from clinics.services import close_account
from config.api import urlpatterns
from tests.api.conftest import Hire, House, TokenFor, browser, machine_for
from tests.api.machine import SAID, Call, Machine, calls, operations_of
from tests.factories.clinics import CareTeamFactory, ClinicFactory

pytestmark = pytest.mark.django_db
Refusal = tuple[int, str]


def refused(answer: Any) -> Refusal:
    """Status and kind of a refusal, after a look at its form."""
    assert answer["Content-Type"] == "application/problem+json", answer.content[:200]
    said = answer.json()
    assert set(said) <= {"type", "title", "status", "errors", "similar"}
    assert said["status"] == answer.status_code
    return answer.status_code, said["type"].removeprefix("urn:zhizhi:problem:")


def test_every_address_has_a_call_and_every_call_an_address() -> None:
    named = {(method, str(p.name)) for p in urlpatterns for method in operations_of(p)}
    assert set(SAID) <= named
    assert {key for key in named if key[0] != "GET"} - set(SAID) == {("POST", "claim")}


# It happens, as the schema says


def test_every_answer_is_what_the_schema_says(house: House, doctor: Machine, officer: Machine) -> None:
    document = described()
    seen = set()
    for one in calls():
        if one.name == "schema":
            continue
        ids = {
            **house.ids,
            "follow_up_id": a_to_do_of_the_pool(house) if one.name == "claim" else house.ids["follow_up_id"],
        }
        answer = one.send(machine_for(one.name, doctor, officer), ids)
        operation = document["paths"][template_of(one.name)][one.method.lower()]
        assert str(answer.status_code) in operation["responses"], (one.label, answer.content)
        shape = operation["responses"][str(answer.status_code)]["content"]["application/json"]["schema"]
        closed = closed_schema({**shape, "components": document["components"]})
        jsonschema.validate(answer.json(), closed)
        assert ("ETag" in answer.headers) == one.operation.versioned, one.label
        seen.add((template_of(one.name), one.method.lower()))

    assert seen == {(path, method) for path, methods in document["paths"].items() for method in methods}


def template_of(name: str) -> str:
    pattern = next(one for one in urlpatterns if one.name == name)
    return "/api/v1/" + re.sub(r"<\w+:(\w+)>", r"{\1}", str(pattern.pattern))


def closed_schema(shape: Any) -> Any:
    """The same, and nothing that it does not name."""
    text = json.dumps(shape).replace("#/components/", "#/components/")
    made: dict[str, Any] = json.loads(text)
    for one in made["components"]["schemas"].values():
        if "properties" in one:
            one["additionalProperties"] = False
        for name, said in one.get("properties", {}).items():
            if said.get("nullable"):  # OpenAPI 3.0 says null in its own way
                one["properties"][name] = {
                    "anyOf": [{k: v for k, v in said.items() if k != "nullable"}, {"type": "null"}]
                }
    return made


def a_to_do_of_the_pool(house: House) -> Any:
    from followups.models import FollowUp

    with acting(house.actor):
        FollowUp.objects.filter(pk=house.ids["follow_up_id"]).update(assignee=None)
    return house.ids["follow_up_id"]


def test_the_schema_is_served_to_whoever_is_signed_in(house: House, doctor: Machine) -> None:
    by_token = doctor.get("/api/v1/schema/")
    by_session = browser(house.officer).get("/api/v1/schema/", headers={"Accept-Language": "en"})

    assert by_token.json()["openapi"].startswith("3.")
    assert by_token.json()["x-scopes"]["patients:read"] != by_session.json()["x-scopes"]["patients:read"]


def test_what_takes_a_body_takes_nothing_else(house: House, doctor: Machine) -> None:
    """No mass assignment: an unknown field, or an unknown word after the ?, is refused everywhere."""
    before = rows(house)
    for one in calls():
        if one.operation.takes is not None:
            answer = one.send(doctor, house.ids, body={**one.body, "restricted_at": None, "clinic": "other"})
            assert refused(answer)[0] == 400, one.label
            assert "unknown" in answer.json()["errors"], one.label
            assert "restricted_at" not in answer.content.decode()
        elif one.name != "claim":
            machine = doctor if one.name != "events" else None
            if machine:
                assert refused(machine.get(f"{one.path(house.ids)}?name=x"))[0] == 400, one.label
    assert rows(house) == before


# It is refused


def test_nobody_and_a_wrong_token_reach_nothing(house: House) -> None:
    before = rows(house)
    for one in calls():
        nobody = one.send(Machine(), house.ids, If_Match='"x"')
        wrong = one.send(Machine("zhizhi_" + "A" * 43), house.ids, If_Match='"x"')

        assert refused(nobody) == (401, "not-signed-in"), one.label
        assert refused(wrong)[1] in ("token-refused", "too-many-requests"), one.label
        assert nobody["WWW-Authenticate"] == "Bearer"
    assert rows(house) == before


@pytest.mark.parametrize("how", ["expired", "ended", "account closed", "role taken", "clinic closed"])
def test_a_token_that_is_over_opens_nothing(
    house: House, token_for: TokenFor, how: str, hire: Hire, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clinics.api.placing.MOST_REFUSED_A_MINUTE", 1000)
    machine, token = Machine(token_for(house.doctor, house.clinic)), ApiToken.objects.get()
    assert machine.get("/api/v1/patients/").status_code == 200
    match how:
        case "expired":
            ApiToken.objects.update(
                expires_at=timezone.now() - timedelta(seconds=1), made_at=timezone.now() - timedelta(days=2)
            )
        case "ended":
            ApiToken.objects.update(ended_at=timezone.now())
        case "account closed":
            with acting(system_actor("test", house.clinic.pk)):
                close_account(house.doctor)
            assert ApiToken.objects.filter(ended_at=None).count() == 0
        case "role taken":
            StaffRole.objects.filter(user=house.doctor).delete()
        case "clinic closed":
            house.clinic.is_active = False
            house.clinic.save()
    before = rows(house)

    answers = {refused(one.send(machine, house.ids, If_Match='"x"')) for one in calls()}

    assert answers == {(401, "token-refused")}
    assert rows(house) == before
    with acting(system_actor("test", house.clinic.pk)):  # the clinic's log says whose token it was
        denied = AuditEvent.objects.filter(action="access.denied", actor_ref=f"user:{token.user_id}")
        assert denied.count() == len(list(calls()))


def test_a_token_without_the_scope_is_refused_and_one_with_the_scope_alone_is_not(
    house: House, token_for: TokenFor
) -> None:
    for one in calls():
        if one.operation.scope is None:
            continue
        user = house.officer if one.name == "events" else house.doctor
        needed = one.operation.scope.value
        ApiToken.objects.all().delete()
        may = [s for s in ("schema", *sorted(scopes(user, house))) if s not in (needed, "schema")]
        if may:
            lacking = Machine(token_for(user, house.clinic, *may))
            assert refused(one.send(lacking, house.ids, If_Match='"x"')) == (403, "outside-token"), one.label
        having = Machine(token_for(user, house.clinic, needed))
        assert one.send(having, house.ids, If_Match='"x"').status_code not in (401, 403), one.label


def scopes(user: User, house: House) -> frozenset[str]:
    from clinics.tokens import scopes_open_to

    return scopes_open_to(user, house.clinic)


@override_settings(MFA_REQUIRED=True)
def test_without_a_second_factor_neither_token_nor_session_opens_anything(
    house: House, doctor: Machine
) -> None:
    Authenticator.objects.filter(user=house.doctor).delete()
    for machine in (doctor, Machine(client=browser(house.doctor))):
        for one in calls():
            assert refused(one.send(machine, house.ids, If_Match='"x"')) == (403, "second-factor-needed"), (
                one.label
            )


@pytest.mark.parametrize("who", ["other care team", "other clinic"])
def test_whoever_does_not_care_for_a_patient_cannot_tell_them_from_nobody(
    house: House, hire: Hire, token_for: TokenFor, who: str
) -> None:
    """Status, headers and body of what is not theirs are those of what is not there; and nothing of it is done."""
    clinic = house.clinic if who == "other care team" else ClinicFactory("west")
    stranger = Machine(token_for(hire(clinic, team=CareTeamFactory(clinic=clinic)), clinic))
    nowhere = {**house.ids, **{name: uuid4() for name in ("patient_id", "follow_up_id", "observation_id")}}
    before = rows(house)
    for one in calls():
        if one.path(house.ids) == one.path(nowhere):
            continue
        theirs, missing = (
            one.send(stranger, house.ids, If_Match='"x"'),
            one.send(stranger, nowhere, If_Match='"x"'),
        )
        assert refused(theirs)[0] == 404, one.label
        assert (theirs.status_code, theirs.content, dict(theirs.headers)) == (
            missing.status_code,
            missing.content,
            dict(missing.headers),
        ), one.label
    assert rows(house) == before
    assert stranger.get("/api/v1/patients/").json() == {"results": [], "next": None}
    assert stranger.get("/api/v1/follow-ups/").json() == {"results": [], "next": None}
    assert stranger.post("/api/v1/patients/search/", {"q": "陈雅琴"}).json() == {"results": []}


def test_a_browser_must_mean_it(house: House) -> None:
    """A session changes nothing without the CSRF token; with it, it does."""
    client = browser(house.doctor, csrf=True)
    page = client.get("/patients/new/")
    csrf = str(page.context["csrf_token"])
    found = {}
    for one in calls():
        if one.method != "GET":
            answer = one.send(Machine(client=client), house.ids, If_Match='"x"')
            found[one.label] = answer.status_code
    assert set(found.values()) == {403}

    meant = Machine(client=client).post(
        "/api/v1/patients/search/", {"q": "陈雅琴"}, key=None, **{"X-CSRFToken": csrf}
    )
    assert len(meant.json()["results"]) == 1


# Without a log nothing happens


def _no_log(draft: object) -> None:
    raise LogUnavailable("test")


def test_when_the_log_cannot_be_written_nothing_is_answered_and_nothing_happens(
    house: House, doctor: Machine, officer: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_to_do_of_the_pool(house)
    tags = {
        name: doctor.get(f"/api/v1/{path}/").headers["ETag"]
        for name, path in (
            ("patient", f"patients/{house.patient.pk}"),
            ("outcome", f"follow-ups/{house.ids['follow_up_id']}"),
        )
    }
    before = rows(house)
    with monkeypatch.context() as patch:
        for place in ("audit.events.write", "audit.services.write"):
            patch.setattr(place, _no_log)
        answers = {
            one.label: refused(
                one.send(
                    machine_for(one.name, doctor, officer), house.ids, If_Match=tags.get(one.name, '"x"')
                )
            )
            for one in calls()
            if opens_or_writes(one)
        }
    assert set(answers.values()) == {(503, "log-unavailable")}, answers
    assert rows(house) == before


def opens_or_writes(one: Call) -> bool:
    """The others show what is not sealed: to-dos in a list, permissions, the schema."""
    return one.label not in ("GET schema", "GET follow_ups", "GET consents")


def rows(house: House) -> dict[str, Any]:
    """What stands in every table of the clinic, but for the log and who used which token when."""
    own = {ApiToken._meta.db_table, ApiTokenUse._meta.db_table}
    found: dict[str, Any] = {}
    with acting(system_actor("test", house.clinic.pk)), connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            if table.startswith(("audit", "django_")) or table in own:
                continue
            cursor.execute(
                f"SELECT count(*), md5(string_agg(md5(t::text), '' ORDER BY md5(t::text))) FROM {table} t"
            )
            found[table] = cursor.fetchone()
    return found
