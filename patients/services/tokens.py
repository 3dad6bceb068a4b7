"""New search tokens for everybody when the clinic's index secret changes. Search finds everybody meanwhile: it asks in both versions."""

import logging
from collections.abc import Iterator
from typing import NamedTuple
from uuid import UUID

from django.db import connection

from audit.access import access
from audit.decoys import carry_over
from audit.kinds import Kind
from audit.purposes import Purpose
from crypto.errors import KeyRestricted, SealBroken
from patients.models import Patient, PatientSearch, PatientSearchPerson
from patients.search_tokens import INDEXES_OF, tokens_of

logger = logging.getLogger(__name__)


class TokenPage(NamedTuple):
    """The last `search_id` of a page, None at the end, and how many people it held."""

    last: UUID | None
    people: int


def rebuild_tokens(clinic_id: UUID, *, version: int, after: UUID, limit: int) -> TokenPage:
    """Write tokens of this version for the next people after `after`; who has some already has all of them. Decoys stay decoys.

    Every process must write this version by now, so that nobody who comes in behind the walk is left out. A person whose
    identity does not open gets none: nobody could be shown them. Call it inside `acting`; it leaves one ACCESS event.
    """
    people = list(
        PatientSearchPerson.objects.select_for_update(
            no_key=True
        )  # an erasure waits, and finds the new tokens too
        .filter(clinic_id=clinic_id, search_id__gt=after)
        .order_by("search_id")[:limit]
    )
    if not people:
        return TokenPage(None, 0)
    ready = PatientSearch.objects.filter(search_id__in=[p.pk for p in people], key_ver=version)
    done = set(ready.values_list("search_id", flat=True))
    waiting = {person.subject_id: person for person in people if person.pk not in done}
    rows = [
        (int(index), token, waiting[subject_id].pk)
        for subject_id, parts in _identities(clinic_id, list(waiting))
        for index, _version, token in tokens_of(clinic_id, parts, version=version)
    ]
    with connection.cursor() as cursor:
        indexes, tokens, search_ids = ([row[place] for row in rows] for place in range(3))
        cursor.execute(_INSERT, [clinic_id, version, indexes, tokens, search_ids])
    carry_over(clinic_id, [person.subject_id for person in people])
    return TokenPage(people[-1].pk, len(people))


_INSERT = """
INSERT INTO patient_search (clinic_id, key_ver, index, token, search_id)
SELECT %s, %s, * FROM unnest(%s::smallint[], %s::bigint[], %s::uuid[])
"""


def _identities(clinic_id: UUID, subjects: list[UUID]) -> Iterator[tuple[UUID, dict[str, str | None]]]:
    patients = list(
        Patient.objects.filter(clinic_id=clinic_id, subject_id__in=subjects).only("clinic_id", "identity")
    )
    with access(Purpose.SECURITY, Kind.COMPUTED):
        for patient in patients:
            try:
                parts = {part: patient.identity.read(part) for part in INDEXES_OF}
            except (SealBroken, KeyRestricted) as error:
                logger.warning("no search tokens for patient %s: %s", patient.pk, type(error).__name__)
                continue
            yield patient.subject_id, parts


def drop_old_tokens(clinic_id: UUID, *, version: int, after: UUID, limit: int) -> TokenPage:
    """Delete the tokens of versions before this one from the next people after `after`; their secret is destroyed by now."""
    people = PatientSearchPerson.objects.filter(clinic_id=clinic_id, search_id__gt=after).order_by(
        "search_id"
    )
    page = list(people.values_list("search_id", flat=True)[:limit])
    if not page:
        return TokenPage(None, 0)
    PatientSearch.objects.filter(search_id__in=page, key_ver__lt=version).delete()
    return TokenPage(page[-1], len(page))
