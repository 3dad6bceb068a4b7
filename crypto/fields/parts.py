"""Several short texts in one seal: they are opened together, and each is handed out for its own field set."""

import unicodedata
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn, cast

from django.db import models

from crypto.core import values
from crypto.core.suites import Broken
from crypto.errors import FieldNotAllowed
from crypto.fields.base import GetT, SealedAttribute, SealedField, SetT
from crypto.scope import AccessScope, current_scope, scope_or_none
from crypto.seals import Closed, Pending, Sealed, hands_out_seals, seal_of

to_texts = cast("Callable[[bytes], dict[str, str]]", values.to_json)  # encode() wrote texts alone
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
        parts._scope = None
        return parts


class Parts(Closed):
    """The named parts of one sealed blob, each handed out for its own field set.

    Reading `patient.identity.name` opens the blob and notes that part alone. What was opened for the first part is kept for the
    next ones: `_texts`, read in `_scope` from what the row held (`_held`), whose readings are noted in `_noted`.
    """

    __slots__ = ("_held", "_instance", "_noted", "_scope", "_texts")
    _field: ClassVar["SealedParts[Any, Any]"]
    _instance: models.Model
    _scope: AccessScope | None
    _held: Sealed
    _texts: Mapping[str, str]
    _noted: set[str]

    @classmethod
    def of(cls, field: "SealedParts[Any, Any]") -> "type[Parts]":
        """The parts of one field: each is a property."""
        readers = {name: _reader(field, name) for name in field.parts}
        return type("Parts", (cls,), {"__slots__": (), "_field": field, **readers})

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> str | None: ...

    def read(self, name: str) -> str | None:
        return self._field.hand_out_part(self, name)

    def replace(self, **parts: str | None) -> None:
        """Assign some parts and keep the others, without handing them out."""
        self._field.replace(self._instance, parts)

    def belongs_to(self, instance: models.Model) -> bool:
        return self._instance is instance

    def __reduce__(self) -> NoReturn:
        raise TypeError("the parts of a sealed field cannot be pickled")


def _reader(field: "SealedParts[Any, Any]", name: str) -> property:
    """The part `name`. The first one that is read opens the seal; the next ones look whether seal and scope are still the same."""
    field_set, noted, held_as = field.parts[name], field.noted[name], field.attname

    def read(parts: Parts) -> str | None:
        scope = scope_or_none()
        if (
            scope is None
            or scope is not parts._scope
            or parts._instance.__dict__.get(held_as) is not parts._held
        ):
            return field.hand_out_part(parts, name)
        if scope.field_sets is not None and field_set not in scope.field_sets:
            raise FieldNotAllowed(noted)
        parts._noted.add(noted)
        return parts._texts.get(name)

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
        return to_texts(encoded)

    def hand_out_part(self, parts: Parts, name: str) -> str | None:
        """One part. What was opened for it is left in `parts` for the next ones."""
        instance, noted = parts._instance, self.noted[name]
        held = instance.__dict__.get(self.attname) or self.held(instance)
        if not isinstance(held, Sealed):
            return self._hand_out_unsaved(held, instance, name)
        scope = current_scope()
        if scope.field_sets is not None and self.parts[name] not in scope.field_sets:
            raise FieldNotAllowed(noted)
        texts = self.open_parts(held, instance)
        names = scope.names_of(instance.subject_id)  # type: ignore[attr-defined]  # a SealedModel
        names.add(noted)
        parts._scope, parts._texts, parts._noted = scope, texts, names
        parts._held = held
        return texts.get(name)

    def _hand_out_unsaved(self, pending: Pending | None, instance: models.Model, name: str) -> str | None:
        """What the caller supplied is theirs to read; the parts that were there before are not."""
        if pending is None:
            return None
        if pending.given is None or name not in pending.given:
            scope = current_scope()
            if not scope.allows(self.parts[name]):
                raise FieldNotAllowed(self.noted[name])
            scope.note(instance.subject_id, self.noted[name])  # type: ignore[attr-defined]  # a SealedModel
        return self.decode(pending.value).get(name)

    def open_parts(self, held: Sealed | Pending, instance: models.Model) -> Mapping[str, str]:
        """All parts, checked for the row they stand in. Hands nothing out. Raises SealBroken."""
        if isinstance(held, Pending):
            return self.decode(held.value)
        opened = self.opened(held, instance)
        texts = opened.parts
        if texts is None:
            try:
                texts = opened.parts = to_texts(opened.value)
            except Broken as error:
                raise self._broken(instance) from error
        return texts

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
