"""`manage.py data_catalogue`: write docs/data-catalogue.md; with --check say what in the catalogue does not hold."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from consent.catalogue import columns, tables
from consent.catalogue_page import PLACE, page
from consent.catalogue_rules import defects


class Command(BaseCommand):
    help = "Write docs/data-catalogue.md from the catalogue.yaml of every app."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--check", action="store_true", help="Write nothing; fail when the page or a rule does not hold."
        )

    def handle(self, *, check: bool, **options: Any) -> None:
        found = defects()
        if check and (not PLACE.is_file() or PLACE.read_text("utf-8") != page()):
            found.append("docs/data-catalogue.md is not what `manage.py data_catalogue` writes")
        if not check:
            PLACE.write_text(page(), "utf-8")
        if found:
            raise CommandError("\n".join(found))
        counted = f"{len(tables())} tables, {sum(1 for _ in columns())} columns"
        self.stdout.write(f"{counted}: every one has its entry.")
