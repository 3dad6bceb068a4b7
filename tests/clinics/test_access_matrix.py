"""docs/access-matrix.md is true: it says what the file says, and every page, list and field set does what it says.

The document is the input: roles, permissions, reach and field sets are read from its tables, not from the code.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from django.apps import apps

from audit.acting import acting
from audit.actors import system_actor
from clinics.matrix import PLACE, page
from clinics.models import Clinic
from clinics.roles import PATIENT_FIELD_SETS, PERSON, Permission, Role, field_sets_of, opened_by, role_rules
from crypto.fields import SealedField
from patients.queries import visible_patients
from tests.factories.clinics import (
    CareTeamFactory,
    ClinicFactory,
    StaffFactory,
    StaffRoleFactory,
    TeamMemberFactory,
)
from tests.factories.patients import PatientFactory, actor_for
from tests.laid_out import laid_out

SENSITIVE = PERSON | {"clinical", "psychological", "genetic", "finance", "marketing"}


@dataclass(frozen=True)
class Cell:
    role: Role
    resource: str
    action: str
    permission: Permission
    reach: str  # "" where the page is refused
    opens: frozenset[str]


def tables() -> list[list[list[str]]]:
    """The tables of the document, row by row, cell by cell."""
    found: list[list[list[str]]] = []
    inside = False
    for line in PLACE.read_text("utf-8").splitlines():
        if line.startswith("|"):
            if not inside:
                found.append([])
            found[-1].append([cell.strip() for cell in line.strip("|").split("|")])
        inside = line.startswith("|")
    return found


def matrix() -> Iterator[Cell]:
    head, _rule, *rows = tables()[0]
    for resource, action, permission, *cells in rows:
        for role, cell in zip(head[3:], cells, strict=True):
            reach, _colon, opens = ("" if cell == "—" else cell).partition(": ")
            yield Cell(
                Role(role),
                resource,
                action,
                Permission(permission.strip("`")),
                reach,
                frozenset(opens.split(", ")) - {""},
            )


def cells_of(role: Role) -> list[Cell]:
    return [cell for cell in matrix() if cell.role is role]


def test_the_document_is_what_the_file_says() -> None:
    assert PLACE.read_text("utf-8") == page(), "run `manage.py access_matrix`"


def test_every_role_and_every_permission_has_its_row() -> None:
    cells = list(matrix())

    assert {cell.role for cell in cells} == set(Role)
    assert {cell.permission for cell in cells} == set(Permission)
    assert len({(cell.resource, cell.action) for cell in cells}) == len(Permission)


@pytest.mark.requirement("GBT35273-7.1")
def test_the_administrator_of_the_system_sees_no_patient() -> None:
    cells = cells_of(Role.ADMINISTRATOR)

    assert {cell.resource for cell in cells if cell.reach} == {"account"}
    assert all(not cell.opens for cell in cells)


def test_whoever_reaches_a_whole_clinic_opens_no_person_and_no_result() -> None:
    assert all(not cell.opens & SENSITIVE for cell in matrix() if cell.reach == "clinic")


@pytest.mark.requirement("GBT39725-8")
@pytest.mark.parametrize("role", list(Role))
def test_a_role_opens_the_field_sets_of_the_document(role: Role) -> None:
    _head, _rule, *rows = tables()[1]
    said = {Role(name): frozenset(opens.split(", ")) - {"—"} for name, opens, _alone in rows}

    assert field_sets_of([role]) == said[role]
    for cell in cells_of(role):
        if cell.reach:
            assert opened_by(cell.permission, field_sets_of([role])) == cell.opens


def test_nothing_is_sealed_for_a_field_set_that_nobody_opens() -> None:
    opened = PATIENT_FIELD_SETS.union(*(field_sets_of([role]) for role in Role))
    held = {
        field_set
        for model in apps.get_models()
        for field in model._meta.concrete_fields
        if isinstance(field, SealedField) and not model.__module__.startswith("tests.")
        for field_set in getattr(field, "parts", {"": field.field_set}).values()
    }

    assert held
    assert held <= opened


def test_by_service_number_alone_is_stronger_than_any_other_role() -> None:
    both = field_sets_of([Role.CALLER, Role.DOCTOR])

    assert role_rules()[Role.CALLER].service_number_only
    assert not both & PERSON
    assert "clinical" in both


@laid_out
def clinic() -> Clinic:
    return ClinicFactory("east")


@pytest.mark.parametrize("role", list(Role))
def test_a_role_reaches_the_patients_of_the_document(role: Role, clinic: Clinic) -> None:
    """One patient in the team's care and one who is not. The pages: tests/test_who_reaches_what.py."""
    user, team = StaffFactory(), CareTeamFactory(clinic=clinic, name="一组")
    StaffRoleFactory(user=user, clinic=clinic, role=role)
    TeamMemberFactory(team=team, user=user)
    other = CareTeamFactory(clinic=clinic, name="二组")
    with acting(system_actor("test", clinic.pk)):
        ours, theirs = (PatientFactory(clinic=clinic, team=each) for each in (team, other))
    actor = actor_for(user, clinic)
    expected = {"": set(), "care": {ours}, "clinic": {ours, theirs}}
    with acting(actor):
        for cell in cells_of(role):
            reached = set(visible_patients(actor, clinic.pk, cell.permission))
            assert reached == expected[cell.reach], (cell, "patients")
