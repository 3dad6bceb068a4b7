"""Querysets of sealed models: what would write a value without its seal, or a seal into the wrong row, is refused.

So is what would compare seals, of which no two are equal: the database can only tell whether there is one.
"""

from collections.abc import Collection, Iterable
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NoReturn, Self, TypeVar

from django.core.exceptions import FieldError
from django.db import models
from django.db.models import sql
from django.db.models.constants import LOOKUP_SEP
from django.db.models.expressions import Expression

from crypto import keyring
from crypto.fields import SealedField
from crypto.seals import raw_seals

if TYPE_CHECKING:
    from crypto.models import SealedModel

M = TypeVar("M", bound="SealedModel", covariant=True)


@lru_cache(maxsize=256)
def sealed_fields(model: type[models.Model]) -> tuple[SealedField[Any, Any], ...]:
    return tuple(field for field in model._meta.concrete_fields if isinstance(field, SealedField))


class SealedQuery(sql.Query):
    """A query in which a sealed column is loaded or asked whether it is NULL, and nothing else.

    Names are followed over relations. Raises FieldError.
    """

    def resolve_ref(
        self, name: str, allow_joins: bool = True, reuse: set[str] | None = None, summarize: bool = False
    ) -> Expression:
        """What F("name") and every aggregate and function of a column becomes."""
        found = super().resolve_ref(name, allow_joins, reuse, summarize)
        _refuse(getattr(found, "target", None))
        return found

    def add_ordering(self, *ordering: Any) -> None:
        super().add_ordering(*ordering)
        for item in ordering:
            if isinstance(item, str) and item != "?":
                self._refuse_name(item.removeprefix("-"))

    def add_distinct_fields(self, *field_names: Any) -> None:
        super().add_distinct_fields(*field_names)
        for name in field_names:
            self._refuse_name(name)

    def _refuse_name(self, name: str) -> None:
        if name not in self.annotations and name not in self.extra:
            _path, field, _targets, _rest = self.names_to_path(
                name.split(LOOKUP_SEP), self.get_meta(), fail_on_missing=False
            )
            _refuse(field)


def _refuse(field: Any) -> None:
    if isinstance(field, SealedField):
        raise FieldError(
            f"{field.aad_name} is sealed: the database can neither sort nor compare nor count it. "
            "Open the rows in an access scope and do that with their values."
        )


class SealedQuerySet(models.QuerySet[M]):
    """Reads are lazy as ever; `values()` of a sealed field gives the `Sealed` itself, which prints as ‹sealed›."""

    def __init__(
        self,
        model: type[M] | None = None,
        query: sql.Query | None = None,
        using: str | None = None,
        hints: dict[str, models.Model] | None = None,
    ) -> None:
        super().__init__(model, query or SealedQuery(model), using, hints)

    def only(self, *fields: str) -> Self:
        """The named columns, and those that every seal is bound to."""
        return super().only(*fields, "subject_id", "sealed_by_clinic")

    def update(self, **values: Any) -> int:
        self._refuse_sealed(values, "update() has no row to seal for: use save() or sealed_bulk_update()")
        self._refuse_expressions(values.values())
        return super().update(**values)

    def _update(self, values: Iterable[tuple[models.Field[Any, Any], Any, Any]]) -> int:
        """What `save()` of a row comes to."""
        values = tuple(values)
        self._refuse_expressions(value for _field, _model, value in values)
        written: int = super()._update(values)  # type: ignore[misc]  # the stubs leave it out
        return written

    def bulk_update(self, objs: Iterable[M], fields: Iterable[str], batch_size: int | None = None) -> int:
        fields = tuple(fields)
        self._refuse_sealed(fields, "use sealed_bulk_update()")
        return self._plain_update(tuple(objs), fields, batch_size)

    def bulk_create(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise TypeError(f"{self.model.__name__} is sealed: use sealed_bulk_create()")

    def sealed_bulk_create(
        self, objs: Iterable[M], *, batch_size: int | None = None, ignore_conflicts: bool = False
    ) -> list[M]:
        """Seal and insert many rows: one query for the keys of all subjects, then one INSERT per batch."""
        rows = list(objs)
        for row in rows:
            row.fill_sealing_clinic()
        names = [field.attname for field in sealed_fields(self.model)]
        sealing = [row for row in rows if any(row.__dict__.get(name) is not None for name in names)]
        keyring.load_sealing_keys(row.subject_id for row in sealing)
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
        return self._plain_update(rows, fields, batch_size)

    def _plain_update(self, rows: Collection[M], fields: Collection[str], batch_size: int | None) -> int:
        columns = [field.attname for field in self.model._meta.concrete_fields if field.name in fields]
        with raw_seals():
            self._refuse_expressions(getattr(row, column) for row in rows for column in columns)
            return self._plain().bulk_update(rows, fields, batch_size)

    def _plain(self) -> "models.QuerySet[M]":
        """Django's own queryset over the table, for what this class has already sealed."""
        return models.QuerySet(self.model, using=self.db)

    def _refuse_expressions(self, values: Iterable[Any]) -> None:
        """A seal that an expression copies into a clear column would open nowhere. Raises FieldError."""
        for value in values:
            if hasattr(value, "resolve_expression"):
                value.resolve_expression(self.query.chain(), allow_joins=False, for_save=True)

    def _refuse_sealed(self, names: Iterable[str], why: str) -> None:
        touched = {field.name for field in sealed_fields(self.model)}.intersection(names)
        if touched:
            raise TypeError(f"{', '.join(sorted(touched))} of {self.model.__name__} is sealed: {why}")


SealedManager = models.Manager.from_queryset(SealedQuerySet)
"""The manager of sealed models."""
