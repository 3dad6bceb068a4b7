"""A clinic with a key folder of its own and a hold pair, and a person with something in every table, for tests of erasing."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from audit.access import access
from audit.acting import acting
from audit.actors import Actor, system_actor
from audit.kinds import Kind
from audit.purposes import Purpose
from clinics.models import Clinic, User
from clinics.roles import Role
from consent.codes import send_code as send_confirmation
from crypto import keyring
from crypto.core.ledger import Erasure
from crypto.core.scopes import Scope
from crypto.epoch import move_counter
from crypto.files import write_file
from crypto.hold import create_pair
from crypto.models import CryptoEpoch, SubjectKey
from exchange.services import Erased, Reason, erase_patient
from followups.loop import claim_due
from patients.choices import GrantReason, PortalRelation, TwinReason
from patients.models import Patient
from patients.services import give_portal_access, grant_chart
from portal.doors import Asker
from portal.services import send_code
from tests.factories.clinics import (
    CareTeamFactory,
    ClinicFactory,
    StaffFactory,
    StaffRoleFactory,
    TeamMemberFactory,
    said,
)
from tests.factories.consent import MONDAY, ConsentFactory
from tests.factories.followups import HIGH_LDL, file_results, take
from tests.factories.patients import PatientFactory, actor_for

ERASED_AT = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)
PHONE = "+8613800004321"


def own_keys(settings: Any, folder: Path) -> Path:
    """Let the process work with an empty key folder and a folder of files below `folder`; answers the private half's file."""
    keys, files, private = folder / "keys", folder / "files", folder / "hold" / "hold.private"
    for made in (keys, files, private.parent):
        made.mkdir(mode=0o700)
    settings.KEYS_DIR, settings.FILES_DIR = keys, files
    CryptoEpoch.objects.update(key_store="", ledger_length=0, ledger_head="")
    move_counter()
    keyring.forget_everything()
    create_pair(private, keys)
    return private


@dataclass
class House:
    """A clinic with its people, and the private half of its hold pair."""

    clinic: Clinic
    nurse: Actor
    officer: Actor
    private: Path

    @property
    def nurse_account(self) -> User:
        assert self.nurse.user_id is not None
        return User.objects.get(pk=self.nurse.user_id)

    @property
    def nurse_name(self) -> str:
        return self.nurse_account.username

    @property
    def system(self) -> Actor:
        return system_actor("test", self.clinic.pk)

    def opened(self, **known: Any) -> Patient:
        with acting(self.nurse, self.clinic.pk):
            return PatientFactory(clinic=self.clinic, by=self.nurse, at=MONDAY - timedelta(days=2), **known)

    def erase(self, patient: Patient, at: datetime = ERASED_AT) -> Erased:
        return erase_patient(patient, reason=Reason.REQUEST, by=self.officer, at=at)


def the_line(erased: Erased) -> Erasure:
    """Of an erasure that did something."""
    assert erased.line is not None
    return erased.line


def HouseFactory(private: Path) -> House:
    clinic = ClinicFactory("east")
    nurse, officer = StaffFactory(), StaffFactory(username="officer")
    StaffRoleFactory(user=nurse, clinic=clinic, role=Role.NURSE)
    StaffRoleFactory(user=officer, clinic=clinic, role=Role.PRIVACY_OFFICER)
    TeamMemberFactory(team=CareTeamFactory(clinic=clinic), user=nurse)
    return House(clinic, actor_for(nurse, clinic), actor_for(officer, clinic), private)


def person_in_care(house: House) -> Patient:
    """Somebody with something in every table: results, to-dos, messages, permissions, portal, grants, files."""
    nurse, clinic, yesterday = house.nurse, house.clinic, MONDAY - timedelta(days=1)
    house.opened(name="王小芳", phone="+8613800009999")
    patient = house.opened(name="王小芳", phone=PHONE, twin_reason=TwinReason.OTHER_PERSON)
    with acting(nurse, clinic.pk):
        for purpose in (Purpose.RISK, Purpose.FOLLOWUP):
            ConsentFactory(patient, purpose, by=nurse, at=yesterday)
        file_results(patient, by=nurse, ldl=HIGH_LDL)
        give_portal_access(patient, PortalRelation.SELF, house.system, at=yesterday)
        proxy = said(User.objects.create_patient_account())
        give_portal_access(patient, PortalRelation.PROXY, house.system, at=yesterday, user=proxy)
        grant_chart(patient, StaffFactory(), reason=GrantReason.COVER, by=nurse, at=MONDAY)
        said(write_file(clinic.pk, patient.pk, patient.subject_id, Scope.CONSENTED, [b"a picture"]))
        said(write_file(clinic.pk, patient.pk, patient.subject_id, Scope.RECORD, [b"a scan"]))
    take(clinic)
    claim_due(clinic, MONDAY)
    with acting(nurse, clinic.pk), access(Purpose.CARE, Kind.COMPUTED):
        send_confirmation(patient, clinic, MONDAY)
        send_code(clinic, PHONE, asker=Asker("127.0.0.1"), at=MONDAY)
    return patient


def living_keys_of(subject_id: UUID) -> dict[int, str]:
    """Scope to "open" or "held", of every key that is not destroyed. Inside `acting`."""
    rows = SubjectKey.objects.filter(subject_id=subject_id, destroyed_at=None).select_related("kek")
    return {row.scope: "held" if row.kek.state == "hold" else "open" for row in rows}
