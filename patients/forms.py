"""What is typed at the desk, made into typed values; what is wrong is said beside its field."""

import uuid
from datetime import date
from typing import Any

from django import forms
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from clinics.fields import a_day, on_condition
from patients.choices import PhoneOwner, Sex, TwinReason
from patients.errors import IdNumberInvalid, PhoneInvalid
from patients.identity import OLDEST_BIRTH_YEAR, IdNumber, NewIdentity, read_id_number, read_phone, tidy_name
from patients.queries.search import LONGEST_QUERY

ASKED_TWIN_REASONS = [(reason.value, reason.label) for reason in TwinReason if reason != TwinReason.NOT_SHOWN]


class SearchForm(forms.Form):
    """What people say at the desk. Posted, never in an address."""

    q = forms.CharField(
        label=_("Name, pinyin initials, phone or its last four digits, card or service number"),
        max_length=LONGEST_QUERY,
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false", "inputmode": "search"}),
    )
    opening = forms.BooleanField(required=False, widget=forms.HiddenInput)


class TypedForm(forms.Form):
    """What was typed into the search carries over into the card."""

    typed = forms.CharField(required=False, max_length=LONGEST_QUERY)


class ContactForm(forms.Form):
    """How somebody is reached; the card asks the same, and keeps the same rules."""

    phone = forms.CharField(
        label=_("Phone"),
        max_length=32,
        required=False,
        widget=forms.TextInput(attrs={"autocomplete": "off", "inputmode": "tel", "class": "zz-num"}),
    )
    phone_owner = forms.ChoiceField(label=_("Whose number is it"), choices=PhoneOwner.choices, required=False)
    email = forms.EmailField(
        label=_("E-mail"),
        max_length=120,
        required=False,
        widget=forms.EmailInput(attrs={"autocomplete": "off"}),
    )

    def clean_phone(self) -> str | None:
        typed = self.cleaned_data["phone"]
        if not typed:
            return None
        try:
            return read_phone(typed)
        except PhoneInvalid as error:
            raise forms.ValidationError(str(error.message)) from error

    def sent(self) -> dict[str, Any]:
        """What was sent at all, of a form that is valid; the rest stays as it is."""
        return {name: value for name, value in self.cleaned_data.items() if name in self.data}


class OpenCardForm(ContactForm):
    """The fewest fields the purpose needs: a name, and an ID number or a birth date with sex."""

    name = forms.CharField(
        label=_("Name"),
        max_length=60,
        error_messages={"required": _("Type the name.")},
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    id_number = forms.CharField(
        label=_("ID number"),
        max_length=24,
        required=False,
        help_text=_("Fills in birth date and sex."),
        widget=forms.TextInput(attrs={"autocomplete": "off", "class": "zz-num"}),
    )
    sex = on_condition(
        forms.ChoiceField(
            label=_("Sex"),
            choices=[("", "—"), *Sex.choices],
            required=False,
            help_text=_("Needed when there is no ID number."),
        )
    )
    birth_date = on_condition(
        a_day(_("Birth date"), required=False, help_text=_("Needed when there is no ID number."))
    )
    phone_owner = forms.ChoiceField(
        label=_("Whose number is it"), choices=PhoneOwner.choices, initial=PhoneOwner.SELF
    )
    twin_reason = forms.ChoiceField(
        label=_("Why is this somebody else?"),
        choices=[("", "—"), *ASKED_TWIN_REASONS],
        required=False,
        widget=forms.Select(attrs={"form": "card"}),  # it stands beside the form, with the people it is about
    )
    form_token = forms.UUIDField(widget=forms.HiddenInput, initial=uuid.uuid4)

    papers: IdNumber | None = None
    field_order = ("name", "id_number", "sex", "birth_date", "phone", "phone_owner", "email")

    def clean_name(self) -> str:
        name = tidy_name(self.cleaned_data["name"])
        if any(character.isdigit() for character in name):
            raise forms.ValidationError(_("A name has no digits."))
        if not any(character.isalpha() for character in name):
            raise forms.ValidationError(_("A name has letters or characters."))
        return name

    def clean_id_number(self) -> str | None:
        typed = self.cleaned_data["id_number"]
        if not typed:
            return None
        try:
            self.papers = read_id_number(typed, today=timezone.localdate())
        except IdNumberInvalid as error:
            raise forms.ValidationError(str(error.explanation), code=error.flaw.value) from error
        return self.papers.number

    def clean_birth_date(self) -> date | None:
        born: date | None = self.cleaned_data["birth_date"]
        if born and not born.year >= OLDEST_BIRTH_YEAR:
            raise forms.ValidationError(_("Please check the year."))
        if born and born > timezone.localdate():
            raise forms.ValidationError(_("This day has not come yet."))
        return born

    def clean(self) -> dict[str, Any]:
        """The ID number fills what was left empty, and a contradiction is said rather than guessed away."""
        cleaned = self.cleaned_data
        if self.papers:
            self._fill("birth_date", self.papers.born_on, _("The ID number says another birth date."))
            self._fill("sex", self.papers.sex, _("The ID number says another sex."))
        elif "id_number" in cleaned:
            for field in ("birth_date", "sex"):
                if field in cleaned and not cleaned[field]:
                    self.add_error(field, _("Needed when there is no ID number."))
        return cleaned

    def _fill(self, field: str, said: object, contradiction: Any) -> None:
        typed = self.cleaned_data.get(field)
        if typed and typed != said:
            self.add_error(field, contradiction)
        elif field in self.cleaned_data:
            self.cleaned_data[field] = said

    def needs_twin_reason(self) -> None:
        """Similar people have cards: from now on the form asks why this is another person."""
        self.fields["twin_reason"].required = True

    def ask_about_twins(self) -> None:
        """Say so beside the question, when the form came without an answer."""
        self.needs_twin_reason()
        self.add_error("twin_reason", _("Open one of their charts, or say why this is somebody else."))

    def known_so_far(self) -> NewIdentity:
        """The person as far as the fields make sense, while the form is being filled in."""
        cleaned = self.cleaned_data
        return NewIdentity(
            name=cleaned.get("name") or "",
            birth_date=cleaned.get("birth_date"),
            id_number=cleaned.get("id_number"),
            phone=cleaned.get("phone"),
        )

    def identity(self) -> NewIdentity:
        """The person, from a form that is valid."""
        cleaned = self.cleaned_data
        return NewIdentity(
            name=cleaned["name"],
            sex=Sex(cleaned["sex"]),
            birth_date=cleaned["birth_date"],
            id_number=cleaned["id_number"],
            phone=cleaned["phone"],
            phone_owner=PhoneOwner(cleaned["phone_owner"]),
            email=cleaned["email"] or None,
        )


def carried_over(typed: str) -> dict[str, str]:
    """Which field of the card the text of a search belongs to: the number typed is not typed twice."""
    text = typed.strip()
    if not text:
        return {}
    try:
        return {"id_number": read_id_number(text, today=timezone.localdate()).number}
    except IdNumberInvalid:
        pass
    try:
        read_phone(text)
    except PhoneInvalid:
        return (
            {}
            if any(character.isdigit() for character in text) or text.isascii()
            else {"name": tidy_name(text)}
        )
    return {"phone": text}
