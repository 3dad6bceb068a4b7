"""What web, worker and beat look at before their first deed; whatever is wrong is one sentence."""

from django.core.exceptions import ImproperlyConfigured
from django.db import connections

from config.dbroles.checks import refuse_privileged_role
from crypto.errors import KeysMissing
from crypto.services import check_key_store


def refuse_to_start() -> None:
    """Raises ImproperlyConfigured when the role may too much or the key folder is not this installation's."""
    refuse_privileged_role()
    try:
        check_key_store()
    except KeysMissing as error:
        raise ImproperlyConfigured(f"Zhizhi cannot start:\n- KEYS_DIR: {error}") from error
    finally:
        connections.close_all()  # a process that forks from here must not share it
