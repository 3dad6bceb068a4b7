"""The WSGI application gunicorn serves. It refuses to start under a database role that could rewrite the log."""

import os

from django.core.wsgi import get_wsgi_application

from config.dbroles.checks import refuse_privileged_role

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.demo")

application = get_wsgi_application()
refuse_privileged_role()
