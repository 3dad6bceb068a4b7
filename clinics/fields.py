"""Fields of forms that stand in more than one app."""

from typing import Any, TypeVar

from django import forms

F = TypeVar("F", bound=forms.Field)


def a_day(label: Any, **more: Any) -> forms.DateField:
    """A calendar day, picked as the browser lets people pick one."""
    widget = forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
    return forms.DateField(label=label, widget=widget, **more)


def on_condition(field: F) -> F:
    """A field that is needed where its hint says so: it is not called optional."""
    field.on_condition = True  # type: ignore[attr-defined]  # templates/components/field.html asks for it
    return field
