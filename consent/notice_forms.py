"""What the privacy officer types about notices, assessments and recipients."""

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any, Final

from django import forms
from django.forms import BoundField
from django.utils import timezone
from django.utils.translation import get_language_info
from django.utils.translation import gettext_lazy as _

from audit.purposes import Purpose
from clinics.fields import a_day
from consent.choices import RecipientRole
from consent.models import ImpactAssessment
from consent.models.recipients import HOME
from consent.notices import LOCALES
from consent.publishing import HEADINGS, TITLE
from consent.purposes import PurposeRule, data_categories, recipient_kinds, rules

LANGUAGES: Final = {locale: str(get_language_info(locale)["name_local"]) for locale in LOCALES}
LONGEST_ITEM: Final = 2000  # characters


def a_text(label: Any, **more: Any) -> forms.CharField:
    widget = forms.Textarea(attrs={"rows": 3})
    return forms.CharField(label=label, max_length=LONGEST_ITEM, widget=widget, **more)


class NoticeForm(forms.Form):
    """Every item of a notice in every language, from when on it holds, and whether everybody is asked again."""

    after = forms.IntegerField(widget=forms.HiddenInput, min_value=0, max_value=32_767)
    effective_from = a_day(_("In force from"))
    assessment = forms.ChoiceField(
        label=_("Impact assessment it rests on"),
        help_text=_("Only assessments that a colleague approved and that are not due for review."),
    )
    material_change = forms.BooleanField(
        label=_("It changes what is done, with which data, or who gets them: ask everybody again"),
        required=False,
    )

    def __init__(
        self, *args: Any, rule: PurposeRule, assessments: Iterable[ImpactAssessment], **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        field: Any = self.fields["assessment"]
        field.choices = [("", "—"), *((one.number, one.number) for one in assessments)]
        field.required = rule.needs_assessment
        for locale in LOCALES:
            for item, heading in HEADINGS.items():
                self.fields[f"{locale}-{item}"] = (
                    forms.CharField(label=heading, max_length=120) if item == TITLE else a_text(heading)
                )

    def clean_effective_from(self) -> date:
        day: date = self.cleaned_data["effective_from"]
        if day < timezone.localdate():
            raise forms.ValidationError(_("A new version is in force from today at the earliest."))
        return day

    @property
    def languages(self) -> list[tuple[str, str, list[BoundField]]]:
        """For each language its code, its own name and the fields in it."""
        return [
            (locale, LANGUAGES[locale], [self[f"{locale}-{item}"] for item in HEADINGS]) for locale in LOCALES
        ]

    def texts(self) -> dict[str, dict[str, str]]:
        return {
            locale: {item: self.cleaned_data[f"{locale}-{item}"] for item in HEADINGS} for locale in LOCALES
        }

    @staticmethod
    def begun_with(drafts: Mapping[str, Mapping[str, str]], after: int) -> dict[str, Any]:
        """What stands in the form at first: the newest words, in force from today, nobody asked again."""
        words = {f"{locale}-{item}": text for locale, draft in drafts.items() for item, text in draft.items()}
        return {**words, "after": after, "effective_from": timezone.localdate()}


def _purposes(*, outside: bool = False) -> list[tuple[str, str]]:
    return [
        (rule.purpose.value, str(rule.name))
        for rule in rules().values()
        if (rule.leaves_the_clinic if outside else rule.needs_assessment)
    ]


class AssessmentForm(forms.Form):
    """What is weighed before anybody is asked (PIPL art. 56)."""

    number = forms.CharField(
        label=_("Number"), max_length=32, widget=forms.TextInput(attrs={"autocomplete": "off"})
    )
    purposes = forms.MultipleChoiceField(
        label=_("Purposes it covers"), choices=_purposes, widget=forms.CheckboxSelectMultiple
    )
    necessity = a_text(_("Whether it is lawful, justified and necessary"))
    impact = a_text(_("What it means for people, and the risks"))
    measures = a_text(_("Whether the measures fit the risks"))


class ReviewForm(forms.Form):
    """The day on which something is looked at again."""

    review_on = a_day(_("To be looked at again on"), help_text=_("Within three years."))

    def clean_review_on(self) -> date:
        day: date = self.cleaned_data["review_on"]
        today = timezone.localdate()
        if not 0 < (day - today).days <= 3 * 366:
            raise forms.ValidationError(_("A day within the next three years."))
        return day


class RecipientForm(ReviewForm):
    """Somebody outside who may be given data: who, under which agreement, for what, until when."""

    field_order = (
        "name", "code", "kind", "role", "contact", "country", "route", "purposes", "categories", "agreement", "assessment",
        "begins_on", "ends_on", "review_on", "keeps_it",
    )  # fmt: skip
    name = forms.CharField(label=_("Name"), max_length=120)
    code = forms.SlugField(
        label=_("Short code"),
        max_length=32,
        help_text=_("Latin letters and digits; it stands in the permissions that name them."),
    )
    kind = forms.ChoiceField(
        label=_("What they are"),
        choices=lambda: [
            (kind.code, str(kind.name)) for kind in recipient_kinds().values() if kind.code != "staff"
        ],
    )
    role = forms.ChoiceField(label=_("What they are in law"), choices=RecipientRole.choices)
    contact = forms.CharField(label=_("Contact"), max_length=200)
    country = forms.RegexField(
        "^[A-Z]{2}$",
        label=_("Country"),
        initial=HOME,
        help_text=_("Two letters of ISO 3166; CN is at home."),
        error_messages={"invalid": _("Two capital letters, such as CN or DE.")},
    )
    route = forms.CharField(
        label=_("Legal route abroad"),
        max_length=40,
        required=False,
        help_text=_("Only abroad: which of the routes of the law (PIPL art. 38)."),
    )
    purposes = forms.MultipleChoiceField(
        label=_("For which purposes"),
        choices=lambda: _purposes(outside=True),
        widget=forms.CheckboxSelectMultiple,
    )
    categories = forms.MultipleChoiceField(
        label=_("Which data they may get"),
        choices=lambda: [(one.code, str(one.name)) for one in data_categories().values()],
        widget=forms.CheckboxSelectMultiple,
    )
    agreement = forms.CharField(label=_("Number of the agreement"), max_length=64)
    assessment = forms.CharField(label=_("Number of the impact assessment"), max_length=32)
    begins_on = a_day(_("Agreement begins"))
    ends_on = a_day(_("Agreement ends"))
    keeps_it = forms.BooleanField(
        label=_("The agreement forbids them to pass anything on"),
        error_messages={"required": _("Whoever may pass it on does not come on the register.")},
    )

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        begins, ends = data.get("begins_on"), data.get("ends_on")
        if begins and ends and ends <= begins:
            self.add_error("ends_on", _("The agreement ends after it begins."))
        if data.get("country") not in (HOME, None) and not data.get("route"):
            self.add_error("route", _("Name the route by which the law lets data go there."))
        return data

    def purposes_named(self) -> frozenset[Purpose]:
        return frozenset(map(Purpose, self.cleaned_data["purposes"]))
