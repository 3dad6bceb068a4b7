"""What a watcher may ask without signing in: is the database there, and does the cache answer?"""

from django.core.cache import cache
from django.db import DatabaseError, connection
from django.http import HttpRequest, JsonResponse
from redis.exceptions import RedisError

from clinics.guards import public_page


@public_page
def health(request: HttpRequest) -> JsonResponse:
    """200 when everything answers, 503 and the name of what does not otherwise."""
    broken = [name for name, check in (("database", _database), ("cache", _cache)) if not check()]
    return JsonResponse({"ok": not broken, "broken": broken}, status=503 if broken else 200)


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
