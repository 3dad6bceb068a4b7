"""Changes of keys that take many pages. Each page moves its job in the same transaction: whoever is killed repeats nothing."""

from collections.abc import Iterable
from typing import Any, Final
from uuid import UUID

from django.db import connection
from django.db.models.functions import Now

from crypto.models import JobKind, KeyJob

PAGE = 500  # rows in one transaction: well under its 5 s, and one call to the provider
FIRST: Final = {"subject_key": "0", "sealed_file": str(UUID(int=0))}  # before every id


def open_job(clinic_id: UUID, kind: JobKind, target: str, *, total: int) -> KeyJob:
    """A job to be done; the one that is open already, where there is one. `total` counts the rows it begins with."""
    job, _made = KeyJob.objects.get_or_create(
        clinic_id=clinic_id, kind=kind, target=target, finished_at=None, defaults={"total": total}
    )
    return job


def unfinished_jobs(clinic_id: UUID) -> list[KeyJob]:
    """In the order in which they are to be done."""
    return list(KeyJob.objects.filter(clinic_id=clinic_id, finished_at=None).order_by("pk"))


def next_keys(
    job: KeyJob, table: str, columns: str, keks: Iterable[int], *, where: str = "", limit: int
) -> tuple[list[Any], str]:
    """The next living wrapped keys after the job's position, KEK by KEK and by id; and the position of the last of them.

    `columns` begin with the id, and `where` narrows further; both are ours, with `k` for the table. No rows: the walk is at its end.
    """
    kek_at, _colon, key_at = job.position.partition(":")
    for kek_id in sorted(keks):
        if kek_at and kek_id < int(kek_at):
            continue
        after = key_at if kek_at == str(kek_id) else FIRST[table]
        with connection.cursor() as cursor:
            cursor.execute(
                f"SELECT {columns} FROM {table} k WHERE k.kek_id = %s AND k.id > %s AND k.wrapped IS NOT NULL {where}"  # noqa: S608
                " ORDER BY k.id LIMIT %s",
                [kek_id, after, limit],
            )
            if rows := cursor.fetchall():
                last = rows[-1][0]
                return rows, f"{kek_id}:{last.hex if isinstance(last, UUID) else last}"
    return [], ""


def advance(job: KeyJob, *, position: str, done: int) -> None:
    """The page ended at `position` and dealt with `done` more rows."""
    job.position = position
    job.done += done
    job.total = max(job.total, job.done)  # rows may come in while a job walks
    job.updated_at = Now()
    job.save(update_fields=["position", "done", "total", "updated_at"])


def restart(job: KeyJob) -> None:
    """Walk the table again from its beginning. What was done so far counts on, except where every row is looked at again."""
    job.position = ""
    if job.kind == JobKind.RESEAL:
        job.done = 0
    job.updated_at = Now()
    job.save(update_fields=["position", "done", "updated_at"])


def finish(job: KeyJob) -> None:
    job.total = job.done
    job.finished_at = job.updated_at = Now()
    job.save(update_fields=["total", "updated_at", "finished_at"])
