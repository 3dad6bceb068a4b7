"""What a watcher may ask without signing in: do database, cache and keys answer, and does work get done?"""

from datetime import timedelta

from django.core.cache import cache
from django.db import DatabaseError, connection
from django.http import HttpRequest, JsonResponse
from django.utils import timezone
from redis.exceptions import RedisError

from audit import watch
from audit.acting import acting
from audit.actors import system_actor
from audit.erasures import is_late
from clinics.guards import public_page
from clinics.queries import active_clinics, watched_logs
from crypto.errors import KeysMissing
from crypto.kept import Kept
from crypto.providers import provider
from records.models import RecordsChange

LATE_AFTER = timedelta(minutes=1)
SECONDS_KEYS_ARE_BELIEVED = 5.0
_keys_are_there: Kept[str, bool] = Kept(1, SECONDS_KEYS_ARE_BELIEVED)


@public_page
def health(request: HttpRequest) -> JsonResponse:
    """200 when everything answers, 503 and the name of what does not otherwise.

    `late` names work that waits for a minute: the page is well, the worker or beat is not.
    """
    checks = (("database", _database), ("cache", _cache), ("keys", _keys))
    broken = [name for name, check in checks if not check()]
    late = [name for name, waits in LATE if not broken and waits()]
    return JsonResponse(
        {"ok": not broken and not late, "broken": broken, "late": late}, status=503 if broken else 200
    )


def _database() -> bool:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError:
        return False
    return True


def _cache() -> bool:
    try:
        cache.get("health")
    except (RedisError, OSError):
        return False
    return True


def _keys() -> bool:
    """Asked every few seconds at most: anybody may call this page, and a key service answers slowly when it is ill."""
    known = _keys_are_there.get("keys")
    if known is None:
        known = _look_for_keys()
        _keys_are_there.put("keys", known)
    return known


def _look_for_keys() -> bool:
    try:
        return not provider().health()
    except KeysMissing:
        return False


def _changes_wait() -> bool:
    """Whether news of a record has not been fetched by the follow-up loop. Only that, never whose."""
    clinic_ids = active_clinics().values_list("pk", flat=True)
    with acting(system_actor("health", None), *clinic_ids):
        return RecordsChange.objects.filter(at__lt=timezone.now() - LATE_AFTER).exists()


def _alarms_wait() -> bool:
    """Whether some log has not been watched for a minute, so that alarms would come late."""
    log_ids = watched_logs()
    with acting(system_actor("health", None), *log_ids):
        return watch.is_late(timezone.now(), log_ids)


LATE = (("records_change", _changes_wait), ("erasure_witness", is_late), ("alarm_watch", _alarms_wait))
