"""Actors for tests, and a watched, audited, sealed table of the tests' own: the lowest app cannot borrow one from above."""

from typing import ClassVar
from uuid import UUID

from django.db import models

from audit.actors import Actor, system_actor
from audit.registry import audited
from crypto.fields import Scope, SealedParts, SealedText
from crypto.ids import uuid7
from crypto.managers import SealedManager
from crypto.models import SealedModel
from crypto.services import create_subject_keys

CLINIC = UUID("01980000-0000-7000-8000-00000000000a")
OTHER_CLINIC = UUID("01980000-0000-7000-8000-00000000000b")
SETUP = system_actor("tests", CLINIC)


def staff_actor(
    *, clinic_id: UUID = CLINIC, field_sets: frozenset[str] | None = None, user_id: UUID | None = None
) -> Actor:
    """A nurse at work: sees identity, contact and clinical values."""
    user_id = user_id or uuid7()
    return Actor(
        ref=f"user:{user_id}",
        kind="staff",
        clinic_id=clinic_id,
        field_sets=frozenset({"identity", "contact", "clinical"}) if field_sets is None else field_sets,
        user_id=user_id,
        roles=("nurse",),
    )


@audited(exclude=["secret"])
class Probe(SealedModel):
    """A patient's row in small: two sealed fields, clear ones, and one whose value is nobody's business."""

    clinic_id = models.UUIDField()
    identity = SealedParts(
        aad_name="probe.identity",
        scope=Scope.IDENTITY,
        parts={"name": "identity", "phone": "contact"},
    )
    note = SealedText(aad_name="probe.note", scope=Scope.RECORD, null=True)
    colour = models.TextField()
    secret = models.TextField(default="")

    objects: ClassVar[SealedManager["Probe"]] = SealedManager()

    class Meta:
        app_label = "audit_tests"
        managed = False
        db_table = "audit_probe"
        base_manager_name = "objects"


PROBE_TABLE = """
CREATE TABLE audit_probe (
  id uuid PRIMARY KEY, subject_id uuid NOT NULL, sealed_by_clinic uuid NOT NULL, clinic_id uuid NOT NULL,
  identity bytea, note bytea, colour text NOT NULL, secret text NOT NULL
);
SELECT zhizhi_clinic_only('audit_probe');
SELECT audit_watch('audit_probe');
"""


def open_probe(*, note: str = "空腹血糖 7.2", colour: str = "red") -> Probe:
    """A probe of a new subject with keys. Inside `acting`."""
    subject = uuid7()
    create_subject_keys(CLINIC, subject)
    probe = Probe(subject_id=subject, clinic_id=CLINIC, colour=colour, note=note)
    probe.identity = {"name": "王小芳", "phone": "13800001234"}
    probe.save()
    return probe
