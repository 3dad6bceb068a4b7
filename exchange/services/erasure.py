"""Erasing a person: every app lets go of them, their keys are destroyed or put under the legal hold, and a line says so.

One transaction. The line of the ledger is synced to disk before it is committed, so a crash between the two leaves a line that
the database lacks; whoever comes next carries it out (`carry_out_ledger`), as after the restore of an older database.
"""

import logging
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from django.db import connection

from audit.access import access
from audit.acting import acting
from audit.actors import Actor, current_actor, system_actor
from audit.alarms import notes_about
from audit.canon import moment
from audit.kinds import Kind
from audit.participation import call
from audit.purposes import Purpose
from audit.services import record, record_denial
from audit.wrote import wrote_keys
from clinics.models import User
from clinics.queries import permissions_in, roles_at_work
from clinics.roles import Permission
from consent.services import withdraw_everything
from crypto import keyring, ledger
from crypto.core.ledger import NOTHING, Erasure
from crypto.core.scopes import Scope
from crypto.epoch import move_counter, wait_for_older_transactions
from crypto.erasure import (
    Held,
    destroy_file_keys,
    destroy_listed_keys,
    destroy_subject_keys,
    destroyed_files,
    has_keys,
    has_usable_keys,
    hold_keys,
    living_keys,
    release_keys,
    remove_bytes,
    usable_keys,
)
from crypto.errors import ClinicError, KeysInUse
from crypto.ids import uuid7
from crypto.models import SubjectKey
from crypto.turns import is_my_turn
from exchange.errors import ErasureNotAllowed, NotHeld
from exchange.fhir import parse_bundle
from exchange.identity import card_of, told_by
from exchange.models import ImportBatch
from exchange.queries import preserved_until
from exchange.retention import Fate, fate_of_scopes
from exchange.services.batches import put_aside, undecided
from followups.queries import last_contact_at
from patients.choices import GrantReason
from patients.errors import PatientNotFound
from patients.models import Patient
from patients.services.access import grant_chart
from records.queries import last_report_at

logger = logging.getLogger(__name__)

SECONDS_TO_WAIT = 4.0  # an erasure is a transaction like every other: it ends within 5 s
SECONDS_BETWEEN_LOOKS = 0.05
OPEN_FOR = timedelta(days=7)


class Reason(StrEnum):
    """Why a person is erased (PIPL art. 47). The log keeps the code."""

    REQUEST = "request"
    PURPOSE_ENDED = "purpose_ended"
    SERVICE_ENDED = "service_ended"
    RETENTION_OVER = "retention_over"
    CONSENT_WITHDRAWN = "consent_withdrawn"
    UNLAWFUL = "unlawful"


@dataclass(frozen=True, slots=True, kw_only=True)
class Erased:
    """What an erasure did. `line` None: there was nothing left to destroy or to put under the hold."""

    fate: Fate
    line: Erasure | None


def plan_erasure(patient: Patient, *, at: datetime) -> Fate:
    """What an erasure now would destroy and what it would only restrict. Opens and changes nothing."""
    seen = {
        "reports": last_report_at(patient.pk),
        "notes": last_contact_at(patient.pk),
        "preserved": preserved_until(patient.pk, at),
    }
    return fate_of_scopes({fact: last for fact, last in seen.items() if last is not None}, at)


def erase_patient(patient: Patient, *, reason: Reason, by: Actor, at: datetime) -> Erased:
    """Erase a person for good. Answers when no process holds one of their keys any more. Doing it twice changes nothing more.

    Commits by itself, so it is called outside a unit of work. Raises PatientNotFound for a patient of another clinic,
    ErasureNotAllowed for a role that may not, LedgerRefused, HoldMissing, KeysMissing; then nothing was erased. Raises
    KeysInUse when the person is erased and some process did not let go in time; asking again waits again.
    """
    if connection.in_atomic_block:
        raise RuntimeError("an erasure commits by itself")
    carry_out_ledger()
    with acting(by, patient.clinic_id):
        check_may_erase(by, patient.clinic_id)
        _take_turn()
        erased, subject_ids = _erase(patient.pk, reason=reason, at=at)
    _let_go(patient.clinic_id, subject_ids)
    return erased


def check_may_erase(by: Actor, clinic_id: UUID) -> None:
    """Raises PatientNotFound outside the actor's clinic, and ErasureNotAllowed where their role there does not include it.

    The latter is on the log. Inside `acting`.
    """
    if by.clinic_id != clinic_id:
        raise PatientNotFound
    if by.kind == "system":
        return
    account = User.objects.filter(pk=by.user_id).first() if by.kind == "staff" and by.user_id else None
    allowed = permissions_in(roles_at_work(account), clinic_id) if account else frozenset()
    if Permission.ERASE_PATIENTS not in allowed:
        record_denial(by, view="exchange.erasure", reason="role")
        raise ErasureNotAllowed


def _erase(patient_id: UUID, *, reason: Reason, at: datetime) -> tuple[Erased, list[UUID]]:
    patient = Patient.objects.filter(pk=patient_id).first()
    if patient is None:
        raise PatientNotFound
    fate, subject_ids = plan_erasure(patient, at=at), [patient.subject_id]
    if not _anything_left(subject_ids, fate):
        return Erased(fate=fate, line=None), subject_ids
    reference = uuid7()
    withdraw_everything(patient, by=current_actor(), at=at)
    Patient.objects.select_for_update().get(pk=patient.pk)
    fate = plan_erasure(patient, at=at)  # again: a report may have been filed until the lock was ours
    files = [batch.pk for batch in _files_about(patient)]
    words = [*files, *notes_about(subject_ids)]
    keys = destroy_subject_keys(words, frozenset(Scope), at=at, reference=reference)
    _let_everybody_forget(patient.pk, patient.clinic_id, subject_ids, fate.destroyed, files, at)
    held = hold_keys(patient.clinic_id, subject_ids, fate.restricted) if fate.restricted else Held((), ())
    keys += destroy_subject_keys(subject_ids, fate.destroyed, at=at, reference=reference)
    gone = destroy_file_keys(subject_ids, fate.destroyed, at=at)
    record(
        "patient.erased",
        object=patient,
        subjects=subject_ids,
        reason=reason.value,
        wrote=wrote_keys(SubjectKey, keys),
    )
    _record_files(patient.pk, subject_ids, destroyed=len(gone), held=len(held.file_ids))
    with connection.cursor() as cursor:
        # What would fail at the commit fails before the line is written.
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
    line = ledger.append(
        Erasure(
            number=0,
            at=moment(at),
            clinic_id=patient.clinic_id,
            patient_id=patient.pk,
            subject_ids=tuple(subject_ids),
            destroyed=fate.destroyed,
            restricted=fate.restricted,
            key_ids=tuple(keys),
            held_key_ids=held.key_ids,
            file_ids=tuple(gone),
            reference=reference,
            previous=NOTHING,
        )
    )
    ledger.remember(line)
    return Erased(fate=fate, line=line), subject_ids


def _anything_left(subject_ids: Sequence[UUID], fate: Fate) -> bool:
    """A key the application can use, or one that was held until now and is to be destroyed."""
    return has_usable_keys(subject_ids) or has_keys(subject_ids, fate.destroyed)


def _let_everybody_forget(
    patient_id: UUID,
    clinic_id: UUID,
    subject_ids: Sequence[UUID],
    destroyed: frozenset[Scope],
    files: Collection[UUID],
    at: datetime,
) -> None:
    for batch in ImportBatch.objects.filter(pk__in=files):
        put_aside(batch, at)
    call(
        "on_erased",
        clinic_id=clinic_id,
        patient_id=patient_id,
        subject_ids=subject_ids,
        scopes=destroyed,
        at=at,
    )


def _files_about(patient: Patient) -> list[ImportBatch]:
    """Uploaded files nobody has decided about that are about this person, or cannot be told to be about somebody else."""
    house = system_actor("erasure", patient.clinic_id)
    with acting(house, patient.clinic_id), access(Purpose.CARE, Kind.COMPUTED):
        return [batch for batch in undecided(patient.clinic_id) if _may_be_about(batch, patient)]


def _may_be_about(batch: ImportBatch, patient: Patient) -> bool:
    try:
        person = parse_bundle((batch.content or "").encode()).person
        found = card_of(told_by(person, at=batch.uploaded_at), patient.clinic_id)
    except ClinicError:
        return True
    return found == patient


def _record_files(patient_id: UUID, subject_ids: Sequence[UUID], *, destroyed: int, held: int) -> None:
    for action, count in (("files.erased", destroyed), ("files.held", held)):
        if count:
            record(action, object=("crypto.sealedfile", str(patient_id)), subjects=subject_ids, count=count)


def _take_turn() -> None:
    """One erasure at a time in the whole installation, until the transaction ends. Raises KeysInUse."""
    deadline = time.monotonic() + SECONDS_TO_WAIT
    while not is_my_turn("crypto:ledger"):
        if time.monotonic() > deadline:
            raise KeysInUse("another erasure does not end")
        time.sleep(SECONDS_BETWEEN_LOOKS)


def _let_go(clinic_id: UUID, subject_ids: Sequence[UUID]) -> None:
    """After the commit: every process has forgotten the keys, and the bytes of files nobody can open are taken away."""
    keyring.forget_everything()
    try:
        wait_for_older_transactions()
    finally:
        with acting(system_actor("erasure", clinic_id), clinic_id):
            files = destroyed_files(subject_ids)
        remove_bytes(files)


# --- what the database lacks -----------------------------------------------------------------------------------------------


def carry_out_ledger() -> int:
    """Carry out every line the database does not know of, or whose keys a restore has brought back. Answers how many.

    Called before the first request of a process, and before an erasure. Several processes may do it at once: each line is
    carried out by one of them. Opens nothing, so it works where the person's keys do not open any more. Raises LedgerRefused
    where the ledger is broken, shorter than the database says, or another one.
    """
    chain, of_database = ledger.read(), ledger.known()
    ledger.check(chain, of_database.length, of_database.head, who="the database")
    wanted = [line for line in chain.erasures if line.number > of_database.length]
    wanted += _undone(chain.erasures[: of_database.length])
    done = 0
    for line in sorted(wanted, key=lambda line: line.number):
        with acting(system_actor("erasure", line.clinic_id), line.clinic_id):
            _take_turn()
            missing = line.number > ledger.known().length
            if missing or living_keys(line.key_ids):
                _carry_out(line, missing=missing)
                done += 1
    done += sum(_hold_again(line) for line in _taken_out(chain.erasures))
    if done:
        keyring.forget_everything()
        wait_for_older_transactions()
    return done


def remove_leftover_bytes() -> None:
    """Take away the bytes of every erased file: a crash after the commit, or a restored folder, may have left some."""
    lines = [line for line in ledger.read().erasures if line.file_ids]
    if lines:
        with acting(system_actor("erasure", None), *{line.clinic_id for line in lines}):
            files = destroyed_files([subject for line in lines for subject in line.subject_ids])
        remove_bytes(files)


def _undone(lines: Sequence[Erasure]) -> list[Erasure]:
    """Lines the database knows of and whose keys are there all the same: an older copy of the key tables was put in."""
    if not lines:
        return []
    with acting(system_actor("erasure", None), *{line.clinic_id for line in lines}):
        alive = living_keys([key_id for line in lines for key_id in line.key_ids])
    return [line for line in lines if alive.intersection(line.key_ids)]


def _taken_out(lines: Sequence[Erasure]) -> list[Erasure]:
    """Lines whose held keys are usable although the person is restricted: an older copy of the key tables was put in.

    A record that was released is not restricted.
    """
    holding = [line for line in lines if line.held_key_ids]
    if not holding:
        return []
    with acting(system_actor("erasure", None), *{line.clinic_id for line in holding}):
        usable = usable_keys([key_id for line in holding for key_id in line.held_key_ids])
        suspects = [line for line in holding if usable.intersection(line.held_key_ids)]
        restricted = Patient.objects.filter(pk__in=[line.patient_id for line in suspects]).exclude(
            restricted_at=None
        )
        closed = set(restricted.values_list("pk", flat=True))
    return [line for line in suspects if line.patient_id in closed]


def _hold_again(line: Erasure) -> bool:
    """Whether there was a key to be put back; one that opens nowhere any more is left as it is."""
    with acting(system_actor("erasure", line.clinic_id), line.clinic_id):
        _take_turn()
        held = hold_keys(line.clinic_id, line.subject_ids, line.restricted, lost_is_fine=True)
        if held.key_ids:
            about = ("patients.patient", str(line.patient_id))
            record("patient.erased", object=about, subjects=line.subject_ids, reason="replayed")
            _record_files(line.patient_id, line.subject_ids, destroyed=0, held=len(held.file_ids))
            move_counter()
        return bool(held.key_ids)


def _carry_out(line: Erasure, *, missing: bool) -> None:
    """The same end as `_erase`, from the line alone. The keys go first: what follows then needs none."""
    at = datetime.fromisoformat(line.at)
    keys = destroy_listed_keys(line.key_ids, at=at, reference=line.reference)
    keys += destroy_subject_keys(line.subject_ids, line.destroyed, at=at, reference=line.reference)
    gone = destroy_file_keys(line.subject_ids, line.destroyed, at=at)
    held = Held((), ())
    if missing and line.restricted:
        held = hold_keys(line.clinic_id, line.subject_ids, line.restricted, lost_is_fine=True)
    if held.lost:
        logger.warning("erasure %s: %s keys open nowhere any more and are not held", line.number, held.lost)
    _record_files(line.patient_id, line.subject_ids, destroyed=len(gone), held=len(held.file_ids))
    patient = Patient.objects.filter(pk=line.patient_id).first()
    if patient is not None and missing:
        withdraw_everything(patient, by=current_actor(), at=at)
        Patient.objects.select_for_update().get(pk=patient.pk)
        files = undecided(line.clinic_id).filter(uploaded_at__lte=at)  # whom they are about cannot be asked
        _let_everybody_forget(
            patient.pk, line.clinic_id, line.subject_ids, line.destroyed, [b.pk for b in files], at
        )
    record(
        "patient.erased",
        object=("patients.patient", str(line.patient_id)),
        subjects=line.subject_ids,
        reason="replayed",
        wrote=wrote_keys(SubjectKey, keys),
    )
    if missing:
        ledger.remember(line)
    else:
        move_counter()


# --- the legal hold ---------------------------------------------------------------------------------------------------------


def release_hold(
    patient: Patient, *, private: bytes, to: User, reason: GrantReason, by: Actor, at: datetime
) -> int:
    """Take a restricted record back from the legal hold, and open its chart to one account for a week.

    For whoever a law gives the right to look. Nothing that was withdrawn starts again, and nobody else sees the person; the
    next erasure puts the record away again. Answers how many keys came back. Inside `acting`, by staff who may erase. Raises
    NotHeld, PatientNotFound, ErasureNotAllowed, and SealBroken when `private` is not the private half of the pair.
    """
    check_may_erase(by, patient.clinic_id)
    released = release_keys(patient.clinic_id, [patient.subject_id], frozenset(Scope), private=private)
    if not released.key_ids:
        raise NotHeld
    subjects = [patient.subject_id]
    Patient.objects.filter(pk=patient.pk).update(restricted_at=None)
    record("hold.released", object=patient, subjects=subjects, count=1, reason=reason.value)
    if count := len(released.file_ids):
        record(
            "files.released", object=("crypto.sealedfile", str(patient.pk)), subjects=subjects, count=count
        )
    move_counter()  # a process that tried to open it keeps for a minute that it may not
    grant_chart(patient, to, reason=reason, by=by, at=at, until=at + OPEN_FOR)
    return len(released.key_ids)
