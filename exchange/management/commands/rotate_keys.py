"""Gives clinics new keys while everybody works: `rotate_keys [--clinic CODE] [--epoch] [--suite aes|sm4]`."""

from argparse import ArgumentParser
from typing import Any, Final

from django.core.management.base import BaseCommand, CommandError
from django.db import Error as DatabaseError
from django.db import connection
from django.utils.timezone import now
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from crypto.core.suites import Suite
from crypto.errors import ClinicError
from exchange.management.clinics import clinics_named
from exchange.management.progress import follow
from exchange.services.keys import keep_keys_of, only_run

SUITES: Final = {"aes": Suite.AES_256_GCM, "sm4": Suite.SM4_GCM}


class Command(BaseCommand):
    help = (
        "Without flags: finish what was begun, start the epochs that are due, destroy old keys whose days are over. "
        "It may be killed at any moment and started again."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--clinic", metavar="CODE", help="this clinic alone")
        parser.add_argument("--epoch", action="store_true", help="start a new epoch now, due or not")
        parser.add_argument(
            "--suite",
            choices=sorted(SUITES),
            help="start a new epoch in this suite, and move every value to it",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        suite = SUITES[options["suite"]] if options["suite"] else None
        try:
            with only_run():
                for clinic in clinics_named(options["clinic"]):
                    jobs = keep_keys_of(
                        clinic, at=now(), start=options["epoch"] or suite is not None, suite=suite
                    )
                    finished = follow(self.stdout, clinic, jobs)
                    self.stdout.write(self._summary(clinic.code, finished))
        except DatabaseError as error:
            connection.close()
            raise CommandError(
                _("The database ended the work. Start it again: it goes on from where it was.")
            ) from error
        except ClinicError as error:
            raise CommandError(f"{error.message} ({error})" if str(error) else str(error.message)) from error

    def _summary(self, code: str, finished: int) -> str:
        if not finished:
            return _("%(clinic)s: nothing was to be done.") % {"clinic": code}
        return ngettext(
            "%(clinic)s: %(count)s job is done.", "%(clinic)s: %(count)s jobs are done.", finished
        ) % {"clinic": code, "count": finished}
