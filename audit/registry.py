"""Models whose saves and deletes are events: django-auditlog's registry, with receivers of our own.

They compare with what was loaded, so a save costs no SELECT more, and of a sealed field they keep commitments alone.
"""

from collections.abc import Callable, Collection, Iterable
from copy import deepcopy
from functools import cache
from typing import Any, TypeVar, overload

from auditlog.registry import AuditlogModelRegistry
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.signals import post_delete, post_save

from audit.models import AuditEvent
from crypto.fields import SealedField, SealedParts
from crypto.seals import MASK, Sealed
from crypto.services import commitment

M = TypeVar("M", bound=type[models.Model])
Changes = dict[str, tuple[Any, Any]]
LOADED = "_audit_loaded"
NOT_READ = "‹not read›"
SEALING = frozenset(
    {"subject_id", "sealed_by_clinic"}
)  # every event names the subject; the rest is the seal's business


@overload
def audited(model: M) -> M: ...
@overload
def audited(*, exclude: Collection[str] = ...) -> Callable[[M], M]: ...
def audited(model: M | None = None, *, exclude: Collection[str] = ()) -> M | Callable[[M], M]:
    """Class decorator: creating, saving with a change, and deleting an instance each write an event of the current actor.

    `exclude` names fields whose values stay out of the log (they still show as changed in the row changes). Bulk writes are
    not seen here: the table's triggers see them, and the service that makes them records one event with their count.
    """

    def decorate(cls: M) -> M:
        _remember_what_was_loaded(cls)
        registry.register(cls, exclude_fields=[*exclude])
        return cls

    return decorate if model is None else decorate(model)


def _on_save(sender: type[models.Model], instance: models.Model, created: bool, **kwargs: Any) -> None:
    saved = [f for f in _fields_of(sender) if _was_saved(f, kwargs.get("update_fields"))]
    loaded = None if created else instance.__dict__.get(LOADED)
    changes: Changes = {}
    for field in saved:
        before = None if created else (loaded or {}).get(field.attname, NOT_READ)
        changes |= _change(field, instance, before, instance.__dict__.get(field.attname))
    _remember(instance, saved)
    if created or changes:
        action = AuditEvent.Action.CREATE if created else AuditEvent.Action.UPDATE
        AuditEvent.objects.log_create(instance, action=action, changes=changes)


def _on_delete(sender: type[models.Model], instance: models.Model, **kwargs: Any) -> None:
    changes: Changes = {}
    for field in _fields_of(sender):
        changes |= _change(field, instance, instance.__dict__.get(field.attname), None)
    AuditEvent.objects.log_create(instance, action=AuditEvent.Action.DELETE, changes=changes)


registry = AuditlogModelRegistry(
    create=False,
    update=False,
    delete=False,
    access=False,
    m2m=False,
    custom={post_save: _on_save, post_delete: _on_delete},
)


# --- what changed -----------------------------------------------------------------------------------------------------


@cache
def _fields_of(model: type[models.Model]) -> list[models.Field[Any, Any]]:
    excluded = SEALING.union(registry.get_model_fields(model)["exclude_fields"])
    return [
        f
        for f in model._meta.concrete_fields
        if not f.primary_key and f.attname not in excluded and f.name not in excluded
    ]


def _was_saved(field: models.Field[Any, Any], update_fields: Collection[str] | None) -> bool:
    return update_fields is None or field.name in update_fields or field.attname in update_fields


def _change(field: models.Field[Any, Any], instance: models.Model, before: Any, after: Any) -> Changes:
    """What the log keeps of one field, by name; nothing where it stayed as it was."""
    if before == after:
        return {}
    if isinstance(field, SealedParts):
        return _changed_parts(field, instance, before, after)
    if isinstance(field, SealedField):
        return {field.aad_name: (_committed(field, instance, before), _committed(field, instance, after))}
    return {field.attname: (before, after)}


def _changed_parts(field: SealedParts[Any, Any], instance: models.Model, before: Any, after: Any) -> Changes:
    """One entry for each part that changed; one for the whole where a side was never opened."""
    old, new = _parts(field, before), _parts(field, after)
    if old is None or new is None:
        return {field.aad_name: (before and MASK, after and MASK)}
    return {
        f"{field.aad_name}.{part}": (_part(field, instance, part, old), _part(field, instance, part, new))
        for part in field.parts
        if old.get(part) != new.get(part)
    }


def _parts(field: SealedParts[Any, Any], held: Any) -> dict[str, str] | None:
    if held is None:
        return {}
    opened = _opened(held)
    return None if opened is None else field.decode(opened)


def _part(
    field: SealedParts[Any, Any], instance: models.Model, part: str, parts: dict[str, str]
) -> str | None:
    value = parts.get(part)
    return (
        None
        if value is None
        else commitment(_subject(instance), field.scope, f"{field.aad_name}.{part}", value)
    )


def _committed(field: SealedField[Any, Any], instance: models.Model, held: Any) -> str | None:
    opened = _opened(held)
    if opened is None:
        return None if held is None else MASK
    return commitment(_subject(instance), field.scope, field.aad_name, field.decode(opened))


def _opened(held: Any) -> bytes | None:
    """The bytes of a value that this process has already opened or sealed; nothing is opened for the log's sake."""
    return held.opened.value if isinstance(held, Sealed) and held.opened else None


def _subject(instance: Any) -> Any:
    return instance.subject_id


# --- what was loaded --------------------------------------------------------------------------------------------------


@cache
def _changeable(model: type[models.Model]) -> frozenset[str]:
    """The columns whose values change in place, so that what was loaded is kept as a copy."""
    return frozenset(
        f.attname for f in model._meta.concrete_fields if isinstance(f, models.JSONField | ArrayField)
    )


def _remember(instance: models.Model, fields: Iterable[models.Field[Any, Any]]) -> None:
    state = instance.__dict__
    loaded = state.setdefault(LOADED, {})
    for field in fields:
        if field.attname in state:
            value = state[field.attname]
            loaded[field.attname] = deepcopy(value) if isinstance(value, list | dict) else value


def _remember_what_was_loaded(cls: Any) -> None:
    """Give the model a `from_db` and a `refresh_from_db` that keep what the row said."""
    from_db, refresh_from_db = cls.from_db.__func__, cls.refresh_from_db

    @classmethod  # type: ignore[misc]  # installed on the class below
    def loading(klass: Any, db: Any, field_names: Any, values: Any) -> Any:
        instance = from_db(klass, db, field_names, values)
        loaded = instance.__dict__[LOADED] = dict(
            zip(field_names, values, strict=True)
        )  # a list loads many rows
        for name in _changeable(klass).intersection(loaded):
            loaded[name] = deepcopy(loaded[name])
        return instance

    def refreshing(self: Any, *args: Any, **kwargs: Any) -> None:
        refresh_from_db(self, *args, **kwargs)
        names = kwargs.get("fields") or (args[1] if len(args) > 1 else None)
        _remember(self, [f for f in self._meta.concrete_fields if _was_saved(f, names)])

    cls.from_db, cls.refresh_from_db = loading, refreshing
