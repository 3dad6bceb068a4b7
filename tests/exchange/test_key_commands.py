"""Keys are changed while people work: every value opens and everybody is found after each page, and a killed run is gone on with."""

import io
from collections import defaultdict
from collections.abc import Generator
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connections
from django.utils.timezone import now
from pytest_django import Settings

from audit.access import access
from audit.acting import acting
from audit.actors import system_actor
from audit.kinds import Kind
from audit.models import AuditEvent
from audit.purposes import Purpose
from crypto import resealing
from crypto.core.scopes import Scope
from crypto.core.suites import Suite
from crypto.errors import KeysInUse
from crypto.files import read_chunks, write_file
from crypto.models import IndexKey, Kek, KekState, KeyJob, SealedFile, SubjectKey
from crypto.providers import provider
from exchange.services import keys
from patients.models import Patient, PatientSearch
from patients.queries import search_patients
from tests.factories.clinics import (
    CareTeamFactory,
    ClinicFactory,
    StaffFactory,
    StaffRoleFactory,
    TeamMemberFactory,
    said,
)
from tests.factories.consent import ConsentFactory
from tests.factories.crypto import damage
from tests.factories.patients import PatientFactory, actor_for

pytestmark = pytest.mark.django_db(transaction=True)

NAMES = ["邓淑英", "李娜", "欧阳晓静", "阿依古丽·买买提"]


class House:
    """A clinic at work: people with names, phones, consents and a file, and somebody who looks for them."""

    def __init__(self) -> None:
        self.clinic = ClinicFactory("east")
        self.system = system_actor("test", self.clinic.pk)
        team = CareTeamFactory(clinic=self.clinic)
        user = StaffFactory()
        StaffRoleFactory(user=user, clinic=self.clinic)
        TeamMemberFactory(team=team, user=user)
        self.doctor = actor_for(user, self.clinic)
        with acting(self.doctor):
            self.patients = {name: self.open_card(name) for name in NAMES}
            for patient in self.patients.values():
                ConsentFactory(patient, by=self.doctor, evidence=f"证人 {patient.service_number}")
            owner = self.patients["李娜"]
            self.file = write_file(
                self.clinic.pk, owner.pk, owner.subject_id, Scope.RECORD, [b"recorded " * 10_000]
            )
            said(self.file)

    def open_card(self, name: str) -> Patient:
        return PatientFactory(clinic=self.clinic, by=self.doctor, name=name)

    def everything_opens_and_everybody_is_found(self) -> None:
        with acting(self.doctor):
            for name, patient in self.patients.items():
                with access(Purpose.CARE, Kind.VIEWED):
                    fresh = Patient.objects.get(pk=patient.pk)
                    assert fresh.identity.name == name
                    phone = str(fresh.identity.phone)
                for typed in (name[:2], name, phone, phone[-4:]):
                    found = {
                        match.patient.pk for match in search_patients(self.doctor, self.clinic.pk, typed)
                    }
                    assert patient.pk in found, typed
            with access(Purpose.CARE, Kind.VIEWED):
                assert b"".join(read_chunks(self.file, "recording")) == b"recorded " * 10_000

    def run(self, **asked: Any) -> Generator[KeyJob, None, None]:
        with keys.only_run():
            yield from keys.keep_keys_of(self.clinic, at=now(), **asked)

    def data_keys(self) -> list[SubjectKey]:
        with acting(self.system):
            return list(SubjectKey.objects.select_related("kek"))


@pytest.fixture
def house(settings: Settings) -> House:
    return House()


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three rows a page, so that a few people are several pages."""
    for page in ("rewrap_page", "new_versions_page", "reseal_page", "destroy_unused_page"):
        module = "rotation" if page == "rewrap_page" else "resealing"
        real = getattr(getattr(keys, module), page)
        monkeypatch.setattr(f"crypto.{module}.{page}", lambda *args, real=real: real(*args, limit=3))
    monkeypatch.setattr(keys, "PEOPLE", 3)


def test_in_a_new_epoch_everything_opens_and_everybody_is_found_after_each_page(
    house: House, small_pages: None
) -> None:
    steps = 0
    newcomers = iter(["司马光明", "郑和平", "孙中正"])
    for _job in house.run(start=True):
        steps += 1
        if steps % 4 == 0 and (name := next(newcomers, None)):  # people come in while the keys change
            with acting(house.doctor):
                house.patients[name] = house.open_card(name)
        if steps % 2:
            house.everything_opens_and_everybody_is_found()

    assert steps > 10
    with acting(house.system):
        active = Kek.objects.get(clinic_id=house.clinic.pk, state=KekState.ACTIVE)
        assert {key.kek_id for key in house.data_keys()} == {active.pk}
        assert set(SealedFile.objects.values_list("kek_id", flat=True)) == {active.pk}
        assert set(PatientSearch.objects.values_list("key_ver", flat=True)) == {2}
        living = IndexKey.objects.filter(destroyed_at=None)
        assert list(living.values_list("version", "kek_id")) == [(2, active.pk)]
        assert not KeyJob.objects.filter(finished_at=None).exists()
        written = set(AuditEvent.objects.values_list("action", flat=True))
        assert {"keys.epoch_started", "keys.rewrapped", "index.rebuilt"} <= written
        ended = AuditEvent.objects.get(action="keys.destroyed", content_type__model="indexkey")
        assert ended.count == 1


def test_a_new_suite_moves_every_value_and_what_is_only_added_to_keeps_its_key(
    house: House, small_pages: None
) -> None:
    for steps, _job in enumerate(house.run(suite=Suite.SM4_GCM, start=True)):
        if steps % 4 == 0:
            house.everything_opens_and_everybody_is_found()
    house.everything_opens_and_everybody_is_found()

    with acting(house.system):
        suites = {
            column.label: resealing.values_by_suite(column, house.clinic.pk)
            for column in resealing.sealed_columns()
        }
        assert suites["patients.patient.identity"] == {Suite.SM4_GCM: len(NAMES)}
        assert suites["consent.consentevent.evidence"] == {Suite.AES_256_GCM: 2 * len(NAMES)}
    by_version: dict[tuple[int, Scope], list[tuple[Suite, bool]]] = defaultdict(list)
    for key in house.data_keys():
        by_version[key.version, Scope(key.scope)].append((Suite(key.suite), key.wrapped is not None))
    old, new = Suite.AES_256_GCM, Suite.SM4_GCM
    assert by_version == {
        (1, Scope.IDENTITY): [(old, False)] * len(NAMES),
        (1, Scope.RECORD): [(old, True)] * len(NAMES),  # the ledger of permissions is sealed under it
        (1, Scope.CONSENTED): [(old, False)] * len(NAMES),
        **{(2, scope): [(new, True)] * len(NAMES) for scope in Scope},
    }
    with acting(house.doctor):
        house.patients["新来"] = house.open_card("新来")
    house.everything_opens_and_everybody_is_found()


@pytest.mark.parametrize("killed_after", [2, 11, 17])
def test_a_run_that_ends_anywhere_is_gone_on_with(house: House, small_pages: None, killed_after: int) -> None:
    run = house.run(suite=Suite.SM4_GCM, start=True)
    for _step in range(killed_after):
        next(run)
    run.close()
    with acting(house.system):
        done = sum(KeyJob.objects.values_list("done", flat=True))
        begun = set(KeyJob.objects.exclude(finished_at=None).values_list("pk", flat=True))

    again = [job.pk for job in house.run()]

    assert not begun.intersection(again), "what was finished is not done again"
    with acting(house.system):
        assert sum(KeyJob.objects.values_list("done", flat=True)) >= done
        assert not KeyJob.objects.filter(finished_at=None).exists()
        identity = resealing.column_of("patients.patient.identity")
        assert identity is not None
        assert resealing.values_by_suite(identity, house.clinic.pk) == {Suite.SM4_GCM: len(NAMES)}
    house.everything_opens_and_everybody_is_found()
    assert list(house.run()) == []


def test_a_value_written_while_its_page_is_sealed_again_is_kept(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody saves a new phone after the page was read and before it is swapped in."""
    patient, real = house.patients["李娜"], resealing._swap

    def swap(*page: Any) -> int:
        other = connections.create_connection("default")
        mine, connections["default"] = connections["default"], other
        try:
            with acting(house.doctor), access(Purpose.CARE, Kind.VIEWED):
                fresh = Patient.objects.get(pk=patient.pk)
                fresh.identity.replace(phone="+8613800009999")
                fresh.save(update_fields=["identity"])
        finally:
            other.close()
            connections["default"] = mine
            monkeypatch.setattr(resealing, "_swap", real)
        return real(*page)

    monkeypatch.setattr(resealing, "_swap", swap)
    for _job in house.run(suite=Suite.SM4_GCM, start=True):
        pass

    with acting(house.doctor), access(Purpose.CARE, Kind.VIEWED):
        assert Patient.objects.get(pk=patient.pk).identity.phone == "+8613800009999"


def test_two_runs_do_not_get_into_each_others_way(house: House) -> None:
    run = house.run(start=True)
    next(run)
    other = connections.create_connection("default")
    mine, connections["default"] = connections["default"], other
    try:
        with pytest.raises(CommandError, match=r"正在更换密钥|Another run"):
            call_command("rotate_keys")
    finally:
        other.close()
        connections["default"] = mine
    assert list(run)


def test_a_run_does_not_go_on_while_somebody_works_with_keys_from_before(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crypto.epoch.SECONDS_TO_WAIT", 0.1)
    other = connections.create_connection("default")
    mine, connections["default"] = connections["default"], other
    try:
        with acting(house.doctor):
            name = house.open_card("正在开卡")  # under the old keys, and not committed yet
            connections["default"] = mine
            with pytest.raises(KeysInUse):
                list(house.run(start=True))
            connections["default"] = other
        connections["default"] = mine
        assert list(house.run()), "the rest of what was begun"
    finally:
        other.close()
        connections["default"] = mine
    house.patients["正在开卡"] = name
    house.everything_opens_and_everybody_is_found()


def test_old_keys_are_destroyed_when_their_days_are_over(house: House, settings: Settings) -> None:
    settings.OLD_KEYS_DAYS = 3
    with acting(house.system):
        old = Kek.objects.get()
    call_command("rotate_keys", "--epoch", stdout=io.StringIO())
    assert provider().exists(old.provider_ref)

    for _job in keys.keep_keys_of(house.clinic, at=now() + timedelta(days=3, seconds=1)):
        pass

    assert not provider().exists(old.provider_ref)
    with acting(house.system):
        assert Kek.objects.get(pk=old.pk).state == KekState.DESTROYED
        assert AuditEvent.objects.filter(action="keys.destroyed", object_pk=str(old.pk)).count() == 1
    house.everything_opens_and_everybody_is_found()


def test_an_epoch_starts_when_it_is_due_and_not_before(house: House) -> None:
    with acting(house.system):
        end = Kek.objects.get().not_after
    assert list(keys.keep_keys_of(house.clinic, at=end - timedelta(seconds=1))) == []
    assert list(keys.keep_keys_of(house.clinic, at=end))
    with acting(house.system):
        assert Kek.objects.count() == 2


def flip_one_bit(patient: Patient, house: House) -> None:
    """Damage a value past the fields; the second time it is whole again."""
    with acting(house.system):
        damage("patients_patient", "identity", patient.pk)


def test_a_value_that_does_not_open_stays_and_the_others_are_moved(house: House) -> None:
    damaged = house.patients.pop("李娜")
    flip_one_bit(damaged, house)
    out = io.StringIO()
    call_command("rotate_keys", "--suite", "sm4", stdout=out)

    with acting(house.system):
        kept = SubjectKey.objects.get(subject_id=damaged.subject_id, scope=Scope.IDENTITY, version=1)
        assert kept.wrapped is not None, "the key of a value that may yet be restored"
        identity = resealing.column_of("patients.patient.identity")
        assert identity is not None
        left = resealing.values_by_suite(identity, house.clinic.pk)
        assert left == {Suite.SM4_GCM: len(NAMES) - 1, Suite.AES_256_GCM: 1}
        assert PatientSearch.objects.filter(search__patient=damaged).count() == 0
    assert "100" in out.getvalue()


def test_reseal_moves_the_one_value_that_was_left_and_then_finds_nothing_to_do(house: House) -> None:
    """It did not open while the suite changed, and was repaired since."""

    def told() -> list[tuple[str, int | None]]:
        with acting(house.system):
            deeds = AuditEvent.objects.filter(action__in=["keys.resealed", "keys.destroyed"])
            return list(deeds.order_by("uid").values_list("action", "count"))

    left = house.patients["李娜"]
    flip_one_bit(left, house)
    call_command("rotate_keys", "--suite", "sm4", stdout=io.StringIO())
    flip_one_bit(left, house)
    before, out = told(), io.StringIO()

    call_command("reseal", "--clinic", "east", stdout=out)

    assert told()[len(before) :] == [("keys.resealed", 1), ("keys.destroyed", 1)]
    assert str(len(NAMES)) in out.getvalue()
    with acting(house.system):
        identity = resealing.column_of("patients.patient.identity")
        assert identity is not None
        assert resealing.values_by_suite(identity, house.clinic.pk) == {Suite.SM4_GCM: len(NAMES)}
        old = SubjectKey.objects.get(subject_id=left.subject_id, scope=Scope.IDENTITY, version=1)
        assert old.wrapped is None
    after = told()
    call_command("reseal", stdout=io.StringIO())
    assert told() == after
    with acting(house.doctor), access(Purpose.CARE, Kind.VIEWED):
        assert Patient.objects.get(pk=left.pk).identity.name == "李娜"
