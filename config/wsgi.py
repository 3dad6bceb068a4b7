"""The WSGI application gunicorn serves. It refuses to start under a role that could rewrite the log, or without its keys."""

import os

from django.core.wsgi import get_wsgi_application

from config.start import refuse_to_start

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.demo")

application = get_wsgi_application()
refuse_to_start()
