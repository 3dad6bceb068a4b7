"""What needs a database and a key folder: shared by the demo, the tests and production, read from the environment."""

from typing import Any

from config.environment import Environment
from config.settings.key_service import read_key_service

# What a page asks is answered by its own backend, and sorted in memory: no statement takes the other processors, or the disk, from
# those who wait for a page.
OF_ONE_BACKEND = "-c max_parallel_workers_per_gather=0 -c work_mem=16MB"


def read_services(env: Environment, transaction_limits: str) -> dict[str, Any]:
    """Settings of the services this process may use; which role it logs in as is decided by DATABASE_URL alone."""
    database = env.database("DATABASE_URL", "the PostgreSQL address of the application role")
    database.update(
        {
            "ENGINE": "config.postgres",
            "ATOMIC_REQUESTS": False,  # clinics.middleware.UnitOfWork opens the transaction around view and rendering
            "CONN_MAX_AGE": 60,
            "CONN_HEALTH_CHECKS": True,
            "OPTIONS": {
                **database.get("OPTIONS", {}),
                "options": f"{OF_ONE_BACKEND} {transaction_limits}",
            },
        }
    )
    redis_url = env.address("REDIS_URL", "the address of Valkey or Redis, without a database number")
    settings: dict[str, Any] = {
        "DATABASES": {"default": database},
        "CELERY_BROKER_URL": f"{redis_url}/0",
        "CACHES": {
            "default": {
                "BACKEND": "config.cache.Valkey",
                "LOCATION": f"{redis_url}/1",
                "OPTIONS": {"serializer": "config.cache.JsonSerializer"},
            }
        },
        "KEYS_DIR": env.folder(
            "KEYS_DIR", "the folder of the installation's keys, outside the database and its backups"
        ),
        "FILES_DIR": env.folder("FILES_DIR", "the folder of sealed files, backed up with the database"),
        "KEY_TABLES_DIR": env.folder(
            "KEY_TABLES_DIR", "the folder of daily copies of the key tables, backed up with the database"
        ),
        **read_key_service(env),
        "DATABASE_OWNER": None,
        "DATABASE_SEQUENCER_URL": env.optional_address("DATABASE_SEQUENCER_URL"),
        "DATABASE_AUDITOR_URL": env.optional_address("DATABASE_AUDITOR_URL"),
        "WITNESS_URL": env.text("WITNESS_URL"),
        "WITNESS_PUBLIC_KEY_FILE": env.text("WITNESS_PUBLIC_KEY_FILE"),
        "SEQUENCER_KEY_FILE": env.text("SEQUENCER_KEY_FILE"),
        "LOG_PUBLIC_KEY_FILE": env.text("LOG_PUBLIC_KEY_FILE"),
        "AUDIT_SM3_TREE": env.flag("AUDIT_SM3_TREE", default=False),
        "AUDIT_TIMESTAMP_URL": env.text("AUDIT_TIMESTAMP_URL"),
        "LEDGER_PUBLIC_KEY_FILE": env.text("LEDGER_PUBLIC_KEY_FILE"),
        "BEAT_HEARTBEAT_FILE": env.text("BEAT_HEARTBEAT_FILE"),
    }
    if env.optional_address("DATABASE_OWNER_URL"):
        owner = env.database("DATABASE_OWNER_URL", "the PostgreSQL address of the owner role")
        settings["DATABASE_OWNER"] = {key: owner.get(key, "") for key in ("USER", "PASSWORD")}
    return settings


def read_mail(env: Environment) -> dict[str, Any]:
    """The SMTP server that carries the clinic's words."""
    return {
        "EMAIL_HOST": env.text("SMTP_HOST", "127.0.0.1"),
        "EMAIL_PORT": env.number("SMTP_PORT", 25),
        "EMAIL_HOST_USER": env.text("SMTP_USER"),
        "EMAIL_HOST_PASSWORD": env.optional("SMTP_PASSWORD"),
        "DEFAULT_FROM_EMAIL": env.text("MAIL_FROM", "clinic@zhizhi.invalid"),
    }


PROVIDER_ID = "clinic"  # the address of single sign-on: /accounts/oidc/clinic/login/


def read_single_sign_on(env: Environment, *, plain_http: bool = False) -> dict[str, Any]:
    """The clinic's own provider of sign-in (OpenID Connect), where there is one."""
    issuer = env.text("OIDC_ISSUER").rstrip("/")
    if not issuer:
        return {}
    env.refuse(
        not issuer.startswith("https://") and not plain_http,
        "OIDC_ISSUER must begin with https://: whoever stands between would sign in as anybody.",
    )
    app = {
        "provider_id": PROVIDER_ID,
        "name": env.text("OIDC_NAME", "OpenID Connect"),
        "client_id": env.required(
            "OIDC_CLIENT_ID", "the name of this installation at the provider of OIDC_ISSUER"
        ),
        "secret": env.required(
            "OIDC_CLIENT_SECRET", "what this installation proves itself with to the provider"
        ),
        "settings": {"server_url": issuer, "fetch_userinfo": False, "oauth_pkce_enabled": True},
    }
    return {
        "SOCIALACCOUNT_PROVIDERS": {
            "openid_connect": {"provider_class": "clinics.accounts.single_sign_on.Provider", "APPS": [app]}
        },
        "SINGLE_SIGN_ON": {
            "name": app["name"],
            "provider_id": PROVIDER_ID,
            "claim": env.text("OIDC_CLAIM", "preferred_username"),
            "second_factor": env.flag("OIDC_SECOND_FACTOR", default=False),
            "ca_file": env.text("OIDC_CA_FILE"),
            "plain_http": plain_http,
        },
    }
