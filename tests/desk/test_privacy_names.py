"""Whether people are told names: the privacy officer says so, it is an event and a version, and it holds in one clinic."""

import pytest
from django.db import DatabaseError, connection, transaction
from django.test import Client

from audit.acting import acting
from audit.models import AuditEvent, NamesTold
from audit.names import names_told_in
from clinics.models import Clinic, User
from clinics.roles import Role
from tests.desk.conftest import Hire, system
from tests.laid_out import laid_out

PAGE = "/privacy/names/"


@laid_out
def officer(hire: Hire) -> User:
    return hire(Role.PRIVACY_OFFICER, in_team=False)


def told_in(clinic: Clinic) -> NamesTold:
    with acting(system(clinic)):
        return names_told_in(clinic.pk)


def test_the_officer_decides_and_it_is_an_event_and_a_version(
    officer: User, clinic: Clinic, other_clinic: Clinic, client: Client
) -> None:
    client.force_login(officer)
    assert told_in(clinic) == NamesTold.ON_REQUEST
    for names in (NamesTold.AT_ONCE, NamesTold.BY_OFFICER, NamesTold.BY_OFFICER):
        assert client.post(PAGE, {"names": names}).status_code == 302
    assert client.post(PAGE, {"names": "nobody"}).context["form"].errors

    assert (told_in(clinic), told_in(other_clinic)) == (NamesTold.BY_OFFICER, NamesTold.ON_REQUEST)
    with acting(system(clinic)):
        said = [
            event.changes for event in AuditEvent.objects.filter(action="names_told.changed").order_by("uid")
        ]
    assert said == [{"names": ["on_request", "at_once"]}, {"names": ["at_once", "by_officer"]}]
    assert [who for _version, who in client.get(PAGE).context["changes"]] == [officer.get_full_name()] * 2


def test_nobody_else_decides_and_no_version_is_changed(
    hire: Hire, officer: User, clinic: Clinic, client: Client
) -> None:
    client.force_login(hire(Role.MANAGER, in_team=False))
    assert client.get(PAGE).status_code == client.post(PAGE, {"names": "at_once"}).status_code == 403
    assert told_in(clinic) == NamesTold.ON_REQUEST

    client.force_login(officer)
    client.post(PAGE, {"names": "at_once"})
    for attempt in ("UPDATE audit_names_told SET names = 'by_officer'", "DELETE FROM audit_names_told"):
        with (
            pytest.raises(DatabaseError),
            acting(system(clinic)),
            transaction.atomic(),
            connection.cursor() as cursor,
        ):
            cursor.execute(attempt)
