"""Erases a person: `erase_patient SERVICE_NUMBER --clinic CODE --reason CODE [--by USERNAME] [--dry-run]`."""

import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError, no_translations
from django.db import Error as DatabaseTrouble
from django.db import connection
from django.utils import timezone

from audit.acting import acting
from audit.actors import system_actor
from audit.erasures import hand_in_ledger
from crypto.core.scopes import Scope
from crypto.errors import ClinicError, KeysInUse, KeysMissing, LedgerRefused
from exchange.management.finding import account_at_work, clinic_of, patient_of
from exchange.queries import Weight, weight_of
from exchange.retention import Fate
from exchange.services.erasure import Erased, Reason, check_may_erase, erase_patient, plan_erasure
from patients.models import Patient


class Command(BaseCommand):
    help = (
        "Destroys the keys of everything that is known of a person, except what a law makes the clinic keep: that is "
        "stored under a key the application cannot use. It cannot be undone, and no backup brings it back."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("service_number", metavar="SERVICE_NUMBER", help="such as ZZ-1234-5678")
        parser.add_argument(
            "--clinic", required=True, metavar="CODE", help="code of the clinic the person belongs to"
        )
        parser.add_argument("--reason", required=True, choices=[reason.value for reason in Reason])
        parser.add_argument(
            "--by", metavar="USERNAME", help="the member of staff who answers for it (privacy officer)"
        )
        parser.add_argument("--dry-run", action="store_true", help="say what would happen and change nothing")
        parser.add_argument("--yes", action="store_true", help="do not ask again")

    @no_translations
    def handle(self, *args: Any, **options: Any) -> None:
        """Raises CommandError with the sentence of whatever was refused."""
        clinic = clinic_of(options["clinic"])
        actor = (
            account_at_work(options["by"], clinic)[1] if options["by"] else system_actor("erasure", clinic.pk)
        )
        at = timezone.now()
        try:
            with acting(actor, clinic.pk):
                check_may_erase(actor, clinic.pk)
                patient = patient_of(options["service_number"], clinic)
                fate, weight = plan_erasure(patient, at=at), weight_of(patient)
            self._show(patient, fate, weight)
            if options["dry_run"]:
                self.stdout.write("Nothing was changed.")
                return
            if not options["yes"]:
                self._confirm(patient)
            erased = erase_patient(patient, reason=Reason(options["reason"]), by=actor, at=at)
        except KeysInUse as error:
            raise CommandError(f"{error.message} ({error}) Run the command again: it waits again.") from error
        except (LedgerRefused, KeysMissing) as error:
            raise CommandError(str(error)) from error
        except ClinicError as error:
            raise CommandError(str(error.message)) from error
        except DatabaseTrouble as trouble:
            connection.close()
            raise CommandError(
                f"The database ended the work ({type(trouble).__name__}). Run the command again: what had begun is carried out."
            ) from trouble
        self._tell(erased)

    def _show(self, patient: Patient, fate: Fate, weight: Weight) -> None:
        self.stdout.write(f"{patient.service_number}:")
        for scope in Scope:
            self.stdout.write(f"  {scope.name.lower():<10} {_fate_in_words(scope, fate, weight)}")
        self.stdout.write(
            f"  ended: {weight.permissions} permissions, {weight.to_dos} to-dos, {weight.messages} messages not sent yet, "
            f"{weight.tags} tags, every care relationship and grant, access to the portal, all search tokens"
        )
        kept = (
            "the log"
            if not weight.reports or not fate.restricted
            else f"the log, {weight.reports} sealed reports"
        )
        self.stdout.write(
            f"  stays: service number and ids, which name nobody; the ledger of permissions; {kept}"
        )

    def _confirm(self, patient: Patient) -> None:
        if not sys.stdin.isatty():
            raise CommandError(
                "Nobody is at the keyboard to confirm: add --yes, or look first with --dry-run."
            )
        typed = input(f"This cannot be undone. Type {patient.service_number} to erase this person: ")
        if typed.strip() != patient.service_number:
            raise CommandError("Not confirmed. Nothing was changed.")

    def _tell(self, erased: Erased) -> None:
        if erased.line is None:
            self.stdout.write("There was nothing left to erase.")
            return
        line = erased.line
        self.stdout.write(
            f"Erased: {len(line.key_ids)} keys and {len(line.file_ids)} files destroyed, {len(line.held_key_ids)} keys held; "
            f"line {line.number} of the ledger."
        )
        if not hand_in_ledger():
            self.stdout.write(
                "The witness has not got this line yet; it is handed in within a minute of its return."
            )


def _fate_in_words(scope: Scope, fate: Fate, weight: Weight) -> str:
    what = f"{weight.keys.get(scope, 0)} keys, {weight.files.get(scope, 0)} files"
    if scope in fate.destroyed:
        return f"destroyed ({what})"
    until = fate.kept_until.date() if fate.kept_until else "its end"
    because = f"{fate.because.code}, {fate.because.source}" if fate.because else ""
    return f"stored until {until}, closed to everybody ({what}; {because})"
