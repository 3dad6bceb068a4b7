"""Several short texts in one seal: they are opened together, and each is handed out for its own field set."""

import unicodedata
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

from django.db import models

from crypto.core import values
from crypto.core.suites import Broken
from crypto.errors import FieldNotAllowed
from crypto.fields.base import GetT, SealedAttribute, SealedField, SetT
from crypto.scope import current_scope, scope_or_none
from crypto.seals import Closed, Pending, Sealed, hands_out_seals, seal_of

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


class SealedParts(SealedField[SetT, GetT]):
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
