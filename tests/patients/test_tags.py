"""Marks set by rules: once, with their reason, ended when the rule says so; sensitive ones sealed whole."""

from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from django.db import connection

from audit.access import access
from audit.acting import acting
from audit.actors import Actor, system_actor
from audit.kinds import Kind
from audit.models import AuditEvent
from audit.purposes import Purpose
from clinics.models import Clinic, User
from clinics.roles import Role
from patients.choices import TagLevel, TagSource
from patients.models import Patient, PatientTag, Tag
from patients.queries import tags_of
from patients.services import TagDefinition, end_rule_tag, set_rule_tag
from tests.factories.patients import OPENED_AT, PatientFactory, actor_for
from tests.laid_out import laid_out

pytestmark = pytest.mark.django_db
LDL = TagDefinition(
    code="lipid_high_ldl", name_zh="低密度脂蛋白升高", name_en="LDL-C high", group="血脂", level=TagLevel.WARN
)
LOW_MOOD = TagDefinition(
    code="depression_screen_pos", name_zh="情绪筛查阳性", name_en="Mood screening positive", group="心理",
    level=TagLevel.CRITICAL, sealed=True,
)  # fmt: skip
FACTS: dict[str, object] = {"ind.ldl": {"value": "4.6", "unit": "mmol/L", "taken_at": "2026-03-01"}}


@pytest.fixture
def rules(clinic: Clinic) -> Iterator[Actor]:
    actor = system_actor("rules", clinic.pk)
    with acting(actor), access(Purpose.RISK, Kind.COMPUTED):
        yield actor


@laid_out
def patient(clinic: Clinic, nurse: Actor) -> Patient:
    with acting(nurse):
        return PatientFactory(clinic=clinic, by=nurse)


def set_tag(
    patient: Patient, tag: TagDefinition, by: Actor, facts: dict[str, object] = FACTS, days: int = 0
) -> PatientTag:
    return set_rule_tag(
        patient, tag, reason=facts, rule_version="1", at=OPENED_AT + timedelta(days=days), by=by
    )


def test_a_rule_sets_a_tag_once_with_its_reason(patient: Patient, nurse: Actor, rules: Actor) -> None:
    first = set_tag(patient, LDL, rules)
    second = set_tag(patient, LDL, rules, days=1)

    assert first == second
    (shown,) = tags_of(nurse, patient)
    assert (shown.code, shown.level, shown.sealed, shown.facts) == (LDL.code, TagLevel.WARN, False, FACTS)
    assert AuditEvent.objects.filter(action="tag.set").count() == 1


def test_other_reasons_end_the_tag_and_set_it_anew(patient: Patient, nurse: Actor, rules: Actor) -> None:
    old = set_tag(patient, LDL, rules)
    new = set_tag(patient, LDL, rules, {"ind.ldl": {"value": "5.1"}}, days=90)

    old.refresh_from_db()
    assert old != new
    assert old.ended_at == new.set_at
    assert [tag.facts for tag in tags_of(nurse, patient)] == [{"ind.ldl": {"value": "5.1"}}]


def test_a_rule_ends_its_tag_and_leaves_a_persons_alone(patient: Patient, nurse: Actor, rules: Actor) -> None:
    set_tag(patient, LDL, rules)
    ended = end_rule_tag(patient, LDL.code, at=OPENED_AT + timedelta(days=2), by=rules)

    assert ended is not None
    assert tags_of(nurse, patient) == []
    assert end_rule_tag(patient, LDL.code, at=OPENED_AT, by=rules) is None

    PatientTag.objects.create(
        clinic_id=patient.clinic_id, subject_id=patient.subject_id, patient=patient, tag=Tag.objects.get(code=LDL.code),
        source=TagSource.MANUAL, reason={"facts": {}}, set_at=OPENED_AT, set_by_id=nurse.user_id,
    )  # fmt: skip
    assert end_rule_tag(patient, LDL.code, at=OPENED_AT, by=rules) is None
    assert set_tag(patient, LDL, rules).source == TagSource.MANUAL


def test_a_sensitive_tag_is_sealed_whole(patient: Patient, nurse: Actor, rules: Actor) -> None:
    set_tag(patient, LOW_MOOD, rules)
    again = set_tag(patient, LOW_MOOD, rules, days=1)
    set_tag(patient, LDL, rules)

    assert PatientTag.objects.filter(tag=None).get() == again
    assert not Tag.objects.filter(code=LOW_MOOD.code).exists()
    assert [(tag.code, tag.sealed) for tag in tags_of(nurse, patient)] == [
        (LOW_MOOD.code, True),
        (LDL.code, False),
    ]
    with connection.cursor() as cursor:
        for table in ("patients_patienttag", "patients_tag", "audit_event", "audit_row_change"):
            cursor.execute(
                f"SELECT count(*) FROM {table} t WHERE t::text LIKE '%%depression%%' OR t::text LIKE '%%情绪%%'"
            )
            assert cursor.fetchone() == (0,)


def test_a_sensitive_tag_ends_like_any_other(patient: Patient, nurse: Actor, rules: Actor) -> None:
    set_tag(patient, LOW_MOOD, rules)
    end_rule_tag(patient, LOW_MOOD.code, at=OPENED_AT + timedelta(days=1), by=rules)

    assert tags_of(nurse, patient) == []


def test_the_front_desk_is_shown_no_tag(
    clinic: Clinic, patient: Patient, rules: Actor, hire: Callable[..., User]
) -> None:
    set_tag(patient, LDL, rules)
    desk = actor_for(hire(clinic, role=Role.FRONT_DESK), clinic)

    assert tags_of(desk, patient) == []


def test_a_tag_follows_its_definition(patient: Patient, nurse: Actor, rules: Actor) -> None:
    set_tag(patient, LDL, rules)
    renamed = TagDefinition(
        code=LDL.code, name_zh="LDL-C 升高", name_en=LDL.name_en, group=LDL.group, level=TagLevel.INFO
    )
    set_tag(patient, renamed, rules, {"ind.ldl": {"value": "4.2"}}, days=1)

    (shown,) = tags_of(nurse, patient)
    assert (shown.name_zh, shown.level) == ("LDL-C 升高", TagLevel.INFO)
