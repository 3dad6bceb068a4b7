"""An installation whose keys go away while it runs, and come back."""

from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Protocol

from config import health
from crypto import keyring
from tests.crypto.vault_server import Fault, VaultServer
from tests.factories.vault import HASTE


class Keys(Protocol):
    """The keys of the running installation."""

    def lose(self) -> None: ...

    def find(self) -> None: ...


@dataclass
class KeysInFiles:
    folder: Path

    def lose(self) -> None:
        self.folder.rename(self.folder.with_suffix(".away"))
        forget()

    def find(self) -> None:
        self.folder.with_suffix(".away").rename(self.folder)
        forget()


@dataclass
class KeysInVault:
    """`illness`: unreachable, sealed, or an answer that goes wrong. Only a lost one is not waited for: the machine may be busy."""

    server: VaultServer
    illness: str | Fault
    patience: SimpleNamespace

    def lose(self) -> None:
        self.patience.read, self.patience.total = 0.02, 0.05
        if self.illness == "unreachable":
            self.server.stop()
        elif self.illness == "sealed":
            self.server.sealed = True
        elif not isinstance(self.illness, str):
            self.server.always = self.illness
        forget()

    def find(self) -> None:
        self.server.always, self.server.sealed = None, False
        self.patience.read, self.patience.total = HASTE.read, HASTE.total
        if self.illness == "unreachable":
            self.server.start()
        forget()


def forget() -> None:
    """As if a minute had passed for data keys, a quarter of an hour for KEKs, and some seconds for the watcher's page."""
    keyring.forget_everything()
    health._keys_are_there.clear()
