"""What web, worker and beat look at before their first deed; whatever is wrong is one sentence."""

from django.core.exceptions import ImproperlyConfigured
from django.db import connections

from audit.erasures import compare_with_witness, show_ledger_key
from audit.signing import SigningKeyUnreadable
from config.dbroles.checks import refuse_privileged_role
from crypto.errors import HoldMissing, KeysInUse, KeysMissing, LedgerRefused
from crypto.providers import provider
from crypto.services import check_key_store
from exchange.services.erasure import carry_out_ledger, remove_leftover_bytes


def refuse_to_start() -> None:
    """Raises ImproperlyConfigured when the role may too much, or keys or erasure ledger are not this installation's.

    A restored database brings back the keys of people who were erased since: they are erased again before the first request.
    """
    refuse_privileged_role()
    try:
        for sentence in provider().health():
            raise KeysMissing(sentence)
        check_key_store()
        compare_with_witness()
        carry_out_ledger()
        remove_leftover_bytes()
        show_ledger_key()
    except KeysMissing as error:
        raise ImproperlyConfigured(f"Zhizhi cannot start:\n- {error}") from error
    except (LedgerRefused, HoldMissing, KeysInUse, SigningKeyUnreadable, OSError) as error:
        raise ImproperlyConfigured(f"Zhizhi cannot start:\n- KEYS_DIR: {error}") from error
    finally:
        connections.close_all()  # a process that forks from here must not share it
