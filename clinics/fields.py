"""Fields of forms that stand in more than one app."""

from typing import Any

from django import forms


def a_day(label: Any, **more: Any) -> forms.DateField:
    """A calendar day, picked as the browser lets people pick one."""
    widget = forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
    return forms.DateField(label=label, widget=widget, **more)
