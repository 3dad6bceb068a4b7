"""Decoys: invented patients whom nobody has a reason to open. Nothing in clear tells one from anybody else.

Which subjects are decoys stands in a table of keyed marks, made with the clinic's index secrets: with the database alone nobody
can match one to a patient, and with the secrets one can only try each patient in turn. See ADR 0015.
"""

from collections.abc import Iterable
from random import SystemRandom
from uuid import UUID

from django.db import transaction

from audit.models import Decoy
from crypto import keyring
from crypto.epoch import move_counter
from crypto.errors import KeysMissing, SealBroken
from crypto.indexes import marks_for


@transaction.atomic
def mark_decoys(clinic_id: UUID, subject_ids: Iterable[UUID]) -> None:
    """From this transaction's commit on these subjects are decoys; marking one again changes nothing.

    Inside `acting`. Their cards are to be opened in transactions before this one: rows of one transaction can be told to
    belong together. No event names them. Raises KeysMissing.
    """
    marks = [
        Decoy(clinic_id=clinic_id, key_ver=version, mark=mark)
        for subject_id in subject_ids
        for version, mark in marks_for(clinic_id, subject_id)
    ]
    SystemRandom().shuffle(marks)
    Decoy.objects.bulk_create(marks, ignore_conflicts=True)
    move_counter()


def carry_over(clinic_id: UUID, subject_ids: Iterable[UUID]) -> int:
    """Give those of these subjects who are decoys under one living index key their marks under all the others.

    Answers how many marks were written. To be called for every subject of the clinic while an old and a new index key live.
    """
    marks = {subject_id: marks_for(clinic_id, subject_id) for subject_id in subject_ids}
    there = set(
        Decoy.objects.filter(
            clinic_id=clinic_id, mark__in=[mark for found in marks.values() for _version, mark in found]
        ).values_list("key_ver", "mark")
    )
    known = {(version, bytes(mark)) for version, mark in there}
    missing = [
        Decoy(clinic_id=clinic_id, key_ver=version, mark=mark)
        for found in marks.values()
        if known.intersection(found)
        for version, mark in found
        if (version, mark) not in known
    ]
    Decoy.objects.bulk_create(missing, ignore_conflicts=True)
    return len(missing)


def decoys_among(clinic_id: UUID, subject_ids: Iterable[UUID]) -> list[UUID]:
    """Which of these subjects are decoys. No statement, but once a minute."""
    marks = _marks_of(clinic_id)
    if not marks:
        return []
    try:
        return [s for s in subject_ids if any(mark in marks for _v, mark in marks_for(clinic_id, s))]
    except (
        KeysMissing,
        SealBroken,
    ):  # a damaged index key has its own alarm, one that is away shows in health
        return []


def _marks_of(clinic_id: UUID) -> frozenset[bytes]:
    """The marks of a clinic, as this process knows them: read once a minute, and anew when the epoch of keys moved."""
    kept = keyring.unit().caches.marks
    marks = kept.get(clinic_id)
    if marks is None:
        rows = Decoy.objects.filter(clinic_id=clinic_id).values_list("mark", flat=True)
        marks = frozenset(bytes(mark) for mark in rows)
        kept.put(clinic_id, marks)
    return marks
