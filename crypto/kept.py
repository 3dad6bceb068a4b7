"""A dictionary bounded in size and in time, for keys a process may hold for a while."""

import time
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Kept(Generic[K, V]):
    """Forgets an entry after so many seconds, and its oldest entries when it is full."""

    def __init__(self, size: int, seconds: float) -> None:
        self._size = size
        self._seconds = seconds
        self._entries: dict[K, tuple[float, V]] = {}

    def get(self, key: K) -> V | None:
        entry = self._entries.get(key)
        return entry[1] if entry is not None and entry[0] > time.monotonic() else None

    def put(self, key: K, value: V) -> None:
        entries = self._entries
        entries.pop(key, None)
        self.drop_expired()
        while len(entries) >= self._size:
            if not self._drop_oldest():
                break
        entries[key] = (time.monotonic() + self._seconds, value)

    def drop_expired(self) -> None:
        """Let go of what nobody would be given any more: entries stand in the order they were put in."""
        now = time.monotonic()
        try:
            while (oldest := next(iter(self._entries.values()), None)) and oldest[0] <= now:
                self._drop_oldest()
        except RuntimeError:  # another thread was quicker
            return

    def forget(self, key: K) -> None:
        self._entries.pop(key, None)

    def clear(self) -> None:
        self._entries.clear()

    def __len__(self) -> int:
        return len(self._entries)

    def _drop_oldest(self) -> bool:
        """False when another thread was quicker."""
        try:
            return self._entries.pop(next(iter(self._entries)), None) is not None
        except (StopIteration, RuntimeError):
            return False
