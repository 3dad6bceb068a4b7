"""Groups and Django's own permissions of an account, and what a group permits, are events of the log, whichever side and way they were given by.

A signal is the only place that hears of all ways.
"""

from typing import Any, Final

from django.contrib.auth.models import Group
from django.db.models.signals import m2m_changed

from audit.services import record
from audit.wrote import wrote_rows
from clinics.models import User

# Of each table of rights: who has them, and what they are.
RIGHTS: Final[dict[Any, tuple[str, str]]] = {
    User.groups.through: ("user", "group"),
    User.user_permissions.through: ("user", "permission"),
    Group.permissions.through: ("group", "permission"),
}


def connect() -> None:
    for through in RIGHTS:
        m2m_changed.connect(_rights_changed, sender=through, dispatch_uid=f"clinics.{through.__name__}")


def _rights_changed(
    sender: Any, instance: Any, action: str, reverse: bool, pk_set: set[Any] | None, **kwargs: Any
) -> None:
    """What is taken is named before it is gone."""
    if action not in ("post_add", "pre_remove", "pre_clear"):
        return
    holder, right = RIGHTS[sender]
    here, there = (right, holder) if reverse else (holder, right)
    rows = sender.objects.filter(**{here: instance.pk})
    if pk_set is not None:
        rows = rows.filter(**{f"{there}__in": pk_set})
    if found := list(rows):
        deed = "given" if action == "post_add" else "taken"
        record(f"rights.{deed}", object=instance, count=len(found), wrote=wrote_rows(found))
