"""What stands in Valkey is text. Pickled, a value written there by somebody else would run in our processes, keys at hand."""

import json
from functools import cached_property
from typing import Any

from django.core.cache.backends.redis import RedisCache, RedisCacheClient


class JsonSerializer:
    """For Django's Redis cache. Integers stay bare, so that counting up stays one step."""

    def dumps(self, value: Any) -> Any:
        return value if type(value) is int else json.dumps(value).encode()

    def loads(self, kept: bytes) -> Any:
        return json.loads(kept)


class _OneClient(RedisCacheClient):
    """Django's makes a client for every command; one is enough, and each thread still takes its own connection from the pool."""

    def get_client(self, key: Any = None, *, write: bool = False) -> Any:
        return self._one

    @cached_property
    def _one(self) -> Any:
        return super().get_client(write=True)


class Valkey(RedisCache):
    """Django's Redis cache, for a store that stands on one server."""

    def __init__(self, server: str, params: dict[str, Any]) -> None:
        super().__init__(server, params)
        self._class = _OneClient
