"""Taking turns at a piece of work that has no row to lock. A turn lasts until its transaction ends, however it ends."""

from django.db import connection


def wait_for_turn(work: str) -> None:
    """Wait until nobody else is at this work."""
    _ask("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", work)


def is_my_turn(work: str) -> bool:
    """False while somebody else is at this work."""
    return bool(_ask("SELECT pg_try_advisory_xact_lock(hashtextextended(%s, 0))", work))


def _ask(statement: str, work: str) -> object:
    with connection.cursor() as cursor:
        cursor.execute(statement, [work])
        (answer,) = cursor.fetchone()
    return answer
