"""Prints the SQL that makes roles and database on a PostgreSQL server of one's own."""

import secrets
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from config.dbroles.roles import ROLES, create_roles_sql


class Command(BaseCommand):
    help = "Print the SQL that creates the database and its roles. Run it once, as a superuser, with psql."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--database", default="zhizhi", help="name of the database to create")

    def handle(self, *args: Any, **options: Any) -> None:
        passwords = {role.name: secrets.token_urlsafe(24) for role in ROLES}
        for statement in create_roles_sql(options["database"], passwords):
            self.stdout.write(f"{statement};")
        self.stdout.write("\n-- Addresses for the processes (each gets only its own):")
        for role in ROLES:
            url = f"postgres://{role.name}:{passwords[role.name]}@HOST:5432/{options['database']}"
            self.stdout.write(f"-- {role.variable}={url}")
