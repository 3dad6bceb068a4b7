"""What came of a to-do, in one tap and a note."""

from typing import Any

from django import forms
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from clinics.fields import a_day
from followups.choices import Outcome

NEEDS_A_DAY = (Outcome.AGREED, Outcome.CALL_LATER)


class OutcomeForm(forms.Form):
    """`critical`: told a critical result, the form asks whether the person repeated it."""

    outcome = forms.ChoiceField(
        label=_("What came of it"),
        choices=Outcome.choices,
        widget=forms.RadioSelect,
        error_messages={"required": _("Say what came of it.")},
    )
    again_on = a_day(_("Day agreed, or day to call again"), required=False)
    note = forms.CharField(
        label=_("Note"),
        required=False,
        max_length=2000,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text=_("Which number was called, what was said. It is sealed with the record."),
    )

    def __init__(self, *args: Any, critical: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.critical = critical
        if critical:
            self.fields["read_back"] = forms.BooleanField(
                label=_("The person repeated it in their own words"), required=False
            )

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        day = data.get("again_on")
        if data.get("outcome") in NEEDS_A_DAY and "again_on" not in self.errors:
            if day is None:
                self.add_error("again_on", _("Choose the day."))
            elif day < timezone.localdate():
                self.add_error("again_on", _("Choose today or a later day."))
        if self.critical and data.get("outcome") == Outcome.REACHED and not data.get("note"):
            self.add_error(
                "note", _("For a critical result write which number was called and what was said.")
            )
        return data
