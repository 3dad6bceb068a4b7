"""Invents decoy patients: `create_decoys --clinic CODE --count N [--opened-by ACCOUNT]`."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError, no_translations

from audit.actors import Actor
from clinics.models import Clinic, User
from clinics.queries import clinic_by_code, permissions_in, roles_at_work, staff_actor
from clinics.roles import Permission
from crypto.errors import KeysMissing
from exchange.services.decoys import open_decoys

MOST = 100


class Command(BaseCommand):
    help = "Opens cards of people who do not exist. Whoever opens the chart of one raises an alarm. Keep the numbers printed to yourself."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--clinic", required=True, metavar="CODE", help="code of the clinic")
        parser.add_argument("--count", required=True, type=int, help=f"how many, from 1 to {MOST}")
        parser.add_argument(
            "--opened-by",
            metavar="ACCOUNT",
            help="user name of the member of staff who opens them, as they open other cards; their care team cares for them."
            " Without it they are opened like cards that a file brings",
        )

    @no_translations
    def handle(self, *args: Any, **options: Any) -> None:
        clinic = clinic_by_code(options["clinic"])
        if clinic is None:
            raise CommandError(f"There is no open clinic with the code {options['clinic']!r}.")
        if not 1 <= options["count"] <= MOST:
            raise CommandError(f"--count is a number from 1 to {MOST}.")
        by = _opener(clinic, options["opened_by"]) if options["opened_by"] else None
        try:
            for patient in open_decoys(clinic, options["count"], by=by):
                self.stdout.write(patient.service_number)
        except KeysMissing as error:
            raise CommandError(str(error.message)) from error


def _opener(clinic: Clinic, username: str) -> Actor:
    user = User.objects.filter(username=username).first()
    roles = roles_at_work(user) if user else []
    if user is None or Permission.OPEN_CARD not in permissions_in(roles, clinic.pk):
        raise CommandError(f"{username!r} is no account that opens cards in this clinic.")
    return staff_actor(user, clinic.pk, roles)
