"""Takes a record back from the legal hold, for whoever a law lets look: `release_hold --private FILE SERVICE_NUMBER …`."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, no_translations
from django.utils import timezone

from audit.acting import acting
from crypto.errors import ClinicError, KeysMissing
from crypto.hold import read_private_half
from exchange.management.finding import account_at_work, clinic_of, patient_of
from exchange.services.erasure import OPEN_FOR, release_hold
from patients.choices import GrantReason


class Command(BaseCommand):
    help = (
        "Opens a record that is only stored to one account for a week. It needs the private half of the hold's keys. "
        "Nothing is printed of the record; `erase_patient` puts it away again."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("service_number", metavar="SERVICE_NUMBER")
        parser.add_argument("--clinic", required=True, metavar="CODE")
        parser.add_argument("--private", type=Path, required=True, metavar="FILE", help="the private half")
        parser.add_argument(
            "--by", required=True, metavar="USERNAME", help="who answers for it (privacy officer)"
        )
        parser.add_argument("--to", required=True, metavar="USERNAME", help="who may open the chart")
        parser.add_argument("--reason", required=True, choices=GrantReason.values)

    @no_translations
    def handle(self, *args: Any, **options: Any) -> None:
        """Raises CommandError with the sentence of whatever was refused."""
        clinic = clinic_of(options["clinic"])
        _officer, by = account_at_work(options["by"], clinic)
        reader, _actor = account_at_work(options["to"], clinic)
        try:
            private = read_private_half(options["private"])
            with acting(by, clinic.pk):
                patient = patient_of(options["service_number"], clinic)
                keys = release_hold(
                    patient,
                    private=private,
                    to=reader,
                    reason=GrantReason(options["reason"]),
                    by=by,
                    at=timezone.now(),
                )
        except KeysMissing as error:
            raise CommandError(str(error)) from error
        except ClinicError as error:
            raise CommandError(str(error.message)) from error
        self.stdout.write(
            f"{keys} keys came back. {reader.username} may open the chart for {OPEN_FOR.days} days; the log says so."
        )
