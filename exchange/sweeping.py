"""What nothing holds any more goes: once a night, by the periods of the retention tables, and each destruction is written down.

A person whose record was only stored is erased for good on the day the last period ends: a line of the erasure ledger and the event
say so. Until then the keys are under the legal hold and nobody here opens anything. Messages and their links go after two years.
Of whom a record is preserved nothing goes before the day that was named.
"""

from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from audit.acting import acting
from audit.actors import system_actor
from clinics.models import Clinic
from consent.opt_out import forget_old_links
from crypto.core.scopes import Scope
from crypto.erasure import has_keys
from exchange.queries import preserved_patients
from exchange.services.erasure import Reason, erase_patient, plan_erasure
from followups.services import forget_old_messages
from patients.models import Patient

MESSAGES_KEPT_FOR: Final = timedelta(days=730)  # data/retention.yaml: 24 months


def sweep(clinic: Clinic, at: datetime) -> int:
    """Destroy what is over in one clinic; answers how many people were erased. Commits by itself; twice changes nothing more."""
    by = system_actor("sweep", clinic.pk)
    with acting(by):
        preserved = preserved_patients(clinic.pk, at)
        forget_old_messages(clinic, at - MESSAGES_KEPT_FOR, but_of=preserved)
        forget_old_links(clinic, at - MESSAGES_KEPT_FOR, but_of=preserved)
        over = _over(clinic.pk, at)
    for patient in over:
        erase_patient(patient, reason=Reason.RETENTION_OVER, by=by, at=at)
    return len(over)


def _over(clinic_id: UUID, at: datetime) -> list[Patient]:
    """People whose record is only stored, whom no period holds any more, and of whom a key is left."""
    stored = Patient.objects.filter(clinic_id=clinic_id, restricted_at__lte=at).order_by("pk")
    return [
        patient
        for patient in stored.only("pk", "clinic_id", "subject_id")
        if has_keys([patient.subject_id], frozenset(Scope)) and not plan_erasure(patient, at=at).restricted
    ]
