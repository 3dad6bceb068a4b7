"""Provider `vault-transit`: KEKs inside HashiCorp Vault, which wraps and unwraps for us and never hands a key out.

A clinic has one named key of the transit engine, `zhizhi-<clinic id>`; its versions are the clinic's KEKs, and a reference is
`<name>:<version>`. A wrapped key is Vault's own text, `vault:v<version>:<base64>`.
"""

import re
from base64 import b64decode, b64encode
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple
from uuid import UUID

from crypto.core.suites import Broken, Suite
from crypto.errors import KeysMissing
from crypto.providers.base import Clear, Rewrap, Wrapped
from crypto.providers.vault_client import Answer, VaultClient

BATCH = 1_000  # items of one question; a page of patients has 150
KIND = "aes256-gcm96"
FINGERPRINT_KEY = "zhizhi-fingerprint"
FINGERPRINT_OF = b"zhizhi/fingerprint/v1"

_REFERENCE = re.compile(r"([a-z0-9-]{1,60}):([1-9][0-9]{0,9})")
Living = Callable[[str], Collection[int]]


class _Key(NamedTuple):
    """What Vault says of a named key. Versions below `oldest` are destroyed, those below `opening` are kept but not used."""

    latest: int
    oldest: int
    opening: int
    sealing: int
    kind: str
    weakness: str

    def holds(self, version: int) -> bool:
        return max(self.oldest, 1) <= version <= self.latest

    def opens(self, version: int) -> bool:
        return self.holds(version) and version >= self.opening


class VaultTransitProvider:
    """Asks Vault once per clinic and thousand keys; keeps nothing but connections.

    `living(name)` are the versions of a named key that records still refer to: none of them is ever trimmed away.
    """

    name = "vault-transit"
    settings = "VAULT_ADDR and VAULT_MOUNT"

    def __init__(self, client: VaultClient, living: Living) -> None:
        self._client = client
        self._living = living

    def generate(self, suite: Suite, *, clinic_id: UUID) -> str:
        if suite is not Suite.AES_256_GCM:
            raise KeysMissing(
                "Vault's transit engine has no SM4: keep the keys in files, or use AES-256-GCM."
            )
        name = f"zhizhi-{clinic_id.hex}"
        known = self._key(name)
        if known is None:
            key = self._make(name)
        else:
            _refuse_weak(name, known)
            key = self._rotate(name)
        _refuse_weak(name, key)
        reference = f"{name}:{key.latest}"
        self._refuse_loose(reference)
        return reference

    def wrap(self, items: Sequence[Clear]) -> list[bytes]:
        wrapped = [b""] * len(items)
        for name, page in _pages([item.reference for item in items]):
            batch = [
                {
                    "plaintext": _text(items[place].key),
                    "associated_data": _text(items[place].aad),
                    "key_version": version,
                }
                for place, version in page
            ]
            if any(items[place].suite is not Suite.AES_256_GCM for place, _version in page):
                raise KeysMissing(
                    f"A key of Vault's {name} is recorded with a suite that Vault does not have."
                )
            for (place, version), result in zip(page, self._batch("encrypt", name, batch), strict=True):
                text = result.get("ciphertext")
                if not isinstance(text, str) or not text.startswith(_prefix(version)):
                    raise KeysMissing(
                        f"Vault does not wrap under {name}:{version}: it is destroyed or not there."
                    )
                wrapped[place] = text.encode()
        return wrapped

    def unwrap(self, items: Sequence[Wrapped]) -> list[bytes]:
        keys = [b""] * len(items)
        for name, page in _pages([item.reference for item in items]):
            batch = [
                {
                    "ciphertext": _ciphertext(items[place], version),
                    "associated_data": _text(items[place].aad),
                }
                for place, version in page
            ]
            for (place, version), result in zip(page, self._batch("decrypt", name, batch), strict=True):
                if result.get("error"):
                    self._raise_why(name, version)
                keys[place] = _bytes(result.get("plaintext"))
        return keys

    def rewrap(self, items: Sequence[Rewrap]) -> list[bytes]:
        """Two questions instead of Vault's own `rewrap`, which cannot change what a key is bound to: the KEK is part of it."""
        keys = self.unwrap([item.old for item in items])
        return self.wrap(
            [Clear(item.reference, item.suite, key, item.aad) for item, key in zip(items, keys, strict=True)]
        )

    def exists(self, reference: str) -> bool:
        name, version = _parts(reference)
        key = self._key(name)
        return key is not None and key.holds(version)

    def destroy(self, reference: str) -> None:
        """Vault trims from the oldest version upwards, so whatever is older goes too: it refuses while one of those lives."""
        name, version = _parts(reference)
        key = self._key(name)
        if key is None or not key.holds(version):
            return
        if older := sorted(v for v in self._living(name) if v < version and key.holds(v)):
            raise KeysMissing(
                f"Destroy {name}:{older[0]} first: Vault can only destroy a key with all older ones."
            )
        if version == key.latest:
            key = self._rotate(name)  # the newest version cannot be trimmed; its successor is never used
        limits = {
            "min_decryption_version": max(key.opening, version + 1),
            "min_encryption_version": max(key.sealing, version + 1),
        }
        self._done(self._client.ask("POST", f"keys/{name}/config", limits), name)
        self._done(
            self._client.ask("POST", f"keys/{name}/trim", {"min_available_version": version + 1}), name
        )
        if self.exists(reference):
            raise KeysMissing(f"Vault's key {reference} could not be destroyed.")

    def forget(self) -> None:
        """Nothing to drop: the keys never come here."""

    def fingerprint(self, *, make: bool = False) -> str:
        """An HMAC under a key of its own, which cannot leave Vault: it moves with the keys to another cluster or address,
        and no other mount, and no Vault set up anew, answers the same."""
        answer = self._hmac()
        if answer.status == 400 and make:
            self._make(FINGERPRINT_KEY)
            answer = self._hmac()
        if answer.status == 400:
            raise KeysMissing(
                f"Vault has no key {FINGERPRINT_KEY}: it is not this installation's, or was set up anew. Look at VAULT_ADDR and VAULT_MOUNT."
            )
        text = answer.data.get("hmac")
        if answer.status != 200 or not isinstance(text, str) or not text.startswith(_prefix(1)):
            raise KeysMissing(f"Vault's key {FINGERPRINT_KEY} cannot be used: look at VAULT_MOUNT.")
        return _bytes(text.removeprefix(_prefix(1))).hex()[:32]

    def health(self) -> list[str]:
        try:
            if sentence := self._client.state():
                return [sentence]
            self._hmac()  # a token that may not do this may do nothing; that there is no key yet is no illness
        except KeysMissing as error:
            return [str(error)]
        return []

    def _hmac(self) -> Answer:
        """Always of version 1, so that rotating the key by mistake changes nothing."""
        answer = self._client.ask(
            "POST", f"hmac/{FINGERPRINT_KEY}", {"input": _text(FINGERPRINT_OF), "key_version": 1}
        )
        if answer.status == 404:
            raise KeysMissing("VAULT_MOUNT names no transit engine of this Vault.")
        return answer

    def _refuse_loose(self, reference: str) -> None:
        """Before 1.13 Vault passed over associated data without a word: every key would open in every other place."""
        (wrapped,) = self.wrap([Clear(reference, Suite.AES_256_GCM, bytes(32), b"this")])
        try:
            self.unwrap([Wrapped(reference, Suite.AES_256_GCM, wrapped, b"that")])
        except Broken:
            return
        raise KeysMissing("This Vault does not hold a key to what it is bound to: it must be 1.13 or newer.")

    def _make(self, name: str) -> _Key:
        body = {"type": KIND, "exportable": False, "allow_plaintext_backup": False, "derived": False}
        self._done(self._client.ask("POST", f"keys/{name}", body), name)
        return self._known(name)

    def _rotate(self, name: str) -> _Key:
        self._done(self._client.ask("POST", f"keys/{name}/rotate"), name)
        return self._known(name)

    def _known(self, name: str) -> _Key:
        key = self._key(name)
        if key is None:
            raise KeysMissing(f"Vault does not show the key {name} that it has just made.")
        return key

    def _key(self, name: str) -> _Key | None:
        answer = self._client.ask("GET", f"keys/{name}")
        if answer.status == 404 and not answer.errors:
            return None
        if answer.status != 200:
            raise KeysMissing(f"Vault does not show the key {name}: look at VAULT_MOUNT.")
        data = answer.data
        weak = ("exportable", "allow_plaintext_backup", "deletion_allowed", "derived")
        return _Key(
            latest=_number(data, "latest_version"),
            oldest=_number(data, "min_available_version"),
            opening=_number(data, "min_decryption_version"),
            sealing=_number(data, "min_encryption_version"),
            kind=str(data.get("type")),
            weakness=", ".join(flag for flag in weak if data.get(flag)),
        )

    def _batch(self, verb: str, name: str, batch: list[dict[str, Any]]) -> list[Mapping[str, Any]]:
        """One result an item, in order. An item that failed has an `error`, whatever the status of the whole."""
        answer = self._client.ask("POST", f"{verb}/{name}", {"batch_input": batch})
        results = answer.data.get("batch_results")
        if answer.status in (200, 400) and isinstance(results, list) and len(results) == len(batch):
            return [result if isinstance(result, dict) else {} for result in results]
        if answer.status == 400 and results is None:
            raise KeysMissing(f"Vault holds no key {name}, or does not {verb} with it.")
        raise KeysMissing(f"Vault did not {verb} {len(batch)} keys of {name}: it answered {answer.status}.")

    def _raise_why(self, name: str, version: int) -> None:
        """Vault's words differ between versions, so the key itself is asked whether it could have opened."""
        key = self._key(name)
        if key is None or not key.opens(version):
            raise KeysMissing(
                f"Vault no longer opens what {name}:{version} wrapped: it is destroyed or not there."
            )
        raise Broken

    @staticmethod
    def _done(answer: Answer, name: str) -> None:
        if answer.status not in (200, 204):
            raise KeysMissing(f"Vault did not change the key {name}: it answered {answer.status}.")


def _refuse_weak(name: str, key: _Key) -> None:
    if key.weakness or key.kind != KIND:
        reason = key.weakness or key.kind
        raise KeysMissing(
            f"Vault's key {name} is not fit to guard others ({reason}): it must be {KIND} and stay inside."
        )


def _pages(references: Sequence[str]) -> Iterator[tuple[str, list[tuple[int, int]]]]:
    """Name of a key, and place and version of the items that are its; at most BATCH at a time."""
    places: dict[str, list[tuple[int, int]]] = {}
    for place, reference in enumerate(references):
        name, version = _parts(reference)
        places.setdefault(name, []).append((place, version))
    for name, found in places.items():
        for start in range(0, len(found), BATCH):
            yield name, found[start : start + BATCH]


def _parts(reference: str) -> tuple[str, int]:
    found = _REFERENCE.fullmatch(reference)
    if found is None:
        raise KeysMissing("A reference of a key in Vault is a name and a version.")
    return found[1], int(found[2])


def _prefix(version: int) -> str:
    return f"vault:v{version}:"


def _ciphertext(item: Wrapped, version: int) -> str:
    """Vault's text; it must be of the version its record names, or the record was changed. Raises Broken."""
    try:
        text = item.wrapped.decode("ascii")
    except UnicodeDecodeError as error:
        raise Broken from error
    if item.suite is not Suite.AES_256_GCM or not text.startswith(_prefix(version)):
        raise Broken
    return text


def _text(value: bytes) -> str:
    return b64encode(value).decode()


def _bytes(text: object) -> bytes:
    try:
        value = b64decode(text, validate=True) if isinstance(text, str) else b""
    except ValueError:
        value = b""
    if not value:
        raise KeysMissing("Vault answered something that is not Vault's: look at VAULT_ADDR.")
    return value


def _number(data: Mapping[str, Any], name: str) -> int:
    value = data.get(name, 0)
    if not isinstance(value, int):
        raise KeysMissing("Vault answered something that is not Vault's: look at VAULT_ADDR.")
    return value
