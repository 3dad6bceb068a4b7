"""What holds for every provider of key-encryption keys, whatever keeps them: one suite, run against each."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from uuid import UUID

import pytest

from crypto.core.suites import Broken, Suite, new_key
from crypto.errors import KeysMissing
from crypto.providers import Clear, FileProvider, Provider, Rewrap, Wrapped
from tests.crypto.vault_server import Authority, VaultServer, running
from tests.factories.vault import vault_provider

AES, SM4 = Suite.AES_256_GCM, Suite.SM4_GCM
CLINIC, OTHER_CLINIC = (UUID(f"01990000-0000-7000-8000-00000000000{n}") for n in (1, 2))


class Store(Protocol):
    """A place of keys, apart from the provider that reads it."""

    def open(self) -> Provider:
        """A provider as a process that has just started has it."""
        ...

    def lose(self) -> None:
        """The place cannot be reached any more."""
        ...

    def find(self) -> None:
        """It is back, with what it held."""
        ...


@dataclass
class Folder:
    path: Path

    def open(self) -> Provider:
        return FileProvider(self.path)

    def lose(self) -> None:
        self.path.rename(self.path.with_suffix(".away"))

    def find(self) -> None:
        self.path.with_suffix(".away").rename(self.path)


@dataclass
class Vault:
    server: VaultServer
    token_file: Path

    def open(self) -> Provider:
        return vault_provider(self.server, self.token_file)

    def lose(self) -> None:
        self.server.stop()

    def find(self) -> None:
        self.server.start()


def _folder(path: Path) -> Folder:
    path.mkdir(mode=0o700)
    return Folder(path)


@pytest.fixture(params=["file", "vault-transit"])
def stores(
    request: pytest.FixtureRequest, tmp_path: Path, authority: Authority
) -> Iterator[tuple[Store, Store]]:
    """A store and another one like it."""
    if request.param == "file":
        yield _folder(tmp_path / "keys"), _folder(tmp_path / "other")
        return
    with running(authority) as one, running(authority) as other:
        yield Vault(one, tmp_path / "token"), Vault(other, tmp_path / "other-token")


@pytest.fixture
def store(stores: tuple[Store, Store]) -> Store:
    return stores[0]


@pytest.fixture
def keys(store: Store) -> Provider:
    return store.open()


@pytest.fixture
def kek(keys: Provider) -> str:
    return keys.generate(AES, clinic_id=CLINIC)


def wrapped_by(keys: Provider, reference: str, count: int = 1) -> tuple[list[bytes], list[Wrapped]]:
    """So many new keys, each bound to its own place, and the same wrapped."""
    clear = [Clear(reference, AES, new_key(AES), f"for {place}".encode()) for place in range(count)]
    sealed = keys.wrap(clear)
    return [item.key for item in clear], [
        Wrapped(reference, AES, wrapped, item.aad) for item, wrapped in zip(clear, sealed, strict=True)
    ]


def test_a_key_wrapped_by_one_process_opens_in_another(store: Store, keys: Provider, kek: str) -> None:
    clear, wrapped = wrapped_by(keys, kek, 3)
    assert store.open().unwrap(wrapped) == clear
    assert not any(key in item.wrapped for key in clear for item in wrapped)


def test_keys_of_any_suite_can_be_wrapped(keys: Provider, kek: str) -> None:
    inner = new_key(SM4)
    (wrapped,) = keys.wrap([Clear(kek, AES, inner, b"for this")])
    assert keys.unwrap([Wrapped(kek, AES, wrapped, b"for this")]) == [inner]


def test_items_of_several_keys_come_back_in_their_order(keys: Provider, kek: str) -> None:
    second, foreign = keys.generate(AES, clinic_id=CLINIC), keys.generate(AES, clinic_id=OTHER_CLINIC)
    clear = [
        Clear(reference, AES, new_key(AES), f"{number}".encode())
        for number in range(20)
        for reference in (foreign, kek, second)
    ]
    wrapped = keys.wrap(clear)
    assert len(set(wrapped)) == 60
    items = [
        Wrapped(item.reference, AES, sealed, item.aad) for item, sealed in zip(clear, wrapped, strict=True)
    ]
    assert keys.unwrap(items) == [item.key for item in clear]
    assert keys.unwrap(items[::-1]) == [item.key for item in clear[::-1]]


def test_nothing_asked_is_nothing_done(keys: Provider) -> None:
    assert keys.wrap([]) == keys.unwrap([]) == keys.rewrap([]) == []


def test_each_epoch_has_a_key_of_its_own(keys: Provider, kek: str) -> None:
    later = keys.generate(AES, clinic_id=CLINIC)
    assert len({kek, later, keys.generate(AES, clinic_id=OTHER_CLINIC)}) == 3
    clear, wrapped = wrapped_by(keys, kek)
    assert keys.unwrap(wrapped) == clear
    with pytest.raises(Broken):
        keys.unwrap([wrapped[0]._replace(reference=later)])


def test_a_reference_is_short_enough_for_its_record(kek: str) -> None:
    assert 0 < len(kek) <= 80


@pytest.mark.parametrize("what", ["aad", "epoch", "clinic", "suite", "bit", "cut", "empty"])
def test_a_wrapped_key_opens_for_nothing_else(keys: Provider, kek: str, what: str) -> None:
    _clear, (item,) = wrapped_by(keys, kek)
    last = item.wrapped[-5]
    changed = {
        "aad": item._replace(aad=b"for another"),
        "epoch": item._replace(reference=keys.generate(AES, clinic_id=CLINIC)),
        "clinic": item._replace(reference=keys.generate(AES, clinic_id=OTHER_CLINIC)),
        "suite": item._replace(suite=SM4),
        "bit": item._replace(wrapped=item.wrapped[:-5] + bytes([last ^ 1]) + item.wrapped[-4:]),
        "cut": item._replace(wrapped=item.wrapped[:-8]),
        "empty": item._replace(wrapped=b""),
    }[what]
    with pytest.raises(Broken):
        keys.unwrap([changed])


def test_one_damaged_key_spoils_its_batch_and_no_other(keys: Provider, kek: str) -> None:
    clear, wrapped = wrapped_by(keys, kek, 9)
    damaged = [*wrapped[:4], wrapped[4]._replace(aad=b"moved"), *wrapped[5:]]
    with pytest.raises(Broken):
        keys.unwrap(damaged)
    assert keys.unwrap(wrapped) == clear
    assert keys.unwrap(damaged[:4] + damaged[5:]) == clear[:4] + clear[5:]


def test_a_key_is_not_wrapped_under_a_suite_that_is_not_the_keks(keys: Provider, kek: str) -> None:
    with pytest.raises(KeysMissing, match="suite"):
        keys.wrap([Clear(kek, SM4, new_key(SM4), b"for this")])


def test_rewrapping_moves_keys_to_the_new_epoch_and_its_binding(keys: Provider, kek: str) -> None:
    clear, wrapped = wrapped_by(keys, kek, 5)
    later = keys.generate(AES, clinic_id=CLINIC)
    moved = keys.rewrap([Rewrap(item, later, AES, item.aad + b", later") for item in wrapped])
    items = [
        Wrapped(later, AES, sealed, old.aad + b", later") for old, sealed in zip(wrapped, moved, strict=True)
    ]
    assert keys.unwrap(items) == clear
    with pytest.raises(Broken):
        keys.unwrap([items[0]._replace(aad=wrapped[0].aad)])
    with pytest.raises(Broken):
        keys.rewrap([Rewrap(wrapped[0]._replace(aad=b"moved"), later, AES, b"x")])


def test_a_destroyed_key_opens_nothing_again(store: Store, keys: Provider, kek: str) -> None:
    _clear, wrapped = wrapped_by(keys, kek)
    later = keys.generate(AES, clinic_id=CLINIC)
    kept, wrapped_later = wrapped_by(keys, later)
    assert keys.exists(kek)
    assert keys.exists(later)

    keys.destroy(kek)
    keys.destroy(kek)

    for provider in (keys, store.open()):
        assert not provider.exists(kek)
        assert provider.exists(later)
        assert provider.unwrap(wrapped_later) == kept
        with pytest.raises(KeysMissing):
            provider.unwrap(wrapped)
        with pytest.raises(KeysMissing):
            provider.unwrap([*wrapped_later, *wrapped])
        with pytest.raises(KeysMissing):
            wrapped_by(provider, kek)


def test_the_newest_key_can_be_destroyed_and_the_clinic_given_another(keys: Provider, kek: str) -> None:
    _clear, wrapped = wrapped_by(keys, kek)
    keys.destroy(kek)
    assert not keys.exists(kek)
    later = keys.generate(AES, clinic_id=CLINIC)
    assert later != kek
    clear, wrapped_later = wrapped_by(keys, later)
    assert keys.unwrap(wrapped_later) == clear
    with pytest.raises(KeysMissing):
        keys.unwrap(wrapped)


def test_another_process_drops_a_destroyed_key_when_it_is_told_to_forget(
    store: Store, keys: Provider
) -> None:
    old = keys.generate(AES, clinic_id=CLINIC)
    _clear, wrapped = wrapped_by(keys, old)
    other = store.open()
    other.unwrap(wrapped)
    keys.generate(AES, clinic_id=CLINIC)
    keys.destroy(old)
    other.forget()
    with pytest.raises(KeysMissing):
        other.unwrap(wrapped)


def test_what_was_never_made_does_not_exist(keys: Provider, kek: str) -> None:
    stranger = kek.replace(kek[0], "z", 1) if ":" not in kek else kek.partition(":")[0] + ":99"
    assert not keys.exists(stranger)
    keys.destroy(stranger)
    with pytest.raises(KeysMissing):
        wrapped_by(keys, stranger)


@pytest.mark.parametrize("reference", ["../root", "", "a/b", ".", "a b", "a:b:c", "a:0"])
def test_a_reference_names_a_key_of_the_store_and_nothing_beside_it(keys: Provider, reference: str) -> None:
    for attempt in (keys.exists, keys.destroy, lambda r: wrapped_by(keys, r)):
        with pytest.raises(KeysMissing):
            attempt(reference)


def test_the_fingerprint_names_the_store(stores: tuple[Store, Store]) -> None:
    one, other = stores
    fingerprint = one.open().fingerprint(make=True)
    one.open().generate(AES, clinic_id=CLINIC)
    assert one.open().fingerprint() == fingerprint
    assert other.open().fingerprint(make=True) != fingerprint
    assert 32 <= len(fingerprint) <= 64


def test_an_empty_store_has_no_name_and_is_not_given_one_by_asking(keys: Provider) -> None:
    for _asked in range(2):
        with pytest.raises(KeysMissing):
            keys.fingerprint()


def test_a_store_is_well_when_it_is_empty_and_when_it_is_used(store: Store, keys: Provider) -> None:
    assert keys.health() == []
    keys.generate(AES, clinic_id=CLINIC)
    assert store.open().health() == []


def test_a_lost_store_is_one_sentence_and_works_again_when_it_is_back(store: Store) -> None:
    keys = store.open()
    kek = keys.generate(AES, clinic_id=CLINIC)
    clear, wrapped = wrapped_by(keys, kek)
    keys.forget()
    store.lose()
    (sentence,) = keys.health()
    assert sentence.endswith(".")
    for attempt in (
        lambda: keys.unwrap(wrapped),
        lambda: wrapped_by(keys, kek),
        lambda: keys.generate(AES, clinic_id=CLINIC),
        keys.fingerprint,
    ):
        with pytest.raises(KeysMissing):
            attempt()
    store.find()
    assert keys.unwrap(wrapped) == clear
    assert keys.health() == []


def test_threads_share_a_provider(store: Store) -> None:
    keys = store.open()
    kek = keys.generate(AES, clinic_id=CLINIC)
    ready = threading.Barrier(4)

    def work(_number: int) -> bool:
        ready.wait()
        clear, wrapped = wrapped_by(keys, kek, 10)
        return keys.unwrap(wrapped) == clear

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(work, range(4)))


def test_a_provider_shows_nothing_of_what_it_guards(keys: Provider, kek: str) -> None:
    (key,), _wrapped = wrapped_by(keys, kek)
    assert key.hex() not in repr(keys) + str(keys)
