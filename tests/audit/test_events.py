"""What a record in the log says, who sees it, and that nothing happens without one."""

import hashlib
import hmac
import json
from datetime import UTC, date, datetime
from decimal import Decimal
from uuid import UUID

import pytest
from django.db import connection, transaction

from audit.acting import acting, valid_address
from audit.actors import current_actor, system_actor
from audit.canon import canonical, mac_key_file, plain
from audit.errors import LogUnavailable, NoActor
from audit.models import SYSTEM_LOG, AuditEvent, EventSubject
from audit.purposes import Purpose
from audit.services import record
from audit.wrote import ROWS_NAMED, wrote, wrote_rows
from crypto.ids import uuid7
from crypto.seals import Sealed
from tests.audit.reading import events, run, run_as_owner
from tests.factories.audit import CLINIC, OTHER_CLINIC, Probe, open_probe, staff_actor

pytestmark = pytest.mark.usefixtures("clinic")


def test_an_event_says_who_did_what_to_whom_and_why() -> None:
    nurse, subjects, decision = staff_actor(), [uuid7(), uuid7()], uuid7()
    with acting(nurse, request_id="r-1", address="203.0.113.7"):
        record(
            "card.opened", object=("patients.card", "17"), subjects=reversed(subjects), fields={"state": (None, "open")},
            purpose=Purpose.CARE, decision=decision, count=1, reason="walk_in",
        )  # fmt: skip
    (entry,) = events(action="card.opened")
    assert entry | {"uid": "", "at": "", "tx": 0} == {
        "v": 1, "uid": "", "at": "", "tx": 0, "log": str(CLINIC), "clinic": str(CLINIC),
        "actor": nurse.ref, "actor_kind": "staff", "roles": ["nurse"], "account": str(nurse.user_id), "behalf": "",
        "source": "app", "request": "r-1", "address": "203.0.113.7",
        "action": "card.opened", "kind": "", "object": {"type": "patients.card", "id": "17"},
        "subjects": [str(s) for s in subjects], "fields": [{"name": "state", "old": None, "new": "open"}],
        "purpose": "care", "decision": str(decision), "relation": "", "vip": False, "wrote": [], "count": 1, "result": "ok", "reason": "walk_in",
    }  # fmt: skip


def test_what_is_hashed_is_canonical_and_carries_a_code_of_the_installations_key() -> None:
    with acting(staff_actor()):
        event = record("card.opened", object=("patients.card", "17"))
        stored = AuditEvent.objects.get(uid=event.uid)
        assert bytes(stored.canon) == canonical(json.loads(bytes(stored.canon)))
        assert (
            bytes(stored.mac)
            == hmac.new(mac_key_file().read_bytes(), bytes(stored.canon), hashlib.sha256).digest()
        )
        assert stored.txid == json.loads(bytes(stored.canon))["tx"]
    assert mac_key_file().stat().st_mode & 0o777 == 0o600


def test_an_event_names_the_rows_it_wrote_beside_its_object_by_key_or_by_number() -> None:
    probes = [Probe(pk=uuid7()) for _ in range(ROWS_NAMED + 1)]
    with acting(staff_actor()):
        record("colour.changed", object=probes[0], wrote=[*wrote_rows(probes[:2]), *wrote(Probe, count=7)])
        record("colour.changed", object=probes[0], wrote=wrote_rows(probes))
    named, many = events(action="colour.changed")
    assert named["wrote"] == [
        {"table": "audit_probe", "keys": [str(probe.pk) for probe in probes[:2]]},
        {"table": "audit_probe", "count": 7},
    ]
    assert [len(part["keys"]) for part in many["wrote"]] == [ROWS_NAMED, 1]
    assert wrote(Probe, count=0) == ()


def test_subjects_are_found_from_the_person() -> None:
    subject = uuid7()
    with acting(staff_actor()):
        event = record("card.opened", object=("patients.card", "17"), subjects=[subject, subject])
        assert (
            EventSubject.objects.filter(subject_id=subject).values_list("event_uid", flat=True).get()
            == event.uid
        )


def test_nobody_acting_means_nothing_is_recorded() -> None:
    with pytest.raises(NoActor):
        record("card.opened", object=("patients.card", "17"))
    with pytest.raises(NoActor):
        current_actor()


@pytest.mark.parametrize("reason", ["asked by phone", "王小芳要求", "a" * 65])
def test_free_text_never_reaches_the_log(reason: str) -> None:
    with acting(staff_actor()), pytest.raises(ValueError, match="code"):
        record("card.opened", object=("patients.card", "17"), reason=reason)


def test_a_clinic_reads_its_own_log_alone_and_adds_to_the_systems() -> None:
    with acting(system_actor("setup", None)):
        record("roles.created", object=("roles", "5"))
        assert not AuditEvent.objects.exists()
    with acting(staff_actor(clinic_id=OTHER_CLINIC)):
        record("card.opened", object=("patients.card", "18"))
        assert AuditEvent.objects.values_list("log_id", flat=True).get() == OTHER_CLINIC
    assert [entry["action"] for entry in events()] == []
    assert [entry["log"] for entry in events(clinic=SYSTEM_LOG)] == [str(SYSTEM_LOG)]


def test_an_event_of_a_clinic_the_unit_does_not_see_is_refused() -> None:
    with pytest.raises(LogUnavailable), acting(staff_actor(), OTHER_CLINIC):
        record("card.opened", object=("patients.card", "17"))


def test_the_actor_and_the_clinics_come_back_after_a_nested_unit() -> None:
    nurse, job = staff_actor(), system_actor("job", OTHER_CLINIC)
    settings = "SELECT current_setting('zhizhi.actor', true), current_setting('zhizhi.clinics', true)"
    with acting(nurse):
        with acting(job):
            assert current_actor() is job
            assert run(settings) == [(job.ref, f"{{{OTHER_CLINIC}}}")]
        assert current_actor() is nurse
        assert run(settings) == [(nurse.ref, f"{{{CLINIC}}}")]
        with pytest.raises(ZeroDivisionError), acting(job):
            raise ZeroDivisionError
        assert run(settings) == [(nurse.ref, f"{{{CLINIC}}}")]


@pytest.mark.parametrize(
    "nonsense", ["", "unknown", "203.0.113.7, 10.0.0.1", "'; DROP TABLE", "1.2.3.4:80", "\0", "999.1.1.1"]
)
def test_nonsense_in_a_forwarding_header_does_not_break_a_write(nonsense: str) -> None:
    with acting(staff_actor(), address=nonsense):
        record("card.opened", object=("patients.card", "17"))
    assert [entry["address"] for entry in events()] == [None]
    assert valid_address(" 2001:DB8::1 ") == "2001:db8::1"


def test_values_are_written_as_plain_text_and_a_sealed_one_never() -> None:
    at = datetime(2026, 3, 1, 8, 30, tzinfo=UTC)
    assert [plain(v) for v in (None, True, 3, "a", Purpose.CARE, date(1960, 2, 29), at, Decimal("5.20"), Sealed(b"x"))] == [
        None, True, 3, "a", "care", "1960-02-29", "2026-03-01T08:30:00.000000Z", "5.20", "‹sealed›",
    ]  # fmt: skip
    for refused in (b"bytes", 1.5):
        with pytest.raises(TypeError):
            plain(refused)


@pytest.mark.django_db(transaction=True)
def test_when_the_log_cannot_be_written_nothing_happens(open_clinic: UUID) -> None:
    nurse = staff_actor()
    with acting(nurse):
        before = open_probe(colour="red")
    run_as_owner("REVOKE INSERT ON audit_event FROM zhizhi_app")
    try:
        with pytest.raises(LogUnavailable), acting(nurse):
            open_probe()
        with pytest.raises(LogUnavailable), acting(nurse):
            paint("blue")
    finally:
        run_as_owner("GRANT INSERT ON audit_event TO zhizhi_app")
    with acting(nurse):
        assert [(probe.pk, probe.colour) for probe in Probe.objects.all()] == [(before.pk, "red")]


def paint(colour: str) -> None:
    Probe.objects.update(colour=colour)
    record("colour.changed", object=("audit_tests.probe", "all"), count=Probe.objects.count())


@pytest.mark.django_db(transaction=True)
def test_a_unit_of_work_leaves_nothing_on_its_connection(open_clinic: UUID) -> None:
    with acting(staff_actor()):
        open_probe()
        assert Probe.objects.count() == 1
    assert not connection.in_atomic_block
    assert run("SELECT coalesce(current_setting('zhizhi.clinics', true), '')") == [("",)]
    with transaction.atomic():
        assert Probe.objects.count() == 0
