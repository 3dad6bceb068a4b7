"""The WSGI application gunicorn serves. It refuses to start under a role that could rewrite the log, or without its keys."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.demo")

application = get_wsgi_application()

import config.celery  # noqa: E402, F401 (without it a page that wakes the worker would look for another broker)
from config.heap import settle  # noqa: E402
from config.start import refuse_to_start  # noqa: E402 (models are loaded now, and not before)

refuse_to_start()
settle()
