"""Django's PostgreSQL, spared what every request would pay for (`DATABASES["default"]["ENGINE"]`)."""
