"""What the environment says, checked once at start: every mistake is named, then the process stops."""

import os
from collections.abc import Callable
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote, urlsplit

import environ
from django.core.exceptions import ImproperlyConfigured

T = TypeVar("T")


class Environment:
    """Reads variables and collects what is wrong with them, so that one start names all mistakes."""

    def __init__(self, variables: dict[str, str] | None = None) -> None:
        self.variables = dict(os.environ) if variables is None else variables
        self.mistakes: list[str] = []

    def text(self, name: str, default: str = "") -> str:
        return self.variables.get(name, default).strip()

    def required(self, name: str, what: str) -> str:
        """The variable's text, or what stands in the file `<name>_FILE` names (a mounted secret)."""
        if path := self.text(f"{name}_FILE"):
            return self._secret_file(name, Path(path))
        if value := self.text(name):
            return value
        self.mistakes.append(f"{name} is not set: {what}.")
        return ""

    def optional(self, name: str) -> str:
        """Like `required`, but a process may do without it: then the text is empty."""
        return self.required(name, "") if self.text(name) or self.text(f"{name}_FILE") else ""

    def _secret_file(self, name: str, path: Path) -> str:
        try:
            return path.read_text(encoding="utf-8").strip()
        except OSError as error:
            self.mistakes.append(f"{name}_FILE cannot be read: {error.strerror}.")
            return ""

    def number(self, name: str, default: int) -> int:
        value = self.text(name) or str(default)
        if value.isdigit():
            return int(value)
        self.mistakes.append(f"{name} must be a number.")
        return default

    def flag(self, name: str, *, default: bool) -> bool:
        value = self.text(name).lower()
        if value in ("", "0", "1"):
            return default if value == "" else value == "1"
        self.mistakes.append(f"{name} must be 0 or 1.")
        return default

    def names(self, name: str, what: str) -> list[str]:
        return [part.strip() for part in self.required(name, what).split(",") if part.strip()]

    def networks(self, name: str, what: str) -> list[IPv4Network | IPv6Network]:
        """IP addresses or networks such as 172.30.1.0/24, separated by commas."""
        try:
            return [ip_network(part) for part in self.names(name, what)]
        except ValueError:
            self.mistakes.append(f"{name} must be IP addresses or networks, separated by commas.")
            return []

    def address(self, name: str, what: str) -> str:
        """An address with its password, which may stand in the file `<name>_PASSWORD_FILE` names."""
        url = self.required(name, what)
        if path := self.text(f"{name}_PASSWORD_FILE"):
            return _with_password(url, self._secret_file(f"{name}_PASSWORD", Path(path)))
        return url

    def optional_address(self, name: str) -> str:
        """An address that only some processes are given; empty in the others."""
        return self.address(name, "") if self.text(name) or self.text(f"{name}_FILE") else ""

    def database(self, name: str, what: str) -> dict[str, Any]:
        """A PostgreSQL address as Django's connection settings."""
        parsed = self._parsed(name, self.address(name, what), environ.Env.db_url_config)
        if parsed and "postgresql" not in parsed.get("ENGINE", ""):
            self.mistakes.append(f"{name} must be a postgres:// address: Zhizhi runs on PostgreSQL alone.")
        return parsed

    def _parsed(self, name: str, text: str, parse: Callable[[str], dict[str, Any]]) -> dict[str, Any]:
        if not text:
            return {}
        try:
            return dict(parse(text))
        except (ValueError, ImproperlyConfigured):
            self.mistakes.append(f"{name} cannot be read as an address.")
            return {}

    def folder(self, name: str, what: str) -> Path:
        value = self.required(name, what)
        path = Path(value or "/nonexistent")
        if value and not path.is_dir():
            self.mistakes.append(f"{name} names a folder that does not exist: {what}.")
        return path

    def refuse(self, wrong: bool, message: str) -> None:
        if wrong:
            self.mistakes.append(message)

    def finish(self) -> None:
        """Raises ImproperlyConfigured with one line per mistake."""
        if self.mistakes:
            raise ImproperlyConfigured(
                "Zhizhi cannot start:\n" + "\n".join(f"- {line}" for line in self.mistakes)
            )


def _with_password(url: str, password: str) -> str:
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return parts._replace(netloc=f"{parts.username or ''}:{quote(password, safe='')}@{host}").geturl()
