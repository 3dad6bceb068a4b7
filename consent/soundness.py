"""Whether each standing permission is what the ledger's lines come to."""

from collections import defaultdict
from collections.abc import Iterator
from typing import Final
from uuid import UUID

from consent.decisions import Line, fold
from consent.ledger import line_of
from consent.models import ConsentEvent, ConsentState
from consent.models.ledger import KEY
from consent.queries import standing_of
from crypto.soundness import Check, Finding, Page

PAGE: Final = 500


def checks() -> Iterator[Check]:
    yield _states


def _states(clinic_id: UUID, after: UUID) -> Page:
    found = ConsentState.objects.filter(clinic_id=clinic_id, pk__gt=after).order_by("pk")
    states = list(found[:PAGE])
    lines = _lines({state.subject_id for state in states})
    apart = [
        Finding("consent_state", str(state.pk), "is not what its lines in consent_event come to")
        for state in states
        if standing_of(state) != fold(lines[_key(state)])
    ]
    return Page(len(states), apart, states[-1].pk if len(states) == PAGE else None)


def _lines(subjects: set[UUID]) -> dict[tuple[object, ...], list[Line]]:
    lines: dict[tuple[object, ...], list[Line]] = defaultdict(list)
    for event in ConsentEvent.objects.filter(subject_id__in=subjects).defer("evidence").order_by("version"):
        lines[_key(event)].append(line_of(event))
    return lines


def _key(row: ConsentState | ConsentEvent) -> tuple[object, ...]:
    return tuple(getattr(row, name) for name in KEY)
