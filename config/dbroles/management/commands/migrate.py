"""`migrate`, run as the owner role."""

from typing import Any

from django.core.management.commands import migrate

from config.dbroles.owner import as_owner


class Command(migrate.Command):
    def handle(self, *args: Any, **options: Any) -> Any:
        with as_owner(options["database"]):
            return super().handle(*args, **options)
