"""What the environment says, checked once at start: every mistake is named, then the process stops."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

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

    def _secret_file(self, name: str, path: Path) -> str:
        try:
            return path.read_text(encoding="utf-8").strip()
        except OSError as error:
            self.mistakes.append(f"{name}_FILE cannot be read: {error.strerror}.")
            return ""

    def flag(self, name: str, *, default: bool) -> bool:
        value = self.text(name).lower()
        if value in ("", "0", "1"):
            return default if value == "" else value == "1"
        self.mistakes.append(f"{name} must be 0 or 1.")
        return default

    def names(self, name: str, what: str) -> list[str]:
        return [part.strip() for part in self.required(name, what).split(",") if part.strip()]

    def database(self, name: str, what: str) -> dict[str, Any]:
        """A PostgreSQL address as Django's connection settings; the password may stand in `<name>_PASSWORD_FILE`."""
        url = self.required(name, what)
        parsed = self._parsed(name, url, environ.Env.db_url_config)
        if parsed and "postgresql" not in parsed.get("ENGINE", ""):
            self.mistakes.append(f"{name} must be a postgres:// address: Zhizhi runs on PostgreSQL alone.")
        if path := self.text(f"{name}_PASSWORD_FILE"):
            parsed["PASSWORD"] = self._secret_file(f"{name}_PASSWORD", Path(path))
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
