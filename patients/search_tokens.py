"""Tokens of one person in, people with a token out. Nothing here opens a sealed value."""

from collections import Counter
from uuid import UUID

from django.db.models import Count, Q, QuerySet

from crypto.indexes import Index, tokens_for
from patients.models import Patient, PatientSearch, PatientSearchPerson


def write_tokens(patient: Patient, parts: dict[str, str | None]) -> None:
    """Make a new patient findable by the parts of their identity."""
    person = PatientSearchPerson.objects.create(
        clinic_id=patient.clinic_id, subject_id=patient.subject_id, patient=patient
    )
    inputs = [
        (index, text)
        for part, indexes in INDEXES_OF.items()
        for index in indexes
        if (text := parts.get(part))
    ]
    PatientSearch.objects.bulk_create(
        [
            PatientSearch(
                clinic_id=patient.clinic_id, index=int(index), key_ver=key_ver, token=token, search=person
            )
            for index, text in inputs
            for key_ver, token in dict.fromkeys(tokens_for(patient.clinic_id, index, text))
        ]
    )


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
