"""`manage.py access_matrix`: write docs/access-matrix.md; with --check say when it is not what the roles say."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from clinics.matrix import PLACE, page


class Command(BaseCommand):
    help = "Write docs/access-matrix.md from clinics/data/roles.yaml."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--check", action="store_true", help="Write nothing; fail when the page is not up to date."
        )

    def handle(self, *, check: bool, **options: Any) -> None:
        if not check:
            PLACE.write_text(page(), "utf-8")
        elif not PLACE.is_file() or PLACE.read_text("utf-8") != page():
            raise CommandError("docs/access-matrix.md is not what `manage.py access_matrix` writes")
