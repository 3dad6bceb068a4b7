"""What Celery wakes. What is due and how far it has come stands in PostgreSQL and beside the keys."""

import logging
from uuid import UUID

from django.utils import timezone

from audit.acting import acting
from audit.actors import system_actor
from audit.erasures import hand_in_ledger
from audit.jobs import job
from audit.purposes import Purpose
from clinics.models import Clinic
from crypto.errors import ClinicError
from exchange.errors import KeysAreChanging
from exchange.services import evidence
from exchange.services.batches import forget_old_files
from exchange.services.erasure import carry_out_ledger, remove_leftover_bytes
from exchange.services.key_copies import back_up_key_tables, is_backed_up
from exchange.services.keys import keep_keys
from exchange.sweeping import sweep

logger = logging.getLogger(__name__)


@job()
def keep_ledger() -> None:
    """Carry out what a crash left undone, and give the witness what it has not got. Several workers may do it at once."""
    if carry_out_ledger():
        remove_leftover_bytes()
    hand_in_ledger()


@job(Purpose.SECURITY)
def keep_keys_task() -> None:
    """Once an hour: a copy of the key tables where today has none, then the changes of keys that are due or were cut off."""
    at = timezone.now()
    if not is_backed_up(at=at):
        back_up_key_tables(at=at)
    try:
        keep_keys(at=at)
    except KeysAreChanging:
        logger.info("another run is changing keys")


@job()
def forget_files() -> None:
    """Once an hour: files that nobody decided about within a day are put aside, in a clinic where nobody uploads too."""
    for clinic in Clinic.objects.order_by("code"):
        with acting(system_actor("import", clinic.pk)):
            forget_old_files(clinic, timezone.now())


@job()
def build_evidence(clinic_id: str, pack_id: str) -> None:
    """Safe to call twice: one worker takes a pack, and a finished one is left alone."""
    evidence.build(UUID(clinic_id), UUID(pack_id))


@job()
def keep_evidence() -> None:
    """Every minute: packs that nobody heard of, or whose worker died, are built; those whose week is over are forgotten."""
    at = timezone.now()
    for clinic in Clinic.objects.order_by("code"):
        evidence.forget_evidence(clinic.pk, at=at)
        for pack_id in evidence.unfinished_evidence(clinic.pk, at=at):
            evidence.build(clinic.pk, pack_id)


@job(Purpose.CARE)
def sweep_every_clinic() -> None:
    """Once a night: what no period holds any more is destroyed. A clinic whose sweep fails has it again the next night."""
    for clinic in Clinic.objects.order_by("code"):
        try:
            sweep(clinic, timezone.now())
        except ClinicError as error:
            logger.error("the sweep of clinic %s was not finished: %s", clinic.pk, type(error).__name__)
