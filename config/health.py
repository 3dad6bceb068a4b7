"""What a watcher may ask without signing in: do database and cache answer, and does work get done?"""

from datetime import timedelta

from django.core.cache import cache
from django.db import DatabaseError, connection
from django.http import HttpRequest, JsonResponse
from django.utils import timezone
from redis.exceptions import RedisError

from audit.acting import acting
from audit.actors import system_actor
from clinics.guards import public_page
from clinics.queries import active_clinics
from records.models import RecordsChange

LATE_AFTER = timedelta(minutes=1)


@public_page
def health(request: HttpRequest) -> JsonResponse:
    """200 when everything answers, 503 and the name of what does not otherwise.

    `late` names work that waits for a minute: the page is well, the worker or beat is not.
    """
    broken = [name for name, check in (("database", _database), ("cache", _cache)) if not check()]
    late = ["records_change"] if not broken and _changes_wait() else []
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


def _changes_wait() -> bool:
    """Whether news of a record has not been fetched by the follow-up loop. Only that, never whose."""
    clinic_ids = active_clinics().values_list("pk", flat=True)
    with acting(system_actor("health", None), *clinic_ids):
        return RecordsChange.objects.filter(at__lt=timezone.now() - LATE_AFTER).exists()
