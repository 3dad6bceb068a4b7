"""What a patient types: a phone, a code, a PIN, a birth date, a wish."""

from datetime import date, datetime
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from consent.requests import CORRECTABLE, OTHER
from patients.errors import PhoneInvalid
from patients.identity import read_phone


class PhoneForm(forms.Form):
    phone = forms.CharField(
        label=_("Your phone number"),
        max_length=24,
        widget=forms.TextInput(attrs={"type": "tel", "inputmode": "tel", "autocomplete": "tel-national"}),
        error_messages={"required": _("Type the phone number you gave the clinic.")},
    )

    def clean_phone(self) -> str:
        """The phone in E.164 form."""
        try:
            return read_phone(self.cleaned_data["phone"])
        except PhoneInvalid:
            raise forms.ValidationError(
                _("This is not a whole phone number. A mobile has 11 digits.")
            ) from None


def without_spaces(text: str) -> str:
    """As people read digits aloud they put spaces between them."""
    return "".join(text.split())


class SixDigits(forms.CharField):
    """Six digits, with or without spaces between them."""

    def __init__(self, **said: Any) -> None:
        super().__init__(max_length=12, **said)

    def to_python(self, value: Any) -> str:
        digits = without_spaces(super().to_python(value) or "")
        if digits and (len(digits) != 6 or not digits.isdecimal() or not digits.isascii()):
            raise forms.ValidationError(self.error_messages["invalid"], code="invalid")
        return digits


class CodeForm(forms.Form):
    code = SixDigits(
        label=_("Code"),
        widget=forms.TextInput(
            attrs={
                "inputmode": "numeric",
                "autocomplete": "one-time-code",
                "class": "pt-code",
                "autofocus": True,
            }
        ),
        error_messages={
            "required": _("Type the six digits of the text message."),
            "invalid": _("The code is six digits."),
        },
    )


class SharedPhoneForm(forms.Form):
    """Who of those who share a phone is there."""

    name = forms.CharField(
        label=_("Your name, as on your ID card"),
        max_length=80,
        widget=forms.TextInput(attrs={"autocomplete": "name", "autofocus": True}),
        error_messages={"required": _("Type your name.")},
    )
    pin = SixDigits(
        label=_("Your PIN"),
        widget=forms.PasswordInput(attrs={"inputmode": "numeric", "autocomplete": "current-password"}),
        error_messages={"required": _("Type your PIN."), "invalid": _("The PIN is six digits.")},
    )


class PinForm(forms.Form):
    """A new PIN, typed twice."""

    pin = SixDigits(
        label=_("Six digits that only you know"),
        widget=forms.PasswordInput(attrs={"inputmode": "numeric", "autocomplete": "new-password"}),
        error_messages={"required": _("Type six digits."), "invalid": _("The PIN is six digits.")},
    )
    again = forms.CharField(
        label=_("The same six digits once more"),
        max_length=12,
        widget=forms.PasswordInput(attrs={"inputmode": "numeric", "autocomplete": "new-password"}),
        error_messages={"required": _("Type them once more.")},
    )

    def clean_again(self) -> str:
        """Raises ValidationError where the two differ."""
        again = without_spaces(self.cleaned_data["again"])
        if self.cleaned_data.get("pin") not in (None, again):
            raise forms.ValidationError(_("The two are not the same."))
        return again


class BirthForm(forms.Form):
    born = forms.CharField(
        label=_("Your birth date, as on your ID card"),
        max_length=16,
        help_text=_("Eight digits: year, month, day. For example 19580214."),
        widget=forms.TextInput(attrs={"inputmode": "numeric", "autocomplete": "bday", "autofocus": True}),
        error_messages={"required": _("Type your birth date.")},
    )

    def clean_born(self) -> date:
        """A day; whatever stands between its digits does no harm."""
        digits = "".join(character for character in self.cleaned_data["born"] if character in "0123456789")
        try:
            return datetime.strptime(digits if len(digits) == 8 else "", "%Y%m%d").date()
        except ValueError:
            raise forms.ValidationError(
                _("This is not a whole date. It has eight digits, such as 19580214.")
            ) from None


class AskForm(forms.Form):
    """A wish in the person's own words; they may be left out."""

    words = forms.CharField(
        label=_("Anything we should know"),
        max_length=1000,
        required=False,
        widget=forms.Textarea(attrs={"rows": 4}),
    )

    def corrections(self) -> dict[str, str]:
        """What should stand where, for a correction."""
        return {}


class ComplaintForm(forms.Form):
    words = forms.CharField(
        label=_("What happened, or what should be better"),
        max_length=2000,
        widget=forms.Textarea(attrs={"rows": 6}),
        error_messages={"required": _("Write a few words, so that somebody can answer.")},
    )


FIELDS = {
    "name": _("Name"),
    "birth_date": _("Birth date"),
    "id_number": _("ID number"),
    "phone": _("Phone"),
    "email": _("E-mail address"),
    OTHER: _("Something else in my record"),
}


class CorrectionForm(AskForm):
    """Which entry is wrong, and what is right."""

    field = forms.ChoiceField(
        label=_("What is wrong"), choices=[(name, FIELDS[name]) for name in (*CORRECTABLE, OTHER)]
    )
    new = forms.CharField(
        label=_("What is right"),
        max_length=200,
        error_messages={"required": _("Write what should stand there.")},
    )
    field_order = ("field", "new", "words")

    def corrections(self) -> dict[str, str]:
        return {self.cleaned_data["field"]: self.cleaned_data["new"]}
