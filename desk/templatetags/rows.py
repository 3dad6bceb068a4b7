"""Rows of long tables, each written in one go: a template costs by the tag, and a list has fifty rows. `{% load rows %}`."""

from collections.abc import Iterable
from functools import cache
from html import escape as escape_text
from typing import Final
from uuid import UUID

from django import template
from django.urls import reverse
from django.utils.html import escape, format_html
from django.utils.safestring import SafeString, mark_safe

from crypto.errors import ClinicError
from desk.templatetags.saying import reader
from patients.choices import PhoneOwner, Sex
from patients.identity import mask_name, mask_phone
from patients.models import Patient
from patients.templatetags.masks import masked_name, masked_phone, shown

register = template.Library()
NOBODY: Final = UUID(int=0)
ENTITIES: Final = {ord(character): escape_text(character) for character in "&<>\"'"}


@register.simple_tag
def patient_rows(patients: Iterable[Patient]) -> SafeString:
    """Who, sex and age, phone, service number, and since when: a row each. Opens name and phone of each."""
    say = reader()
    before, after = _address_of_chart()
    sexes, owners = _words(say.language)

    def row(patient: Patient) -> str:
        name, phone = _masked(patient)
        return f"""
      <tr role="row">
        <td role="cell" class="is-a"><a class="zz-who" href="{before}{patient.id}{after}">{name}</a></td>
        <td role="cell" class="is-b">{sexes[patient.sex]} {say.years(patient.birth_year)}</td>
        <td role="cell" class="zz-num">{phone or "—"}{owners[patient.phone_owner] if phone else ""}</td>
        <td role="cell" class="zz-code">{patient.service_number}</td>
        <td role="cell" class="zz-2">{say.when(patient.created_at)}</td>
      </tr>"""

    return mark_safe("".join(map(row, patients)))  # noqa: S308  # only a name can hold a character of HTML


def _masked(patient: Patient) -> tuple[str, str]:
    """Name and phone, half hidden, as HTML; a marker where one does not open, or not for this role.

    A phone is digits and stars. A name is escaped by a table: Django's own `escape` asks of each whether it is a promise to translate.
    """
    who = patient.identity
    try:
        return mask_name(who.name).translate(ENTITIES), mask_phone(who.phone)
    except ClinicError:  # each has a marker of its own
        name, phone = masked_name(shown(who, "name")), masked_phone(shown(who, "phone"))
        return name if isinstance(name, SafeString) else name.translate(ENTITIES), phone


@cache
def _address_of_chart() -> tuple[str, str]:
    """What stands before and after the id of a patient in the address of their chart."""
    before, _nobody, after = reverse("desk:chart", args=[NOBODY]).partition(str(NOBODY))
    return escape(before), escape(after)


@cache
def _words(language: str) -> tuple[dict[str, str], dict[str, str]]:
    """The sexes, and whose phone it is where it is not the patient's own; in the active language."""
    sexes = {code: "" if code == Sex.UNKNOWN else escape(words) for code, words in Sex.choices}
    owners = {code: "" if code == PhoneOwner.SELF else _small(words) for code, words in PhoneOwner.choices}
    return sexes, owners


def _small(words: object) -> SafeString:
    return format_html(' <span class="zz-3 zz-small">{}</span>', words)
