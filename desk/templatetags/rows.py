"""Rows of long tables, each written in one go: a template costs by the tag, and a list has fifty rows. `{% load rows %}`."""

from collections.abc import Iterable, Iterator
from typing import Any, Final
from uuid import UUID

from django import template
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from desk.templatetags.saying import age, when
from patients.choices import PhoneOwner, Sex
from patients.models import Patient
from patients.templatetags.masks import masked_name, masked_phone, shown

register = template.Library()
NOBODY: Final = UUID(int=0)
ROW: Final = """
      <tr role="row">
        <td role="cell" class="is-a"><a class="zz-who" href="{}">{}</a></td>
        <td role="cell" class="is-b">{} {}</td>
        <td role="cell" class="zz-num">{}{}</td>
        <td role="cell" class="zz-code">{}</td>
        <td role="cell" class="zz-2">{}</td>
      </tr>"""


@register.simple_tag
def patient_rows(patients: Iterable[Patient]) -> SafeString:
    """Who, sex and age, phone, service number, and since when: a row each. Opens name and phone of each."""
    return format_html_join("", ROW, _cells(patients))


def _cells(patients: Iterable[Patient]) -> Iterator[tuple[Any, ...]]:
    chart = reverse("desk:chart", args=[NOBODY])
    sexes: dict[str, str] = {code: str(words) for code, words in Sex.choices if code != Sex.UNKNOWN}
    owners = {code: _small(words) for code, words in PhoneOwner.choices if code != PhoneOwner.SELF}
    for patient in patients:
        phone = shown(patient.identity, "phone")
        yield (
            chart.replace(str(NOBODY), str(patient.pk)),
            masked_name(shown(patient.identity, "name")),
            sexes.get(patient.sex, ""),
            age(patient.birth_year),
            masked_phone(phone) or "—",
            owners.get(patient.phone_owner, "") if phone else "",
            patient.service_number,
            when(patient.created_at),
        )


def _small(words: object) -> SafeString:
    return format_html(' <span class="zz-3 zz-small">{}</span>', words)
