"""Find a patient by what people say at the desk. Tokens give candidates; opening them decides; only visible ones are asked."""

import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from itertools import chain
from typing import Final
from uuid import UUID

from django.db.models import Q, QuerySet
from django.db.models.expressions import RawSQL
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from audit.access import access
from audit.actors import Actor
from audit.kinds import Kind
from audit.purposes import Purpose
from crypto.core.pinyin import initials
from crypto.core.tokens import name_terms
from crypto.errors import SealBroken
from crypto.indexes import Index
from patients.errors import PatientNotFound, PhoneInvalid, SearchByNumberOnly, SearchTooShort
from patients.identity import read_phone
from patients.models import Patient
from patients.queries.access import visible_patients
from patients.queries.twins import COMPARED
from patients.search_tokens import few_with, people_with

LONGEST_QUERY: Final = 40
MATCHES_SHOWN: Final = 50
WHOLE_NAME: Final = (
    3  # characters from which on people with exactly this name are enough; two are often a part
)
FEW: Final = 60
WRONG_AMONG_THEM: Final = 10  # candidates that turn out to be somebody else, on a page of fifty
CANDIDATES: Final = 1000  # opened at most for one search
READ_ONE_BY_ONE: Final = 5000  # a single character is looked for among so many visible patients and no more

SERVICE_NUMBER: Final = re.compile(r"(?:ZZ)?-?([0-9]{4})-?([0-9]{4})", re.IGNORECASE)
CARD_NUMBER: Final = re.compile(r"[0-9]{10}")
PHONE_TAIL: Final = re.compile(r"[0-9]{4,11}")
INITIALS: Final = re.compile(r"[A-Za-z]{2,10}")


class MatchedBy(StrEnum):
    SERVICE_NUMBER = "service_number"
    CARD_NUMBER = "card_number"
    PHONE = "phone"
    PHONE_TAIL = "phone_tail"
    NAME = "name"
    INITIALS = "initials"


WORDS: Final[dict[MatchedBy, Promise]] = {
    MatchedBy.SERVICE_NUMBER: _("Service number"),
    MatchedBy.CARD_NUMBER: _("Card number"),
    MatchedBy.PHONE: _("Phone"),
    MatchedBy.PHONE_TAIL: _("End of the phone"),
    MatchedBy.NAME: _("Name"),
    MatchedBy.INITIALS: _("Pinyin initials"),
}


@dataclass(frozen=True, slots=True)
class Match:
    """A patient the actor may see, and by what they were found. Pages show name and phone masked."""

    patient: Patient
    by: MatchedBy

    @property
    def words(self) -> Promise:
        return WORDS[self.by]


@dataclass(frozen=True, slots=True)
class Probe:
    """One way to read what was typed: the candidates, and the check that the opened person is meant.

    `holds` None: what was typed is compared in clear, so nothing need be opened.
    """

    by: MatchedBy
    candidates: QuerySet[Patient]
    holds: Callable[[Patient], bool] | None = None
    limit: int = CANDIDATES
    few: bool = False  # probably so few that all are fetched, and put in order here


def search_patients(actor: Actor, clinic_id: UUID, text: str) -> list[Match]:
    """Visible patients meant by the text, at most 50: numbers before names, newest first.

    The text may be a phone or its last digits (four or more), two or more characters of a name, pinyin initials, a service
    number or a card number; whoever opens no names finds by those two alone. Where three or more characters are somebody's whole name, longer names are left out. Raises SearchTooShort for one character, unless the actor sees at most 5,000 patients, and SearchByNumberOnly.
    """
    visible = visible_patients(actor, clinic_id)
    if not actor.field_sets >= COMPARED:
        return _found_by_number(visible, text)
    return _search(visible, clinic_id, text, Purpose.CARE)


def search_for_log(actor: Actor, clinic_id: UUID, text: str) -> list[Match]:
    """Whose log is asked about: every patient of the clinic, found as `search_patients` finds those of one's own.

    For those alone who may read the log, and who then see a service number and no name: nothing else of whoever is found may be
    shown. Raises PatientNotFound for everybody else, SearchTooShort.
    """
    if "log" not in actor.field_sets or actor.clinic_id != clinic_id:
        raise PatientNotFound
    return _search(Patient.objects.filter(clinic_id=clinic_id), clinic_id, text, Purpose.SECURITY)


def _search(visible: QuerySet[Patient], clinic_id: UUID, text: str, purpose: Purpose) -> list[Match]:
    query = unicodedata.normalize("NFKC", text).strip()[:LONGEST_QUERY]
    found: dict[UUID, Match] = {}
    with access(purpose, Kind.MATCHED, field_sets=COMPARED):
        numbers = _number_probes(visible, clinic_id, query)
        for probe in chain(numbers, _name_probes(visible, clinic_id, query, found)):
            for patient in meant(probe, MATCHES_SHOWN - len(found)):
                found.setdefault(patient.pk, Match(patient, probe.by))
    return list(found.values())


def _found_by_number(visible: QuerySet[Patient], text: str) -> list[Match]:
    probes = list(_clear_number_probes(visible, unicodedata.normalize("NFKC", text).strip()))
    if not probes:
        raise SearchByNumberOnly
    return [Match(patient, probe.by) for probe in probes for patient in meant(probe, MATCHES_SHOWN)]


def by_phone(visible: QuerySet[Patient], clinic_id: UUID, phone: str) -> Probe:
    """Who has this number, in E.164, whole."""
    owners = few_with(clinic_id, Index.PHONE_EQ, phone)
    return Probe(
        MatchedBy.PHONE, visible.filter(pk__in=owners), lambda p: p.identity.phone == phone, few=True
    )


def by_whole_name(visible: QuerySet[Patient], clinic_id: UUID, name: str) -> Probe:
    """Who has this name and nothing beside it, as `name_terms` writes it."""
    namesakes = few_with(clinic_id, Index.NAME_EQ, name)
    return Probe(
        MatchedBy.NAME,
        visible.filter(pk__in=namesakes),
        lambda p: name_terms(p.identity.name or "") == name,
        few=True,
    )


def by_name(visible: QuerySet[Patient], clinic_id: UUID, part: str) -> Probe:
    """Who has these neighbouring characters in the name, two or more, as `name_terms` writes them."""
    namesakes = people_with(clinic_id, Index.NAME_BG, part, every=True)
    return _among(namesakes, visible, MatchedBy.NAME, partial(_is_named, part))


def _among(
    ids: list[UUID], visible: QuerySet[Patient], by: MatchedBy, holds: Callable[[Patient], bool]
) -> Probe:
    if len(ids) <= FEW:
        return Probe(by, visible.filter(pk__in=ids), holds, few=True)
    return Probe(
        by, visible.filter(pk__in=RawSQL("SELECT unnest(%s::uuid[])", [ids])), holds
    )  # constant text


def meant(probe: Probe, room: int) -> Iterator[Patient]:
    """The candidates that are meant, newest first, up to `room`; no more are opened than it takes to fill it.

    Iterate inside an access scope.
    """
    if room <= 0:
        return
    for patient in _newest_first(probe, room):
        if probe.holds is None or _holds(probe.holds, patient):
            room -= 1
            yield patient
        if room <= 0:
            return


def _newest_first(probe: Probe, room: int) -> Iterator[Patient]:
    """The candidates, up to the probe's limit. Few are wrong, so a few more are fetched than there is room for, and the rest when
    that was not enough: a common name has a thousand."""
    if probe.few:
        few = list(probe.candidates[: FEW + 1])
        if len(few) <= FEW:
            yield from sorted(few, key=lambda p: (p.created_at, p.pk), reverse=True)
            return
    candidates = probe.candidates.order_by("-created_at", "-pk")
    first = list(candidates[: room + WRONG_AMONG_THEM])
    yield from first
    if len(first) == room + WRONG_AMONG_THEM:
        last = first[-1]
        earlier = Q(created_at__lt=last.created_at) | Q(created_at=last.created_at, pk__lt=last.pk)
        yield from candidates.filter(earlier)[: probe.limit - len(first)]


def _holds(check: Callable[[Patient], bool], patient: Patient) -> bool:
    """Whether the opened person is meant. Of one who cannot be read nobody knows: they are found by number alone."""
    try:
        return check(patient)
    except SealBroken:
        return False


def _clear_number_probes(visible: QuerySet[Patient], query: str) -> Iterator[Probe]:
    """By the numbers that mean nothing; nothing is opened."""
    if number := service_number_in(query):
        yield Probe(MatchedBy.SERVICE_NUMBER, visible.filter(service_number=number))
    if CARD_NUMBER.fullmatch(query):
        yield Probe(MatchedBy.CARD_NUMBER, visible.filter(cards__number=query))


def service_number_in(text: str) -> str | None:
    """A service number as it is kept, from what was typed of it: ZZ-1234-5678, 1234-5678, 12345678."""
    number = SERVICE_NUMBER.fullmatch(unicodedata.normalize("NFKC", text).strip())
    return "ZZ-{}-{}".format(*number.groups()) if number else None


def _number_probes(visible: QuerySet[Patient], clinic_id: UUID, query: str) -> Iterator[Probe]:
    yield from _clear_number_probes(visible, query)
    try:
        phone = read_phone(query)
    except PhoneInvalid:
        if PHONE_TAIL.fullmatch(query):
            tail = people_with(clinic_id, Index.PHONE_LAST4, query)
            ends = MatchedBy.PHONE_TAIL
            yield _among(tail, visible, ends, lambda p: (p.identity.phone or "").endswith(query))
    else:
        yield by_phone(visible, clinic_id, phone)


def _name_probes(
    visible: QuerySet[Patient], clinic_id: UUID, query: str, found: Mapping[UUID, Match]
) -> Iterator[Probe]:
    """`found` is looked at between two probes: whoever typed a whole name is not shown the longer names it is part of."""
    part = name_terms(query)
    if part.isdigit() or not part:
        return
    if len(part) >= WHOLE_NAME:
        yield by_whole_name(visible, clinic_id, part)
    if len(part) > 1:
        if all(match.by is not MatchedBy.NAME for match in found.values()):
            yield by_name(visible, clinic_id, part)
    elif part.isascii() or visible[: READ_ONE_BY_ONE + 1].count() > READ_ONE_BY_ONE:
        raise SearchTooShort
    else:
        yield Probe(MatchedBy.NAME, visible, partial(_is_named, part), limit=READ_ONE_BY_ONE)
    if INITIALS.fullmatch(query):
        read_so = people_with(clinic_id, Index.PY_INIT, part)
        yield _among(read_so, visible, MatchedBy.INITIALS, partial(_has_initials, part))


def _is_named(part: str, patient: Patient) -> bool:
    return part in name_terms(patient.identity.name or "")


def _has_initials(letters: str, patient: Patient) -> bool:
    return letters in initials(patient.identity.name or "")
