"""The opener of every unit of work: request, task, command, test. One transaction, one actor, the clinics they may see."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from ipaddress import ip_address
from itertools import groupby
from operator import attrgetter
from uuid import UUID

from django.db import DatabaseError, connection, transaction

from audit import alarms, events, rules
from audit.actors import Actor, Unit, at_work, unit_or_none
from audit.errors import LogUnavailable
from crypto import keyring
from crypto.scope import noting_broken


@contextmanager
def acting(actor: Actor, *clinic_ids: UUID, request_id: str = "", address: str = "") -> Iterator[Actor]:
    """A transaction in which `actor` is answerable and row security shows these clinics (default: the actor's own).

    Nests: the inner one is a savepoint, and the outer actor and clinics come back after it. What was opened or refused in a
    unit that is rolled back is written afterwards in a transaction of its own; raises LogUnavailable when it cannot be.
    """
    own = (actor.clinic_id,) if actor.clinic_id else ()
    outer = unit_or_none()
    unit = Unit(actor, clinic_ids or own, request_id[:64], valid_address(address))
    committed = False
    try:
        nested = connection.in_atomic_block
        with transaction.atomic():
            before = _read_settings() if nested else None
            unit.txid, epoch = _set_settings(_array(unit.clinic_ids), actor.ref)
            if outer is None:
                keyring.begin_unit(epoch)
            with at_work(unit), noting_broken(unit.broken):
                yield actor
                if not connection.needs_rollback:
                    _tell_of_broken_values(unit)
            committed = not connection.needs_rollback
            if before and committed:  # RELEASE SAVEPOINT keeps what set_config did; ROLLBACK TO undoes it
                _set_settings(*before)
    finally:
        _settle(unit, outer, committed=committed)


def valid_address(text: str) -> str | None:
    """An IP address as PostgreSQL takes it, or None: nonsense from a proxy's header must not break a write."""
    try:
        return str(ip_address(text.strip()))
    except ValueError:
        return None


def _array(clinic_ids: Iterable[UUID]) -> str:
    ids = ",".join(str(clinic_id) for clinic_id in clinic_ids)
    return f"{{{ids}}}" if ids else ""


def _read_settings() -> tuple[str, str]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT coalesce(current_setting('zhizhi.clinics', true), ''), coalesce(current_setting('zhizhi.actor', true), '')"
        )
        clinics, actor = cursor.fetchone()
    return clinics, actor


def _set_settings(clinics: str, actor: str) -> tuple[int, int | None]:
    """Answers the transaction's number, which every event of it carries inside its canonical text, and the counter of the keys' epoch."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT set_config('zhizhi.clinics', %s, true), set_config('zhizhi.actor', %s, true), pg_current_xact_id()::text,"
            " (SELECT counter FROM crypto_epoch)",
            [clinics, actor],
        )
        _clinics, _actor, txid, epoch = cursor.fetchone()
        return int(txid), epoch


def _settle(unit: Unit, outer: Unit | None, *, committed: bool) -> None:
    """What the log is still owed goes to the outer unit, or is written now that the transaction is over."""
    unit.owed += alarms.broken_drafts(unit)
    owed = unit.owed if committed else [*unit.if_lost, *unit.owed]
    if outer is not None:
        outer.owed += owed
        outer.if_lost += unit.if_lost if committed else []
        return
    if not owed:
        return
    unit.owed, unit.if_lost = [], []
    try:
        for writer, drafts in groupby(owed, attrgetter("unit")):
            _write_alone(writer, list(drafts))
    except DatabaseError as error:
        raise LogUnavailable(f"after the unit of work: {type(error).__name__}") from error


def _tell_of_broken_values(unit: Unit) -> None:
    """What did not open becomes alarms in the same transaction; `_settle` writes them where there is none any more."""
    drafts = alarms.broken_drafts(unit)
    alarms.put(drafts)
    unit.if_lost += drafts
    unit.broken.clear()


def _write_alone(unit: Unit, drafts: Sequence[events.Draft | alarms.AlarmDraft]) -> None:
    """Each event in a transaction of its own, the alarms together in one."""
    for draft in drafts:
        if isinstance(draft, events.Draft):
            with _again(unit):
                rules.ring(draft, events.write(draft.after_rollback()).uid)
    if raised := [draft for draft in drafts if isinstance(draft, alarms.AlarmDraft)]:
        with _again(unit):
            alarms.put(raised)


@contextmanager
def _again(unit: Unit) -> Iterator[None]:
    """One more transaction in the name of a unit that is over."""
    with transaction.atomic():
        unit.txid, _epoch = _set_settings(_array(unit.clinic_ids), unit.actor.ref)
        yield
