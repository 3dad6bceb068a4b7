"""Moves every value to the newest data key of its subject and scope: `reseal [--clinic CODE]`."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import Error as DatabaseError
from django.db import connection
from django.utils.translation import gettext as _

from crypto.errors import ClinicError
from exchange.management.clinics import clinics_named
from exchange.management.progress import follow
from exchange.services.keys import only_run, reseal


class Command(BaseCommand):
    help = (
        "Seal again what is sealed under older data keys, and destroy those that seal nothing any more. "
        "It may be killed at any moment and started again."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--clinic", metavar="CODE", help="this clinic alone")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            with only_run():
                for clinic in clinics_named(options["clinic"]):
                    follow(self.stdout, clinic, reseal(clinic))
                    self.stdout.write(
                        _("%(clinic)s: every value is under its newest key.") % {"clinic": clinic.code}
                    )
        except DatabaseError as error:
            connection.close()
            raise CommandError(
                _("The database ended the work. Start it again: it goes on from where it was.")
            ) from error
        except ClinicError as error:
            raise CommandError(f"{error.message} ({error})" if str(error) else str(error.message)) from error
