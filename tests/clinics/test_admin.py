"""Administrators give accounts and roles in Django admin; each deed is an event, and no patient's data is in reach."""

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group, Permission
from django.core.management import call_command
from django.core.management.base import CommandError
from django.test import Client

from audit.acting import acting
from audit.actors import system_actor
from audit.models import AuditEvent, RowChange
from clinics.accounts.models import AccountSession
from clinics.models import Clinic, StaffRole, User
from clinics.roles import Role
from config.dbroles.owner import as_owner
from crypto.models import IndexKey, Kek
from tests.factories.clinics import ClinicFactory, StaffFactory, StaffRoleFactory

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def clinic() -> Clinic:
    return ClinicFactory("east")


@pytest.fixture
def administrator(client: Client) -> Client:
    account = User.objects.create_superuser("administrator", "a-long-password-2026")
    client.force_login(account, backend="clinics.accounts.backend.AccountBackend")
    return client


def actions(*begin: str) -> list[str]:
    """What stands in the system's log, which the application writes and cannot read, in its order."""
    with as_owner():
        told = AuditEvent.objects.order_by("uid").values_list("action", flat=True)
        return [action for action in told if action.startswith(begin or "admin.")]


def test_a_role_given_in_admin_is_given_and_told(clinic: Clinic, administrator: Client) -> None:
    person = StaffFactory()
    form = {
        "username": person.username, "display_name": person.display_name, "kind": "staff", "is_active": "on",
        "staff_roles-TOTAL_FORMS": "1", "staff_roles-INITIAL_FORMS": "0",
        "staff_roles-0-clinic": str(clinic.pk), "staff_roles-0-role": Role.NURSE,
    }  # fmt: skip

    answer = administrator.post(f"/admin/clinics/user/{person.pk}/change/", form)

    assert answer.status_code == 302, answer.context["errors"] if answer.context else answer.content
    assert StaffRole.objects.filter(user=person, clinic=clinic, role=Role.NURSE).exists()
    assert actions() == ["admin.rows_changed", "admin.changed"]


def test_what_a_group_permits_is_told_when_it_is_given_and_when_it_is_taken(administrator: Client) -> None:
    right = str(Permission.objects.get(codename="view_clinic").pk)
    assert (
        administrator.post("/admin/auth/group/add/", {"name": "见习", "permissions": right}).status_code
        == 302
    )
    group = Group.objects.get()
    assert administrator.post(f"/admin/auth/group/{group.pk}/change/", {"name": "见习"}).status_code == 302

    assert actions("admin.", "rights.") == ["rights.given", "admin.added", "rights.taken", "admin.changed"]


def form_of(person: User, **changed: str) -> dict[str, str]:
    """The page of an account that has one role, with everything as it is."""
    role = person.staff_roles.get()
    return {
        "username": person.username, "display_name": person.display_name, "kind": "staff", "is_active": "on",
        "staff_roles-TOTAL_FORMS": "1", "staff_roles-INITIAL_FORMS": "1", "staff_roles-0-id": str(role.pk),
        "staff_roles-0-user": str(person.pk), "staff_roles-0-clinic": str(role.clinic_id), "staff_roles-0-role": role.role,
        **changed,
    }  # fmt: skip


def test_djangos_own_list_of_changes_names_nobody(clinic: Clinic, administrator: Client) -> None:
    person = StaffFactory(username="canary-name")
    StaffRoleFactory(user=person, clinic=clinic)
    administrator.post(f"/admin/clinics/user/{person.pk}/change/", form_of(person, display_name="金丝雀"))

    (line,) = LogEntry.objects.all()
    assert line.object_repr == line.object_id == str(person.pk)
    assert "canary" not in line.change_message + str(line)
    assert "金丝雀" not in line.change_message


def test_whoever_loses_role_account_or_password_in_admin_is_not_left_sitting_there(
    clinic: Clinic, administrator: Client
) -> None:
    new = {
        "password1": "three geese eat the blue soup",
        "password2": "three geese eat the blue soup",
        "usable_password": "true",
    }
    for page, change in (
        ("change", {"staff_roles-0-DELETE": "on"}),
        ("change", {"is_active": ""}),
        ("password", new),
    ):
        person = StaffFactory()
        StaffRoleFactory(user=person, clinic=clinic)
        desk = Client()
        desk.force_login(person)
        form = form_of(person, **change) if page == "change" else change
        administrator.post(f"/admin/clinics/user/{person.pk}/{page}/", form)

        assert not AccountSession.objects.filter(user=person).exists(), change
        assert desk.get("/account/").status_code == 302


@pytest.mark.parametrize(
    "page", ["", "clinics/user/", "clinics/clinic/", "clinics/careteam/", "clinics/chain/"]
)
def test_the_pages_open(clinic: Clinic, administrator: Client, page: str) -> None:
    assert administrator.get(f"/admin/{page}").status_code == 200


def test_a_clinic_cannot_be_made_without_its_keys(administrator: Client) -> None:
    assert administrator.get("/admin/clinics/clinic/add/").status_code == 403


def test_staff_without_the_right_find_nothing(clinic: Clinic, client: Client) -> None:
    client.force_login(StaffFactory(), backend="clinics.accounts.backend.AccountBackend")

    assert client.get("/admin/").status_code == 404


def test_a_clinic_is_opened_with_its_keys_by_a_command() -> None:
    words = {"chain": "云溪健康", "name": "城北门诊", "short_name": "云溪健康", "phone": "010-5550 0103"}

    call_command("open_clinic", "north", **words)

    clinic = Clinic.objects.get(code="north")
    with acting(system_actor("test", clinic.pk), clinic.pk):
        assert Kek.objects.filter(clinic_id=clinic.pk).exists()
        assert IndexKey.objects.filter(clinic_id=clinic.pk).exists()
    with pytest.raises(CommandError, match="north"):
        call_command("open_clinic", "north", **words)
    with pytest.raises(CommandError, match="no code"):
        call_command("open_clinic", "13800001234", **words)


def test_a_role_slipped_in_beside_the_application_is_a_row_change_of_the_log(clinic: Clinic) -> None:
    person = StaffFactory()
    with as_owner() as owner, owner.cursor() as cursor:
        cursor.execute(
            "INSERT INTO clinics_staffrole (id, user_id, clinic_id, role) VALUES (gen_random_uuid(), %s, %s, 'doctor')",
            [person.pk, clinic.pk],
        )

    with acting(system_actor("test", clinic.pk), clinic.pk):
        assert RowChange.objects.filter(tbl="clinics_staffrole", op="I").exists()


@pytest.mark.parametrize("typed", ["13726097212", "wangxiaofang", "鵷鷇"])
def test_what_was_typed_as_an_objects_id_is_repeated_nowhere(administrator: Client, typed: str) -> None:
    answer = administrator.get(f"/admin/clinics/user/{typed}/change/")

    assert answer.status_code == 404
    assert not any(typed in str(value) for value in administrator.session.values())
