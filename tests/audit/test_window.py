"""The log's page in Django admin reads, and does nothing else."""

import pytest
from django.contrib import admin
from django.test import RequestFactory

from audit.acting import acting
from audit.kinds import Kind
from audit.models import AuditEvent
from audit.services import record
from tests.factories.audit import OTHER_CLINIC, SETUP, staff_actor


def test_nothing_is_added_changed_or_deleted_there(rf: RequestFactory) -> None:
    page, request = admin.site._registry[AuditEvent], rf.get("/")
    assert not page.has_add_permission(request)
    assert not page.has_change_permission(request)
    assert not page.has_delete_permission(request)


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
