"""What every provider of key-encryption keys (KEK) offers; one contract test suite runs against all of them."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol
from uuid import UUID

from crypto.core.suites import Suite


class Clear(NamedTuple):
    """A key to be wrapped: under which KEK, and bound to what."""

    reference: str
    suite: Suite
    key: bytes
    aad: bytes


class Wrapped(NamedTuple):
    """A wrapped key: under which KEK, and bound to what. `suite` is the KEK's."""

    reference: str
    suite: Suite
    wrapped: bytes
    aad: bytes


class Rewrap(NamedTuple):
    """A wrapped key, and the KEK and binding it is to have next."""

    old: Wrapped
    reference: str
    suite: Suite
    aad: bytes


class Provider(Protocol):
    name: str
    settings: str  # those that say where it is, for sentences

    def generate(self, suite: Suite, *, clinic_id: UUID) -> str:
        """Make the clinic's next KEK and return its reference. Raises KeysMissing, also for a suite it does not offer.

        The caller holds the clinic's lock: two at once may be given the same key.
        """
        ...

    def wrap(self, items: Sequence[Clear]) -> list[bytes]:
        """In the order of the items. Raises KeysMissing."""
        ...

    def unwrap(self, items: Sequence[Wrapped]) -> list[bytes]:
        """All or none, in the order of the items.

        Raises KeysMissing, and Broken when a wrapped key or what it is bound to was changed.
        """
        ...

    def rewrap(self, items: Sequence[Rewrap]) -> list[bytes]:
        """Open each under its old KEK and wrap it under the new one. Raises KeysMissing and Broken."""
        ...

    def exists(self, reference: str) -> bool:
        """Whether the store still holds the KEK, usable or not. Raises KeysMissing when the store cannot be asked."""
        ...

    def destroy(self, reference: str) -> None:
        """Destroy a KEK for good and read back that it is gone. Twice is harmless.

        A clinic's oldest first: a store may refuse while an older one lives. Raises KeysMissing.
        """
        ...

    def forget(self) -> None:
        """Drop what this process keeps of KEKs, so that a destroyed one opens nothing any more."""
        ...

    def fingerprint(self, *, make: bool = False) -> str:
        """Names this store of keys without telling anything about them.

        Raises KeysMissing, also for an empty store, unless `make` lets it become one.
        """
        ...

    def health(self) -> list[str]:
        """What is wrong with the store, one sentence each."""
        ...
