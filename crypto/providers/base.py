"""What every provider of key-encryption keys (KEK) offers; one contract test suite runs against all of them."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

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


class Provider(Protocol):
    name: str

    def generate(self, suite: Suite) -> str:
        """Make a KEK and return its reference."""
        ...

    def wrap(self, items: Sequence[Clear]) -> list[bytes]:
        """Raises KeysMissing."""
        ...

    def unwrap(self, items: Sequence[Wrapped]) -> list[bytes]:
        """Raises KeysMissing, and Broken when a wrapped key or what it is bound to was changed."""
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
