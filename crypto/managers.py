"""Querysets of sealed models: what would write a value without its seal, or a seal into the wrong row, is refused."""

from collections.abc import Collection, Iterable
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NoReturn, Self, TypeVar

from django.db import models

from crypto import keyring
from crypto.fields import SealedField
from crypto.seals import raw_seals

if TYPE_CHECKING:
    from crypto.models import SealedModel

M = TypeVar("M", bound="SealedModel", covariant=True)


@lru_cache(maxsize=256)
def sealed_fields(model: type[models.Model]) -> tuple[SealedField[Any, Any], ...]:
    return tuple(field for field in model._meta.concrete_fields if isinstance(field, SealedField))


class SealedQuerySet(models.QuerySet[M]):
    """Reads are lazy as ever; `values()` of a sealed field gives the `Sealed` itself, which prints as ‹sealed›."""

    def only(self, *fields: str) -> Self:
        """The named columns, and those that every seal is bound to."""
        return super().only(*fields, "subject_id", "sealed_by_clinic")

    def update(self, **values: Any) -> int:
        self._refuse_sealed(values, "update() has no row to seal for: use save() or sealed_bulk_update()")
        return super().update(**values)

    def bulk_update(self, objs: Iterable[M], fields: Iterable[str], batch_size: int | None = None) -> int:
        fields = tuple(fields)
        self._refuse_sealed(fields, "use sealed_bulk_update()")
        return self._plain().bulk_update(objs, fields, batch_size)

    def bulk_create(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise TypeError(f"{self.model.__name__} is sealed: use sealed_bulk_create()")

    def sealed_bulk_create(
        self, objs: Iterable[M], *, batch_size: int | None = None, ignore_conflicts: bool = False
    ) -> list[M]:
        """Seal and insert many rows: one query for the keys of all subjects, then one INSERT per batch."""
        rows = list(objs)
        for row in rows:
            row.fill_sealing_clinic()
        keyring.load_sealing_keys(row.subject_id for row in rows)
        return self._plain().bulk_create(rows, batch_size=batch_size, ignore_conflicts=ignore_conflicts)

    def sealed_bulk_update(
        self, objs: Iterable[M], fields: Collection[str], *, batch_size: int | None = None
    ) -> int:
        """Seal what changed and update the named fields of many rows, sealed or not."""
        rows = list(objs)
        keyring.load_sealing_keys(row.subject_id for row in rows)
        for field in sealed_fields(self.model):
            if field.name in fields:
                for row in rows:
                    field.pre_save(row, add=False)
        with raw_seals():
            return self._plain().bulk_update(rows, fields, batch_size)

    def _plain(self) -> "models.QuerySet[M]":
        """Django's own queryset over the table, for what this class has already sealed."""
        return models.QuerySet(self.model, using=self.db)

    def _refuse_sealed(self, names: Iterable[str], why: str) -> None:
        touched = {field.name for field in sealed_fields(self.model)}.intersection(names)
        if touched:
            raise TypeError(f"{', '.join(sorted(touched))} of {self.model.__name__} is sealed: {why}")


SealedManager = models.Manager.from_queryset(SealedQuerySet)
"""The manager of sealed models."""
