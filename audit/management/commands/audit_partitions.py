"""Room for the months to come."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from audit.connections import as_owner

# Months that have ended longer ago than the log has to be kept. Nothing here removes them: that is the owner's decision.
_OVER = """
SELECT relname FROM pg_class WHERE relispartition AND relkind = 'r' AND relname ~ '^audit_(event|row_change)_[0-9]{6}$'
   AND to_date(right(relname, 6), 'YYYYMM') + interval '1 month' < now() - make_interval(years => %s) ORDER BY 1
"""


class Command(BaseCommand):
    help = "Adds the log's partitions for the months to come; needs DATABASE_OWNER_URL. Doing it twice changes nothing."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--months", type=int, default=12, help="how far ahead (default: 12)")

    def handle(self, *args: Any, months: int, **options: Any) -> None:
        try:
            owner = as_owner()
        except LookupError as error:
            raise CommandError(
                f"{error.args[0]} is not set: only the owner role may add partitions."
            ) from error
        with owner, owner.cursor() as cursor:
            cursor.execute(
                "SELECT audit_add_partitions('audit_event', %s) + audit_add_partitions('audit_row_change', %s)",
                [months, months],
            )
            self.stdout.write(f"{cursor.fetchone()[0]} partitions added")
            cursor.execute(_OVER, [settings.AUDIT_RETENTION_YEARS])
            for (partition,) in cursor:
                self.stdout.write(f"{partition} is older than {settings.AUDIT_RETENTION_YEARS} years")
        for notice in owner.notices:
            self.stderr.write(notice.strip())
        owner.close()
