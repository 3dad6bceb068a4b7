"""The provider the settings name."""

from functools import lru_cache
from pathlib import Path

from django.conf import settings

from crypto.errors import KeysMissing
from crypto.providers.base import Provider
from crypto.providers.file import FileProvider


@lru_cache(maxsize=8)
def _file_provider(folder: Path) -> FileProvider:
    return FileProvider(folder)


def provider() -> Provider:
    """Raises KeysMissing when the settings name no store of keys."""
    folder = getattr(settings, "KEYS_DIR", None)
    if not folder:
        raise KeysMissing("KEYS_DIR is not set: it names the folder of the installation's keys.")
    return _file_provider(Path(folder))
