"""Changes of keys that take many pages. Each page moves its job in the same transaction: whoever is killed repeats nothing."""

from uuid import UUID

from django.db.models.functions import Now

from crypto.models import JobKind, KeyJob

PAGE = 500  # rows in one transaction: well under its 5 s, and one call to the provider


def open_job(clinic_id: UUID, kind: JobKind, target: str, *, total: int) -> KeyJob:
    """A job to be done; the one that is open already, where there is one. `total` counts the rows it begins with."""
    job, _made = KeyJob.objects.get_or_create(
        clinic_id=clinic_id, kind=kind, target=target, finished_at=None, defaults={"total": total}
    )
    return job


def unfinished_jobs(clinic_id: UUID) -> list[KeyJob]:
    """In the order in which they are to be done."""
    return list(KeyJob.objects.filter(clinic_id=clinic_id, finished_at=None).order_by("pk"))


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
