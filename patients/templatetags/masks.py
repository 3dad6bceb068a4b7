"""How identity looks when it is half hidden: `{{ patient.identity|shown:"name"|masked_name }}`.

Values come in opened and go out masked; what does not open goes through as the marker that says so.
"""

from functools import partial

from django import template
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from crypto.errors import FieldNotAllowed
from crypto.fields import Parts
from crypto.reading import Unreadable
from crypto.reading import shown as shown_or_marked
from patients.identity import mask_id_number, mask_name, mask_phone

register = template.Library()

NOT_FOR_THIS_ROLE = Unreadable(
    _("by service number"), _("Your role works by service number: who it is stays closed.")
)


@register.filter
def shown(parts: Parts | None, name: str) -> str | Unreadable | None:
    """One part of an identity, or the marker in its place: it does not open, or not for this role."""
    try:
        return None if parts is None else shown_or_marked(partial(getattr, parts, name))
    except FieldNotAllowed:
        return NOT_FOR_THIS_ROLE


@register.filter
def marked(value: object) -> object:
    """A value as it is, and a marker in its own look. For everywhere but titles and attributes."""
    return value.__html__() if isinstance(value, Unreadable) else value


@register.filter
def is_marker(value: object) -> bool:
    """Whether the value could not be read."""
    return isinstance(value, Unreadable)


@register.filter
def masked_name(name: str | Unreadable | None) -> str | SafeString:
    """张*芳, 张*, 欧阳*静, 阿*·*提."""
    return name.__html__() if isinstance(name, Unreadable) else mask_name(name)


@register.filter
def masked_phone(phone: str | Unreadable | None) -> str | SafeString:
    """138****1234."""
    return phone.__html__() if isinstance(phone, Unreadable) else mask_phone(phone)


@register.filter
def masked_id_number(number: str | Unreadable | None) -> str | SafeString:
    """350***********012X."""
    return number.__html__() if isinstance(number, Unreadable) else mask_id_number(number)
