"""Whether the access table is what its sources say, and every patient whose name can be opened can be found."""

from collections.abc import Iterator
from typing import Any, Final
from uuid import UUID

from django.db import connection

from crypto.core.scopes import Scope
from crypto.soundness import PAGE, Check, Finding, Page

_PATIENTS: Final = "SELECT id FROM patients_patient WHERE clinic_id = %s AND id > %s ORDER BY id LIMIT %s"
_APART: Final = """
WITH held AS (
  SELECT clinic_id, grantee, created_at, patient_id, source, source_id, valid_from, valid_until
    FROM patient_access WHERE patient_id = ANY (%(patients)s)),
wanted AS (
  SELECT clinic_id, grantee, created_at, patient_id, source, source_id, valid_from, valid_until
    FROM patient_access_wanted WHERE patient_id = ANY (%(patients)s))
SELECT patient_id, grantee, true FROM (TABLE held EXCEPT TABLE wanted) more
UNION ALL SELECT patient_id, grantee, false FROM (TABLE wanted EXCEPT TABLE held) less
"""
_NOT_FOUND: Final = """
SELECT p.id FROM patients_patient p
WHERE p.id = ANY (%(patients)s) AND p.restricted_at IS NULL
  AND EXISTS (SELECT FROM subject_key k WHERE k.subject_id = p.subject_id AND k.scope = %(identity)s AND k.wrapped IS NOT NULL)
  AND NOT EXISTS (SELECT FROM patient_search_person s WHERE s.subject_id = p.subject_id)
"""


def checks() -> Iterator[Check]:
    yield _access
    yield _index


def _access(clinic_id: UUID, after: UUID) -> Page:
    patients = _patients(clinic_id, after)
    found = [
        Finding(
            "patient_access",
            f"{patient_id} {grantee}",
            "nobody gave this access" if more else "this access is missing",
        )
        for patient_id, grantee, more in _rows(_APART, {"patients": patients})
    ]
    return _page(patients, found)


def _index(clinic_id: UUID, after: UUID) -> Page:
    patients = _patients(clinic_id, after)
    lost = _rows(_NOT_FOUND, {"patients": patients, "identity": int(Scope.IDENTITY)})
    return _page(
        patients, [Finding("patients_patient", str(pk), "no search finds this person") for (pk,) in lost]
    )


def _page(patients: list[UUID], found: list[Finding]) -> Page:
    return Page(len(patients), found, patients[-1] if len(patients) == PAGE else None)


def _patients(clinic_id: UUID, after: UUID) -> list[UUID]:
    return [pk for (pk,) in _rows(_PATIENTS, [clinic_id, after, PAGE])]


def _rows(sql: str, values: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        return list(cursor.fetchall())
