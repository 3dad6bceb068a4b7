"""A value that does not open: the page shows so in its place and goes on, others' values stand, nobody acts on it, one alarm."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from django.core import mail
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from audit.acting import acting
from audit.actors import Actor, system_actor
from audit.models import Alarm, AuditEvent
from audit.purposes import Purpose
from clinics.models import CareTeam, Clinic, User
from clinics.roles import Role
from config.dbroles.owner import as_owner
from consent.choices import GivenThrough
from consent.services import withdraw_consent
from crypto.core.scopes import Scope
from crypto.keyring import forget_everything
from exchange.errors import CardUnreadable
from exchange.services import import_report
from followups.choices import FollowUpState
from followups.loop import claim_due, send_queued, take_changes
from followups.models import Enrolment, FollowUp, Message
from patients.choices import PortalRelation
from patients.models import Patient, PatientTag
from patients.queries import possible_twins, search_patients
from patients.services import give_portal_access
from records.models import ExamReport, Observation, RecordsChange
from tests.factories.clinics import (
    CareTeamFactory,
    ClinicFactory,
    StaffFactory,
    StaffRoleFactory,
    TeamMemberFactory,
)
from tests.factories.consent import ConsentFactory
from tests.factories.crypto import damage, damage_key
from tests.factories.followups import HIGH_LDL, file_results
from tests.factories.patients import NewIdentityFactory, PatientFactory, actor_for, id_number
from tests.factories.records import bundle, patient_resource
from tests.laid_out import laid_out

pytestmark = pytest.mark.django_db
MARKER = "zz-unread"
PAPERS = id_number("99010119600229002")


@dataclass(frozen=True)
class House:
    """A clinic with two patients who have results, tags and to-dos, and a health manager who sees both."""

    clinic: Clinic
    team: CareTeam
    manager: User
    ill: Patient
    well: Patient

    @property
    def actor(self) -> Actor:
        return actor_for(self.manager, self.clinic)

    @property
    def house(self) -> Actor:
        return system_actor("test", self.clinic.pk)

    def alarms(self) -> list[tuple[str, str]]:
        """What each open alarm is about and whose it is, and that the log names it."""
        with acting(self.house):
            found = list(Alarm.objects.filter(rule="seal.broken").order_by("object_type", "object_id"))
            told = AuditEvent.objects.filter(action="alarm.raised", reason="seal.broken")
            assert sum(event.count or 0 for event in told) == len(found)
        return [
            (alarm.object_type, "ill" if alarm.subject_id == self.ill.subject_id else "well")
            for alarm in found
        ]

    def damage(self, model: type[Any], column: str, **of: Any) -> None:
        """Flip a bit in every such row of the patient who is ill."""
        with acting(self.house):
            rows = (
                model.objects.filter(pk=self.ill.pk)
                if model is Patient
                else model.objects.filter(patient=self.ill, **of)
            )
            for pk in list(rows.values_list("pk", flat=True)):
                damage(model._meta.db_table, column, pk)


def enter(clinic: Clinic, team: CareTeam, name: str, **facts: Any) -> Patient:
    at = timezone.now()
    by = system_actor("test", clinic.pk)
    with acting(by):
        patient = PatientFactory(clinic=clinic, team=team, name=name, at=at, **facts)
        for purpose in (Purpose.CARE, Purpose.FOLLOWUP, Purpose.RISK):
            ConsentFactory(patient, purpose, by=by, at=at - timedelta(hours=1))
        file_results(patient, by=by, at=at, ldl=HIGH_LDL, k="4.1")
    return patient


@laid_out
def house() -> House:
    clinic = ClinicFactory("east")
    team, manager = CareTeamFactory(clinic=clinic), StaffFactory()
    StaffRoleFactory(user=manager, clinic=clinic, role=Role.DOCTOR)
    TeamMemberFactory(team=team, user=manager)
    ill = enter(clinic, team, "陈雅琴", id_number=PAPERS)
    well = enter(clinic, team, "王建国")
    take_changes(clinic, timezone.now())
    return House(clinic, team, manager, ill, well)


@pytest.fixture
def desk(house: House, client: Client) -> Client:
    client.force_login(house.manager)
    return client


def page(client: Client, address: str, **headers: str) -> str:
    answer = client.get(address, headers=headers)
    assert answer.status_code == 200
    return str(answer.content.decode())


def own_pages(house: House, patient: Patient) -> Iterator[str]:
    """Every page of the staff about one patient."""
    for name in ("desk:chart", "records:results", "followups:panel", "consent:record", "consent:panel"):
        yield reverse(name, args=[patient.pk])
    yield reverse("records:history", args=[patient.pk, "ldl"])
    yield reverse("consent:withdraw", args=[patient.pk, "followup"])
    with acting(house.house):
        for pk in FollowUp.objects.filter(patient=patient).values_list("pk", flat=True):
            yield reverse("followups:done", args=[pk])


# --- pages ------------------------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_the_list_shows_so_in_place_of_name_and_phone_and_an_alarm_stands_within_a_minute(
    house: House, desk: Client
) -> None:
    damaged_at = timezone.now()
    with as_owner():
        damage("patients_patient", "identity", house.ill.pk)
    text = page(desk, reverse("patients:list"))

    assert text.count(MARKER) == 2
    assert house.ill.service_number in text
    assert "王*国" in text
    assert "陈*琴" not in text
    assert house.alarms() == [("patient.identity", "ill")]
    with acting(house.house):
        assert Alarm.objects.get().raised_at - damaged_at < timedelta(seconds=60)


def test_what_can_still_be_done_with_such_a_person(house: House, desk: Client) -> None:
    house.damage(Patient, "identity")
    chart = page(desk, reverse("desk:chart", args=[house.ill.pk]))
    assert "span" not in chart[chart.index("<title>") : chart.index("</title>")]
    assert "/reveal/" not in chart

    found = desk.post(reverse("patients:search"), {"q": house.ill.service_number}).content.decode()
    by_name = desk.post(reverse("patients:search"), {"q": "陈雅琴"})
    assert house.ill.service_number in found
    assert MARKER in found
    assert by_name.status_code == 200
    assert house.ill.service_number not in by_name.content.decode()

    for headers in ({}, {"HX-Request": "true"}):
        answer = desk.post(
            reverse("desk:reveal", args=[house.ill.pk]), {"part": "phone", "reason": "call"}, headers=headers
        )
        assert answer.status_code == 200
        assert MARKER in answer.content.decode()
    code = desk.post(reverse("consent:record", args=[house.ill.pk]), {"send_code": "1"})
    assert code.status_code == 200
    assert "zz-alert" in code.content.decode()  # says why none is sent


def test_damaged_results_reports_and_reasons_stand_in_their_places(house: House, desk: Client) -> None:
    house.damage(Observation, "detail", indicator="ldl")
    house.damage(ExamReport, "summary")
    house.damage(PatientTag, "reason")
    results = reverse("records:results", args=[house.ill.pk])
    table, panel = page(desk, results), page(desk, results, HX_Request="true")
    chart = page(desk, reverse("desk:chart", args=[house.ill.pk]))

    assert table.count(MARKER) == 1
    assert "4.1" in table
    assert "zz-alert is-due" in panel
    assert MARKER in panel  # the report keeps its row
    assert MARKER in page(desk, reverse("records:history", args=[house.ill.pk, "ldl"]))
    assert MARKER in chart
    assert "zz-tag" in chart
    kinds = {kind for kind, _whose in house.alarms()}
    assert kinds == {"observation.detail", "exam_report.summary", "patient_tag.reason"}


def test_every_page_about_the_person_opens_and_their_neighbours_pages_do_not_notice(
    house: House, desk: Client
) -> None:
    house.damage(Patient, "identity")
    for address in own_pages(house, house.ill):
        assert MARKER in page(desk, address), address
    for address in own_pages(house, house.well):
        assert MARKER not in page(desk, address), address
    assert house.alarms() == [("patient.identity", "ill")]


def test_the_workbench_keeps_its_rows(house: House, desk: Client) -> None:
    house.damage(Patient, "identity")
    house.damage(Enrolment, "why")
    text = page(desk, reverse("desk:workbench"))

    assert house.ill.service_number in text
    assert house.well.service_number in text
    assert "王*国" in text
    assert MARKER in text
    assert ("enrolment.why", "ill") in house.alarms()


@pytest.fixture
def phone(house: House) -> Client:
    with acting(house.house):
        account = give_portal_access(house.ill, PortalRelation.SELF, house.house, at=timezone.now()).user
    client = Client()
    client.force_login(account)
    return client


def test_the_persons_own_pages_say_plainly_what_cannot_be_read(house: House, phone: Client) -> None:
    house.damage(Patient, "identity")
    house.damage(Observation, "detail", indicator="ldl")
    home, results = page(phone, "/p/east/"), page(phone, "/p/east/results/")
    permissions = page(phone, "/p/east/permissions/")

    assert "陈雅琴" not in home
    assert "pt-say-due" in home
    assert "pt-say-due" in results
    assert "4.1" in results
    assert "None of them" not in results  # nobody knows what the damaged one says
    assert "pt-switch" in permissions
    assert sorted(kind for kind, _whose in house.alarms()) == ["observation.detail", "patient.identity"]


# --- swapped, and keys ------------------------------------------------------------------------------------------------


def test_two_people_whose_values_were_swapped_are_both_unreadable(house: House, desk: Client) -> None:
    ids = [house.ill.pk, house.well.pk]
    with acting(house.house), connection.cursor() as cursor:
        cursor.execute(
            "UPDATE patients_patient p SET identity = o.identity FROM patients_patient o"
            " WHERE p.id = ANY (%s) AND o.id = ANY (%s) AND p.id <> o.id",
            [ids, ids],
        )
    text = page(desk, reverse("patients:list"))

    assert text.count(MARKER) == 4
    assert sorted(whose for _kind, whose in house.alarms()) == ["ill", "well"]


def swap_keys(house: House) -> None:
    ids = [house.ill.subject_id, house.well.subject_id]
    with acting(house.house), connection.cursor() as cursor:
        cursor.execute(
            "UPDATE subject_key k SET wrapped = o.wrapped FROM subject_key o WHERE k.subject_id = ANY (%s)"
            " AND o.subject_id = ANY (%s) AND k.subject_id <> o.subject_id AND k.scope = o.scope AND k.scope = %s",
            [ids, ids, int(Scope.IDENTITY)],
        )
    forget_everything()


def one_key(house: House) -> None:
    with acting(house.house):
        damage_key(house.ill.subject_id, Scope.IDENTITY)


@pytest.mark.parametrize(
    ("break_keys", "markers", "whose"), [(one_key, 2, ["ill"]), (swap_keys, 4, ["ill", "well"])]
)
def test_a_damaged_key_makes_its_person_alone_unreadable(
    house: House, desk: Client, break_keys: Callable[[House], None], markers: int, whose: list[str]
) -> None:
    third = enter(house.clinic, house.team, "李秀英")
    break_keys(house)
    text = page(desk, reverse("patients:list"))

    assert text.count(MARKER) == markers
    assert "李*英" in text
    assert third.service_number in text
    assert "4.60" in page(desk, reverse("records:results", args=[house.ill.pk]))  # under another key
    assert sorted(w for kind, w in house.alarms() if kind == "subject_key") == whose


# --- nobody acts on it ------------------------------------------------------------------------------------------------


def test_nobody_is_compared_found_or_matched_by_what_cannot_be_read(house: House) -> None:
    house.damage(Patient, "identity")
    with acting(house.actor) as actor:
        same = NewIdentityFactory(name="陈雅琴", id_number=PAPERS)
        assert possible_twins(actor, house.clinic.pk, same) == []
        assert search_patients(actor, house.clinic.pk, "陈雅琴") == []
    assert house.alarms() == [("patient.identity", "ill")]


def test_a_file_about_the_person_waits_and_opens_no_second_card(house: House) -> None:
    house.damage(Patient, "identity")
    person = patient_resource(
        identifier=[{"system": "urn:oid:2.16.840.1.113883.4.3.156", "value": PAPERS}], birthDate="1960-02-29"
    )
    file = bundle(patient=person)
    with pytest.raises(CardUnreadable), acting(house.house):
        import_report(file, clinic=house.clinic, open_card=True, by=house.house, at=timezone.now())
    with acting(house.house):
        assert Patient.objects.count() == 2
    assert house.alarms() == [("patient.identity", "ill")]


def test_the_others_letters_leave_and_the_damaged_one_waits(house: House, settings: Any) -> None:
    settings.MESSAGES_AT_ANY_HOUR = True
    at = timezone.now()
    with acting(house.house):
        Message.objects.update(due_at=at)
        wanted = set(Message.objects.filter(patient=house.well).values_list("pk", flat=True))
        assert wanted
        assert Message.objects.filter(patient=house.ill).exists()
    house.damage(Patient, "identity")
    claim_due(house.clinic, at)
    for _batch in range(3):
        send_queued(house.clinic, at)

    with acting(house.house):
        assert not Message.objects.filter(patient=house.ill, state="sent").exists()
        assert Message.objects.filter(patient=house.ill, state="queued").exists()
        assert Message.objects.filter(patient=house.well, state="sent").exists()
    assert house.alarms() == [("patient.identity", "ill")]


def news(house: House) -> None:
    """Both patients have a critical potassium now."""
    for patient in (house.ill, house.well):
        with acting(house.house):
            file_results(patient, by=house.house, at=timezone.now() + timedelta(hours=1), k="6.9")


def test_rules_leave_the_chart_of_such_a_person_and_what_is_critical_is_told_all_the_same(
    house: House,
) -> None:
    house.damage(Observation, "detail", indicator="ldl")
    with acting(house.house):
        before = set(PatientTag.objects.filter(patient=house.ill).values_list("pk", "ended_at"))
    at = timezone.now() + timedelta(hours=2)
    news(house)
    take_changes(house.clinic, at)

    with acting(house.house):
        assert set(PatientTag.objects.filter(patient=house.ill).values_list("pk", "ended_at")) == before
        for patient in (house.ill, house.well):
            assert FollowUp.objects.filter(patient=patient, urgency="class_a").exists()
        (waits,) = RecordsChange.objects.all()
    assert waits.patient_id == house.ill.pk
    assert waits.at > at  # looked at again when it may be repaired, and not every two seconds
    assert house.alarms() == [("observation.detail", "ill")]


def test_withdrawing_takes_tags_off_whose_reasons_cannot_be_read(house: House) -> None:
    house.damage(PatientTag, "reason")
    with acting(house.house) as by:
        withdraw_consent(house.ill, Purpose.RISK, by=by, at=timezone.now(), given_through=GivenThrough.DESK)
        assert not PatientTag.objects.filter(patient=house.ill, source="rule", ended_at=None).exists()


def test_an_outcome_is_written_although_the_note_before_and_the_phone_are_damaged(
    house: House, desk: Client
) -> None:
    with acting(house.house):
        todo = FollowUp.objects.filter(patient=house.ill).order_by("pk")[0]
        todo.note = "家属已通知"
        todo.save()
        damage("followups_followup", "note", todo.pk)
    house.damage(Patient, "identity")
    address = reverse("followups:done", args=[todo.pk])

    assert "zz-alert is-due" in page(desk, address)  # says so before anything is written
    answer = desk.post(address, {"outcome": "reached", "note": "已重新联系", "read_back": "on"})
    assert answer.status_code == 302
    with acting(house.house):
        assert FollowUp.objects.defer("note").get(pk=todo.pk).state == FollowUpState.DONE
        assert AuditEvent.objects.filter(action="follow_up.note_replaced", reason="unreadable").count() == 1
    assert ("followup.note", "ill") in house.alarms()
    assert mail.outbox == []
