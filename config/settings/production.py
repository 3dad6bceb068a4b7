"""Production: everything comes from the environment or from secret files, and a weak setting refuses to start."""

from config.environment import Environment
from config.settings.base import *  # noqa: F403
from config.settings.base import AUDIT_RETENTION_YEARS as AUDIT_RETENTION_FLOOR
from config.settings.base import MIDDLEWARE, TRANSACTION_LIMITS
from config.settings.served import read_mail, read_services, read_single_sign_on

_env = Environment()
_env.refuse(
    _env.flag("DEBUG", default=False), "DEBUG must not be set: error pages would show patients' data."
)
_env.refuse(
    bool(_env.text("DEMO_MFA")),
    "DEMO_MFA belongs to the demo: in production the second factor is always required.",
)
_env.refuse(
    _env.flag("HTTP_COOKIES", default=False),
    "HTTP_COOKIES must not be set: sessions would travel without TLS.",
)
SECRET_KEY = _env.required(
    "SECRET_KEY", "a random text of at least 50 characters, the same for every process"
)
_env.refuse(
    bool(SECRET_KEY)
    and (
        len(SECRET_KEY) < 50
        or len(set(SECRET_KEY)) < 12
        or SECRET_KEY.startswith(("django-insecure", "only-in-tests"))
    ),
    "SECRET_KEY is a default or too weak: use at least 50 random characters.",
)
DEBUG = False
DEMO = False
MFA_REQUIRED = True
ALLOWED_HOSTS = _env.names("ALLOWED_HOSTS", "the host names people type, separated by commas")
_env.refuse("*" in ALLOWED_HOSTS, "ALLOWED_HOSTS must name hosts: * lets a stranger's name into links.")
CSRF_TRUSTED_ORIGINS = [f"https://{host}" for host in ALLOWED_HOSTS]
AUDIT_LOG_ORIGIN = _env.required(
    "AUDIT_LOG_ORIGIN", "the name under which the log's checkpoints are signed, such as clinic.example.cn"
)
AUDIT_RETENTION_YEARS = _env.number("AUDIT_RETENTION_YEARS", AUDIT_RETENTION_FLOOR)
_env.refuse(
    AUDIT_RETENTION_YEARS < AUDIT_RETENTION_FLOOR,
    "AUDIT_RETENTION_YEARS must be at least 6: the log is evidence, and is kept for six years or longer.",
)
SMS_CARRIER = _env.text("SMS_CARRIER", "clinics.channels.NoCarrier")
TELEPHONY = _env.text("TELEPHONY", "clinics.channels.NoTelephony")
_env.refuse(SMS_CARRIER == "clinics.channels.MailboxCarrier", "SMS_CARRIER must not be the demo's mailbox.")
_env.refuse(TELEPHONY == "clinics.channels.MailboxTelephony", "TELEPHONY must not be the demo's mailbox.")
MAILBOX_URL = ""
PUBLIC_URL = _env.text("PUBLIC_URL") or f"https://{next(iter(ALLOWED_HOSTS), '')}"
_env.refuse(
    bool(_env.text("VAULT_ADDR")) and not _env.text("KEY_PROVIDER"),
    "VAULT_ADDR is set and KEY_PROVIDER is not: say vault-transit, or the keys will stand in files.",
)
_env.required("SMTP_HOST", "the server that carries the clinic's mails")
_env.required("MAIL_FROM", "the address the clinic's mails come from")
TRUSTED_PROXIES = _env.networks(
    "TRUSTED_PROXIES", "the addresses or networks of the reverse proxy that ends TLS"
)
MIDDLEWARE = ["config.proxy.VisitorAddress", *MIDDLEWARE]
SECURE_SSL_REDIRECT = True
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SECURE_HSTS_SECONDS = 31_536_000
SECURE_HSTS_INCLUDE_SUBDOMAINS = True
SECURE_HSTS_PRELOAD = True
SECURE_REDIRECT_EXEMPT = [r"^health/$"]  # the container's own health check speaks plain http on loopback
SESSION_COOKIE_SECURE = True
CSRF_COOKIE_SECURE = True
EMAIL_USE_TLS = True
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}
locals().update(read_services(_env, TRANSACTION_LIMITS))
locals().update(read_mail(_env))
locals().update(read_single_sign_on(_env))
_env.finish()
