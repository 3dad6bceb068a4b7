"""What Celery wakes."""

from celery import shared_task

from audit.erasures import hand_in_ledger
from exchange.services.erasure import carry_out_ledger, remove_leftover_bytes


@shared_task(ignore_result=True)
def keep_ledger() -> None:
    """Carry out what a crash left undone, and give the witness what it has not got. Several workers may do it at once."""
    if carry_out_ledger():
        remove_leftover_bytes()
    hand_in_ledger()
