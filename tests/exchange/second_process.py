"""Another process of the house, told word by word what to do: it reads the name of one patient, and keeps their keys."""

from contextlib import ExitStack
from multiprocessing.connection import Connection
from uuid import UUID

from audit.access import access
from audit.acting import acting
from audit.actors import system_actor
from audit.kinds import Kind
from audit.purposes import Purpose
from crypto.errors import ClinicError
from crypto.keyring import forget_everything
from patients.models import Patient


def read_when_told(words: Connection, patient_id: UUID, clinic_id: UUID) -> None:
    """Begin a unit of work, open the name, end the unit; each is answered. Ends with the process that tells."""
    forget_everything()
    unit = ExitStack()
    while True:
        words.send(_done(words.recv(), unit, patient_id, clinic_id))


def _done(word: str, unit: ExitStack, patient_id: UUID, clinic_id: UUID) -> str:
    if word == "begin":
        unit.enter_context(acting(system_actor("reader", clinic_id), clinic_id))
    elif word == "end":
        unit.close()
    else:
        try:
            with access(Purpose.CARE, Kind.COMPUTED):
                Patient.objects.get(pk=patient_id).identity.name  # noqa: B018
            return "opened"
        except ClinicError as error:
            return type(error).__name__
    return "done"
