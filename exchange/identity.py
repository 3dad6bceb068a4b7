"""From what a file says about a person to an identity the clinic can work with, and to the card it belongs to."""

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

from django.utils import timezone

from audit.access import access
from audit.acting import acting
from audit.actors import system_actor
from audit.kinds import Kind
from audit.purposes import Purpose
from exchange.errors import CardContradicts, CardUnreadable, PersonIncomplete, SeveralMatch
from exchange.fhir import ParsedPerson
from patients.choices import Sex
from patients.errors import PhoneInvalid
from patients.identity import NewIdentity, read_id_number, read_phone
from patients.models import Patient
from patients.queries.twins import Twin, TwinSign, likeness
from records.readings import Person


class Note(StrEnum):
    """What a reader of the outcome should know."""

    PHONE_LEFT_OUT = "phone_left_out"
    HAS_DIED = "has_died"


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """The person of a file, ready to be matched. `identity` None: the file does not even give a name."""

    identity: NewIdentity | None
    person: Person
    notes: tuple[Note, ...]


def told_by(parsed: ParsedPerson, *, at: datetime) -> Told:
    """Read phone, ID number and birth date. A phone nobody can call is left out, with a note.

    Raises CardContradicts where the ID number and the birth date or sex of the file do not agree.
    """
    notes = [Note.HAS_DIED] if parsed.has_died else []
    phone, sex, born_on = None, Sex(parsed.sex), parsed.born_on
    if parsed.phone:
        try:
            phone = read_phone(parsed.phone)
        except PhoneInvalid:
            notes.append(Note.PHONE_LEFT_OUT)
    if parsed.id_number:
        known = read_id_number(parsed.id_number, today=timezone.localdate(at))
        if born_on not in (None, known.born_on) or sex not in (Sex.UNKNOWN, known.sex):
            raise CardContradicts
        born_on, sex = known.born_on, known.sex
    identity = NewIdentity(
        name=parsed.name,
        sex=sex,
        birth_date=born_on,
        id_number=parsed.id_number or None,
        phone=phone,
        email=parsed.email or None,
    )
    return Told(
        identity=identity if parsed.name else None,
        person=Person(sex=sex, born_on=born_on),
        notes=tuple(notes),
    )


def card_of(told: Told, clinic_id: UUID) -> Patient | None:
    """The one card of the clinic that belongs to the person, or None. The house compares; nobody is shown a candidate.

    The same ID number decides; else the same name with the same birth date or phone. A phone alone does not: families
    share it. Raises PersonIncomplete, SeveralMatch, CardUnreadable where a card that resembles the person does not open, and
    CardContradicts where a card has the ID number under another name.
    """
    if told.identity is None:
        raise PersonIncomplete
    house = system_actor("import", clinic_id)
    with acting(house, clinic_id):
        alike = likeness(house, clinic_id, told.identity)
        with access(Purpose.CARE, Kind.MATCHED):
            same = [twin.patient for twin in alike.shown if _is_same(twin, told.identity)]
    if len(same) > 1:
        raise SeveralMatch
    if not same and alike.unreadable:
        raise CardUnreadable
    return same[0] if same else None


def _is_same(twin: Twin, identity: NewIdentity) -> bool:
    known, signs = twin.patient.identity, twin.signs
    if TwinSign.ID_NUMBER in signs:
        if TwinSign.NAME not in signs:
            raise CardContradicts
        return True
    if TwinSign.NAME not in signs or (known.id_number and identity.id_number):
        return False
    if Sex.UNKNOWN not in (twin.patient.sex, identity.sex) and twin.patient.sex != identity.sex:
        return False
    return TwinSign.BIRTH_DATE in signs or not _differ(known.birth_date, identity.birth_date)


def _differ(kept: str | None, told: date | None) -> bool:
    return kept is not None and told is not None and kept != told.isoformat()


def may_open_card(told: Told) -> bool:
    """Whether the file says enough for a card: a name, and a birth date or an ID number."""
    return told.identity is not None and told.identity.birth_date is not None
