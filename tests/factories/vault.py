"""A provider that asks the key service of the tests."""

from collections.abc import Collection
from pathlib import Path

from pytest_django import Settings

from crypto.providers.vault import Living, VaultTransitProvider
from crypto.providers.vault_client import Patience, VaultAddress, VaultClient
from tests.crypto.vault_server import VaultServer

HASTE = Patience(connect=2.0, read=2.0, total=3.0, pause=0.002, rest=0.0)


def none_living(name: str) -> Collection[int]:
    return ()


def vault_address(server: VaultServer, token_file: Path) -> VaultAddress:
    """Its address, with a token of its own in `token_file`."""
    token_file.write_text(server.token + "\n")
    token_file.chmod(0o600)
    return VaultAddress(
        url=server.url,
        token_file=token_file,
        ca_file=server.authority.ca_file if server.authority else None,
        mount=server.mount,
        namespace=server.namespace,
    )


def use_vault(settings: Settings, server: VaultServer, token_file: Path) -> None:
    """Let the installation of the test keep its keys there."""
    address = vault_address(server, token_file)
    settings.KEY_PROVIDER = VaultTransitProvider.name
    settings.VAULT_ADDR = address.url
    settings.VAULT_TOKEN_FILE = str(token_file)
    settings.VAULT_CA_FILE = str(address.ca_file or "")
    settings.VAULT_MOUNT, settings.VAULT_NAMESPACE = address.mount, address.namespace


def vault_provider(
    server: VaultServer, token_file: Path, *, patience: Patience = HASTE, living: Living = none_living
) -> VaultTransitProvider:
    return VaultTransitProvider(VaultClient(vault_address(server, token_file), patience), living)
