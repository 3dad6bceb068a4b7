"""Opens a clinic with its keys: without keys nothing of a patient could be written there."""

import re
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import IntegrityError

from clinics.models import CLINIC_CODE, Chain
from clinics.services import open_clinic


class Command(BaseCommand):
    help = "Open a clinic: makes its row and its keys. The chain is made when there is none of that name."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("code", help="short name for addresses, such as east")
        parser.add_argument("--chain", required=True)
        parser.add_argument("--name", required=True)
        parser.add_argument("--short-name", required=True, help="signs messages to patients")
        parser.add_argument("--phone", required=True)

    def handle(self, *args: Any, **options: Any) -> None:
        """Raises CommandError where the code is taken, or is none."""
        if not re.fullmatch(CLINIC_CODE, options["code"]):
            raise CommandError(f"{options['code']} is no code: {CLINIC_CODE}")
        chain, _ = Chain.objects.get_or_create(name=options["chain"])
        try:
            clinic = open_clinic(
                chain=chain,
                code=options["code"],
                name=options["name"],
                short_name=options["short_name"],
                phone=options["phone"],
            )
        except IntegrityError as error:
            raise CommandError(f"There is a clinic with the code {options['code']} already.") from error
        self.stdout.write(f"{clinic.name} is open. Give people their roles in Django admin.")
