"""The Celery application: the worker and beat only wake loops whose state lives in PostgreSQL."""

import os
from collections.abc import Callable
from typing import Any

from celery import Celery
from celery.signals import beat_init, setup_logging, worker_init
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError

from config.dbroles.checks import refuse_privileged_role
from config.heap import settle

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.demo")

app = Celery("zhizhi")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@setup_logging.connect
def log_as_everywhere(**kwargs: Any) -> None:
    """Celery's own handlers would print the text of exceptions; with a receiver here it leaves Django's in place."""


@worker_init.connect
def look_before_work(**kwargs: Any) -> None:
    from config.start import refuse_to_start  # models are loaded by now, and not before

    _or_end(refuse_to_start)
    settle()


@beat_init.connect
def look_before_waking(**kwargs: Any) -> None:
    """Beat opens nothing, so it is given no keys; its role must be the right one all the same."""
    _or_end(refuse_privileged_role)


def _or_end(look: Callable[[], None]) -> None:
    """Celery logs and forgets the exceptions of receivers; SystemExit alone ends the process."""
    try:
        look()
    except (ImproperlyConfigured, DatabaseError) as error:
        raise SystemExit(str(error)) from error
