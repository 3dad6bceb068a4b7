"""What the floors above do with keys."""

import secrets
import struct
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import TypeAlias
from uuid import UUID

from django.db import connection, transaction
from django.utils.timezone import now

from crypto import keyring
from crypto.core import values, wire
from crypto.core.scopes import Scope
from crypto.core.suites import Suite, aead, new_key
from crypto.core.wrap import index_key_aad, subject_key_aad
from crypto.errors import KeysMissing
from crypto.models import CryptoEpoch, IndexKey, Kek, KekState
from crypto.providers import Clear, provider
from crypto.turns import wait_for_turn

EPOCH = timedelta(days=30)
FIRST_VERSION = 1
ABSENT = b"\0"

Committed: TypeAlias = "values.Json | Decimal | date | bytes"


def check_key_store() -> None:
    """Whether the keys in hand are those of this database; a database that has none yet adopts them.

    Raises KeysMissing. Called at start and before keys are made, so that an empty or foreign folder is never written to.
    """
    known = CryptoEpoch.objects.values_list("key_store", flat=True).first()
    fingerprint = provider().fingerprint(make=known == "")
    if CryptoEpoch.objects.filter(key_store="").update(key_store=fingerprint):
        return
    known = CryptoEpoch.objects.values_list("key_store", flat=True).first()
    if known is not None and known != fingerprint:
        places = provider().settings
        raise KeysMissing(
            f"The keys found by {places} belong to another installation: restore this installation's keys, or correct {places}."
        )


def open_clinic_keys(clinic_id: UUID, *, suite: Suite = Suite.AES_256_GCM) -> None:
    """Give a clinic the keys it needs before its first patient; doing it twice changes nothing. Raises KeysMissing."""
    with transaction.atomic():
        lock_keys_of(clinic_id)
        check_key_store()
        kek = Kek.objects.filter(clinic_id=clinic_id, state=KekState.ACTIVE).order_by("-pk").first()
        if kek is None:
            kek = create_kek(clinic_id, suite, at=now())
        if not IndexKey.objects.filter(clinic_id=clinic_id, destroyed_at=None).exists():
            create_index_key(kek, version=FIRST_VERSION)


def lock_keys_of(clinic_id: UUID) -> None:
    """One transaction at a time makes or replaces the keys of a clinic."""
    wait_for_turn(f"crypto:{clinic_id}")


def create_kek(clinic_id: UUID, suite: Suite, *, at: datetime) -> Kek:
    """A KEK made by the provider, in use for one epoch. Raises KeysMissing."""
    return Kek.objects.create(
        clinic_id=clinic_id,
        suite=suite,
        provider=provider().name,
        provider_ref=provider().generate(suite, clinic_id=clinic_id),
        not_after=at + EPOCH,
    )


def create_index_key(kek: Kek, *, version: int) -> None:
    """A new blind-index secret, wrapped by the KEK and of its suite."""
    suite = Suite(kek.suite)
    aad = index_key_aad(clinic_id=kek.clinic_id, version=version, suite=suite, kek_id=kek.pk)
    wrapped = provider().wrap([Clear(kek.provider_ref, suite, new_key(suite), aad)])[0]
    IndexKey.objects.create(clinic_id=kek.clinic_id, version=version, kek=kek, wrapped=wrapped)


def create_subject_keys(clinic_id: UUID, subject_id: UUID) -> None:
    """One data key per scope for a new subject, in one INSERT. Raises KeysMissing when the clinic has no keys yet."""
    kek = keyring.active_kek(clinic_id)
    keys = [
        keyring.DataKey(new_key_id(), subject_id, scope, kek.suite, aead(kek.suite, secret), secret)
        for scope in Scope
        for secret in [new_key(kek.suite)]
    ]
    wrapped = provider().wrap(
        [Clear(kek.reference, kek.suite, key.secret, _aad(key, clinic_id, kek.id)) for key in keys]
    )
    values = [
        (key.id, subject_id, clinic_id, key.scope.value, FIRST_VERSION, kek.suite.value, kek.id, sealed)
        for key, sealed in zip(keys, wrapped, strict=True)
    ]
    with connection.cursor() as cursor:
        cursor.execute(_INSERT_KEYS, [value for row in values for value in row])
    current = keyring.unit()
    for key in keys:
        keyring.keep(key, committed=False, in_unit=current)


_INSERT_KEYS = (
    "INSERT INTO subject_key (id, subject_id, clinic_id, scope, version, suite, kek_id, wrapped) VALUES "  # noqa: S608
    + ", ".join(["(%s, %s, %s, %s, %s, %s, %s, %s)"] * len(Scope))
)


def new_key_id() -> int:
    """Random, so that no restore or restarted sequence gives a key's number to another key."""
    return secrets.randbelow(wire.LARGEST_KEY_ID) + 1


def _aad(key: keyring.DataKey, clinic_id: UUID, kek_id: int) -> bytes:
    return subject_key_aad(
        clinic_id=clinic_id,
        subject_id=key.subject_id,
        scope=key.scope,
        version=FIRST_VERSION,
        suite=key.suite,
        kek_id=kek_id,
    )


def commitment(subject_id: UUID, scope: Scope, name: str, value: Committed) -> str:
    """What the log keeps of a sealed value: comparable while the subject's key of the scope lives, meaningless after.

    Raises KeysMissing when the subject has no key of this scope.
    """
    label = name.encode()
    message = struct.pack(">I", len(label)) + label + _typed(value)
    return "c:" + keyring.sealing_key(subject_id, scope).commitments.digest(message)[:16].hex()


def _typed(value: Committed) -> bytes:
    """A value and its type as bytes; the typed bytes of `crypto.core.values`, and one of its own for no value."""
    if value is None:
        return ABSENT
    if isinstance(value, bool):
        return values.from_boolean(value)
    if isinstance(value, int):
        return values.from_integer(value)
    if isinstance(value, str):
        return values.from_text(value)
    if isinstance(value, Decimal):
        return values.from_decimal(value)
    if isinstance(value, date) and not isinstance(value, datetime):
        return values.from_date(value)
    if isinstance(value, bytes):
        return values.from_bytes(value)
    return values.from_json(value)  # type: ignore[arg-type]  # what is not JSON is refused with TypeError
