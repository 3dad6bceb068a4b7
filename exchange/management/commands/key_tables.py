"""The daily copy of the key tables: `key_tables backup`, `key_tables restore FILE`."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.timezone import now
from django.utils.translation import gettext as _

from crypto.errors import ClinicError
from exchange.services.key_copies import back_up_key_tables, restore_key_tables
from exchange.services.keys import only_run


class Command(BaseCommand):
    help = "Copy the wrapped keys into KEY_TABLES_DIR, or put newer wraps into a database restored from an older dump."

    def add_arguments(self, parser: ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        verbs.add_parser("backup", help="write a copy now; every day one is written anyhow")
        restore = verbs.add_parser("restore", help="never brings back a key that was destroyed")
        restore.add_argument("file", type=Path)

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            if options["verb"] == "backup":
                self.stdout.write(str(back_up_key_tables(at=now())))
            else:
                self._restore(options["file"])
        except OSError as error:
            raise CommandError(f"{error.filename}: {error.strerror}") from error
        except ClinicError as error:
            raise CommandError(f"{error.message} ({error})" if str(error) else str(error.message)) from error

    def _restore(self, path: Path) -> None:
        with only_run():
            restored = restore_key_tables(path)
        self.stdout.write(
            _(
                "%(wrapped)s keys open again, %(destroyed)s are destroyed as in the copy, %(closed)s open nowhere."
            )
            % {"wrapped": restored.wrapped, "destroyed": restored.destroyed, "closed": restored.closed}
        )
        if restored.indexes:
            self.stdout.write(_("Search tokens must be built anew: run rotate_keys."))
