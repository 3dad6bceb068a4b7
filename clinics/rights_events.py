"""Groups and Django's own permissions of an account are events of the log, whichever side and way they were given by.

A signal is the only place that hears of all ways.
"""

from typing import Any

from django.db.models.signals import m2m_changed

from audit.services import record
from audit.wrote import wrote_rows
from clinics.models import User


def connect() -> None:
    for through in (User.groups.through, User.user_permissions.through):
        m2m_changed.connect(_rights_changed, sender=through, dispatch_uid=f"clinics.{through.__name__}")


def _rights_changed(
    sender: Any, instance: Any, action: str, reverse: bool, pk_set: set[Any] | None, **kwargs: Any
) -> None:
    """What is taken is named before it is gone."""
    if action not in ("post_add", "pre_remove", "pre_clear"):
        return
    right = "group" if sender is User.groups.through else "permission"
    here, there = (right, "user") if reverse else ("user", right)
    rows = sender.objects.filter(**{here: instance.pk})
    if pk_set is not None:
        rows = rows.filter(**{f"{there}__in": pk_set})
    if found := list(rows):
        deed = "given" if action == "post_add" else "taken"
        record(f"rights.{deed}", object=instance, count=len(found), wrote=wrote_rows(found))
