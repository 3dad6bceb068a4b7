"""What is chosen when a program gets a token, or a place to work in the clinic."""

import re
import uuid
from collections.abc import Collection
from typing import Any, Final

from django import forms
from django.utils.translation import gettext_lazy as _

from audit.actors import FIELD_SETS
from audit.purposes import Purpose
from clinics.scopes import ApiScope

DAYS: Final = ((30, _("30 days")), (90, _("90 days")), (365, _("One year")))
_OF_A_PERSON: Final = re.compile(r"\d{4}|@")  # a phone, an ID number, an address
FIELD_SET_NAMES: Final = {
    "identity": _("Name, ID number, birth date"),
    "contact": _("Phone and e-mail"),
    "clinical": _("Results and notes"),
    "psychological": _("Psychological data"),
    "genetic": _("Genetic data"),
    "finance": _("Payments"),
    "marketing": _("Preferences"),
    "log": _("The log"),
}


class ProgramName(forms.CharField):
    """What a program is called. Nothing of a person belongs here, so what looks like a number or an address is refused."""

    def clean(self, value: Any) -> str:
        name: str = super().clean(value)
        if _OF_A_PERSON.search(name):
            raise forms.ValidationError(
                _("Name the program, such as “laboratory”. No number and no address of a person.")
            )
        return name


class TokenForm(forms.Form):
    """`open_scopes`: what the account may have at most."""

    label = ProgramName(label=_("What it is for"), max_length=40, help_text=_("Which program will use it."))
    scopes = forms.MultipleChoiceField(
        label=_("May"),
        widget=forms.CheckboxSelectMultiple,
        error_messages={"required": _("Choose what it may do.")},
    )
    days = forms.TypedChoiceField(label=_("Ends by itself after"), choices=DAYS, coerce=int, initial=90)
    form_token = forms.UUIDField(widget=forms.HiddenInput, initial=uuid.uuid4)

    def __init__(self, *args: Any, open_scopes: Collection[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choices = [(scope.value, scope.label) for scope in ApiScope if scope.value in open_scopes]
        self.fields["scopes"].choices = choices  # type: ignore[attr-defined]  # a field of choices


class IntegrationForm(forms.Form):
    """A program that works in the clinic: least first, and nothing by itself.

    `sees_log`: whether whoever makes it may read the log. Nobody gives a program, whose token they are shown, a log that is closed to them.
    """

    name = ProgramName(label=_("What the program is called"), max_length=40)
    scopes = forms.MultipleChoiceField(label=_("May"), widget=forms.CheckboxSelectMultiple)
    purposes = forms.MultipleChoiceField(
        label=_("For"),
        choices=[(Purpose.CARE.value, _("Care")), (Purpose.SECURITY.value, _("Security of the data"))],
        widget=forms.CheckboxSelectMultiple,
    )
    field_sets = forms.MultipleChoiceField(
        label=_("Opens"), widget=forms.CheckboxSelectMultiple, required=False
    )

    def __init__(self, *args: Any, sees_log: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        fields: Any = self.fields
        fields["scopes"].choices = [
            (scope.value, scope.label) for scope in ApiScope if sees_log or scope != ApiScope.EVENTS_READ
        ]
        fields["field_sets"].choices = [
            (name, label)
            for name, label in FIELD_SET_NAMES.items()
            if name in FIELD_SETS and (sees_log or name != "log")
        ]
