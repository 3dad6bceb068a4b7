"""Changing a clinic's keys while everybody works: epochs, tokens, values, and the end of what is old.

What is to be done stands in `crypto_job`; each page is a unit of work of its own. Killed anywhere, the next run goes on from there.
"""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.conf import settings
from django.db import DatabaseError, connection

from audit.acting import acting
from audit.actors import Actor, system_actor
from audit.services import record
from clinics.models import Clinic
from crypto import resealing, rotation
from crypto.core.suites import Suite
from crypto.epoch import move_counter, wait_for_older_transactions
from crypto.errors import ClinicError
from crypto.jobs import advance, finish, open_job, restart, unfinished_jobs
from crypto.models import JobKind, KeyJob
from exchange.errors import KeysAreChanging
from patients.models import PatientSearchPerson
from patients.services import drop_old_tokens, rebuild_tokens

logger = logging.getLogger(__name__)

PEOPLE: Final = (
    200  # whose tokens are built in one transaction: a tenth of its 5 s, where the machine is not busy
)
RUN_LOCK: Final = 7_203_103  # any number, the same for every run of an installation
SECONDS_BETWEEN_WALKS: Final = 0.2  # what somebody else held is free again after a moment


@contextmanager
def only_run() -> Iterator[None]:
    """One run changes keys at a time; PostgreSQL lets go of the lock when the process dies. Raises KeysAreChanging."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [RUN_LOCK])
        if not cursor.fetchone()[0]:
            raise KeysAreChanging
    try:
        yield
    finally:
        with suppress(DatabaseError), connection.cursor() as cursor:  # a lost session has let go of it
            cursor.execute("SELECT pg_advisory_unlock(%s)", [RUN_LOCK])


def keep_keys(*, at: datetime) -> None:
    """What is due in every clinic: go on with what was begun, start epochs, destroy old keys. Raises KeysAreChanging.

    A clinic whose keys cannot be changed now is tried again by the next run and keeps no other from its turn.
    """
    with only_run():
        for clinic in every_clinic():
            try:
                for _job in keep_keys_of(clinic, at=at):
                    pass
            except ClinicError as error:
                logger.error("keys of clinic %s: %s: %s", clinic.pk, type(error).__name__, error)


def keep_keys_of(
    clinic: Clinic, *, at: datetime, start: bool = False, suite: Suite | None = None
) -> Iterator[KeyJob]:
    """Go on with what was begun, start an epoch when it is due or `start` asks for it, destroy what may go.

    Yields the job in hand after each page. Inside `only_run`. Raises KeysMissing and KeysInUse; the next run goes on.
    """
    yield from finish_jobs(clinic)
    if start or epoch_is_due(clinic, at=at):
        start_epoch(clinic, at=at, suite=suite)
        yield from finish_jobs(clinic)
    destroy_old_keks(clinic, at=at)


def every_clinic() -> Iterator[Clinic]:
    """Closed ones too: their keys age like any others."""
    yield from Clinic.objects.order_by("code")


def _system(clinic: Clinic) -> Actor:
    return system_actor("keys", clinic.pk)


# --- epochs -----------------------------------------------------------------------------------------------------------


def epoch_is_due(clinic: Clinic, *, at: datetime) -> bool:
    with acting(_system(clinic)):
        return rotation.epoch_is_over(clinic.pk, at=at)


def start_epoch(clinic: Clinic, *, at: datetime, suite: Suite | None = None) -> None:
    """Raises KeysMissing."""
    with acting(_system(clinic)):
        people = PatientSearchPerson.objects.filter(clinic_id=clinic.pk).count()
        kek = rotation.start_epoch(clinic.pk, at=at, suite=suite, people=people)
        record("keys.epoch_started", object=kek, fields={"suite": (None, Suite(kek.suite).name)})


def destroy_old_keks(clinic: Clinic, *, at: datetime) -> int:
    """Destroy the key-encryption keys whose days are over and that wrap nothing any more, the oldest first; says how many.

    One that still wraps something keeps the younger ones too: not every provider can destroy one out of order.
    """
    kept = timedelta(days=settings.OLD_KEYS_DAYS)
    every = [other.pk for other in every_clinic()]  # a key of whichever clinic under this KEK must be seen
    with acting(_system(clinic)):
        due = rotation.keks_to_destroy(clinic.pk, at=at, kept=kept)
    destroyed = 0
    for kek in due:
        with acting(_system(clinic), *every):
            if not rotation.destroy_kek(kek.pk):
                logger.warning("key-encryption key %s of clinic %s still wraps keys", kek.pk, clinic.pk)
                break
            record("keys.destroyed", object=kek, count=1)
            destroyed += 1
    return destroyed


# --- jobs -------------------------------------------------------------------------------------------------------------


def finish_jobs(clinic: Clinic) -> Iterator[KeyJob]:
    """Do what is to be done, page by page, in the order it was opened; yields the job after each page.

    Raises KeysMissing, and KeysInUse when somebody works on with keys from before the change.
    """
    first = True
    while job := _next_job(clinic):
        if first:  # the run before may have been killed before it waited
            wait_for_older_transactions()
            first = False
        yield from _walk_of(job)(clinic, job)


def _next_job(clinic: Clinic) -> KeyJob | None:
    with acting(_system(clinic)):
        return next(iter(unfinished_jobs(clinic.pk)), None)


def _walk_of(job: KeyJob) -> Callable[[Clinic, KeyJob], Iterator[KeyJob]]:
    if job.kind == JobKind.REWRAP:
        return _rewrap
    return WALKS.get(job.target, _reseal)


def _rewrap(clinic: Clinic, job: KeyJob) -> Iterator[KeyJob]:
    """Walk until no key is left under an old KEK but the damaged, which are left where they are."""
    table = next(table for table in rotation.WRAPPED if table.name == job.target)
    damaged = 0
    while True:
        with acting(_system(clinic)):
            page = rotation.rewrap_page(job, table)
            if page.changed:
                record("keys.rewrapped", object=(table.label, ""), count=page.changed)
            ended = not page.read and rotation.left_to_rewrap(clinic.pk, table) <= damaged
            if ended:
                finish(job)
        yield job
        if ended:
            return
        damaged = damaged + page.damaged if page.read else 0
        if not page.read:
            _walk_again(clinic, job)


def _walk_again(clinic: Clinic, job: KeyJob, *, held: bool = True) -> None:
    """From the beginning; after a moment, where somebody held what is left."""
    if held:
        time.sleep(SECONDS_BETWEEN_WALKS)
    with acting(_system(clinic)):
        restart(job)


# --- search tokens ------------------------------------------------------------------------------------------------------


def _rebuild_tokens(clinic: Clinic, job: KeyJob) -> Iterator[KeyJob]:
    """Tokens of the newest index secret for everybody; then the secrets before it die. Search asks in both until then."""
    while not job.finished_at:
        with acting(_system(clinic)):
            version = rotation.newest_index_version(clinic.pk)
            page = rebuild_tokens(clinic.pk, version=version, after=_row_after(job), limit=PEOPLE)
            if page.last:
                advance(job, position=str(page.last), done=page.people)
            else:
                finish(job)
                if retired := rotation.retire_old_index_keys(clinic.pk):
                    record("keys.destroyed", object=("crypto.indexkey", ""), count=retired)
                open_job(clinic.pk, JobKind.INDEX, rotation.OLD_TOKENS, total=job.done)
                record("index.rebuilt", object=("crypto.indexkey", str(version)), count=job.done)
        yield job
    wait_for_older_transactions()


def _drop_old_tokens(clinic: Clinic, job: KeyJob) -> Iterator[KeyJob]:
    while not job.finished_at:
        with acting(_system(clinic)):
            version = rotation.newest_index_version(clinic.pk)
            page = drop_old_tokens(clinic.pk, version=version, after=_row_after(job), limit=PEOPLE)
            if page.last:
                advance(job, position=str(page.last), done=page.people)
            else:
                finish(job)
        yield job


def _row_after(job: KeyJob) -> UUID:
    return UUID(job.position) if job.position else resealing.FIRST_ROW


# --- values ---------------------------------------------------------------------------------------------------------------


def reseal(clinic: Clinic) -> Iterator[KeyJob]:
    """Move every value to the newest data key of its subject and scope. Inside `only_run`; raises what `finish_jobs` raises."""
    yield from finish_jobs(clinic)
    with acting(_system(clinic)):
        _open_reseal_jobs(clinic)
    yield from finish_jobs(clinic)


def _open_reseal_jobs(clinic: Clinic) -> None:
    for column in resealing.sealed_columns():
        if column.may_change():
            total = resealing.count_values(column, clinic.pk)
            open_job(clinic.pk, JobKind.RESEAL, column.label, total=total)
    living = resealing.living_keys(clinic.pk)
    open_job(clinic.pk, JobKind.RESEAL, resealing.OLD_VERSIONS, total=living)


def _make_new_versions(clinic: Clinic, job: KeyJob) -> Iterator[KeyJob]:
    """A data key of the new suite for everybody; from the end on every process seals under it, and values can be moved."""
    quiet = not job.position  # whether this walk is whole, and nobody held a key of it
    while not job.finished_at:
        with acting(_system(clinic)):
            page = resealing.new_versions_page(job)
            if page.made:
                record("keys.made", object=("crypto.subjectkey", ""), count=page.made)
            if not page.read and quiet:
                finish(job)
                _open_reseal_jobs(clinic)
                move_counter()
        yield job
        quiet = quiet and not page.left
        if not page.read and not job.finished_at:
            _walk_again(clinic, job)
            quiet = True
    wait_for_older_transactions()


def _reseal(clinic: Clinic, job: KeyJob) -> Iterator[KeyJob]:
    """Walk until a whole walk finds nothing to do: somebody may write back what they read before its turn came."""
    column = resealing.column_of(job.target)
    quiet, held = not job.position, False
    while not job.finished_at:
        with acting(_system(clinic)):
            page = resealing.reseal_page(job, column) if column else resealing.NOTHING
            if column and page.changed:
                label = column.model._meta.label_lower
                record("keys.resealed", object=(label, column.field.name), count=page.changed)
            if not page.read and quiet:
                finish(job)
        yield job
        quiet, held = quiet and not (page.changed or page.left), held or bool(page.left)
        if not page.read and not job.finished_at:
            wait_for_older_transactions()
            _walk_again(clinic, job, held=held)
            quiet, held = True, False


def _destroy_old_versions(clinic: Clinic, job: KeyJob) -> Iterator[KeyJob]:
    """Destroy superseded data keys that seal nothing any more. What can only be added to keeps its seals, and so their keys.

    Looked for twice, with a wait between: nobody can still hold a value of such a key to write it back.
    """
    used = _keys_in_use(clinic)
    wait_for_older_transactions()
    used |= _keys_in_use(clinic)
    while not job.finished_at:
        with acting(_system(clinic)):
            read, destroyed = resealing.destroy_unused_page(job, used)
            if destroyed:
                record("keys.destroyed", object=("crypto.subjectkey", ""), count=destroyed)
            if not read:
                finish(job)
                move_counter()
        yield job


def _keys_in_use(clinic: Clinic) -> set[int]:
    """The data keys that the clinic's values name in their headers."""
    used: set[int] = set()
    for column in resealing.sealed_columns():
        after: UUID | None = resealing.FIRST_ROW
        while after is not None:
            with acting(_system(clinic)):
                seen = resealing.headers(column, clinic.pk, after=after)
            used.update(header.key_id for header in seen if header.key_id is not None)
            after = seen[-1].row_id if seen else None
    return used


WALKS: Final = {
    rotation.NEW_TOKENS: _rebuild_tokens,
    rotation.OLD_TOKENS: _drop_old_tokens,
    rotation.NEW_VERSIONS: _make_new_versions,
    resealing.OLD_VERSIONS: _destroy_old_versions,
}
