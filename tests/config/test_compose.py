"""docker-compose.yml, read as text: every service, command, variable, volume and secret it names exists, and none is too many.

No Docker engine is needed, so none is proven to work: what was and was not run stands in docs/operations.md.
"""

import importlib.util
import os
import re
import runpy
import shlex
import subprocess
import sys
from collections.abc import Iterable
from importlib.metadata import entry_points
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
import yaml
from celery.beat import Scheduler
from django.core.management import get_commands
from kombu.utils.imports import symbol_by_name

from audit.sequencer import ADVISORY_LOCK
from config.environment import Environment
from deploy import healthy, make_secrets

ROOT = Path(__file__).resolve().parents[2]
COMPOSE = (ROOT / "docker-compose.yml").read_text()
STACK: dict[str, Any] = yaml.load(COMPOSE, Loader=yaml.CSafeLoader)
SERVICES: dict[str, dict[str, Any]] = STACK["services"]
OURS = ("migrate", "web", "worker", "beat", "sequencer", "witness", "verify")
DJANGO = ("migrate", "web", "worker", "beat", "sequencer", "verify")
ONE_SHOT = ("migrate", "verify")
NEEDS = {  # the secrets each service must have, and no other
    "postgres": {
        f"{name}_password"
        for name in (
            "postgres",
            "zhizhi_owner",
            "zhizhi_app",
            "zhizhi_sequencer",
            "zhizhi_auditor",
            "zhizhi_backup",
        )
    },
    "valkey": {"valkey_password"},
    "migrate": {"secret_key", "zhizhi_app_password", "zhizhi_owner_password"},
    "web": {"secret_key", "zhizhi_app_password", "valkey_password", "smtp_password"},
    "worker": {"secret_key", "zhizhi_app_password", "valkey_password", "smtp_password"},
    "beat": {"secret_key", "zhizhi_app_password", "valkey_password"},
    "sequencer": {"secret_key", "zhizhi_app_password", "zhizhi_sequencer_password"},
    "witness": set(),
    "verify": {"secret_key", "zhizhi_app_password", "zhizhi_auditor_password"},
    "proxy": set(),
}
FOLDERS = {  # the variable of each folder of its own, and the volume that stands there
    "KEYS_DIR": "keys",
    "FILES_DIR": "files",
    "KEY_TABLES_DIR": "key-tables",
}
VARIABLE = re.compile(r"\$\{([A-Z_]+)(?::[?-]([^}]*))?\}")


def every(names: Iterable[str] = tuple(SERVICES)) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("name", list(names))


def example() -> dict[str, str]:
    lines = [
        line for line in (ROOT / "deploy" / "env.example").read_text().splitlines() if line and line[0] != "#"
    ]
    return dict(line.split("=", 1) for line in lines)


def filled_in(text: str) -> str:
    """The text as compose would see it with deploy/env.example as `.env`."""
    return VARIABLE.sub(lambda found: example()[found[1]], str(text))


def test_the_stack_is_whole() -> None:
    assert set(SERVICES) == set(NEEDS)


# Hardening


@every()
def test_a_service_runs_without_root_and_without_capabilities(name: str) -> None:
    service = SERVICES[name]
    assert str(service["user"]).partition(":")[0] not in ("root", "0")
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not {"cap_add", "privileged", "network_mode", "pid", "ipc", "devices"} & service.keys()


@every()
def test_a_service_writes_only_where_it_is_told(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert all(mount.startswith(("/tmp:", "/var/run/")) for mount in service["tmpfs"])  # noqa: S108
    for volume in service.get("volumes", []):
        source, target, *mode = volume.split(":")
        assert source in STACK["volumes"] or (mode == ["ro"] and (ROOT / source).exists()), volume
        assert not target.startswith("/opt/zhizhi")


@every()
def test_a_service_is_watched(name: str) -> None:
    if name in ONE_SHOT:
        assert SERVICES[name]["restart"] == "no"
        assert "healthcheck" not in SERVICES[name]
    else:
        assert SERVICES[name]["restart"] == "unless-stopped"
        assert SERVICES[name]["healthcheck"]["test"][0] in ("CMD", "CMD-SHELL")


@every()
def test_a_service_waits_for_services_that_exist_and_can_say_so(name: str) -> None:
    for other, wait in SERVICES[name].get("depends_on", {}).items():
        condition = wait["condition"]
        assert condition == ("service_completed_successfully" if other == "migrate" else "service_healthy")
        assert other == "migrate" or "healthcheck" in SERVICES[other]


# Networks


def networks(name: str) -> set[str]:
    return set(SERVICES[name]["networks"])


def test_every_network_is_declared_and_used() -> None:
    assert set(STACK["networks"]) == set().union(*(networks(name) for name in SERVICES))


def test_the_database_is_away_from_the_proxy_and_from_the_world() -> None:
    assert networks("postgres") == networks("valkey") == {"data"}
    assert STACK["networks"]["data"]["internal"] is True
    assert not networks("postgres") & networks("proxy")
    assert [name for name in SERVICES if "ports" in SERVICES[name]] == ["proxy"]


def test_only_who_sends_words_outside_can_reach_the_world() -> None:
    open_networks = {name for name, network in STACK["networks"].items() if not network.get("internal")}
    assert {name for name in SERVICES if networks(name) & open_networks} == {"proxy", "web", "worker"}


def test_the_witness_is_reached_by_who_seals_and_who_erases_alone() -> None:
    assert {name for name in SERVICES if "testimony" in networks(name)} == {
        "sequencer",
        "web",
        "worker",
        "witness",
    }
    assert networks("witness") == {"testimony"}


def test_the_proxy_that_is_believed_is_the_network_it_shares_with_web() -> None:
    assert networks("proxy") & networks("web") == {"front"}
    subnet = STACK["networks"]["front"]["ipam"]["config"][0]["subnet"]
    assert ip_network(SERVICES["web"]["environment"]["TRUSTED_PROXIES"]) == ip_network(subnet)


# Commands


def commands(name: str) -> list[list[str]]:
    """The command lines of a service; a line for a shell is taken apart at its `&&`."""
    words = [filled_in(part) for part in SERVICES[name]["command"]]
    if words[:2] == ["sh", "-c"]:
        return [shlex.split(line) for line in words[2].split("&&")]
    return [words]


OUR_COMMANDS = [
    pytest.param(words, id=f"{name}: {' '.join(words[:3])}") for name in OURS for words in commands(name)
]


def test_processes_are_those_of_the_procfile() -> None:
    procfile = dict(line.split(": ", 1) for line in (ROOT / "Procfile").read_text().splitlines())
    del procfile["mailbox"]  # the demo's own
    for name, line in procfile.items():
        assert [shlex.split(line)[:2]] == [words[:2] for words in commands(name)]


@pytest.mark.parametrize("words", OUR_COMMANDS)
def test_a_command_of_ours_exists(words: list[str]) -> None:
    program, *rest = words
    if program != "python":
        assert entry_points(group="console_scripts", name=program)
    elif rest[0] == "manage.py":
        assert rest[1] in get_commands()
    else:
        assert rest[0] == "-m"
        assert importlib.util.find_spec(rest[1])


@pytest.mark.parametrize("words", OUR_COMMANDS)
def test_every_option_of_a_command_of_ours_exists(words: list[str]) -> None:
    program, *rest = words
    options = {part.partition("=")[0] for part in rest if part.startswith("-")} - {"-m", "-A"}
    if not options:
        return
    start = {"python": rest[:2], "gunicorn": ["-m", program], "celery": ["-m", program, *rest[:3]]}[program]
    asked = subprocess.run(
        [sys.executable, *start, "--help"], check=True, cwd=ROOT, capture_output=True, text=True,
        env={**os.environ, "COLUMNS": "300"},
    )  # fmt: skip
    for option in options:
        assert re.search(rf"(^|[\s,\[]){re.escape(option)}\b", asked.stdout), option


def test_the_scheduler_of_beat_exists() -> None:
    assert issubclass(symbol_by_name(SERVICES["beat"]["command"][5]), Scheduler)


def test_commands_of_other_images_are_theirs_or_mounted() -> None:
    assert commands("postgres")[0][0] == "postgres"
    assert commands("proxy")[0][0] == "caddy"
    assert commands("valkey")[0][1] in [volume.split(":")[1] for volume in SERVICES["valkey"]["volumes"]]


@every(OURS)
def test_a_health_check_of_ours_exists(name: str) -> None:
    if "healthcheck" not in SERVICES[name]:
        return
    kind, *words = SERVICES[name]["healthcheck"]["test"]
    if kind == "CMD":
        assert words[:3] == ["python", "-m", "deploy.healthy"]
        assert words[3] in healthy.CHECKS
        assert words[4].startswith("http://127.0.0.1:") or words[4] in str(SERVICES[name]["environment"])
    else:
        assert entry_points(group="console_scripts", name=shlex.split(words[0])[0])


def test_the_watched_lock_is_the_one_the_sequencer_takes() -> None:
    assert divmod(ADVISORY_LOCK, 1 << 32) == healthy.SEALING


# Variables and secrets


@every(DJANGO)
def test_settings_start_with_what_a_service_is_given_and_read_all_of_it(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "secrets").mkdir()
    for secret in SERVICES[name]["secrets"]:
        (tmp_path / "secrets" / secret).write_text("".join(chr(33 + (7 * n) % 90) for n in range(64)))
    for variable in list(os.environ):
        monkeypatch.delenv(variable)
    given = SERVICES[name]["environment"]
    for variable, value in given.items():
        text = filled_in(value).replace("/run/secrets", str(tmp_path / "secrets"))
        monkeypatch.setenv(variable, str(tmp_path) if variable in FOLDERS else text)
    read: set[str] = set()
    text_of = Environment.text

    def noted(env: Environment, variable: str, default: str = "") -> str:
        read.add(variable)
        return text_of(env, variable, default)

    monkeypatch.setattr(Environment, "text", noted)

    settings = runpy.run_module(given["DJANGO_SETTINGS_MODULE"])

    assert set(given) - {"DJANGO_SETTINGS_MODULE"} <= read
    assert settings["DATABASES"]["default"]["USER"] == "zhizhi_app"
    assert bool(settings["DATABASE_OWNER"]) == (name == "migrate")


@every()
def test_a_service_has_the_secrets_it_needs_and_no_other(name: str) -> None:
    assert set(SERVICES[name].get("secrets", [])) == NEEDS[name]


@every(("valkey", *DJANGO))
def test_every_secret_of_a_service_is_named_by_a_variable(name: str) -> None:
    files = {value for key, value in SERVICES[name]["environment"].items() if key.endswith("_FILE")}
    assert {
        path.removeprefix("/run/secrets/") for path in files if path.startswith("/run/secrets/")
    } == NEEDS[name]


def test_the_databases_secrets_are_read_when_its_roles_are_made() -> None:
    script = (ROOT / "deploy" / "initdb" / "10-roles.sh").read_text()
    superuser = {Path(SERVICES["postgres"]["environment"]["POSTGRES_PASSWORD_FILE"]).name}
    assert set(re.findall(r"\$SECRETS/(\w+)", script)) | superuser == NEEDS["postgres"]


def test_no_secret_stands_in_the_file_itself() -> None:
    for service in SERVICES.values():
        for key, value in service.get("environment", {}).items():
            assert not re.search(r"://[^/]*:[^/]*@", str(value)), key
            assert key.endswith("_FILE") or not re.search(r"PASSWORD|SECRET", key), key


def test_every_secret_is_used_and_made_by_the_script() -> None:
    assert set(STACK["secrets"]) == set().union(*NEEDS.values())
    assert set(STACK["secrets"]) == {*make_secrets.RANDOM, *make_secrets.BY_HAND}
    for name, secret in STACK["secrets"].items():
        assert secret == {"file": f"./deploy/secrets/{name}"}
        assert f"`{name}`" in (ROOT / "deploy" / "secrets" / "README.md").read_text()


def test_the_example_names_every_variable_of_the_file_and_no_other() -> None:
    assert {found[1] for found in VARIABLE.finditer(COMPOSE)} == set(example())


# Volumes


def mounts(name: str) -> dict[str, str]:
    return {
        source: f"{target}:{':'.join(mode)}"
        for source, target, *mode in (v.split(":") for v in SERVICES[name].get("volumes", []))
    }


def test_every_volume_is_declared_and_used() -> None:
    used = {source for name in SERVICES for source in mounts(name) if not source.startswith(".")}
    assert used == set(STACK["volumes"])


@pytest.mark.parametrize(("variable", "volume"), FOLDERS.items())
def test_keys_and_files_are_apart_from_the_database_and_reach_only_who_opens_them(
    variable: str, volume: str
) -> None:
    assert {name for name in SERVICES if volume in mounts(name)} == {"web", "worker"}
    assert set(mounts("postgres")) == {"postgres-data", "./deploy/initdb"}
    for name in ("web", "worker"):
        assert mounts(name)[volume] == f"{SERVICES[name]['environment'][variable]}:"


def test_who_erases_shows_the_witness_the_key_of_the_ledger_and_nothing_else() -> None:
    showing = {
        name: mounts(name)["ledger-public"][-3:] for name in SERVICES if "ledger-public" in mounts(name)
    }
    assert showing == {"web": "ic:", "worker": "ic:", "witness": ":ro"}
    for name in ("web", "worker"):
        shown = Path(SERVICES[name]["environment"]["LEDGER_PUBLIC_KEY_FILE"])
        assert mounts(name)["ledger-public"] == f"{shown.parent}:"
        assert f"--ledger-key {shown}" in " ".join(SERVICES["witness"]["command"])


def test_the_witness_has_a_storage_and_an_account_of_its_own() -> None:
    assert {name for name in SERVICES if "witness" in mounts(name)} == {"witness"}
    assert {name for name in SERVICES if mounts(name).get("sequencer", ":ro").endswith(":")} == {"sequencer"}
    accounts = {name: SERVICES[name]["user"] for name in ("sequencer", "witness", "proxy")}
    assert len(set(accounts.values())) == 3


def test_a_volume_of_ours_covers_a_folder_that_the_image_makes_for_its_account() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text()
    for name in OURS:
        for source, target in mounts(name).items():
            assert source in STACK["volumes"]
            assert target.partition(":")[0] in dockerfile
        for variable, volume in FOLDERS.items():
            folder = SERVICES[name].get("environment", {}).get(variable, f"/var/lib/zhizhi/{volume}")
            assert folder in dockerfile
