"""What is installed is what was looked at: every package locked by its hash, no registry's address written down."""

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
LOCKS = ("requirements.txt", "requirements-dev.txt")
PIN = re.compile(r"^([a-z0-9][a-z0-9._-]*)(?:\[[^\]]*\])?==([^ ;\\]+)", re.MULTILINE)
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())


def pins(name: str) -> dict[str, str]:
    return dict(PIN.findall((ROOT / name).read_text()))


def wanted(lines: list[str]) -> dict[str, str]:
    """Name and pinned version ("" where any will do) of requirements as pyproject.toml writes them."""
    found = {}
    for line in lines:
        name, _, version = line.partition("==")
        found[name.partition("[")[0].lower().replace(".", "-")] = version
    return found


@pytest.mark.parametrize("lock", LOCKS)
def test_every_locked_package_has_hashes(lock: str) -> None:
    text = re.sub(r"^\s*#.*$", "", (ROOT / lock).read_text(), flags=re.MULTILINE)
    entries = [entry for entry in re.split(r"\n(?=\S)", text) if entry.strip()]
    assert len(entries) > 30
    assert all("--hash=sha256:" in entry for entry in entries)


@pytest.mark.parametrize("lock", [*LOCKS, ".npmrc"])
def test_no_address_of_a_registry_is_recorded(lock: str) -> None:
    text = (ROOT / lock).read_text()
    assert "://" not in text
    assert not re.search(r"--(extra-)?index-url|--find-links", text)


def test_the_front_ends_lock_records_content_and_no_address() -> None:
    packages = json.loads((ROOT / "package-lock.json").read_text())["packages"]
    installed = {name: entry for name, entry in packages.items() if name}
    assert installed
    for name, entry in installed.items():
        assert "resolved" not in entry, name
        assert entry["integrity"].startswith("sha512-"), name


def test_the_production_lock_holds_what_the_project_asks_for() -> None:
    locked = pins("requirements.txt")
    for name, version in wanted(PROJECT["project"]["dependencies"]).items():
        assert locked[name] == version, name


def test_the_development_lock_holds_what_the_groups_ask_for() -> None:
    locked = pins("requirements-dev.txt")
    groups = PROJECT["dependency-groups"]
    for name, version in wanted([*groups["demo"], *groups["dev"]]).items():
        assert name in locked
        assert version in ("", locked[name]), name


def test_tests_run_on_the_versions_production_runs_on() -> None:
    tested = pins("requirements-dev.txt")
    assert {name: tested.get(name) for name in pins("requirements.txt")} == pins("requirements.txt")


def test_production_carries_no_tool_of_development() -> None:
    only_here = wanted([*PROJECT["dependency-groups"]["demo"], *PROJECT["dependency-groups"]["dev"]])
    assert not pins("requirements.txt").keys() & only_here.keys()
