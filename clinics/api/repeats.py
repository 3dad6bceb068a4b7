"""Repeat keys (Idempotency-Key): the same request again finds what it made, another one under the same key is refused.

No answer is kept: it would hold what is sealed elsewhere. What was made is read anew, by whoever asks, if they still may.
"""

import re
from datetime import datetime, timedelta
from typing import Final

from django.db import OperationalError
from django.utils.crypto import constant_time_compare, salted_hmac
from psycopg2.errors import LockNotAvailable

from clinics.api.problems import RepeatInProgress, RepeatKeyMissing, RepeatKeyTaken
from clinics.guards import ClinicRequest
from clinics.models import ApiRepeat, Clinic

KEPT_FOR: Final = timedelta(hours=24)
_KEY = re.compile(r"[A-Za-z0-9_-]{8,128}")


def repeat_of(request: ClinicRequest, *, at: datetime) -> ApiRepeat:
    """The row of the key that came with the request; `made` is set where the deed is done already.

    Whoever sends the same key meanwhile waits for this transaction. Raises RepeatKeyMissing, RepeatKeyTaken, RepeatInProgress.
    """
    key = request.headers.get("Idempotency-Key", "")
    if not _KEY.fullmatch(key):
        raise RepeatKeyMissing
    own = _digest("key", f"{request.actor.ref} {key}".encode())
    body = _digest("request", f"{request.method} {request.path_info}\n".encode() + request.body)
    ApiRepeat.objects.filter(clinic=request.clinic, key_digest=own, at__lte=at - KEPT_FOR).delete()
    try:
        ApiRepeat.objects.bulk_create(
            [ApiRepeat(clinic=request.clinic, key_digest=own, body_digest=body, at=at)], ignore_conflicts=True
        )
    except OperationalError as error:
        if isinstance(error.__cause__, LockNotAvailable):
            raise RepeatInProgress from error
        raise
    repeat = ApiRepeat.objects.get(clinic=request.clinic, key_digest=own)
    if not constant_time_compare(bytes(repeat.body_digest), body):
        raise RepeatKeyTaken
    return repeat


def forget_old_repeats(clinic: Clinic, at: datetime) -> None:
    ApiRepeat.objects.filter(clinic=clinic, at__lte=at - KEPT_FOR).delete()


def _digest(what: str, said: bytes) -> bytes:
    return salted_hmac(f"zhizhi/api/repeat/{what}", said, algorithm="sha256").digest()
