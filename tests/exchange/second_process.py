"""Another process of the house, told line by line what to do: it reads the name of one patient, and keeps their keys."""

import sys
from contextlib import ExitStack
from uuid import UUID

import django

django.setup()

from audit.access import access  # noqa: E402
from audit.acting import acting  # noqa: E402
from audit.actors import system_actor  # noqa: E402
from audit.kinds import Kind  # noqa: E402
from audit.purposes import Purpose  # noqa: E402
from crypto.errors import ClinicError  # noqa: E402
from patients.models import Patient  # noqa: E402


def main() -> None:
    patient_id, clinic_id = map(UUID, sys.argv[1:])
    unit = ExitStack()
    for line in sys.stdin:
        answer = "done"
        if line.strip() == "begin":
            unit.enter_context(acting(system_actor("reader", clinic_id), clinic_id))
        elif line.strip() == "end":
            unit.close()
        else:
            try:
                with access(Purpose.CARE, Kind.COMPUTED):
                    Patient.objects.get(pk=patient_id).identity.name  # noqa: B018
                answer = "opened"
            except ClinicError as error:
                answer = type(error).__name__
        print(answer, flush=True)


main()
