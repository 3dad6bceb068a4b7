"""Who keeps the keys that wrap other keys: files in KEYS_DIR, or the transit engine of a Vault of one's own."""

import re
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from config.environment import Environment

FILE, VAULT = "file", "vault-transit"
_PATH = re.compile(r"[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*")


def read_key_service(env: Environment) -> dict[str, Any]:
    """Settings of the provider of keys. Vault's are read only where it is chosen."""
    chosen = env.text("KEY_PROVIDER") or FILE
    env.refuse(chosen not in (FILE, VAULT), f"KEY_PROVIDER must be {FILE} or {VAULT}.")
    settings = {
        "KEY_PROVIDER": chosen,
        "VAULT_ADDR": "",
        "VAULT_TOKEN_FILE": "",
        "VAULT_CA_FILE": "",
        "VAULT_MOUNT": "transit",
        "VAULT_NAMESPACE": "",
    }
    if chosen == VAULT:
        settings.update(_vault(env, settings))
    return settings


def _vault(env: Environment, usual: dict[str, str]) -> dict[str, str]:
    env.refuse(
        bool(env.text("VAULT_TOKEN")),
        "VAULT_TOKEN must not be set: too many can read variables. Put the token into the file VAULT_TOKEN_FILE names.",
    )
    env.refuse(
        env.text("VAULT_SKIP_VERIFY").lower() not in ("", "0", "false"),
        "VAULT_SKIP_VERIFY must not be set: who answers in the key service's name would learn every key.",
    )
    address = env.required("VAULT_ADDR", "the address of the key service, such as https://vault.example:8200")
    if address and (wrong := _mistake_in(address)):
        env.mistakes.append(wrong)
    given = {
        name: env.text(name) or usual[name]
        for name in ("VAULT_TOKEN_FILE", "VAULT_CA_FILE", "VAULT_MOUNT", "VAULT_NAMESPACE")
    }
    env.refuse(
        not given["VAULT_TOKEN_FILE"],
        "VAULT_TOKEN_FILE is not set: the file that holds the token of the key service.",
    )
    for name in ("VAULT_TOKEN_FILE", "VAULT_CA_FILE"):
        if given[name] and (wrong := _cannot_read(Path(given[name]))):
            env.mistakes.append(f"{name} cannot be read: {wrong}.")
    if given["VAULT_TOKEN_FILE"] and _everybody_reads(Path(given["VAULT_TOKEN_FILE"])):
        env.mistakes.append("VAULT_TOKEN_FILE can be read by everybody: run chmod o-rwx on it.")
    for name in ("VAULT_MOUNT", "VAULT_NAMESPACE"):
        env.refuse(
            bool(given[name]) and not _PATH.fullmatch(given[name]),
            f"{name} must be a path of letters, digits, - and _, such as team/transit.",
        )
    return {"VAULT_ADDR": address.rstrip("/"), **given}


def _mistake_in(address: str) -> str:
    try:
        parts = urlsplit(address)
        host, _port = parts.hostname or "", parts.port
    except ValueError:
        return "VAULT_ADDR cannot be read as an address."
    if parts.username is not None or parts.path not in ("", "/") or parts.query or parts.fragment or not host:
        return "VAULT_ADDR must be https://, a host and a port, and nothing else."
    if parts.scheme == "https" or (parts.scheme == "http" and _is_this_machine(host)):
        return ""
    return "VAULT_ADDR must begin with https://: without TLS every key could be read on its way."


def _is_this_machine(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _cannot_read(path: Path) -> str:
    try:
        path.read_bytes()
    except OSError as error:
        return error.strerror or "unknown reason"
    return ""


def _everybody_reads(path: Path) -> bool:
    return path.exists() and bool(path.stat().st_mode & 0o007)
