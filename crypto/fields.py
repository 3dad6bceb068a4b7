"""Sealed fields: the column holds `bytea`, the instance opens it when it is read, inside an access scope alone."""

import unicodedata
from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn, TypeVar
from uuid import UUID

from django import forms
from django.core import checks
from django.core.exceptions import FieldError
from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models.lookups import IsNull, Lookup

from crypto import keyring
from crypto.core import values, wire
from crypto.core.scopes import Scope
from crypto.core.suites import Broken
from crypto.errors import FieldNotAllowed, KeyDestroyed, NoSuchKey, SealBroken
from crypto.scope import current_scope, note_broken, scope_or_none
from crypto.seals import Closed, Opened, Pending, Sealed, hands_out_seals, seal_of

__all__ = [
    "Parts",
    "Scope",
    "SealedBoolean",
    "SealedBytes",
    "SealedDate",
    "SealedDecimal",
    "SealedField",
    "SealedInteger",
    "SealedJSON",
    "SealedParts",
    "SealedText",
]

_ST = TypeVar("_ST", contravariant=True)
_GT = TypeVar("_GT", covariant=True)

if TYPE_CHECKING:

    class _Base(models.Field[_ST, _GT]):
        """`_pyi_private_*` tell the type checker's plugin what a field takes and gives; it adds None where null=True."""

        _pyi_private_set_type: Any
        _pyi_private_get_type: Any
else:

    class _Base(models.Field):  # not subscriptable at run time
        def __class_getitem__(cls, _item):
            return cls


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


_new = object.__new__  # a constructor of ours would be a call more for each part that is read


class PartsAttribute(SealedAttribute):
    """Hands out the parts of what the instance holds; nothing is opened before one of them is read."""

    field: "SealedParts[Any, Any]"

    def __get__(self, instance: models.Model | None, owner: type[models.Model] | None = None) -> Any:
        if instance is None:
            return self
        held = instance.__dict__.get(self.field.attname) or self.field.held(instance)
        if held is None or hands_out_seals():
            return held
        parts = _new(self.field.view)
        parts._instance = instance
        return parts


class SealedField(_Base[_ST, _GT]):
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
        name, path, args, kwargs = super().deconstruct()
        del kwargs["serialize"]
        kwargs.update(aad_name=self.aad_name, scope=int(self.scope), field_set=self.field_set)
        return name, path, args, kwargs

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
        if isinstance(held, Pending):
            return held.value
        clinic_id, row_id, subject_id = self.place(instance)
        opened = held.opened
        if opened is not None and opened.is_for(self.aad_name, clinic_id, row_id, subject_id):
            return opened.value
        try:
            key = keyring.key_of_value(held.raw)
            if key.cipher is None or key.subject_id.int != subject_id.int:
                raise Broken("another subject's key")
            value = wire.unseal(key.cipher, key.binding(clinic_id, self.aad_name), row_id, held.raw)
        except Broken as error:
            raise self._broken(instance) from error
        except NoSuchKey:
            self._broken(instance)
            raise
        held.opened = Opened(self.aad_name, clinic_id, row_id, subject_id, value)
        held.parts = None
        return value

    def _broken(self, instance: models.Model) -> SealBroken:
        """What to raise for a value that does not open; the alarms hear of it."""
        row: Any = instance
        note_broken(row.clinic_id, row.subject_id, self.aad_name, row.id)
        return SealBroken(f"{self.aad_name} of row {row.id}")

    def place(self, instance: models.Model) -> tuple[UUID, UUID, UUID]:
        """Sealing clinic, row and subject: what the seal of this field is bound to beside its name."""
        row: Any = instance
        return row.sealed_by_clinic, row.id, row.subject_id

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
        if opened is None or opened.is_for(self.aad_name, *self.place(instance)):
            return sealed
        return self.seal(opened.value, instance)

    def seal(self, value: bytes, instance: models.Model) -> Sealed:
        """Seal typed bytes for the row. Raises KeysMissing when the subject has no key of the field's scope."""
        clinic_id, row_id, subject_id = self.place(instance)
        if not all(isinstance(part, UUID) for part in (clinic_id, row_id, subject_id)):
            raise TypeError(f"{self.aad_name}: the row needs its id, subject and clinic before it is sealed")
        key = keyring.sealing_key(subject_id, self.scope)
        if key.cipher is None:
            raise KeyDestroyed(f"{self.aad_name}: the key of subject {subject_id} was destroyed")
        raw = wire.seal(key.cipher, key.binding(clinic_id, self.aad_name), row_id, value)
        return Sealed(raw, Opened(self.aad_name, clinic_id, row_id, subject_id, value))

    # --- the database ------------------------------------------------------------------------------------------------

    def get_internal_type(self) -> str:
        return "BinaryField"

    def from_db_value(self, value: Any, expression: Any, connection: BaseDatabaseWrapper) -> Sealed | None:
        if value is None:
            return None
        raw = bytes(value)
        keyring.unit().expect(raw[4:12])
        return Sealed(raw)

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


class SealedText(SealedField[_ST, _GT]):
    """A sealed text, in Unicode NFC. "" is a value."""

    _pyi_private_set_type: "str"
    _pyi_private_get_type: "str"

    def encode(self, value: Any) -> bytes:
        if not isinstance(value, str):
            raise TypeError(f"{self.aad_name} is a text")
        return values.from_text(value)

    def decode(self, encoded: bytes) -> str:
        return values.to_text(encoded)

    def formfield(self, **kwargs: Any) -> Any:
        return super().formfield(**{"form_class": forms.CharField, **kwargs})


class SealedInteger(SealedField[_ST, _GT]):
    """A sealed whole number of any size."""

    _pyi_private_set_type: "int"
    _pyi_private_get_type: "int"

    def encode(self, value: Any) -> bytes:
        if isinstance(value, bool) or not isinstance(value, int):
            raise TypeError(f"{self.aad_name} is a whole number")
        return values.from_integer(value)

    def decode(self, encoded: bytes) -> int:
        return values.to_integer(encoded)

    def formfield(self, **kwargs: Any) -> Any:
        return super().formfield(**{"form_class": forms.IntegerField, **kwargs})


class SealedBoolean(SealedField[_ST, _GT]):
    """A sealed yes or no. A form has a box to tick; where the field may be NULL, a third answer for not known."""

    _pyi_private_set_type: "bool"
    _pyi_private_get_type: "bool"

    def encode(self, value: Any) -> bytes:
        if not isinstance(value, bool):
            raise TypeError(f"{self.aad_name} is True or False")
        return values.from_boolean(value)

    def decode(self, encoded: bytes) -> bool:
        return values.to_boolean(encoded)

    def formfield(self, **kwargs: Any) -> Any:
        form_class = forms.NullBooleanField if self.null else forms.BooleanField
        return super().formfield(**{"form_class": form_class, "required": False, **kwargs})


class SealedDecimal(SealedField[_ST, _GT]):
    """A sealed number with its digits as given."""

    _pyi_private_set_type: "Decimal | int"
    _pyi_private_get_type: "Decimal"

    def encode(self, value: Any) -> bytes:
        if isinstance(value, bool) or not isinstance(value, Decimal | int):
            raise TypeError(f"{self.aad_name} is a decimal")
        return values.from_decimal(Decimal(value))

    def decode(self, encoded: bytes) -> Decimal:
        return values.to_decimal(encoded)

    def formfield(self, **kwargs: Any) -> Any:
        return super().formfield(**{"form_class": forms.DecimalField, **kwargs})


class SealedDate(SealedField[_ST, _GT]):
    """A sealed calendar day."""

    _pyi_private_set_type: "date"
    _pyi_private_get_type: "date"

    def encode(self, value: Any) -> bytes:
        if isinstance(value, datetime) or not isinstance(value, date):
            raise TypeError(f"{self.aad_name} is a calendar day")
        return values.from_date(value)

    def decode(self, encoded: bytes) -> date:
        return values.to_date(encoded)

    def formfield(self, **kwargs: Any) -> Any:
        return super().formfield(**{"form_class": forms.DateField, **kwargs})


class SealedBytes(SealedField[_ST, _GT]):
    """Sealed bytes that fit into a row; larger ones are files (crypto.files)."""

    _pyi_private_set_type: "bytes"
    _pyi_private_get_type: "bytes"

    def __init__(self, verbose_name: Any = None, **options: Any) -> None:
        options.setdefault("editable", False)
        super().__init__(verbose_name, **options)

    def encode(self, value: Any) -> bytes:
        if not isinstance(value, bytes):
            raise TypeError(f"{self.aad_name} is bytes")
        return values.from_bytes(value)

    def decode(self, encoded: bytes) -> bytes:
        return values.to_bytes(encoded)


class SealedJSON(SealedField[_ST, _GT]):
    """A sealed object or list. Each reading gives a copy of its own: assign a new value to change it."""

    _pyi_private_set_type: "Mapping[str, Any] | list[Any]"
    _pyi_private_get_type: "Any"

    def __init__(self, verbose_name: Any = None, **options: Any) -> None:
        options.setdefault("editable", False)
        super().__init__(verbose_name, **options)

    def encode(self, value: Any) -> bytes:
        if not isinstance(value, Mapping | list):
            raise TypeError(f"{self.aad_name} is an object or a list")
        return values.from_json(value)

    def decode(self, encoded: bytes) -> Any:
        return values.to_json(encoded)


class Parts(Closed):
    """The named parts of one sealed blob, each handed out for its own field set.

    Reading `patient.identity.name` opens the blob and notes that part alone.
    """

    __slots__ = ("_instance",)
    _field: ClassVar["SealedParts[Any, Any]"]
    _instance: models.Model

    @classmethod
    def of(cls, field: "SealedParts[Any, Any]") -> "type[Parts]":
        """The parts of one field: each is a property."""
        readers = {name: _reader(field, name) for name in field.parts}
        return type("Parts", (cls,), {"__slots__": (), "_field": field, **readers})

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> str | None: ...

    def read(self, name: str) -> str | None:
        return self._field.hand_out_part(self._instance, name)

    def replace(self, **parts: str | None) -> None:
        """Assign some parts and keep the others, without handing them out."""
        self._field.replace(self._instance, parts)

    def belongs_to(self, instance: models.Model) -> bool:
        return self._instance is instance

    def __reduce__(self) -> NoReturn:
        raise TypeError("the parts of a sealed field cannot be pickled")


def _reader(field: "SealedParts[Any, Any]", name: str) -> property:
    """The part `name`, by as few calls as it can be: lists read thousands. What is no seal is asked of the field."""
    attname, field_set, aad_name, noted = field.attname, field.parts[name], field.aad_name, field.noted[name]

    def read(parts: Parts) -> str | None:
        instance = parts._instance
        state = instance.__dict__
        held, scope = state.get(attname), scope_or_none()
        if held.__class__ is not Sealed or scope is None:
            return field.hand_out_part(instance, name)
        if scope.field_sets is not None and field_set not in scope.field_sets:
            raise FieldNotAllowed(noted)
        opened, texts, subject_id = held.opened, held.parts, instance.subject_id  # type: ignore[attr-defined]  # a SealedModel
        if (
            texts is None
            or opened is None
            or opened.row_id is not state.get("id")
            or opened.subject_id is not subject_id
            or opened.clinic_id is not state.get("sealed_by_clinic")
            or opened.name is not aad_name
        ):
            texts = field.open_parts(held, instance)
        scope.note(subject_id, noted)
        return texts.get(name)

    return property(read)


class SealedParts(SealedField[_ST, _GT]):
    """Several short texts that are shown together, in one seal. `parts` maps each to the field set that may read it."""

    _pyi_private_set_type: "Mapping[str, str | None] | Parts"
    _pyi_private_get_type: "Parts"

    descriptor_class = PartsAttribute
    view: type[Parts]

    def __init__(self, verbose_name: Any = None, *, parts: Mapping[str, str], **options: Any) -> None:
        self.parts = dict(parts)
        options.pop("field_set", None)
        options.setdefault("editable", False)
        super().__init__(verbose_name, **options)
        self.noted = {part: f"{self.aad_name}.{part}" for part in self.parts}

    def contribute_to_class(self, cls: type[models.Model], name: str, private_only: bool = False) -> None:
        super().contribute_to_class(cls, name, private_only)
        self.view = Parts.of(self)

    def deconstruct(self) -> Any:
        name, path, args, kwargs = super().deconstruct()
        del kwargs["field_set"]
        kwargs["parts"] = self.parts
        return name, path, args, kwargs

    def encode(self, value: Any) -> bytes:
        if not isinstance(value, Mapping) or not all(isinstance(v, str | None) for v in value.values()):
            raise TypeError(f"{self.aad_name} maps its parts to texts")
        if unknown := value.keys() - self.parts.keys():
            raise TypeError(f"{self.aad_name} has no part {', '.join(sorted(unknown))}")
        present = {k: unicodedata.normalize("NFC", v) for k, v in value.items() if v is not None}
        return values.from_json(present)

    def decode(self, encoded: bytes) -> dict[str, str]:
        parts: dict[str, str] = values.to_json(encoded)  # type: ignore[assignment]  # encode() wrote texts alone
        return parts

    def hand_out_part(self, instance: models.Model, name: str) -> str | None:
        held = self.held(instance)
        if held is None:
            return None
        if isinstance(held, Pending) and held.given is not None and name in held.given:
            return self.decode(held.value).get(name)
        scope = current_scope()
        if not scope.allows(self.parts[name]):
            raise FieldNotAllowed(f"{self.aad_name}.{name}")
        value = self.open_parts(held, instance).get(name)
        scope.note(instance.subject_id, self.noted[name])  # type: ignore[attr-defined]  # a SealedModel
        return value

    def open_parts(self, held: Sealed | Pending, instance: models.Model) -> dict[str, str]:
        """All parts, checked for the row they stand in. Hands nothing out. Raises SealBroken."""
        value = self.open(held, instance)
        if isinstance(held, Pending):
            return self.decode(value)
        if held.parts is None:
            try:
                held.parts = self.decode(value)
            except Broken as error:
                raise self._broken(instance) from error
        return held.parts

    def pending(self, value: Any, held: Sealed | Pending | None, instance: models.Model) -> Pending | Sealed:
        if isinstance(value, Parts):
            if held is None or not value.belongs_to(instance):
                raise TypeError(f"{self.aad_name}: assign a mapping; the parts of another row are not copied")
            return held
        return Pending(self.encode(value), seal_of(held), frozenset(self.parts))

    def replace(self, instance: models.Model, parts: Mapping[str, str | None]) -> None:
        held = self.held(instance)
        known = {} if held is None else self.open_parts(held, instance)
        given = frozenset(parts)
        if isinstance(held, Pending):
            given |= held.given or frozenset()
        instance.__dict__[self.attname] = Pending(self.encode({**known, **parts}), seal_of(held), given)
