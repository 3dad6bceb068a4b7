"""Tokens of one person in, people with a token out. Nothing here opens a sealed value."""

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from django.db import connection
from django.db.models.expressions import RawSQL

from crypto.indexes import Index, tokens_for
from patients.models import Patient, PatientSearch, PatientSearchPerson


def write_tokens(patient: Patient, parts: Mapping[str, str | None]) -> None:
    """Make a new patient findable by the parts of their identity."""
    person = PatientSearchPerson.objects.create(
        clinic_id=patient.clinic_id, subject_id=patient.subject_id, patient=patient
    )
    _insert(patient, person, parts)


def rewrite_tokens(patient: Patient, parts: Mapping[str, str | None]) -> None:
    """Make a patient findable by the parts of their identity as they are now, and by nothing they were.

    All of them, in every key version: while tokens are rebuilt, who has one of a version has all of it.
    """
    # the walk that rebuilds tokens locks the same row
    person = PatientSearchPerson.objects.select_for_update(no_key=True).get(
        clinic_id=patient.clinic_id, subject_id=patient.subject_id
    )
    PatientSearch.objects.filter(search_id=person.pk).delete()
    _insert(patient, person, parts)


def _insert(patient: Patient, person: PatientSearchPerson, parts: Mapping[str, str | None]) -> None:
    PatientSearch.objects.bulk_create(
        [
            PatientSearch(
                clinic_id=patient.clinic_id, index=int(index), key_ver=key_ver, token=token, search=person
            )
            for index, key_ver, token in tokens_of(patient.clinic_id, parts)
        ]
    )


def tokens_of(
    clinic_id: UUID, parts: Mapping[str, str | None], *, version: int | None = None
) -> list[tuple[Index, int, int]]:
    """(index, key version, token) of a person with these parts of an identity, each once; of one key version or of all."""
    return [
        (index, key_ver, token)
        for part, indexes in INDEXES_OF.items()
        if (text := parts.get(part))
        for index in indexes
        for key_ver, token in dict.fromkeys(tokens_for(clinic_id, index, text, version=version))
    ]


INDEXES_OF = {
    "name": (Index.NAME_BG, Index.NAME_EQ, Index.PY_INIT),
    "phone": (Index.PHONE_EQ, Index.PHONE_LAST4),
    "id_number": (Index.IDNO_EQ,),
}


def people_with(clinic_id: UUID, index: Index, text: str, *, every: bool = False) -> list[UUID]:
    """Ids of patients of a clinic who have a token of this text, or with `every` all of its tokens, under one key.

    Whoever may see them: ask the gate. The server keeps the plan of this query, so that it costs little more than one in clear.
    """
    with connection.cursor() as cursor:
        cursor.execute(WITH_ALL if every else WITH_ANY, _asked(clinic_id, index, text))
        return [patient_id for (patient_id,) in cursor.fetchall()]


def few_with(clinic_id: UUID, index: Index, text: str) -> RawSQL:
    """The same people as a subquery, for `pk__in=`: one statement less where few have the token."""
    return RawSQL(WITH_ANY, _asked(clinic_id, index, text))  # noqa: S611  # constant text, values as parameters


def _asked(clinic_id: UUID, index: Index, text: str) -> list[Any]:
    pairs = dict.fromkeys(tokens_for(clinic_id, index, text))
    return [clinic_id, int(index), [version for version, _ in pairs], [token for _, token in pairs]]


WITH_ANY: Final = "SELECT * FROM patients_with_any(%s, %s::smallint, %s::smallint[], %s::bigint[])"
WITH_ALL: Final = "SELECT * FROM patients_with_all(%s, %s::smallint, %s::smallint[], %s::bigint[])"
