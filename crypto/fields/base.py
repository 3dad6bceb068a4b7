"""What every sealed field does: the column holds `bytea`, the instance opens it when it is read, inside an access scope alone."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar
from uuid import UUID

from django.core import checks
from django.core.exceptions import FieldError
from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models.lookups import IsNull, Lookup

from crypto import keyring
from crypto.core import wire
from crypto.core.scopes import Scope
from crypto.core.suites import Broken
from crypto.errors import FieldNotAllowed, KeyDestroyed, NoSuchKey, SealBroken
from crypto.scope import current_scope, note_broken
from crypto.seals import Opened, Pending, Place, Sealed, hands_out_seals, place_in, seal_of

SetT = TypeVar("SetT", contravariant=True)
GetT = TypeVar("GetT", covariant=True)

if TYPE_CHECKING:

    class _Base(models.Field[SetT, GetT]):
        """`_pyi_private_*` tell the type checker's plugin what a field takes and gives; it adds None where null=True."""

        _pyi_private_set_type: Any
        _pyi_private_get_type: Any
else:

    class _Base(models.Field):  # not subscriptable at run time
        def __class_getitem__(cls, _item):
            return cls


def seal_reader() -> Callable[..., Sealed | None]:
    """What makes `Sealed` of a column's bytes: one for all rows of a query, which knows the unit of work it reads for."""
    expect = keyring.unit().expect

    def read(value: memoryview | None, expression: object = None, connection: object = None) -> Sealed | None:
        if value is None:
            return None
        raw = bytes(value)
        expect(raw[4:12])
        return Sealed(raw)

    return read


class SealedAttribute:
    """The descriptor: keeps `Sealed`, `Pending` or None in the instance, and hands out what the field makes of it."""

    def __init__(self, field: "SealedField[Any, Any]") -> None:
        self.field = field

    def __get__(self, instance: models.Model | None, owner: type[models.Model] | None = None) -> Any:
        if instance is None:
            return self
        field = self.field
        held = field.held(instance)
        if held is None or hands_out_seals():
            return held
        return field.hand_out(held, instance)

    def __set__(self, instance: models.Model, value: Any) -> None:
        state = instance.__dict__
        name = self.field.attname
        if value is None or value.__class__ is Sealed or value.__class__ is Pending:
            state[name] = value
        else:
            state[name] = self.field.pending(value, state.get(name), instance)


class NeverSerialized:
    """A field's `serialize`. Django's serializers look at it first; numbers and days they would else write down in clear."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __bool__(self) -> NoReturn:
        raise TypeError(not_serialized(self.name))


def not_serialized(name: str) -> str:
    return f"{name} is sealed and is not serialized: read it in an access scope and write what you mean to give away"


class SealedField(_Base[SetT, GetT]):
    """One sealed value. `aad_name` is its lasting name in the seal: it never changes, whatever the column is called."""

    descriptor_class = SealedAttribute
    empty_strings_allowed = False

    def __init__(
        self,
        verbose_name: Any = None,
        *,
        aad_name: str,
        scope: int = Scope.RECORD,
        field_set: str = "clinical",
        **options: Any,
    ) -> None:
        self.aad_name = aad_name
        self.scope = Scope(scope)
        self.field_set = field_set
        super().__init__(verbose_name, **options)
        self.serialize = NeverSerialized(aad_name)

    def deconstruct(self) -> Any:
        name, _path, args, kwargs = super().deconstruct()
        del kwargs["serialize"]
        kwargs.update(aad_name=self.aad_name, scope=int(self.scope), field_set=self.field_set)
        return (
            name,
            f"crypto.fields.{type(self).__name__}",
            args,
            kwargs,
        )  # migrations outlive our modules' names

    def check(self, **kwargs: Any) -> list[checks.CheckMessage]:
        found: list[checks.CheckMessage] = list(super().check(**kwargs))
        if self.unique or self.db_index or self.primary_key:  # type: ignore[attr-defined]  # the stubs forget db_index
            found.append(
                checks.Error(
                    "A sealed field cannot be unique, indexed or a key: equal values differ.",
                    obj=self,
                    id="crypto.E002",
                )
            )
        return found

    # --- what the subclasses say -------------------------------------------------------------------------------------

    def encode(self, value: Any) -> bytes:
        """The typed bytes of a value. Raises TypeError or ValueError for a value that is not of this field."""
        raise NotImplementedError

    def decode(self, encoded: bytes) -> Any:
        """The value of typed bytes. Raises Broken."""
        raise NotImplementedError

    # --- reading -----------------------------------------------------------------------------------------------------

    def held(self, instance: models.Model) -> Sealed | Pending | None:
        """What the instance holds; a deferred column is loaded first."""
        state = instance.__dict__
        if self.attname not in state:
            instance.refresh_from_db(fields=[self.attname])
        held: Sealed | Pending | None = state[self.attname]
        return held

    def hand_out(self, held: Sealed | Pending, instance: models.Model) -> Any:
        if held.__class__ is Pending:
            return self.decode(held.value)
        scope = current_scope()
        if not scope.allows(self.field_set):
            raise FieldNotAllowed(self.aad_name)
        try:
            value = self.decode(self.open(held, instance))
        except Broken as error:
            raise self._broken(instance) from error
        scope.note(instance.subject_id, self.aad_name)  # type: ignore[attr-defined]  # every owner is a SealedModel
        return value

    def open(self, held: Sealed | Pending, instance: models.Model) -> bytes:
        """The typed bytes, checked for the row they stand in. Hands nothing out. Raises SealBroken."""
        return held.value if isinstance(held, Pending) else self.opened(held, instance).value

    def opened(self, sealed: Sealed, instance: models.Model) -> Opened:
        """What the seal says, checked for the row it stands in. Hands nothing out. Raises SealBroken."""
        place, opened, name = self.place(instance), sealed.opened, self.aad_name
        if opened is not None and opened.place == place and opened.name == name:
            return opened
        clinic_id, row_id, subject_id = place
        try:
            key = keyring.key_of_value(sealed.raw)
            if key.cipher is None or key.subject_id.int != subject_id.int:
                raise Broken("another subject's key")
            value = wire.unseal(key.cipher, key.binding(clinic_id, name), row_id, sealed.raw)
        except Broken as error:
            raise self._broken(instance) from error
        except NoSuchKey:
            self._broken(instance)
            raise
        opened = sealed.opened = Opened(name, place, value)
        return opened

    def _broken(self, instance: models.Model) -> SealBroken:
        """What to raise for a value that does not open; the alarms hear of it."""
        row: Any = instance
        note_broken(row.clinic_id, row.subject_id, self.aad_name, row.id)
        return SealBroken(f"{self.aad_name} of row {row.id}")

    def place(self, instance: models.Model) -> Place:
        """What the seal of this field is bound to beside its name."""
        try:
            place: Place = place_in(instance.__dict__)
        except KeyError:  # a column that was not loaded
            row: Any = instance
            place = row.sealed_by_clinic, row.id, row.subject_id
        return place

    # --- writing -----------------------------------------------------------------------------------------------------

    def pending(self, value: Any, held: Sealed | Pending | None, instance: models.Model) -> Pending | Sealed:
        """What the instance holds after `value` was assigned over `held`."""
        return Pending(self.encode(value), seal_of(held))

    def pre_save(self, model_instance: models.Model, add: bool) -> Sealed | None:
        held = model_instance.__dict__.get(self.attname)
        if held is None:
            return None
        if isinstance(held, Pending):
            sealed = self._seal_pending(held, model_instance, add)
        else:
            sealed = self._seal_for_this_row(held, model_instance, add)
        model_instance.__dict__[self.attname] = sealed
        return sealed

    def _seal_pending(self, pending: Pending, instance: models.Model, add: bool) -> Sealed:
        """An equal value keeps its seal, so that saving a form changes nothing and the row log stays true."""
        if pending.old is not None and not add and self._opens_as(pending.old, pending.value, instance):
            return pending.old
        return self.seal(pending.value, instance)

    def _opens_as(self, sealed: Sealed, value: bytes, instance: models.Model) -> bool:
        try:
            return self.open(sealed, instance) == value
        except SealBroken:
            return False

    def _seal_for_this_row(self, sealed: Sealed, instance: models.Model, add: bool) -> Sealed:
        """A row is copied under a new id: what was opened in the old row is sealed again for the new one.

        Raises SealBroken for a value that goes into a new row unopened and is sealed for another one.
        """
        if add and sealed.opened is None:
            self.open(sealed, instance)
        opened = sealed.opened
        if opened is None or (opened.place == self.place(instance) and opened.name == self.aad_name):
            return sealed
        return self.seal(opened.value, instance)

    def seal(self, value: bytes, instance: models.Model) -> Sealed:
        """Seal typed bytes for the row. Raises KeysMissing when the subject has no key of the field's scope."""
        place = clinic_id, row_id, subject_id = self.place(instance)
        if not all(isinstance(part, UUID) for part in place):
            raise TypeError(f"{self.aad_name}: the row needs its id, subject and clinic before it is sealed")
        key = keyring.sealing_key(subject_id, self.scope)
        if key.cipher is None:
            raise KeyDestroyed(f"{self.aad_name}: the key of subject {subject_id} was destroyed")
        raw = wire.seal(key.cipher, key.binding(clinic_id, self.aad_name), row_id, value)
        return Sealed(raw, Opened(self.aad_name, place, value))

    # --- the database ------------------------------------------------------------------------------------------------

    def get_internal_type(self) -> str:
        return "BinaryField"

    def get_db_converters(self, connection: BaseDatabaseWrapper) -> list[Any]:
        return [seal_reader()]

    def get_prep_value(self, value: Any) -> bytes | None:
        if value is None:
            return None
        if isinstance(value, Sealed):
            return value.raw
        raise TypeError(f"{self.aad_name} is sealed: use save() or sealed_bulk_update()")

    def get_db_prep_value(self, value: Any, connection: BaseDatabaseWrapper, prepared: bool = False) -> Any:
        raw = value if prepared else self.get_prep_value(value)
        return None if raw is None else connection.Database.Binary(raw)  # type: ignore[attr-defined]

    def get_lookup(self, lookup_name: str) -> "type[Lookup[Any]] | None":
        return IsNull if lookup_name == "isnull" else None

    def get_transform(self, lookup_name: str) -> None:
        raise FieldError(
            f"{self.aad_name} is sealed: only isnull can be asked of it. Open the rows in an access scope and look at "
            "their values, or find people by a search index (crypto.indexes)."
        )

    # --- serializers and forms -----------------------------------------------------------------------------------------

    def value_to_string(self, obj: models.Model) -> NoReturn:
        raise TypeError(not_serialized(self.aad_name))

    def to_python(self, value: Any) -> Any:
        return value
