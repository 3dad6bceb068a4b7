"""ETags: which version of a row somebody read, so that a change of what was changed meanwhile is refused and not lost."""

from typing import Final
from uuid import UUID

from django.db import connection, models
from django.utils.crypto import constant_time_compare, salted_hmac
from rest_framework.request import Request

from clinics.api.problems import ChangedMeanwhile, VersionMissing

LENGTH: Final = 32


def version_of(model: type[models.Model], pk: UUID) -> str:
    """The version of a row, empty where there is none. PostgreSQL gives a row a new `xmin` with every change, whoever makes it.

    Keyed, because transaction numbers would tell how much is going on.
    """
    table = connection.ops.quote_name(model._meta.db_table)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT xmin::text FROM {table} WHERE id = %s", [pk])  # noqa: S608  # a table of ours
        found = cursor.fetchone()
    if found is None:
        return ""
    said = f"{model._meta.label_lower} {pk} {found[0]}"
    return f'"{salted_hmac("zhizhi/api/version", said, algorithm="sha256").hexdigest()[:LENGTH]}"'


def hold(request: Request, version: str) -> None:
    """The request must say in If-Match that it read this version. Raises VersionMissing, ChangedMeanwhile."""
    said = request.headers.get("If-Match")
    if said is None:
        raise VersionMissing
    if not any(constant_time_compare(one.strip().encode(), version.encode()) for one in said.split(",")):
        raise ChangedMeanwhile
