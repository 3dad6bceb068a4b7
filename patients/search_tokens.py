"""Tokens of one person in, people with a token out. Nothing here opens a sealed value."""

from collections import Counter
from collections.abc import Mapping
from uuid import UUID

from django.db.models import Count, Q, QuerySet

from crypto.indexes import Index, tokens_for
from patients.models import Patient, PatientSearch, PatientSearchPerson


def write_tokens(patient: Patient, parts: Mapping[str, str | None]) -> None:
    """Make a new patient findable by the parts of their identity."""
    person = PatientSearchPerson.objects.create(
        clinic_id=patient.clinic_id, subject_id=patient.subject_id, patient=patient
    )
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


def people_with(
    clinic_id: UUID, index: Index, text: str, *, every: bool = False
) -> "QuerySet[PatientSearchPerson, UUID]":
    """Ids of patients of a clinic who have a token of this text, or with `every` all of its tokens, under one key."""
    pairs = set(tokens_for(clinic_id, index, text))
    if not pairs:
        return PatientSearchPerson.objects.none().values_list("patient_id", flat=True)
    needed = Counter(key_ver for key_ver, _token in pairs)
    by_key = [
        Q(key_ver=key_ver, token__in=[token for version, token in pairs if version == key_ver])
        for key_ver in needed
    ]
    found = PatientSearch.objects.filter(_any(by_key), clinic_id=clinic_id, index=int(index))
    owners = found.values("search_id")
    if every:
        all_of_them = _any([Q(key_ver=key_ver, hits=hits) for key_ver, hits in needed.items()])
        owners = (
            found.values("search_id", "key_ver")
            .annotate(hits=Count("token"))
            .filter(all_of_them)
            .values("search_id")
        )
    people = PatientSearchPerson.objects.filter(clinic_id=clinic_id, search_id__in=owners)
    return people.values_list("patient_id", flat=True)


def _any(conditions: list[Q]) -> Q:
    joined = Q()
    for condition in conditions:
        joined |= condition
    return joined
