"""The Celery application: the worker and beat only wake loops whose state lives in PostgreSQL."""

import os
from typing import Any

from celery import Celery
from celery.signals import beat_init, worker_init
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.demo")

app = Celery("zhizhi")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@worker_init.connect
@beat_init.connect
def look_before_work(**kwargs: Any) -> None:
    """Celery logs and forgets the exceptions of receivers; SystemExit alone ends the process."""
    from config.start import refuse_to_start  # models are loaded by now, and not before

    try:
        refuse_to_start()
    except (ImproperlyConfigured, DatabaseError) as error:
        raise SystemExit(str(error)) from error
