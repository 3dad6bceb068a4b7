"""Makes the pair of keys of the legal hold: `create_hold_key --private FILE`."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from audit.acting import acting
from audit.actors import system_actor
from audit.services import record
from crypto.errors import KeysMissing
from crypto.hold import PUBLIC_FILE, create_pair, public_file


class Command(BaseCommand):
    help = (
        "Makes the pair of keys for records a law keeps after an erasure. The public half stays beside the keys; "
        "the private half goes into a file that is then taken off this machine."
    )
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--private", type=Path, required=True, metavar="FILE", help="a new file, mode 0600"
        )

    def handle(self, *args: Any, private: Path, **options: Any) -> None:
        """Raises CommandError where there is a pair already or a file cannot be written, LogUnavailable."""
        try:
            with acting(system_actor("keys", None)):
                record("hold.made", object=("crypto.hold", PUBLIC_FILE))
                create_pair(private, public_file().parent)
        except KeysMissing as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"The public half stands in {public_file()}, the private half in {private}.")
        self.stdout.write(
            "Take the private half off this machine, and keep it where two people are needed to use it."
        )
