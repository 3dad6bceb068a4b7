"""Sessions that nobody can go on with from a stolen table or cache: both hold a hash of the key, the cookie alone the key."""

from hashlib import sha256
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends import cached_db
from django.contrib.sessions.models import Session
from django.core.cache import caches
from django.utils import timezone


class SessionStore(cached_db.SessionStore):
    """Django's, with every look-up by the hash. A key is long and random, so its hash needs no secret."""

    cache_key_prefix = "zhizhi.session."

    @property
    def cache_key(self) -> str:
        return self.cache_key_prefix + kept_key(self._own_key())

    def exists(self, session_key: str) -> bool:
        return bool(super().exists(kept_key(session_key)))

    def delete(self, session_key: str | None = None) -> None:
        key = session_key or self.session_key
        if key is not None:
            super().delete(kept_key(key))

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


def end_sessions(user_id: UUID) -> int:
    """Sign an account out everywhere. Whose a session is stands inside it, so every living one is looked at."""
    store, ended = SessionStore(), 0
    for row in Session.objects.filter(expire_date__gt=timezone.now()).iterator():
        if store.decode(row.session_data).get(SESSION_KEY) == str(user_id):
            caches[settings.SESSION_CACHE_ALIAS].delete(store.cache_key_prefix + row.session_key)
            row.delete()
            ended += 1
    return ended
