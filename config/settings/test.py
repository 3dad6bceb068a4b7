"""The test run: real services that the run itself started, the same roles, triggers and policies as everywhere."""

import os

from config.environment import Environment
from config.settings.base import *  # noqa: F403
from config.settings.served import read_mail, read_services

_nowhere = {  # type checks and `--help` load the settings without services
    "DATABASE_URL": "postgres://zhizhi_app@127.0.0.1:1/zhizhi",
    "REDIS_URL": "redis://127.0.0.1:1",
    "KEYS_DIR": "/",
    "FILES_DIR": "/",
    "KEY_TABLES_DIR": "/",
}
_env = Environment({**_nowhere, **os.environ})
SECRET_KEY = "only-in-tests-" + "x" * 50
DEBUG = False
DEMO = False
PASSWORD_HASHERS = ["tests.passwords.LightArgon2"]
MFA_REQUIRED = False
ALLOWED_HOSTS = ["*"]
SMS_CARRIER = "clinics.channels.MailboxCarrier"
TELEPHONY = "clinics.channels.MailboxTelephony"
MAILBOX_URL = ""
PUBLIC_URL = "http://testserver"
WHITENOISE_USE_FINDERS = True
# A file is looked for when it is asked for: every test's client would read all of them first.
WHITENOISE_AUTOREFRESH = True
STATIC_ROOT = None  # files are served from the checkout
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
# One test is one transaction, on a machine that may be busy: the limit is wider here, never off.
_services = read_services(_env, "-c transaction_timeout=120s -c idle_in_transaction_session_timeout=120s")
# Each process of the run counts and caches in a database of its own: what one forgets is not the other's.
_process = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
_services["CACHES"]["default"]["LOCATION"] = f"{_env.text('REDIS_URL')}/{1 + _process}"
locals().update(_services)
locals().update(read_mail(_env))
_env.finish()
