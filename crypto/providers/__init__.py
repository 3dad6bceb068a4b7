"""Where the keys that wrap other keys live. Their bytes never enter the database."""

from crypto.providers.base import Clear, Provider, Rewrap, Wrapped
from crypto.providers.file import FileProvider
from crypto.providers.select import provider

__all__ = ["Clear", "FileProvider", "Provider", "Rewrap", "Wrapped", "provider"]
