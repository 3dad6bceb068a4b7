from django.apps import AppConfig
from django.core.checks import Tags, register

from config.dbroles.checks import check_database_role


class DbRolesConfig(AppConfig):
    """Database roles and the SQL that every app's migrations call. It stands first: `migrate` is wrapped here."""

    name = "config.dbroles"
    label = "dbroles"

    def ready(self) -> None:
        register(check_database_role, Tags.database)
