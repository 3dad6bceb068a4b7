"""A check: somebody asks whether a log is what it was, a worker reads all of it in pages, and anybody sees how far it is.

A check whose worker died is begun again by the next one. What does not fit is a finding, and an alarm.
"""

import logging
import time
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import F, Q, QuerySet
from django.utils.timezone import now

from audit import configured
from audit.acting import acting
from audit.actors import Actor, current_unit, system_actor
from audit.alarms import raise_alarm
from audit.canon import mac_key_file
from audit.connections import reader
from audit.errors import LogNotFound
from audit.events import Draft, write
from audit.models import SYSTEM_LOG, Check, Rule
from audit.notes import Note, NoteRefused, Verifier
from audit.signing import read_verifier
from audit.verification import Trust, Verification
from audit.witnessing import WitnessAbsent, WitnessRefused

logger = logging.getLogger(__name__)
SHOWN = 50
SECONDS_BETWEEN_SIGNS = 0.5
GIVEN_UP_AFTER = timedelta(minutes=1)  # without a sign of life another worker begins the check again


class CannotVerify(Exception):
    """What verification believes before it reads is not here: the message says which file."""


def ask_check(log_id: UUID, *, by: Actor, at: datetime) -> Check:
    """Have a log read again, in the transaction in hand; one that is under way already is answered as it is.

    Staff ask for the log of the clinic they work in; the system's log is the installation's. Raises LogNotFound.
    """
    if by.clinic_id is not None and by.clinic_id != log_id:
        raise LogNotFound(str(log_id))
    under_way = Check.objects.filter(log_id=log_id, finished_at=None)
    if check := under_way.first():
        return check
    try:
        with transaction.atomic():
            check = Check.objects.create(log_id=log_id, asked_by=by.ref, started_at=at)
    except IntegrityError:  # somebody else asked at the same moment
        return under_way.get()
    _tell(check, "check.asked")
    transaction.on_commit(partial(_wake, check))
    return check


def checks_of(log_id: UUID) -> QuerySet[Check]:
    """The newest first, in a unit of work that sees the log."""
    return Check.objects.filter(log_id=log_id).order_by("-started_at", "-pk")


def _wake(check: Check) -> None:
    """The worker is told. Were it never to hear, the next look for unfinished checks finds it."""
    from audit.tasks import carry_out_check

    try:
        carry_out_check.delay(str(check.log_id), str(check.pk))
    except Exception as error:  # the broker is away, whatever it raises
        logger.warning("audit: a check waits for the next look (%s)", type(error).__name__)


def unfinished(log_id: UUID, *, at: datetime) -> list[UUID]:
    """Checks of a log that nobody is at work on."""
    with acting(_checker(log_id), log_id):
        return list(_idle(log_id, at).values_list("pk", flat=True))


def _idle(log_id: UUID, at: datetime) -> QuerySet[Check]:
    dead = Q(moved_at=None) | Q(moved_at__lt=at - GIVEN_UP_AFTER)
    return Check.objects.filter(dead, log_id=log_id, finished_at=None)


def carry_out(log_id: UUID, check_id: UUID) -> None:
    """Read the whole log and write down what was found. Several workers may be told of one check: one takes it."""
    if not _take(log_id, check_id):
        return
    try:
        found = _verify(log_id, check_id)
    except CannotVerify as error:
        found = [str(error)]
    _finish(log_id, check_id, found)


def _take(log_id: UUID, check_id: UUID) -> bool:
    with acting(_checker(log_id), log_id):
        return bool(_idle(log_id, now()).filter(pk=check_id).update(moved_at=now(), done=0, total=0))


def _verify(log_id: UUID, check_id: UUID) -> list[str]:
    """What does not fit. Raises CannotVerify."""
    trust, _ = trust_here()

    told_at = 0.0

    def told(done: int, total: int) -> None:
        nonlocal told_at
        if done < total and time.monotonic() - told_at < SECONDS_BETWEEN_SIGNS:
            return
        told_at = time.monotonic()
        with acting(_checker(log_id), log_id):
            Check.objects.filter(pk=check_id).update(moved_at=now(), done=done, total=total)

    connection = reader(log_id)
    try:
        reports = list(Verification(connection, trust, only=log_id, told=told).run())
    finally:
        connection.close()
    return [str(problem) for report in reports for problem in report.problems]


def _finish(log_id: UUID, check_id: UUID, found: list[str]) -> None:
    """The result, its event and, where anything was found, the alarm: together or not at all."""
    with acting(_checker(log_id), log_id):
        finished = Check.objects.filter(pk=check_id, finished_at=None).update(
            finished_at=now(), moved_at=now(), done=F("total"), problems=len(found), findings=found[:SHOWN]
        )
        if not finished:
            return
        _tell(Check.objects.get(pk=check_id), "check.finished", result="failed" if found else "ok")
        if found:
            raise_alarm(Rule.VERIFICATION_FAILED, clinic_id=log_id, object=("audit.log", str(log_id)))


def _tell(check: Check, action: str, *, result: str = "ok") -> None:
    write(
        Draft(
            unit=current_unit(),
            action=action,
            clinic_id=None if check.log_id == SYSTEM_LOG else check.log_id,
            object=("audit.check", str(check.pk)),
            count=check.problems,
            result=result,
        )
    )


def _checker(log_id: UUID) -> Actor:
    return system_actor("check", None if log_id == SYSTEM_LOG else log_id)


def trust_here(kept: tuple[Note, ...] = ()) -> tuple[Trust, list[str]]:
    """What this machine's files say to believe, and a sentence for each thing that cannot be checked here.

    Raises CannotVerify without the log's public key.
    """
    place, unchecked = configured.log_public_file(), []
    try:
        log = read_verifier(place)
    except (OSError, NoteRefused) as error:
        raise CannotVerify(f"the log's public key cannot be read: {place.name}: {error}") from error
    codes = mac_key_file().exists()
    if not codes:
        unchecked.append("The key of the entries' codes is not here: the codes are not checked.")
    witness: Verifier | None = None
    client = configured.witness()
    try:
        witness = client.verifier() if client else None
    except (WitnessAbsent, WitnessRefused) as error:
        unchecked.append(f"The witness's signatures are not checked: {error}")
    return Trust(log, witness, kept, codes), unchecked
