"""What sealed fields are called, by the lasting names under which the log keeps them."""

from collections.abc import Iterable
from functools import cache
from typing import Final

from django.apps import apps
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from crypto.fields import SealedField

IDENTITY: Final[dict[str, Promise]] = {
    "name": _("full name"),
    "birth_date": _("date of birth"),
    "id_number": _("ID number"),
    "phone": _("phone"),
    "email": _("e-mail address"),
}


def field_words(names: Iterable[str]) -> list[str]:
    """Each once, in the order given: “phone”, “result”. A name nobody knows any more stands as it is."""
    return list(dict.fromkeys(_word(name) for name in names))


def _word(name: str) -> str:
    stem, _dot, part = name.rpartition(".")
    if stem == "patient.identity" and part in IDENTITY:
        return str(IDENTITY[part])
    return str(_names().get(name, name))


@cache
def _names() -> dict[str, Promise | str]:
    """By the name of a sealed field, what the thing is called that holds it."""
    return {
        field.aad_name: model._meta.verbose_name or field.aad_name
        for model in apps.get_models()
        for field in model._meta.concrete_fields
        if isinstance(field, SealedField)
    }
