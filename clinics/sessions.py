"""Sessions that nobody can read or go on with from a stolen table or cache.

Both hold a hash of the key, the cookie alone the key; and both hold the session sealed under SECRET_KEY, bound to that hash,
because the packages put seeds, challenges and names into sessions. `AccountSession` is the index of who is signed in where.
"""

import json
import logging
from base64 import b64decode, b64encode
from datetime import timedelta
from functools import cache
from hashlib import sha256
from secrets import token_bytes
from typing import Any
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends import cached_db, db
from django.contrib.sessions.exceptions import SessionInterrupted
from django.contrib.sessions.models import Session
from django.core.cache import caches
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.crypto import salted_hmac

from clinics.accounts.models import AccountSession

logger = logging.getLogger(__name__)
_NONCE = 12
PREFIX = "zhizhi.session."
ENDED = "zhizhi.session-ended."


class SessionStore(cached_db.SessionStore):
    """Django's, with every look-up by the hash, and what is kept sealed. A key is long and random, so its hash needs no secret."""

    cache_key_prefix = PREFIX

    @property
    def cache_key(self) -> str:
        return self.cache_key_prefix + kept_key(self._own_key())

    def load(self) -> dict[str, Any]:
        """One ended a moment ago stays ended, also where a request that was still running has put it back into the cache."""
        ended_key = ENDED + kept_key(self._own_key())
        found = self._cache.get_many([self.cache_key, ended_key])  # type: ignore[attr-defined]  # the stubs leave it out
        if ended_key in found:
            self._session_key = None
            return {}
        if self.cache_key in found:
            return self.decode(found[self.cache_key])
        row = self._get_session_from_db()
        if row is None:
            return {}
        self._keep(row.session_data, self.get_expiry_age(expiry=row.expire_date))
        return self.decode(row.session_data)

    def save(self, must_create: bool = False) -> None:
        db.SessionStore.save(self, must_create)
        self._keep(self.encode(self._get_session(no_load=must_create)), self.get_expiry_age())  # type: ignore[attr-defined]  # the stubs leave it out

    def _keep(self, sealed: str, seconds: int) -> None:
        self._cache.set(self.cache_key, sealed, seconds)  # type: ignore[attr-defined]  # the stubs leave it out

    def encode(self, session_dict: dict[str, Any]) -> str:
        return seal(session_dict, kept_key(self._own_key()))

    def decode(self, session_data: bytes | str) -> dict[str, Any]:
        return opened(session_data, kept_key(self._own_key()))

    def exists(self, session_key: str) -> bool:
        return bool(super().exists(kept_key(session_key)))

    def delete(self, session_key: str | None = None) -> None:
        key = session_key or self.session_key
        if key is not None:
            AccountSession.objects.filter(session_key=kept_key(key)).delete()
            super().delete(kept_key(key))

    def cycle_key(self) -> None:
        """A new key for the same session, as after a change of password: the index follows, and who ends sessions waits for it.

        Raises SessionInterrupted for one that was ended while this request was running: it does not live on under a new key.
        """
        data, old = self._get_session(), self.session_key  # type: ignore[attr-defined]  # the stubs leave it out
        with transaction.atomic():
            index = AccountSession.objects.select_for_update()
            entry = index.filter(session_key=kept_key(old or "")).first()
            if entry is None and SESSION_KEY in data:
                raise SessionInterrupted
            self.create()
            self._session_cache = data
            if entry is not None:
                entry.session_key = kept_key(self._own_key())
                entry.save(update_fields=["session_key"])
            if old:
                self.delete(old)

    def create_model_instance(self, data: dict[str, Any]) -> Any:
        row = super().create_model_instance(data)
        row.session_key = kept_key(row.session_key)
        return row

    def _get_session_from_db(self) -> Any:
        key = kept_key(self._own_key())
        row = self.model.objects.filter(session_key=key, expire_date__gt=timezone.now()).first()
        if row is None:
            self._session_key = None
        return row

    def _own_key(self) -> str:
        key: str = self._get_or_create_session_key()  # type: ignore[attr-defined]  # the stubs leave it out
        return key


def kept_key(session_key: str) -> str:
    """What table and cache know of a key: 160 bits, as wide as the column."""
    return sha256(f"zhizhi/session/{session_key}".encode()).hexdigest()[:40]


def seal(session: dict[str, Any], kept: str) -> str:
    nonce = token_bytes(_NONCE)
    text = json.dumps(session, separators=(",", ":")).encode()
    return b64encode(nonce + _cipher(settings.SECRET_KEY).encrypt(nonce, text, kept.encode())).decode()


def opened(session_data: bytes | str, kept: str) -> dict[str, Any]:
    """What stands in a kept session; nothing when it was moved, changed, or sealed under another SECRET_KEY."""
    try:
        raw = b64decode(session_data, validate=True)
        text = _cipher(settings.SECRET_KEY).decrypt(raw[:_NONCE], raw[_NONCE:], kept.encode())
    except (InvalidTag, ValueError, TypeError):
        logger.warning("A session did not open and was left.")
        return {}
    session: dict[str, Any] = json.loads(text)
    return session


@cache
def _cipher(secret_key: str) -> AESGCM:
    return AESGCM(salted_hmac("zhizhi/session", "seal", secret=secret_key, algorithm="sha256").digest())


def living_sessions() -> QuerySet[AccountSession]:
    """Where people are signed in now, the newest first."""
    since = timezone.now() - timedelta(seconds=settings.SESSION_COOKIE_AGE)
    return AccountSession.objects.filter(started_at__gt=since).order_by("-started_at")


def end_session(session: AccountSession) -> None:
    """From the next request on nobody goes on with it."""
    store = caches[settings.SESSION_CACHE_ALIAS]
    store.set(ENDED + session.session_key, 1, settings.SESSION_COOKIE_AGE)
    Session.objects.filter(session_key=session.session_key).delete()
    store.delete(PREFIX + session.session_key)
    session.delete()


def end_sessions(user_id: UUID, *, but: str | None = None) -> int:
    """Sign an account out everywhere, `but` on the session of this key when one is given. How many were ended."""
    ending = AccountSession.objects.filter(user_id=user_id)
    if but is not None:
        ending = ending.exclude(session_key=kept_key(but))
    with transaction.atomic():
        sessions = list(
            ending.select_for_update().order_by("pk")
        )  # a key that is being changed is the new one
        for session in sessions:
            end_session(session)
    return len(sessions)


def forget_ended_sessions() -> None:
    SessionStore.clear_expired()
    AccountSession.objects.filter(
        started_at__lt=timezone.now() - timedelta(seconds=settings.SESSION_COOKIE_AGE)
    ).delete()
