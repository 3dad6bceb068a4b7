"""What staff choose on the pages that show several apps at once."""

from collections.abc import Iterable
from datetime import datetime, time, timedelta
from typing import Any, Final
from uuid import UUID

from django import forms
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from audit.alarms import LONGEST_REASON, MOST_COUNTED, SHORTEST_REASON, AlarmDecision
from audit.errors import LimitsRefused
from audit.limits import BOUNDS, MOST_OPEN, Limits, time_zones
from audit.models import NamesTold
from clinics.fields import a_day
from clinics.models import User
from consent.choices import IdentityCheck
from exchange.choices import PreservationReason
from patients.choices import RevealReason
from patients.queries.search import service_number_in


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
    first_on = a_day(_("First day"))
    last_on = a_day(_("Last day"))

    def __init__(self, *args: Any, staff: Iterable[User], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["user"].choices = [(str(user.pk), user.get_full_name()) for user in staff]  # type: ignore[attr-defined]  # a ChoiceField

    def clean(self) -> dict[str, Any]:
        first, last = self.cleaned_data.get("first_on"), self.cleaned_data.get("last_on")
        if first and last and last < first:
            self.add_error("last_on", _("The last day comes before the first."))
        return self.cleaned_data


DAYS: Final = (
    (0, _("Monday")),
    (1, _("Tuesday")),
    (2, _("Wednesday")),
    (3, _("Thursday")),
    (4, _("Friday")),
    (5, _("Saturday")),
    (6, _("Sunday")),
)
LIMIT_NAMES: Final[dict[str, Any]] = {name: bounds.words for name, bounds in BOUNDS.items()} | {
    "opens": _("Opens at"),
    "closes": _("Closes at"),
    "open_days": _("Open on"),
    "time_zone": _("Time zone"),
}


class LimitsForm(forms.Form):
    """What stays silent at most. Every number has a floor and a ceiling, so that no rule can be switched off."""

    opens = forms.TimeField(
        label=LIMIT_NAMES["opens"], widget=forms.TimeInput(attrs={"type": "time"}, format="%H:%M")
    )
    closes = forms.TimeField(
        label=LIMIT_NAMES["closes"], widget=forms.TimeInput(attrs={"type": "time"}, format="%H:%M")
    )
    open_days = forms.TypedMultipleChoiceField(
        label=LIMIT_NAMES["open_days"], choices=DAYS, coerce=int, widget=forms.CheckboxSelectMultiple
    )
    time_zone = forms.ChoiceField(
        label=LIMIT_NAMES["time_zone"],
        choices=lambda: [(zone, zone) for zone in sorted(time_zones())],
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, bounds in BOUNDS.items():
            self.fields[name] = forms.IntegerField(
                label=str(bounds.words)[:1].upper() + str(bounds.words)[1:],
                min_value=bounds.lowest,
                max_value=bounds.highest,
                help_text=gettext("%(lowest)s to %(highest)s; %(default)s unless somebody says otherwise")
                % {"lowest": bounds.lowest, "highest": bounds.highest, "default": bounds.default},
            )

    @property
    def numbers(self) -> list[forms.BoundField]:
        return [self[name] for name in BOUNDS]

    def clean(self) -> dict[str, Any]:
        given: dict[str, Any] = super().clean() or {}
        if not self.errors:
            try:
                self.limits = Limits(**given | {"open_days": tuple(sorted(given["open_days"]))})
            except LimitsRefused:  # the numbers and the days are right by now, so it is the hours
                hours = MOST_OPEN.total_seconds() // 3600
                self.add_error(
                    "closes",
                    gettext("A clinic is open for %(hours)d hours a day at most.") % {"hours": hours},
                )
        return given

    @classmethod
    def showing(cls, limits: Limits) -> "LimitsForm":
        return cls(initial={name: getattr(limits, name) for name in LIMIT_NAMES})


class NamesForm(forms.Form):
    """When a person is told the name of who looked at their record."""

    names = forms.TypedChoiceField(
        label=_("Names of who looked"), choices=NamesTold.choices, coerce=NamesTold, widget=forms.RadioSelect
    )


class PreserveForm(forms.Form):
    """Whose record may not be destroyed, why, and the last day of it."""

    number = forms.CharField(
        label=_("Service number"),
        max_length=14,
        widget=forms.TextInput(
            attrs={"autocomplete": "off", "class": "zz-num", "placeholder": "ZZ-0000-0000"}
        ),
    )
    reason = forms.ChoiceField(label=_("Why"), choices=PreservationReason.choices)
    until = a_day(_("Until and with"))

    def clean_number(self) -> str:
        """The number as it is kept."""
        number = service_number_in(self.cleaned_data["number"])
        if number is None:
            raise forms.ValidationError(_("This is not a whole service number, such as ZZ-1234-5678."))
        return number

    def clean_until(self) -> datetime:
        """The moment after the day."""
        day = self.cleaned_data["until"]
        if day < timezone.localdate():
            raise forms.ValidationError(_("This day is over."))
        return timezone.make_aware(datetime.combine(day + timedelta(days=1), time.min))


class EndPreservationForm(forms.Form):
    preservation = forms.UUIDField()


class LiftForm(forms.Form):
    """Whose record is used again, and what showed who asks."""

    patient = forms.UUIDField()
    how = forms.ChoiceField(
        choices=[(way.value, way.label) for way in (IdentityCheck.PAPERS, IdentityCheck.PROOF)]
    )
