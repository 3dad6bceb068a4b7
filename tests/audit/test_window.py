"""The log's pages in Django admin read, and do nothing else."""

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from django.apps import apps
from django.contrib import admin
from django.db import connection
from django.test import Client, RequestFactory
from django.utils.timezone import now

from audit.acting import acting
from audit.actors import system_actor
from audit.alarms import raise_alarm
from audit.checks import ask_check
from audit.kinds import Kind
from audit.models import AuditEvent, Rule
from audit.services import record
from clinics.models import Clinic, User
from clinics.roles import Role
from tests.factories.audit import OTHER_CLINIC, SETUP, staff_actor
from tests.factories.clinics import ClinicFactory, StaffFactory, StaffRoleFactory

MODELS = list(apps.get_app_config("audit").get_models())


def tried(table: str, key: Any) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Every way in which admin writes: the verb, the page, and what is sent to it."""
    yield "get", f"{table}add/", {}
    yield "post", f"{table}add/", {"clinic_id": str(key)}
    yield "post", f"{table}{key}/change/", {"actor_ref": "nobody", "decision": "harmless", "_save": "1"}
    yield "get", f"{table}{key}/delete/", {}
    yield "post", f"{table}{key}/delete/", {"post": "yes"}
    yield (
        "post",
        table,
        {"action": "delete_selected", "index": "0", "_selected_action": [str(key)], "post": "yes"},
    )
    yield "post", table, {"form-TOTAL_FORMS": "1", "form-0-actor_ref": "nobody", "_save": "1"}


@pytest.mark.django_db
def test_not_even_a_superuser_adds_changes_or_deletes_there_and_who_tries_is_told_of() -> None:
    clinic, user = ClinicFactory(), StaffFactory()
    StaffRoleFactory(user=user, clinic=clinic, role=Role.ADMINISTRATOR)
    User.objects.filter(pk=user.pk).update(is_staff=True, is_superuser=True)
    with acting(system_actor("test", clinic.pk)):
        raise_alarm(Rule.DENIALS, clinic_id=clinic.pk, object=("test", "1"))
        ask_check(clinic.pk, by=system_actor("test", clinic.pk), at=now())
    office = Client()
    office.force_login(user)
    before, denials = rows_of_the_log(clinic), 0
    for model in MODELS:
        label = model._meta.label_lower
        with acting(system_actor("test", clinic.pk)):
            row = model._default_manager.first()
        is_shown = admin.site.is_registered(model)
        assert row is not None or not is_shown, f"nothing there to be tried on: {label}"
        table = f"/admin/{label.replace('.', '/')}/"
        ways = list(tried(table, row.pk if row and is_shown else uuid4()))
        for verb, page, sent in (
            ways if is_shown else ways[1:3]
        ):  # where there is no page, every one is missing
            status = getattr(office, verb)(page, sent).status_code
            assert status == (403 if is_shown else 404), (verb, page)
            denials += 1
    assert rows_of_the_log(clinic) == before
    with acting(system_actor("test", clinic.pk)):
        told = AuditEvent.objects.filter(action="access.denied", actor_ref=f"user:{user.pk}").count()
    assert told == denials


def rows_of_the_log(clinic: Clinic) -> dict[str, Any]:
    """What stands in every table of the log, but for the refusals that are told."""
    found = {}
    with acting(system_actor("test", clinic.pk)), connection.cursor() as cursor:
        for model in MODELS:
            table = model._meta.db_table
            but = "WHERE action <> 'access.denied'" if model is AuditEvent else ""
            cursor.execute(f"SELECT md5(string_agg(t::text, '' ORDER BY t::text)) FROM {table} t {but}")
            found[table] = cursor.fetchone()
    return found


@pytest.mark.usefixtures("clinic")
def test_it_shows_the_entries_of_the_clinic_one_works_in(rf: RequestFactory) -> None:
    for clinic_id in (SETUP.clinic_id, OTHER_CLINIC):
        with acting(staff_actor(clinic_id=clinic_id or OTHER_CLINIC)):
            record("card.opened", object=("patients.card", "17"))
    page = admin.site._registry[AuditEvent]
    with acting(SETUP):
        shown = list(page.get_queryset(rf.get("/")).filter(action="card.opened"))
    assert [event.clinic_id for event in shown] == [SETUP.clinic_id]


@pytest.mark.parametrize("kind", Kind)
def test_every_kind_of_opening_fits_its_column(kind: Kind) -> None:
    assert len(kind) <= 16
