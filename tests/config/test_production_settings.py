"""Production starts with a whole environment, and names every mistake of a broken one in one sentence each."""

import os
import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

GOOD_SECRET = "".join(chr(33 + (7 * n) % 90) for n in range(64))
Load = Callable[..., dict[str, Any]]


@pytest.fixture
def whole(tmp_path: Path) -> dict[str, str]:
    """The least that production needs."""
    return {
        "SECRET_KEY": GOOD_SECRET,
        "ALLOWED_HOSTS": "crm.clinic.example",
        "AUDIT_LOG_ORIGIN": "crm.clinic.example",
        "DATABASE_URL": "postgres://zhizhi_app:secret@db:5432/zhizhi",
        "REDIS_URL": "redis://valkey:6379",
        "KEYS_DIR": str(tmp_path),
        "FILES_DIR": str(tmp_path),
        "KEY_TABLES_DIR": str(tmp_path),
        "SMTP_HOST": "mail.clinic.example",
        "MAIL_FROM": "crm@clinic.example",
        "TRUSTED_PROXIES": "172.30.1.0/24",
    }


@pytest.fixture
def load(whole: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Load:
    """Production's settings under the whole environment with some variables changed; None takes one away."""

    def load_with(**changes: str | None) -> dict[str, Any]:
        variables = {**whole, **changes}
        for name in list(os.environ):
            monkeypatch.delenv(name)
        for name, value in variables.items():
            if value is not None:
                monkeypatch.setenv(name, value)
        return runpy.run_module("config.settings.production")

    return load_with


def mistakes(load: Load, **changes: str | None) -> list[str]:
    with pytest.raises(ImproperlyConfigured) as refusal:
        load(**changes)
    first, *lines = str(refusal.value).splitlines()
    assert first == "Zhizhi cannot start:"
    return [line.removeprefix("- ") for line in lines]


def test_production_starts_with_a_whole_environment(load: Load) -> None:
    settings = load()
    assert settings["DEBUG"] is False
    assert settings["MFA_REQUIRED"] is True
    assert settings["DATABASE_OWNER"] is None
    assert settings["MIDDLEWARE"][0] == "config.proxy.VisitorAddress"


@pytest.mark.requirement("GBT35273-6.3")
def test_cookies_travel_over_tls_alone(load: Load) -> None:
    settings = load()
    assert settings["SESSION_COOKIE_SECURE"]
    assert settings["CSRF_COOKIE_SECURE"]
    assert settings["SECURE_SSL_REDIRECT"]
    assert settings["SECURE_HSTS_SECONDS"] >= 31_536_000


@pytest.mark.requirement("CSL-21")
@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"DEBUG": "1"}, "DEBUG must not be set: error pages would show patients' data."),
        (
            {"DEMO_MFA": "1"},
            "DEMO_MFA belongs to the demo: in production the second factor is always required.",
        ),
        ({"HTTP_COOKIES": "1"}, "HTTP_COOKIES must not be set: sessions would travel without TLS."),
        ({"SECRET_KEY": "short"}, "SECRET_KEY is a default or too weak: use at least 50 random characters."),
        ({"SECRET_KEY": "x" * 60}, "SECRET_KEY is a default or too weak: use at least 50 random characters."),
        (
            {"SECRET_KEY": "django-insecure-" + GOOD_SECRET},
            "SECRET_KEY is a default or too weak: use at least 50 random characters.",
        ),
        (
            {"SECRET_KEY": "only-in-tests-" + GOOD_SECRET},
            "SECRET_KEY is a default or too weak: use at least 50 random characters.",
        ),
        (
            {"SECRET_KEY": None},
            "SECRET_KEY is not set: a random text of at least 50 characters, the same for every process.",
        ),
        ({"ALLOWED_HOSTS": "*"}, "ALLOWED_HOSTS must name hosts: * lets a stranger's name into links."),
        (
            {"ALLOWED_HOSTS": None},
            "ALLOWED_HOSTS is not set: the host names people type, separated by commas.",
        ),
        (
            {"AUDIT_LOG_ORIGIN": None},
            "AUDIT_LOG_ORIGIN is not set: the name under which the log's checkpoints are signed, such as clinic.example.cn.",
        ),
        (
            {"AUDIT_RETENTION_YEARS": "5"},
            "AUDIT_RETENTION_YEARS must be at least 6: the log is evidence, and is kept for six years or longer.",
        ),
        ({"AUDIT_RETENTION_YEARS": "six"}, "AUDIT_RETENTION_YEARS must be a number."),
        (
            {"KEYS_DIR": None},
            "KEYS_DIR is not set: the folder of the installation's keys, outside the database and its backups.",
        ),
        (
            {"KEYS_DIR": "/nowhere/at/all"},
            "KEYS_DIR names a folder that does not exist: the folder of the installation's keys, outside the database and its backups.",
        ),
        (
            {"FILES_DIR": None},
            "FILES_DIR is not set: the folder of sealed files, backed up with the database.",
        ),
        (
            {"KEY_TABLES_DIR": None},
            "KEY_TABLES_DIR is not set: the folder of daily copies of the key tables, backed up with the database.",
        ),
        ({"DATABASE_URL": None}, "DATABASE_URL is not set: the PostgreSQL address of the application role."),
        (
            {"DATABASE_URL": "sqlite:///zhizhi.db"},
            "DATABASE_URL must be a postgres:// address: Zhizhi runs on PostgreSQL alone.",
        ),
        (
            {"REDIS_URL": None},
            "REDIS_URL is not set: the address of Valkey or Redis, without a database number.",
        ),
        ({"SMTP_HOST": None}, "SMTP_HOST is not set: the server that carries the clinic's mails."),
        ({"SMTP_PORT": "smtp"}, "SMTP_PORT must be a number."),
        ({"MAIL_FROM": None}, "MAIL_FROM is not set: the address the clinic's mails come from."),
        ({"SMS_CARRIER": "clinics.channels.MailboxCarrier"}, "SMS_CARRIER must not be the demo's mailbox."),
        ({"TELEPHONY": "clinics.channels.MailboxTelephony"}, "TELEPHONY must not be the demo's mailbox."),
        (
            {"TRUSTED_PROXIES": None},
            "TRUSTED_PROXIES is not set: the addresses or networks of the reverse proxy that ends TLS.",
        ),
        (
            {"TRUSTED_PROXIES": "caddy"},
            "TRUSTED_PROXIES must be IP addresses or networks, separated by commas.",
        ),
        ({"DEBUG": "yes"}, "DEBUG must be 0 or 1."),
    ],
)
def test_one_mistake_is_one_clear_sentence(load: Load, changes: dict[str, str | None], sentence: str) -> None:
    assert mistakes(load, **changes) == [sentence]


def test_several_mistakes_are_named_at_once(load: Load) -> None:
    found = mistakes(load, DEBUG="1", ALLOWED_HOSTS="*", SECRET_KEY="short", HTTP_COOKIES="1")
    assert [line.split()[0] for line in found] == ["DEBUG", "HTTP_COOKIES", "SECRET_KEY", "ALLOWED_HOSTS"]


def test_no_sentence_repeats_a_secret(load: Load) -> None:
    found = mistakes(load, SECRET_KEY="hunter2", DATABASE_URL="mysql://app:hunter2@db/zhizhi", DEBUG="1")
    assert "hunter2" not in "\n".join(found)


def test_secrets_are_read_from_files(load: Load, tmp_path: Path) -> None:
    for name, text in {
        "key": GOOD_SECRET,
        "app": "p@ss/word",
        "valkey": "v:1",
        "seq": "s#1",
        "smtp": "mail",
    }.items():
        (tmp_path / name).write_text(f"{text}\n")
    settings = load(
        SECRET_KEY=None,
        SECRET_KEY_FILE=str(tmp_path / "key"),
        DATABASE_URL="postgres://zhizhi_app@db:5432/zhizhi",
        DATABASE_URL_PASSWORD_FILE=str(tmp_path / "app"),
        DATABASE_SEQUENCER_URL="postgres://zhizhi_sequencer@db:5432/zhizhi",
        DATABASE_SEQUENCER_URL_PASSWORD_FILE=str(tmp_path / "seq"),
        REDIS_URL_PASSWORD_FILE=str(tmp_path / "valkey"),
        SMTP_PASSWORD_FILE=str(tmp_path / "smtp"),
    )
    assert settings["SECRET_KEY"] == GOOD_SECRET
    assert settings["DATABASES"]["default"]["PASSWORD"] == "p@ss/word"
    assert settings["DATABASES"]["default"]["HOST"] == "db"
    assert settings["DATABASE_SEQUENCER_URL"] == "postgres://zhizhi_sequencer:s%231@db:5432/zhizhi"
    assert settings["CELERY_BROKER_URL"] == "redis://:v%3A1@valkey:6379/0"
    assert settings["EMAIL_HOST_PASSWORD"] == "mail"


def test_a_secret_file_that_cannot_be_read_is_named_without_its_path(load: Load) -> None:
    found = mistakes(load, DATABASE_URL_PASSWORD_FILE="/run/secrets/none")
    assert found == ["DATABASE_URL_PASSWORD_FILE cannot be read: No such file or directory."]


def test_only_the_process_that_was_given_the_owners_address_can_become_the_owner(
    load: Load, tmp_path: Path
) -> None:
    (tmp_path / "owner").write_text("own")
    settings = load(
        DATABASE_OWNER_URL="postgres://zhizhi_owner@db:5432/zhizhi",
        DATABASE_OWNER_URL_PASSWORD_FILE=str(tmp_path / "owner"),
    )
    assert settings["DATABASE_OWNER"] == {"USER": "zhizhi_owner", "PASSWORD": "own"}
    assert load()["DATABASE_OWNER"] is None


def test_what_an_address_says_about_tls_is_kept(load: Load) -> None:
    settings = load(DATABASE_URL="postgres://zhizhi_app:secret@db:5432/zhizhi?sslmode=verify-full")
    options = settings["DATABASES"]["default"]["OPTIONS"]
    assert options["sslmode"] == "verify-full"
    assert "transaction_timeout=5s" in options["options"]


# --- the key service --------------------------------------------------------------------------------------------------------


@pytest.fixture
def vault(tmp_path: Path) -> dict[str, str]:
    """The least that a Vault of one's own needs."""
    token = tmp_path / "token"
    token.write_text("s.secret")
    token.chmod(0o640)
    return {
        "KEY_PROVIDER": "vault-transit",
        "VAULT_ADDR": "https://vault.clinic.example:8200/",
        "VAULT_TOKEN_FILE": str(token),
    }


def test_keys_stand_in_files_unless_a_key_service_is_named(load: Load) -> None:
    assert load()["KEY_PROVIDER"] == "file"


def test_a_key_service_is_reached_as_it_is_named(load: Load, vault: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("…")
    settings = load(**vault, VAULT_CA_FILE=str(tmp_path / "ca.pem"), VAULT_NAMESPACE="care/east")
    assert {name: str(settings[name]) for name in settings if name.startswith("VAULT_")} == {
        "VAULT_ADDR": "https://vault.clinic.example:8200",
        "VAULT_TOKEN_FILE": vault["VAULT_TOKEN_FILE"],
        "VAULT_CA_FILE": str(tmp_path / "ca.pem"),
        "VAULT_MOUNT": "transit",
        "VAULT_NAMESPACE": "care/east",
    }
    assert "s.secret" not in str(settings)


def test_an_agent_on_this_machine_may_speak_without_tls(load: Load, vault: dict[str, str]) -> None:
    for address in ("http://127.0.0.1:8100", "http://[::1]:8100", "http://localhost:8100"):
        assert load(**{**vault, "VAULT_ADDR": address})["VAULT_ADDR"] == address


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"KEY_PROVIDER": "vault"}, "KEY_PROVIDER must be file or vault-transit."),
        (
            {"KEY_PROVIDER": None},
            "VAULT_ADDR is set and KEY_PROVIDER is not: say vault-transit, or the keys will stand in files.",
        ),
        (
            {"VAULT_ADDR": None},
            "VAULT_ADDR is not set: the address of the key service, such as https://vault.example:8200.",
        ),
        (
            {"VAULT_ADDR": "http://vault.clinic.example:8200"},
            "VAULT_ADDR must begin with https://: without TLS every key could be read on its way.",
        ),
        (
            {"VAULT_ADDR": "https://us:er@vault.clinic.example"},
            "VAULT_ADDR must be https://, a host and a port, and nothing else.",
        ),
        (
            {"VAULT_ADDR": "https://vault.clinic.example/v1"},
            "VAULT_ADDR must be https://, a host and a port, and nothing else.",
        ),
        ({"VAULT_ADDR": "https://vault:port"}, "VAULT_ADDR cannot be read as an address."),
        (
            {"VAULT_TOKEN": "s.secret"},
            "VAULT_TOKEN must not be set: too many can read variables. Put the token into the file VAULT_TOKEN_FILE names.",
        ),
        (
            {"VAULT_SKIP_VERIFY": "true"},
            "VAULT_SKIP_VERIFY must not be set: who answers in the key service's name would learn every key.",
        ),
        (
            {"VAULT_TOKEN_FILE": None},
            "VAULT_TOKEN_FILE is not set: the file that holds the token of the key service.",
        ),
        (
            {"VAULT_TOKEN_FILE": "/nowhere/token"},
            "VAULT_TOKEN_FILE cannot be read: No such file or directory.",
        ),
        ({"VAULT_CA_FILE": "/nowhere/ca.pem"}, "VAULT_CA_FILE cannot be read: No such file or directory."),
        (
            {"VAULT_MOUNT": "../sys"},
            "VAULT_MOUNT must be a path of letters, digits, - and _, such as team/transit.",
        ),
        (
            {"VAULT_NAMESPACE": "a b"},
            "VAULT_NAMESPACE must be a path of letters, digits, - and _, such as team/transit.",
        ),
    ],
)
def test_one_mistake_about_the_key_service_is_one_clear_sentence(
    load: Load, vault: dict[str, str], changes: dict[str, str | None], sentence: str
) -> None:
    assert mistakes(load, **{**vault, **changes}) == [sentence]


def test_a_token_that_everybody_can_read_is_refused(load: Load, vault: dict[str, str]) -> None:
    Path(vault["VAULT_TOKEN_FILE"]).chmod(0o644)
    assert mistakes(load, **vault) == ["VAULT_TOKEN_FILE can be read by everybody: run chmod o-rwx on it."]


def test_the_folder_of_keys_is_needed_beside_a_key_service(load: Load, vault: dict[str, str]) -> None:
    (sentence,) = mistakes(load, **vault, KEYS_DIR=None)
    assert sentence.startswith("KEYS_DIR is not set")
