"""What staff choose on the pages that show several apps at once."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django import forms
from django.db import models
from django.utils.translation import gettext_lazy as _

from audit.alarms import LONGEST_REASON, MOST_COUNTED, SHORTEST_REASON, AlarmDecision
from clinics.models import User
from patients.choices import RevealReason


class RevealPart(models.TextChoices):
    """The values of a person that are masked until somebody needs them."""

    NAME = "name", _("Name")
    PHONE = "phone", _("Phone")
    ID_NUMBER = "id_number", _("ID number")


class IdsField(forms.Field):
    """Several ids under one name, at most as many as a page shows."""

    widget = forms.MultipleHiddenInput

    def to_python(self, value: list[str] | None) -> list[UUID]:
        try:
            return [UUID(text) for text in (value or [])[:MOST_COUNTED]]
        except ValueError:
            raise forms.ValidationError(_("This is not there."), code="invalid") from None


class DecisionForm(forms.Form):
    """What a person found out about alarms that stand together on the page."""

    alarm = IdsField()
    decision = forms.ChoiceField(label=_("Decision"), choices=AlarmDecision.choices)
    note = forms.CharField(
        label=_("What did you find out?"), min_length=SHORTEST_REASON, max_length=LONGEST_REASON
    )


class RevealForm(forms.Form):
    part = forms.ChoiceField(choices=RevealPart.choices, widget=forms.HiddenInput)
    reason = forms.ChoiceField(label=_("Reason"), choices=RevealReason.choices, widget=forms.RadioSelect)


class AbsenceForm(forms.Form):
    """Who is away, from the first day to the last."""

    user = forms.ChoiceField(label=_("Colleague"))
    first_on = forms.DateField(
        label=_("First day"), widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
    )
    last_on = forms.DateField(
        label=_("Last day"), widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
    )

    def __init__(self, *args: Any, staff: Iterable[User], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["user"].choices = [(str(user.pk), user.get_full_name()) for user in staff]  # type: ignore[attr-defined]  # a ChoiceField

    def clean(self) -> dict[str, Any]:
        first, last = self.cleaned_data.get("first_on"), self.cleaned_data.get("last_on")
        if first and last and last < first:
            self.add_error("last_on", _("The last day comes before the first."))
        return self.cleaned_data
