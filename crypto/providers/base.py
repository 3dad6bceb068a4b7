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

    def generate(self, suite: Suite, *, clinic_id: UUID) -> str:
        """Make the clinic's next KEK and return its reference. Raises KeysMissing, also for a suite it does not offer."""
        ...

    def wrap(self, items: Sequence[Clear]) -> list[bytes]:
        """Raises KeysMissing."""
        ...

    def unwrap(self, items: Sequence[Wrapped]) -> list[bytes]:
        """Raises KeysMissing, and Broken when a wrapped key or what it is bound to was changed."""
        ...

    def rewrap(self, items: Sequence[Rewrap]) -> list[bytes]:
        """Open each under its old KEK and wrap it under the new one. Raises KeysMissing and Broken."""
        ...

    def exists(self, reference: str) -> bool: ...

    def destroy(self, reference: str) -> None:
        """Destroy a KEK for good and read back that it is gone. Twice is harmless."""
        ...

    def fingerprint(self) -> str:
        """Names this store of keys without telling anything about them; makes the store's root in an empty store.

        Raises KeysMissing.
        """
        ...

    def health(self) -> list[str]:
        """What is wrong with the store, one sentence each."""
        ...
