"""Who a person is and how they are reached: what is changed or corrected, and the search tokens that follow."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import date, datetime

from django.db import transaction
from django.utils.timezone import localdate

from audit.access import access
from audit.actors import Actor
from audit.kinds import Kind
from audit.participation import call
from audit.purposes import Purpose
from audit.services import record
from clinics.roles import PERSON
from patients.choices import PhoneOwner
from patients.identity import read_id_number, read_phone, tidy_name
from patients.models import Patient
from patients.queries.twins import COMPARED
from patients.search_tokens import INDEXES_OF, rewrite_tokens


@transaction.atomic
def change_contact(
    patient: Patient, contact: Mapping[str, str | None], *, phone_owner: PhoneOwner | None, by: Actor
) -> Patient:
    """Write another phone (E.164) or e-mail address; None takes it away, what is not named stays.

    The caller has locked the patient (`patient_for(lock=True)`). The portal opens by the new phone from now on.
    """
    with _telling_the_phone_of_before(patient, contact):
        patient.identity.replace(**contact)
        if phone_owner is not None:
            patient.phone_owner = phone_owner
        patient.save(update_fields=["identity", "phone_owner"])
    if "phone" in contact:
        _rewrite_tokens(patient)
    record("contact.changed", object=patient, subjects=[patient.subject_id], purpose=Purpose.CARE)
    return patient


@transaction.atomic
def correct_identity(patient: Patient, parts: Mapping[str, str], *, by: Actor, at: datetime) -> Patient:
    """Parts of the identity as the person asked to have them; the patient is locked. Search finds the new ones alone.

    Raises PhoneInvalid, IdNumberInvalid, and ValueError for a birth date that is none.
    """
    read = {part: _READ[part](text, at) for part, text in parts.items()}
    with access(Purpose.CARE, Kind.COMPUTED, field_sets=PERSON), _telling_the_phone_of_before(patient, read):
        patient.identity.replace(**read)
        if "birth_date" in read:
            patient.birth_year = date.fromisoformat(read["birth_date"]).year
        patient.save(update_fields=["identity", "birth_year"])
    _rewrite_tokens(patient)
    record("identity.corrected", object=patient, subjects=[patient.subject_id], purpose=Purpose.CARE)
    return patient


_READ: Mapping[str, Callable[[str, datetime], str]] = {
    "name": lambda text, at: tidy_name(text),
    "birth_date": lambda text, at: date.fromisoformat(text.strip()).isoformat(),
    "id_number": lambda text, at: read_id_number(text, today=localdate(at)).number,
    "phone": lambda text, at: read_phone(text),
    "email": lambda text, at: text.strip(),
}


@contextmanager
def _telling_the_phone_of_before(patient: Patient, changes: Mapping[str, str | None]) -> Iterator[None]:
    """Who has the phone on the card opens the person's pages by code: whoever had it before hears that it is another one."""
    if "phone" not in changes:
        yield
        return
    with access(Purpose.CARE, Kind.COMPUTED, field_sets=COMPARED):
        before = patient.identity.read("phone")
    yield
    if before and before != changes["phone"]:
        call("on_phone_changed", patient=patient, before=before)


def _rewrite_tokens(patient: Patient) -> None:
    with access(Purpose.CARE, Kind.COMPUTED, field_sets=COMPARED):
        rewrite_tokens(patient, {part: patient.identity.read(part) for part in INDEXES_OF})
