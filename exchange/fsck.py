"""The walk over every check of soundness: what is kept twice says the same, what is sealed can be opened, the log is what it was."""

from collections.abc import Iterator
from datetime import timedelta
from itertools import chain
from typing import Final
from uuid import UUID

from django.utils.timezone import now

from audit.acting import acting
from audit.actors import system_actor
from audit.soundness import unsound_log
from clinics.models import Clinic
from consent import soundness as of_consent
from crypto import soundness as of_crypto
from crypto.files import stray_files
from crypto.providers import provider
from crypto.resealing import FIRST_ROW
from crypto.soundness import Check, Finding, Page
from exchange import soundness as of_keys
from followups import soundness as of_followups
from patients import soundness as of_patients
from records import soundness as of_records

APPS: Final = (of_crypto, of_patients, of_consent, of_records, of_followups, of_keys)
ON_ITS_WAY: Final = timedelta(hours=1)  # a file stands there before its record is committed


def pages_of(clinic: Clinic) -> Iterator[Page]:
    """Every page of every check, each read in a transaction of its own, and the clinic's log at the end. Raises CannotVerify."""
    for check in chain.from_iterable(app.checks() for app in APPS):
        yield from _pages(clinic.pk, check)
    yield unsound_log(clinic.pk)


def _pages(clinic_id: UUID, check: Check) -> Iterator[Page]:
    after: UUID | None = FIRST_ROW
    while after is not None:
        with acting(system_actor("fsck", clinic_id)):
            page = check(clinic_id, after)
        yield page
        after = page.after


def unsound_keys() -> list[Finding]:
    """What is wrong with the store of the keys that wrap all others."""
    return [Finding("crypto_kek", "store", sentence) for sentence in provider().health()]


def unsound_files() -> list[Finding]:
    """Bytes on the disk that belong to no living file of any clinic: what a crash or an erasure left behind."""
    with acting(system_actor("fsck", None), *Clinic.objects.values_list("pk", flat=True)):
        strays = list(stray_files(before=now() - ON_ITS_WAY))
    return [Finding("sealed_file", path.name, "its bytes are left, and it is not") for path in strays]
