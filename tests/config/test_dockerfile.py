"""The image, read as text: what it copies exists, who runs it is nobody special, and it builds under production's settings."""

import re
import runpy
import shlex
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")
LINES = [line.split(None, 1) for line in DOCKERFILE.splitlines() if line.strip() and not line.startswith("#")]


def stages() -> dict[str, list[tuple[str, str]]]:
    found: dict[str, list[tuple[str, str]]] = {}
    for word, rest in LINES:
        if word == "FROM":
            stage = rest.split(" AS ")[1]
            found[stage] = []
        found[stage].append((word, rest))
    return found


@pytest.mark.parametrize("stage", ["app", "proxy"])
def test_an_image_that_is_run_ends_as_an_account_without_rights(stage: str) -> None:
    word, account = stages()[stage][-1]
    assert word == "USER"
    assert int(account.partition(":")[0]) >= 10000


def test_everything_copied_from_the_checkout_exists() -> None:
    for word, rest in LINES:
        words = rest.split()
        if word == "COPY" and not words[0].startswith("--from"):
            for source in words[:-1]:
                assert (ROOT / source).exists(), source


def test_every_stage_copied_from_exists() -> None:
    assert set(re.findall(r"--from=(\w+)", DOCKERFILE)) <= set(stages())


def test_packages_are_installed_by_their_hashes() -> None:
    installs = [rest for word, rest in LINES if word == "RUN" and "pip install" in rest]
    assert installs
    assert all("--require-hashes" in line for line in installs)


def test_front_end_files_are_collected_under_productions_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    (line,) = [rest for word, rest in LINES if word == "RUN" and "collectstatic" in rest]
    for word in shlex.split(line):
        name, _, value = word.partition("=")
        if not re.fullmatch("[A-Z_]+", name):
            break
        monkeypatch.setenv(
            name, "".join(chr(33 + (7 * n) % 90) for n in range(64)) if value.startswith("$(") else value
        )
    settings = runpy.run_module("config.settings.production")
    assert "Manifest" in settings["STORAGES"]["staticfiles"]["BACKEND"]


@pytest.mark.parametrize("name", [".git", ".zhizhi", "deploy/secrets", ".env", ".venv"])
def test_nothing_secret_and_nothing_of_this_machine_enters_the_image(name: str) -> None:
    assert name in (ROOT / ".dockerignore").read_text().splitlines()
