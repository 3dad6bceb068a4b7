"""People who look like the one in front of the desk: shown beside the form, never a hard block."""

from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import Final
from uuid import UUID

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from audit.access import access
from audit.actors import Actor
from audit.kinds import Kind
from audit.purposes import Purpose
from crypto.errors import SealBroken
from crypto.indexes import Index
from patients.identity import NewIdentity, tidy_name
from patients.models import Patient
from patients.queries.access import visible_patients
from patients.search_tokens import people_with

TWINS_SHOWN: Final = 10
COMPARED: Final = frozenset(
    {"identity", "contact"}
)  # all that is opened to compare, whatever the role may see


class TwinSign(StrEnum):
    """In what two people are the same."""

    ID_NUMBER = "id_number"
    PHONE = "phone"
    NAME = "name"
    BIRTH_DATE = "birth_date"


SIGN_WORDS: Final = {
    TwinSign.ID_NUMBER: gettext_lazy("Same ID number"),
    TwinSign.PHONE: gettext_lazy("same phone"),
    TwinSign.NAME: gettext_lazy("same name"),
    TwinSign.BIRTH_DATE: gettext_lazy("same birth date"),
}


@dataclass(frozen=True, slots=True)
class Twin:
    """A visible patient who may be the same person, and why we think so."""

    patient: Patient
    signs: frozenset[TwinSign]

    @property
    def words(self) -> str:
        """What is the same, as the desk says it."""
        if self.signs == {TwinSign.PHONE}:
            return _("Shares this phone, entered as: %(owner)s") % {
                "owner": self.patient.get_phone_owner_display()
            }
        return _(", ").join(str(SIGN_WORDS[sign]) for sign in TwinSign if sign in self.signs)


@dataclass(frozen=True, slots=True)
class Likeness:
    """Who resembles a new person: those the actor may see, likeliest first, and the rest of those with the same number.

    `unreadable` are candidates the actor may see whose identity does not open: nobody knows whether they resemble anybody.
    """

    shown: list[Twin]
    hidden: set[UUID]
    unreadable: set[UUID]


def possible_twins(actor: Actor, clinic_id: UUID, identity: NewIdentity) -> list[Twin]:
    """Patients the actor sees with the same ID number, the same phone, or the same name and birth date; likeliest first.

    Candidates are opened to compare and counted as matched; only what is shown afterwards counts as shown.
    """
    return likeness(actor, clinic_id, identity).shown[:TWINS_SHOWN]


def likeness(actor: Actor, clinic_id: UUID, identity: NewIdentity) -> Likeness:
    """Everybody in the clinic who resembles the person. Of those the actor may not see, nothing is opened."""
    same_number = _with_same_number(clinic_id, identity)
    candidates = same_number | _namesakes(clinic_id, identity)
    if not candidates:
        return Likeness([], set(), set())
    visible = list(
        visible_patients(actor, clinic_id).filter(pk__in=candidates).order_by("-created_at", "-pk")
    )
    compared: list[Twin] = []
    with access(Purpose.CARE, Kind.MATCHED, field_sets=COMPARED):
        for patient in visible:
            with suppress(SealBroken):
                compared.append(Twin(patient, signs_of(patient, identity)))
    twins = [twin for twin in compared if _is_likely(twin.signs)]
    twins.sort(key=lambda twin: (TwinSign.ID_NUMBER not in twin.signs, -len(twin.signs)))
    seen = {patient.pk for patient in visible}
    return Likeness(twins, same_number - seen, seen - {twin.patient.pk for twin in compared})


def _with_same_number(clinic_id: UUID, identity: NewIdentity) -> set[UUID]:
    """Ids of all patients with this ID number or phone: tokens of 64 bits, so equal tokens are equal numbers."""
    found: set[UUID] = set()
    if identity.id_number:
        found |= set(people_with(clinic_id, Index.IDNO_EQ, identity.id_number))
    if identity.phone:
        found |= set(people_with(clinic_id, Index.PHONE_EQ, identity.phone))
    return found


def _namesakes(clinic_id: UUID, identity: NewIdentity) -> set[UUID]:
    """Ids of patients of the same name and year of birth; without a birth date a name alone is no sign."""
    if identity.birth_date is None:
        return set()
    people = people_with(clinic_id, Index.NAME_EQ, tidy_name(identity.name))
    same_year = Patient.objects.filter(
        clinic_id=clinic_id, pk__in=people, birth_year=identity.birth_date.year
    )
    return set(same_year.values_list("pk", flat=True))


def signs_of(patient: Patient, identity: NewIdentity) -> frozenset[TwinSign]:
    """In what the two are the same. Opens the patient's identity."""
    known, born = patient.identity, identity.birth_date
    same = {
        TwinSign.ID_NUMBER: bool(identity.id_number) and known.id_number == identity.id_number,
        TwinSign.PHONE: bool(identity.phone) and known.phone == identity.phone,
        TwinSign.NAME: known.name == tidy_name(identity.name),
        TwinSign.BIRTH_DATE: born is not None and known.birth_date == born.isoformat(),
    }
    return frozenset(sign for sign, holds in same.items() if holds)


def _is_likely(signs: frozenset[TwinSign]) -> bool:
    return bool(signs & {TwinSign.ID_NUMBER, TwinSign.PHONE}) or {TwinSign.NAME, TwinSign.BIRTH_DATE} <= signs
