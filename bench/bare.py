"""The reference of every page: a Django view without database, session or middleware that returns ready bytes."""

import os
from pathlib import Path

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.urls import path

BODY = Path(os.environ["BENCH_BODY"]).read_bytes()

settings.configure(ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__, MIDDLEWARE=[], SECRET_KEY="-", USE_TZ=True)  # noqa: S106  # signs nothing

import django  # noqa: E402
from django.core.wsgi import get_wsgi_application  # noqa: E402

django.setup()


def view(request: HttpRequest) -> HttpResponse:
    return HttpResponse(BODY)


urlpatterns = [path("", view)]
application = get_wsgi_application()
