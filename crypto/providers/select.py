"""The provider the settings name."""

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

from django.conf import settings
from django.db import connection

from crypto.errors import KeysMissing
from crypto.providers.base import Provider
from crypto.providers.file import FileProvider
from crypto.providers.vault import VaultTransitProvider
from crypto.providers.vault_client import VaultAddress, VaultClient


@lru_cache(maxsize=8)
def _file_provider(folder: Path) -> FileProvider:
    return FileProvider(folder)


@lru_cache(maxsize=8)
def _vault_provider(address: VaultAddress) -> VaultTransitProvider:
    return VaultTransitProvider(VaultClient(address), living_versions)


def provider() -> Provider:
    """Raises KeysMissing when the settings name no store of keys."""
    choose = _CHOICES.get(getattr(settings, "KEY_PROVIDER", "file"))
    if choose is None:
        raise KeysMissing("KEY_PROVIDER must be file or vault-transit.")
    return choose()


def _files() -> Provider:
    folder = getattr(settings, "KEYS_DIR", None)
    if not folder:
        raise KeysMissing("KEYS_DIR is not set: it names the folder of the installation's keys.")
    return _file_provider(Path(folder))


def _vault() -> Provider:
    ca_file = settings.VAULT_CA_FILE
    return _vault_provider(
        VaultAddress(
            url=settings.VAULT_ADDR,
            token_file=Path(settings.VAULT_TOKEN_FILE),
            ca_file=Path(ca_file) if ca_file else None,
            mount=settings.VAULT_MOUNT,
            namespace=settings.VAULT_NAMESPACE,
        )
    )


_CHOICES: dict[str, Callable[[], Provider]] = {
    FileProvider.name: _files,
    VaultTransitProvider.name: _vault,
}

_OF_KEY = """
SELECT provider_ref, state <> 'destroyed' FROM crypto_kek WHERE provider = %s AND provider_ref LIKE %s
"""


def living_versions(name: str) -> set[int]:
    """Versions of a named key that the records refer to. Raises KeysMissing where the clinic's records cannot be seen."""
    with connection.cursor() as cursor:
        cursor.execute(_OF_KEY, [VaultTransitProvider.name, f"{name}:%"])
        rows = cursor.fetchall()
    if not rows:
        raise KeysMissing(
            f"No record of a key {name} is in sight: its versions are destroyed within the clinic."
        )
    return {int(reference.partition(":")[2]) for reference, living in rows if living}
