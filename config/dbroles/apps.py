from django.apps import AppConfig


class DbRolesConfig(AppConfig):
    """Database roles and the SQL that every app's migrations call. It stands first: `migrate` is wrapped here."""

    name = "config.dbroles"
    label = "dbroles"
