"""How a person is reached: their phone and e-mail address, and the search tokens that follow the phone."""

from collections.abc import Mapping

from django.db import transaction

from audit.access import access
from audit.actors import Actor
from audit.kinds import Kind
from audit.purposes import Purpose
from audit.services import record
from patients.choices import PhoneOwner
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
    patient.identity.replace(**contact)
    if phone_owner is not None:
        patient.phone_owner = phone_owner
    patient.save(update_fields=["identity", "phone_owner"])
    if "phone" in contact:
        with access(Purpose.CARE, Kind.COMPUTED, field_sets=COMPARED):
            rewrite_tokens(patient, {part: patient.identity.read(part) for part in INDEXES_OF})
    record("contact.changed", object=patient, subjects=[patient.subject_id], purpose=Purpose.CARE)
    return patient
