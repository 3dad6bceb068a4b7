"""Rows of long tables, each written in one go: a template costs by the tag, and a list has fifty rows. `{% load rows %}`."""

from collections.abc import Iterable
from html import escape as escape_text
from typing import Final
from uuid import UUID

from django import template
from django.urls import reverse
from django.utils.html import escape, format_html
from django.utils.safestring import SafeString, mark_safe

from desk.templatetags.saying import reader
from patients.choices import PhoneOwner, Sex
from patients.models import Patient
from patients.templatetags.masks import masked_name, masked_phone, shown

register = template.Library()
NOBODY: Final = UUID(int=0)


@register.simple_tag
def patient_rows(patients: Iterable[Patient]) -> SafeString:
    """Who, sex and age, phone, service number, and since when: a row each. Opens name and phone of each."""
    say = reader()
    chart_of_nobody = reverse("desk:chart", args=[NOBODY])
    before, after = map(escape, chart_of_nobody.split(str(NOBODY)))
    sexes = {code: escape(words) for code, words in Sex.choices if code != Sex.UNKNOWN}
    owners = {code: _small(words) for code, words in PhoneOwner.choices if code != PhoneOwner.SELF}

    def row(patient: Patient) -> str:
        who = patient.identity
        phone = shown(who, "phone")
        return f"""
      <tr role="row">
        <td role="cell" class="is-a"><a class="zz-who" href="{before}{patient.pk}{after}">{_cell(masked_name(shown(who, "name")))}</a></td>
        <td role="cell" class="is-b">{sexes.get(patient.sex, "")} {_cell(say.years(patient.birth_year))}</td>
        <td role="cell" class="zz-num">{_cell(masked_phone(phone)) or "—"}{owners.get(patient.phone_owner, "") if phone else ""}</td>
        <td role="cell" class="zz-code">{_cell(patient.service_number)}</td>
        <td role="cell" class="zz-2">{say.when(patient.created_at)}</td>
      </tr>"""

    return mark_safe("".join(map(row, patients)))  # noqa: S308  # every cell is an id, or passed `_cell`


def _cell(value: str) -> str:
    """A value as HTML. Django's own `escape` asks of each whether it is a promise to translate."""
    return value if isinstance(value, SafeString) else escape_text(value)


def _small(words: object) -> SafeString:
    return format_html(' <span class="zz-3 zz-small">{}</span>', words)
