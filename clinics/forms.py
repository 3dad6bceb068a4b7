"""What a clinic manager types about teams."""

from collections.abc import Iterable
from datetime import date
from typing import Any

from django import forms
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from clinics.fields import a_day
from clinics.models import User


class TeamForm(forms.Form):
    name = forms.CharField(
        label=_("Name of the team"), max_length=40, widget=forms.TextInput(attrs={"autocomplete": "off"})
    )


class MemberForm(forms.Form):
    """Somebody, and their last day in the team where it is known."""

    user = forms.ChoiceField(label=_("Colleague"))
    last_on = a_day(_("Last day"), required=False, help_text=_("Empty: until further notice."))

    def __init__(self, *args: Any, staff: Iterable[User], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["user"].choices = [(str(user.pk), user.get_full_name()) for user in staff]  # type: ignore[attr-defined]  # a ChoiceField

    def clean_last_on(self) -> date | None:
        last_on: date | None = self.cleaned_data["last_on"]
        if last_on and last_on < timezone.localdate():
            raise forms.ValidationError(_("This day is over."))
        return last_on
