"""Decoys are opened like any card, and with the database alone nobody tells them from the others."""

from collections.abc import Iterator
from datetime import date
from io import StringIO
from typing import Any
from uuid import UUID

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from audit.acting import acting
from audit.actors import Actor, system_actor
from audit.models import Alarm, Decoy
from clinics.models import Clinic, User
from clinics.roles import Role
from exchange.demo.people import invent_people
from exchange.services.decoys import open_decoys
from followups.models import FollowUp
from patients.choices import PhoneOwner, Sex
from patients.identity import NewIdentity
from patients.models import Patient
from patients.services import open_card
from tests.factories.clinics import (
    CareTeamFactory,
    ClinicFactory,
    StaffFactory,
    StaffRoleFactory,
    TeamMemberFactory,
)
from tests.factories.patients import actor_for
from tests.laid_out import laid_out

pytestmark = pytest.mark.django_db
ORDINARY, DECOYS = 40, 8
BY_PATIENT = (
    "patients_patient",
    "patients_card",
    "patients_carerelationship",
    "patient_search_person",
    "subject_key",
)


@laid_out
def clinic() -> Clinic:
    return ClinicFactory("east")


@laid_out
def nurse(clinic: Clinic) -> User:
    user = StaffFactory(username="nurse")
    StaffRoleFactory(user=user, clinic=clinic, role=Role.NURSE)
    TeamMemberFactory(team=CareTeamFactory(clinic=clinic), user=user)
    return user


def open_ordinary(clinic: Clinic, by: Actor) -> Iterator[Patient]:
    for person in invent_people(ORDINARY, today=date(2026, 11, 21)):
        identity = NewIdentity(
            name=person.name,
            sex=Sex(person.sex),
            birth_date=person.born_on,
            id_number=person.id_number,
            phone=person.phone,
            phone_owner=PhoneOwner(person.phone_owner),
            email=person.email,
        )
        with acting(by, clinic.pk):
            yield open_card(clinic=clinic, identity=identity, by=by, at=timezone.now())


def rows(query: str, *values: Any) -> list[dict[str, Any]]:
    with connection.cursor() as cursor:
        cursor.execute(query, values)
        names = [column.name for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def shape(row: dict[str, Any]) -> tuple[Any, ...]:
    """What a row looks like without what it says: which columns are empty, how long sealed ones are, and words of few values."""
    return tuple(
        (name, None if value is None else len(value) if isinstance(value, memoryview) else _word(name, value))
        for name, value in row.items()
    )


def _word(name: str, value: Any) -> Any:
    return (
        value
        if name
        in (
            "sex",
            "phone_owner",
            "state",
            "role",
            "scope",
            "suite",
            "version",
            "kek_id",
            "action",
            "actor_ref",
        )
        else type(value).__name__
    )


def shapes(subjects: set[UUID]) -> dict[str, set[Any]]:
    """By table, every shape that rows of these people have."""
    found: dict[str, set[Any]] = {}
    for table in BY_PATIENT:
        column = {"patients_patient": "id", "subject_key": "subject_id"}.get(table, "patient_id")
        found[table] = {
            shape(row) for row in rows(f"SELECT * FROM {table} WHERE {column} = ANY (%s)", list(subjects))
        }
    found["audit_event"] = {
        shape(
            {
                name: row[name]
                for name in ("action", "kind", "actor_ref", "object_pk", "reason", "count", "changes")
            }
        )
        for row in rows(
            "SELECT e.* FROM audit_event e JOIN audit_event_subject s ON s.event_uid = e.uid WHERE s.subject_id = ANY (%s)",
            list(subjects),
        )
    }
    found["indexes"] = {
        (row["index"], row["key_ver"])
        for row in rows(
            "SELECT t.index, t.key_ver FROM patient_search t JOIN patient_search_person p USING (search_id)"
            " WHERE p.patient_id = ANY (%s)",
            list(subjects),
        )
    }
    return found


def test_no_row_of_a_decoy_has_a_shape_that_ordinary_rows_do_not_have(clinic: Clinic, nurse: User) -> None:
    by = actor_for(nurse, clinic)
    ordinary = {patient.pk for patient in open_ordinary(clinic, by)}
    decoys = {patient.pk for patient in open_decoys(clinic, DECOYS, by=by)}
    with acting(system_actor("test", clinic.pk)):
        usual, found = shapes(ordinary), shapes(decoys)
        marks = [bytes(mark) for mark in Decoy.objects.values_list("mark", flat=True)]
        dump = "".join(str(row) for table in BY_PATIENT for row in rows(f"SELECT * FROM {table}"))

    for table in found:
        assert found[table] <= usual[table], table
    assert len(marks) == DECOYS
    assert not any(mark.hex() in dump for mark in marks)


def run(*arguments: str) -> list[str]:
    out = StringIO()
    call_command("create_decoys", *arguments, stdout=out)
    return out.getvalue().split()


def test_the_command_prints_the_numbers_and_from_then_on_the_chart_rings(
    clinic: Clinic, nurse: User, client: Client
) -> None:
    numbers = run("--clinic", "east", "--count", "2", "--opened-by", "nurse")
    with acting(system_actor("test", clinic.pk)):
        decoys = list(Patient.objects.filter(service_number__in=numbers))
    assert len(decoys) == 2

    client.force_login(nurse)
    listed = client.get(reverse("patients:list")).content.decode()
    assert all(number in listed for number in numbers)
    with acting(system_actor("test", clinic.pk)):
        assert not Alarm.objects.exists()
    assert client.get(reverse("desk:chart", args=[decoys[0].pk])).status_code == 200
    with acting(system_actor("test", clinic.pk)):
        (alarm,) = Alarm.objects.all()
    assert (alarm.rule, alarm.subject_id, alarm.actor_ref) == (
        "decoy.opened",
        decoys[0].subject_id,
        f"user:{nurse.pk}",
    )


def test_nothing_is_ever_to_do_for_a_decoy(clinic: Clinic, nurse: User) -> None:
    run("--clinic", "east", "--count", "1")
    with acting(system_actor("test", clinic.pk)):
        assert not FollowUp.objects.exists()
        assert rows("SELECT 1 FROM consent_state") == []
        assert rows("SELECT 1 FROM records_change") == []


def test_a_command_that_is_stopped_leaves_no_invented_person_unmarked(clinic: Clinic, nurse: User) -> None:
    opening = open_decoys(clinic, 5)
    next(opening)
    next(opening)
    opening.close()
    with acting(system_actor("test", clinic.pk)):
        assert Decoy.objects.count() == Patient.objects.count() == 2


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--clinic", "nowhere", "--count", "1"), "no open clinic"),
        (("--clinic", "east", "--count", "0"), "from 1 to"),
        (("--clinic", "east", "--count", "1", "--opened-by", "nobody"), "opens cards"),
    ],
)
def test_a_mistake_is_one_sentence(clinic: Clinic, arguments: tuple[str, ...], words: str) -> None:
    with pytest.raises(CommandError, match=words):
        run(*arguments)
