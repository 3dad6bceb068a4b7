"""How identity looks when it is half hidden: `{{ name|masked_name }}`. Values come in opened and go out masked."""

from django import template

from patients.identity import mask_id_number, mask_name, mask_phone

register = template.Library()


@register.filter
def masked_name(name: str | None) -> str:
    """张*芳, 张*, 欧阳*静, 阿*·*提."""
    return mask_name(name)


@register.filter
def masked_phone(phone: str | None) -> str:
    """138****1234."""
    return mask_phone(phone)


@register.filter
def masked_id_number(number: str | None) -> str:
    """350***********012X."""
    return mask_id_number(number)
