"""What every installation shares. The small differences stand in `demo`, `test` and `production`."""

from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Any

import django_stubs_ext
from celery.schedules import crontab
from csp.constants import NONCE, NONE, SELF
from django.utils.translation import gettext_lazy as _

django_stubs_ext.monkeypatch()  # generic base classes, such as ModelAdmin[Clinic], at run time as in the type checker

BASE_DIR = Path(__file__).resolve().parents[2]

INSTALLED_APPS = [
    "config.dbroles",  # before Django's own: `migrate` runs as the owner role
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.openid_connect",
    "auditlog",
    "csp",
    "django_filters",
    "django_htmx",
    "drf_spectacular",
    "guardian",
    "rest_framework",
    "crypto",
    "audit",
    "clinics",
    "patients",
    "consent",
    "records",
    "followups",
    "exchange",
    "desk",
    "portal",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "config.policy.ContentPolicy",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "clinics.accounts.devices.DeviceCookie",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "config.edge.EdgeMiddleware",
    "clinics.middleware.UnitOfWork",  # innermost: it opens the transaction, runs the view, renders, and commits
]

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "clinics.context.workplace",
            ],
            "builtins": [
                "django.templatetags.i18n",
                "django.templatetags.static",
                "clinics.templatetags.page_clinic",  # every form says for which clinic it was made
            ],
        },
    }
]

AUTH_USER_MODEL = "clinics.User"
AUTHENTICATION_BACKENDS = ["clinics.accounts.backend.AccountBackend"]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.Argon2PasswordHasher"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 8}},
    {"NAME": "clinics.accounts.passwords.HardToGuess"},
]
ACCOUNT_ADAPTER = "clinics.accounts.sign_in.StaffAccountAdapter"
ACCOUNT_LOGIN_METHODS = {"username"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "password1*", "password2*"]
ACCOUNT_USER_MODEL_EMAIL_FIELD = None
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_SESSION_REMEMBER = False
ACCOUNT_LOGOUT_ON_GET = False
# allauth's own counts lock the owner out with the guesser, and keep unkeyed hashes of user names: clinics.accounts.attempts counts.
ACCOUNT_RATE_LIMITS = False
MFA_RATE_LIMITS = False
MFA_ADAPTER = "clinics.accounts.factors.SecondFactorAdapter"
MFA_FORMS = {
    "authenticate": "clinics.accounts.forms.SecondFactorForm",
    "reauthenticate": "clinics.accounts.forms.SecondFactorAgainForm",
}
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_WEBAUTHN_USER_VERIFICATION = (
    "required"  # a passkey is two factors only where it asks for a finger, a face or a PIN
)
MFA_TOTP_ISSUER = "知止"
MFA_TOTP_TOLERANCE = 1  # periods: telephones' clocks go wrong, and a code runs out while it is typed
MFA_ALLOW_UNVERIFIED_EMAIL = (
    True  # staff accounts hold no e-mail address in the package's table, so there is none to verify first
)
MFA_REQUIRED = True
SOCIALACCOUNT_ADAPTER = "clinics.accounts.single_sign_on.SingleSignOnAdapter"
SOCIALACCOUNT_STORE_TOKENS = False
SOCIALACCOUNT_LOGIN_ON_GET = True  # a link: the content policy lets no form lead to another site
# Filled by `served` where the clinic has a provider of its own.
SOCIALACCOUNT_PROVIDERS: dict[str, Any] = {
    "openid_connect": {"provider_class": "clinics.accounts.single_sign_on.Provider", "APPS": []}
}
SINGLE_SIGN_ON: dict[str, Any] = {}
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = "/accounts/login/"

GUARDIAN_GET_INIT_ANONYMOUS_USER = None
ANONYMOUS_USER_NAME = None
SILENCED_SYSTEM_CHECKS = ["guardian.W001"]  # grants are read through patient_access; has_perm is never asked
AUDITLOG_LOGENTRY_MODEL = "audit.AuditEvent"
AUDITLOG_USE_BASE_MANAGER = True

LANGUAGE_CODE = "zh-hans"
LANGUAGES = [("zh-hans", _("Simplified Chinese")), ("en", _("English"))]
LOCALE_PATHS = [BASE_DIR / "locale"]
TIME_ZONE = "Asia/Shanghai"
USE_TZ = True

STATIC_URL = "/static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
STATIC_ROOT: Path | None = BASE_DIR / "staticfiles"  # collected for production alone
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

SESSION_ENGINE = "clinics.sessions"
SESSION_COOKIE_AGE = 12 * 60 * 60  # counted from signing in, whatever happens meanwhile
SESSION_IDLE_SECONDS = 15 * 60  # then staff type their password again; what they had typed stays
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_HTTPONLY = True
CSRF_FAILURE_VIEW = "config.edge.csrf_failed"
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"
X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CONTENT_TYPE_NOSNIFF = True
DATA_UPLOAD_MAX_MEMORY_SIZE = 25 * 1024 * 1024
# An uploaded report stays in memory until it is sealed: a temporary file would keep it in clear on the disk.
FILE_UPLOAD_HANDLERS = ["django.core.files.uploadhandler.MemoryFileUploadHandler"]
FILE_UPLOAD_MAX_MEMORY_SIZE = 21 * 1024 * 1024
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF, NONCE],
        "style-src": [SELF, NONCE],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
        "base-uri": [NONE],
        "manifest-src": [SELF],
        "worker-src": [SELF],
    }
}

REST_FRAMEWORK: dict[str, Any] = {
    # Who acts, and whether they may, is decided by the unit of work before DRF is asked.
    "DEFAULT_AUTHENTICATION_CLASSES": ["clinics.api.authentication.AlreadyPlaced"],
    "DEFAULT_THROTTLE_CLASSES": ["clinics.api.throttles.EachCaller"],
    "DEFAULT_PARSER_CLASSES": ["clinics.api.input.StrictJSON"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_SCHEMA_CLASS": "clinics.api.schema.ApiSchema",
    "DEFAULT_METADATA_CLASS": None,
    "EXCEPTION_HANDLER": "clinics.api.problems.answer",
    "URL_FORMAT_OVERRIDE": None,
}
SPECTACULAR_SETTINGS: dict[str, Any] = {
    "TITLE": "Zhizhi",
    "VERSION": "1",
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "ENUM_NAME_OVERRIDES": {
        "ConsentStatus": "consent.choices.State",
        "FollowUpStatus": "followups.choices.FollowUpState",
        "NotReadable": ["error"],
        "WhyAbsent": ["not-permitted", "error"],
    },
}

# No transaction of the application outlives 5 s: the sealing horizon and the erasure's answer wait for the oldest one.
# PostgreSQL 17 and newer know transaction_timeout.
TRANSACTION_LIMITS = "-c transaction_timeout=5s -c idle_in_transaction_session_timeout=5s -c lock_timeout=4s"

CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TIMEZONE = "UTC"
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_TRANSPORT_OPTIONS = {"visibility_timeout": 600}
CELERY_BEAT_SCHEDULE = {
    "keep the erasure ledger": {
        "task": "exchange.tasks.keep_ledger",
        "schedule": 30.0,
        "options": {"expires": 30},
    },
    "attribute row changes": {
        "task": "clinics.tasks.attribute_changes",
        "schedule": 20.0,
        "options": {"expires": 20},
    },
    "turn the follow-up loop": {"task": "followups.tasks.turn", "schedule": 2.0, "options": {"expires": 10}},
    "watch for alarms": {
        "task": "clinics.tasks.watch_for_alarms",
        "schedule": 20.0,
        "options": {"expires": 20},
    },
    "go on with checks of the log": {
        "task": "audit.tasks.go_on_with_checks",
        "schedule": 60.0,
        "options": {"expires": 60},
    },
    "check every log": {
        "task": "audit.tasks.check_every_log",
        "schedule": crontab(hour="19", minute="7"),  # UTC: three in the morning in Shanghai
        "options": {"expires": 3000},
    },
    "look at the clocks of permissions and requests": {
        "task": "consent.tasks.look_at_clocks",
        "schedule": crontab(hour="18", minute="23"),  # UTC: two in the morning in Shanghai
        "options": {"expires": 3000},
    },
    "sweep what is over": {
        "task": "exchange.tasks.sweep_every_clinic",
        "schedule": crontab(hour="18", minute="47"),
        "options": {"expires": 3000},
    },
    "keep the evidence packs": {
        "task": "exchange.tasks.keep_evidence",
        "schedule": 60.0,
        "options": {"expires": 60},
    },
    # Whether an epoch, a copy of the key tables or the rest of an interrupted run is due is asked every hour.
    "keep the keys": {
        "task": "exchange.tasks.keep_keys_task",
        "schedule": crontab(minute="17"),
        "options": {"expires": 3000},
    },
    "send notices about accounts": {
        "task": "clinics.tasks.send_notices",
        "schedule": 30.0,
        "options": {"expires": 30},
    },
    # What is over leaves the tables within the hour, also where nobody comes by who would clear up on the way.
    **{
        f"forget {what}": {"task": task, "schedule": crontab(minute="37"), "options": {"expires": 3000}}
        for what, task in {
            "sessions": "clinics.tasks.forget_sessions",
            "repeat keys": "clinics.tasks.forget_repeats",
            "confirmation codes": "consent.tasks.forget_codes",
            "uploaded files": "exchange.tasks.forget_files",
            "sign-in codes": "portal.tasks.forget_codes",
        }.items()
    },
}

# The reverse proxies whose X-Forwarded-For is ours; everybody else's is a stranger's text.
TRUSTED_PROXIES: list[IPv4Network | IPv6Network] = []
# Read from the environment by `served`; declared here for readers and the type checker.
KEYS_DIR: Path
KEY_PROVIDER: str
VAULT_ADDR: str
VAULT_TOKEN_FILE: str
VAULT_CA_FILE: str
VAULT_MOUNT: str
VAULT_NAMESPACE: str
FILES_DIR: Path
KEY_TABLES_DIR: Path
DATABASE_OWNER: dict[str, str] | None
DATABASE_SEQUENCER_URL: str
DATABASE_AUDITOR_URL: str
CELERY_BROKER_URL: str
SEQUENCER_KEY_FILE: str
LOG_PUBLIC_KEY_FILE: str
AUDIT_SM3_TREE: bool  # a second tree over every log, hashed by SM3 and signed under …/sm3
AUDIT_TIMESTAMP_URL: str  # the authority that stamps checkpoints (RFC 3161)
WITNESS_URL: str
WITNESS_PUBLIC_KEY_FILE: str
LEDGER_PUBLIC_KEY_FILE: str
BEAT_HEARTBEAT_FILE: str

# An old key-encryption key lives so many days after its epoch: as long an older dump opens without newer key tables.
OLD_KEYS_DAYS = 3
EMAIL_TIMEOUT = 2
ALARM_POST = "clinics.alarm_post.AlarmPost"
MESSAGES_AT_ANY_HOUR = False  # reminders keep quiet hours; only a machine without neighbours may do otherwise
AUDIT_LOG_ORIGIN = "zhizhi.local"
AUDIT_RETENTION_YEARS = 6  # the floor of the law that asks for most; a longer time may be set

LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "discreet": {
            "()": "config.logs.Discreet",
            "format": "%(asctime)s %(levelname)s %(name)s %(message)s",
        }
    },
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "discreet"}},
    "root": {"handlers": ["console"], "level": "WARNING"},
}
