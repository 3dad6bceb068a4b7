"""Opening sealed data leaves one event of who saw whose fields and why; without a scope nothing opens."""

from dataclasses import replace

import pytest
from django.db import DatabaseError, transaction

from audit.access import access, relate
from audit.acting import acting
from audit.actors import Actor, system_actor
from audit.errors import LogUnavailable, NoActor
from audit.kinds import Kind
from audit.purposes import Purpose
from audit.relations import Relation
from audit.services import record, record_denial
from crypto.errors import FieldNotAllowed, NoAccessScope
from tests.audit.reading import events
from tests.factories.audit import CLINIC, SETUP, Probe, open_probe, staff_actor

pytestmark = pytest.mark.usefixtures("clinic")


def probes(count: int = 1) -> list[Probe]:
    with acting(SETUP):
        made = [open_probe() for _ in range(count)]
        return list(Probe.objects.filter(pk__in=[p.pk for p in made]).order_by("subject_id"))


def test_what_a_page_opened_is_one_event_with_the_persons_and_the_fields() -> None:
    two = probes(2)
    nurse = staff_actor()
    with acting(nurse), access(Purpose.CARE, Kind.VIEWED):
        relate(two[0].subject_id, Relation.TEAM)
        relate(two[1].subject_id, Relation.TEAM)
        assert [p.identity.name for p in two] == ["王小芳", "王小芳"]
        assert two[0].note == "空腹血糖 7.2"
    (entry,) = events(action="access")
    assert entry["actor"] == nurse.ref
    assert (entry["kind"], entry["purpose"], entry["relation"], entry["count"]) == (
        "viewed",
        "care",
        "team",
        2,
    )
    assert entry["subjects"] == [str(p.subject_id) for p in two]
    assert entry["fields"] == [{"name": "probe.identity.name"}, {"name": "probe.note"}]


def test_each_event_holds_one_way_of_being_related_and_counts_whom_it_concerns() -> None:
    own, vip, other, unsaid = probes(4)
    with acting(staff_actor()), access(Purpose.CARE, Kind.VIEWED):
        relate(own.subject_id, Relation.OWN)
        relate(vip.subject_id, Relation.OWN, vip=True)
        relate(other.subject_id, Relation.BREAK_GLASS)
        assert all(p.identity.name for p in (own, vip, other, unsaid))
    told = {e["subjects"][0]: (e["relation"], e["vip"], e["count"]) for e in events(action="access")}
    assert told == {
        str(own.subject_id): ("own", False, 1),
        str(vip.subject_id): ("own", True, 1),
        str(other.subject_id): ("break_glass", False, 1),
        str(unsaid.subject_id): ("none", False, 1),
    }


@pytest.mark.parametrize(
    ("actor", "kind", "relation"),
    [
        (staff_actor(), Kind.REVEALED, "none"),
        (staff_actor(), Kind.LISTED, ""),
        (system_actor("rules", CLINIC), Kind.COMPUTED, "system"),
        (replace(staff_actor(), kind="patient"), Kind.VIEWED, "self"),
        (replace(staff_actor(), kind="patient", on_behalf_of="subject:1"), Kind.VIEWED, "proxy"),
    ],
)
def test_where_nobody_said_how_they_are_related_the_safer_word_is_written(
    actor: Actor, kind: Kind, relation: str
) -> None:
    (probe,) = probes()
    with acting(actor), access(Purpose.CARE, kind):
        assert probe.identity.name
    assert [e["relation"] for e in events(kind=kind.value)] == [relation]


def test_how_somebody_is_related_is_said_once_for_every_scope_of_the_unit_of_work() -> None:
    (probe,) = probes()
    with acting(staff_actor()):
        relate(probe.subject_id, Relation.TEAM)
        for kind in (Kind.VIEWED, Kind.REVEALED):
            with access(Purpose.CARE, kind):
                assert probe.identity.name
    assert [e["relation"] for e in events(action="access")] == ["team", "team"]


def fail_after_opening(probe: Probe) -> None:
    with acting(staff_actor()), access(Purpose.CARE, Kind.VIEWED):
        assert probe.identity.name
        raise ZeroDivisionError


def test_nothing_opened_is_nothing_written() -> None:
    with acting(staff_actor()), access(Purpose.CARE, Kind.VIEWED):
        pass
    assert events(action="access") == []


def test_without_a_scope_nothing_opens_and_without_an_actor_there_is_no_scope() -> None:
    (probe,) = probes()
    with acting(staff_actor()), pytest.raises(NoAccessScope):
        str(probe.identity.name)
    with pytest.raises(NoActor), access(Purpose.CARE, Kind.VIEWED):
        pass


def test_a_role_opens_its_own_field_sets_alone_and_a_job_all() -> None:
    (probe,) = probes()
    with acting(staff_actor(field_sets=frozenset({"identity"}))), access(Purpose.CARE, Kind.VIEWED):
        assert probe.identity.name
        with pytest.raises(FieldNotAllowed):
            str(probe.identity.phone)
    with acting(system_actor("rules", CLINIC)), access(Purpose.RISK, Kind.COMPUTED):
        assert probe.note
    with (
        acting(system_actor("rules", CLINIC)),
        access(Purpose.RISK, Kind.COMPUTED, field_sets=frozenset({"contact"})),
        pytest.raises(FieldNotAllowed),
    ):
        str(probe.note)


def test_candidates_of_a_search_are_counted_and_not_named() -> None:
    three = probes(3)
    with acting(staff_actor()), access(Purpose.CARE, Kind.MATCHED):
        assert all(p.identity.name for p in three)
    (entry,) = events(kind="matched")
    assert (entry["count"], entry["subjects"]) == (3, [])


def test_a_search_inside_a_page_is_an_event_of_its_own() -> None:
    one, other = probes(2)
    with acting(staff_actor()), access(Purpose.CARE, Kind.VIEWED):
        assert one.identity.name
        with access(Purpose.CARE, Kind.MATCHED):
            assert other.identity.name
    assert [(e["kind"], e["count"]) for e in events(action="access")] == [("matched", 1), ("viewed", 1)]


def test_a_job_writes_one_event_for_every_five_hundred_persons(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("audit.services.SUBJECTS_IN_AN_EVENT", 2)
    five = probes(5)
    with acting(system_actor("rules", CLINIC)), access(Purpose.RISK, Kind.COMPUTED):
        assert all(p.note for p in five)
    entries = events(kind="computed")
    assert [e["count"] for e in entries] == [2, 2, 1]
    assert sorted(s for e in entries for s in e["subjects"]) == [str(p.subject_id) for p in five]


def test_what_a_failed_page_had_opened_is_written_after_its_rollback() -> None:
    (probe,) = probes()
    with pytest.raises(ZeroDivisionError):
        fail_after_opening(probe)
    (entry,) = events(action="access")
    assert (entry["result"], entry["subjects"]) == ("rolled_back", [str(probe.subject_id)])


def test_what_a_quietly_rolled_back_page_had_opened_is_written_too() -> None:
    (probe,) = probes()
    with acting(staff_actor()):
        with access(Purpose.CARE, Kind.VIEWED):
            assert probe.identity.name
        transaction.set_rollback(True)
    assert [e["result"] for e in events(action="access")] == ["rolled_back"]


def test_what_a_failed_inner_unit_had_opened_is_written_when_the_outer_one_is_over() -> None:
    (probe,) = probes()
    with acting(SETUP):
        with pytest.raises(ZeroDivisionError):
            fail_after_opening(probe)
        assert events(action="access") == []
    assert [e["result"] for e in events(action="access")] == ["rolled_back"]


def test_a_denial_is_written_at_once_outside_a_unit_of_work() -> None:
    record_denial(staff_actor(), view="patients:list", object_id="17", reason="NotAllowed")
    (entry,) = events(action="access.denied")
    assert (entry["object"], entry["result"], entry["reason"]) == (
        {"type": "patients:list", "id": "17"}, "refused", "NotAllowed",
    )  # fmt: skip


def test_a_denial_inside_a_unit_survives_its_rollback() -> None:
    nurse = staff_actor()
    with acting(nurse):
        record_denial(nurse, view="patients:list", reason="NotAllowed")
        transaction.set_rollback(True)
    assert [(e["actor"], e["result"]) for e in events(action="access.denied")] == [(nurse.ref, "refused")]


def test_a_failed_sign_in_survives_the_rollback_of_its_request() -> None:
    with acting(SETUP):
        record("account.sign_in_failed", object=("clinics.user", "unknown"), result="refused")
        transaction.set_rollback(True)
    assert [e["result"] for e in events(action="account.sign_in_failed")] == ["refused"]


def test_a_denial_that_cannot_be_written_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_room(*args: object) -> None:
        raise DatabaseError

    nurse = staff_actor()
    monkeypatch.setattr("audit.events._insert", no_room)
    with pytest.raises(LogUnavailable), acting(nurse):
        record_denial(nurse, view="patients:list")
