"""The Celery application: the worker and beat only wake loops whose state lives in PostgreSQL."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.demo")

app = Celery("zhizhi")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
