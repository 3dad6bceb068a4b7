"""docker-compose.vault.yml, read as text: what it adds to web and worker is what the settings ask for, and nothing else."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from config.environment import Environment
from config.settings.key_service import read_key_service

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docker-compose.vault.yml").read_text()
SERVICES: dict[str, dict[str, Any]] = yaml.load(TEXT, Loader=yaml.CSafeLoader)["services"]
STACK: dict[str, Any] = yaml.load((ROOT / "docker-compose.yml").read_text(), Loader=yaml.CSafeLoader)
VARIABLE = re.compile(r"\$\{([A-Z_]+)(?::([?-])([^}]*))?\}")


def test_only_who_opens_values_asks_the_key_service() -> None:
    with_keys = {
        name
        for name, service in STACK["services"].items()
        if any(str(volume).startswith("keys:") for volume in service.get("volumes", []))
    }
    assert set(SERVICES) == with_keys == {"web", "worker"}
    assert all("outside" in STACK["services"][name]["networks"] for name in SERVICES)


@pytest.mark.parametrize("name", SERVICES)
def test_settings_accept_what_the_file_gives(name: str, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("s.secret")
    (tmp_path / "token").chmod(0o640)
    (tmp_path / "ca.pem").write_text("…")
    given = {
        key: VARIABLE.sub(
            lambda found: found[3] if found[2] == "-" else "https://vault.clinic.example:8200", value
        ).replace("/run/vault", str(tmp_path))
        for key, value in SERVICES[name]["environment"].items()
    }
    env = Environment(given)
    settings = read_key_service(env)
    assert env.mistakes == []
    assert set(settings) == set(given)
    assert settings["KEY_PROVIDER"] == "vault-transit"


@pytest.mark.parametrize("name", SERVICES)
def test_its_files_come_from_a_folder_that_is_mounted_read_only_and_kept_out_of_git_and_image(
    name: str,
) -> None:
    assert SERVICES[name]["volumes"] == ["./deploy/vault:/run/vault:ro"]
    files = [value for key, value in SERVICES[name]["environment"].items() if key.endswith("_FILE")]
    assert all(value.startswith("/run/vault/") for value in files)
    assert "deploy/vault/" in (ROOT / ".gitignore").read_text().splitlines()
    assert "deploy/vault" in (ROOT / ".dockerignore").read_text().splitlines()


def test_the_example_of_the_environment_names_its_variables() -> None:
    example = (ROOT / "deploy" / "env.example").read_text()
    for found in VARIABLE.finditer(TEXT):
        assert f"# {found[1]}=" in example
