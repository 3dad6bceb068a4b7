"""The demo on this machine: invented people, loopback only, second factor optional."""

from config.environment import Environment
from config.settings.base import *  # noqa: F403
from config.settings.base import TRANSACTION_LIMITS
from config.settings.served import read_mail, read_services, read_single_sign_on

_env = Environment()
SECRET_KEY = _env.required(
    "SECRET_KEY", "start the demo with `make demo`, or a command with `python -m config.embedded -- …`"
)
DEBUG = False
DEMO = True
ALLOWED_HOSTS = ["127.0.0.1", "localhost"]
MFA_REQUIRED = _env.flag("DEMO_MFA", default=False)
SMS_CARRIER = "clinics.channels.MailboxCarrier"
TELEPHONY = "clinics.channels.MailboxTelephony"
MESSAGES_AT_ANY_HOUR = True  # the mailbox wakes nobody
MAILBOX_URL = _env.text("MAILBOX_URL")
PUBLIC_URL = _env.text("PUBLIC_URL", "http://127.0.0.1:8000")  # where a message's link leads
STATIC_ROOT = None  # files are served from the checkout
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
WHITENOISE_USE_FINDERS = True  # straight from the checkout: nothing to collect before a first look
locals().update(read_services(_env, TRANSACTION_LIMITS))
locals().update(read_mail(_env))
locals().update(read_single_sign_on(_env, plain_http=True))
_env.finish()
