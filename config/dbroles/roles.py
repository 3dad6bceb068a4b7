"""The five database roles. The application owns nothing; whoever owns tables never serves a request."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DatabaseRole:
    """`variable` is the environment variable that holds this role's address."""

    name: str
    variable: str
    rights: str


OWNER = DatabaseRole("zhizhi_owner", "DATABASE_OWNER_URL", "CREATEDB")
APP = DatabaseRole("zhizhi_app", "DATABASE_URL", "")
SEQUENCER = DatabaseRole("zhizhi_sequencer", "DATABASE_SEQUENCER_URL", "")
AUDITOR = DatabaseRole("zhizhi_auditor", "DATABASE_AUDITOR_URL", "")
BACKUP = DatabaseRole("zhizhi_backup", "DATABASE_BACKUP_URL", "BYPASSRLS")
ROLES = (OWNER, APP, SEQUENCER, AUDITOR, BACKUP)


def create_roles_sql(database: str, passwords: dict[str, str], *, in_tests: bool = False) -> list[str]:
    """Statements for a superuser, in order. `passwords` by role name; the last one must run outside a transaction.

    In tests the owner makes databases, and empties tables past their triggers.
    """
    statements = []
    for role in ROLES:
        rights = role.rights if role is not OWNER or in_tests else ""
        statements.append(f"CREATE ROLE {role.name} LOGIN {rights} PASSWORD {quoted(passwords[role.name])}")
    if in_tests:
        statements.append(f"GRANT SET ON PARAMETER session_replication_role TO {OWNER.name}")
    statements.append(f"CREATE DATABASE {database} OWNER {OWNER.name} ENCODING 'UTF8' TEMPLATE template0")
    return statements


def quoted(text: str) -> str:
    """A SQL literal."""
    return "'" + text.replace("'", "''") + "'"
