"""What `crypto_status` shows: where each clinic's keys stand, read and never changed."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import connection

from audit.acting import acting
from audit.actors import system_actor
from clinics.models import Clinic
from crypto import resealing, rotation
from crypto.core.suites import Suite
from crypto.jobs import unfinished_jobs
from crypto.models import IndexKey, Kek, KekState, KeyJob


@dataclass(frozen=True, slots=True)
class Keys:
    """How many keys of one kind live, lie under a legal hold, and were destroyed."""

    living: int
    held: int
    destroyed: int


@dataclass(frozen=True, slots=True)
class Values:
    """The values of one sealed field, by suite. `stays`: the table is only added to, so they keep the seal they have."""

    name: str
    by_suite: dict[Suite, int]
    stays: bool


@dataclass(frozen=True, slots=True)
class KeyStatus:
    """A clinic's keys. `under` maps each KEK to the living keys that hang on it; `older` are living data keys of an older suite."""

    keks: list[Kek]
    under: dict[int, int]
    epoch_ends: datetime | None
    data_keys: Keys
    file_keys: Keys
    older: int
    index_versions: list[int]
    jobs: list[KeyJob]
    values: list[Values]


def key_status(clinic: Clinic) -> KeyStatus:
    """Each question is a unit of work of its own, so that a large clinic's answers stay within the transaction's 5 s."""
    actor = system_actor("keys", clinic.pk)
    with acting(actor):
        keks = list(Kek.objects.filter(clinic_id=clinic.pk).order_by("pk"))
        under = {kek.pk: rotation.keys_under(kek) for kek in keks}
        jobs = unfinished_jobs(clinic.pk)
        indexes = IndexKey.objects.filter(clinic_id=clinic.pk, destroyed_at=None).order_by("version")
        versions = list(indexes.values_list("version", flat=True))
    with acting(actor):
        data_keys, file_keys = _keys("subject_key", clinic.pk), _keys("sealed_file", clinic.pk)
    with acting(actor):
        older = resealing.keys_of_older_suites(clinic.pk)
    values = []
    for column in resealing.sealed_columns():
        with acting(actor):
            by_suite = resealing.values_by_suite(column, clinic.pk)
            values.append(Values(column.label, by_suite, stays=not column.may_change()))
    ends = [kek.not_after for kek in keks if kek.state == KekState.ACTIVE]
    return KeyStatus(
        keks, under, max(ends, default=None), data_keys, file_keys, older, versions, jobs, values
    )


def _keys(table: str, clinic_id: UUID) -> Keys:
    with connection.cursor() as cursor:
        cursor.execute(_COUNT_KEYS.format(table=table), [clinic_id])
        return Keys(*cursor.fetchone())


_COUNT_KEYS = """
SELECT count(*) FILTER (WHERE k.wrapped IS NOT NULL AND w.state <> 'hold'),
       count(*) FILTER (WHERE k.wrapped IS NOT NULL AND w.state = 'hold'),
       count(*) FILTER (WHERE k.wrapped IS NULL)
FROM {table} k JOIN crypto_kek w ON w.id = k.kek_id WHERE k.clinic_id = %s
"""
