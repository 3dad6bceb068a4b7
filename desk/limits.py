"""The page on which the privacy officer says what the alarms measure by."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from zoneinfo import available_timezones

from django import forms
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from audit.errors import LimitsRefused
from audit.limits import BOUNDS, DEFAULTS, MOST_OPEN, Limits, limits_history
from clinics.models import Clinic, User

DAYS: Final = (
    (0, gettext_lazy("Monday")),
    (1, gettext_lazy("Tuesday")),
    (2, gettext_lazy("Wednesday")),
    (3, gettext_lazy("Thursday")),
    (4, gettext_lazy("Friday")),
    (5, gettext_lazy("Saturday")),
    (6, gettext_lazy("Sunday")),
)
NAMES: Final[dict[str, Promise]] = {name: bounds.words for name, bounds in BOUNDS.items()} | {
    "opens": gettext_lazy("Opens at"),
    "closes": gettext_lazy("Closes at"),
    "open_days": gettext_lazy("Open on"),
    "time_zone": gettext_lazy("Time zone"),
}


class LimitsForm(forms.Form):
    """What stays silent at most. Every number has a floor and a ceiling, so that no rule can be switched off."""

    opens = forms.TimeField(
        label=NAMES["opens"], widget=forms.TimeInput(attrs={"type": "time"}, format="%H:%M")
    )
    closes = forms.TimeField(
        label=NAMES["closes"], widget=forms.TimeInput(attrs={"type": "time"}, format="%H:%M")
    )
    open_days = forms.TypedMultipleChoiceField(
        label=NAMES["open_days"], choices=DAYS, coerce=int, widget=forms.CheckboxSelectMultiple
    )
    time_zone = forms.ChoiceField(
        label=NAMES["time_zone"], choices=lambda: [(zone, zone) for zone in sorted(available_timezones())]
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, bounds in BOUNDS.items():
            self.fields[name] = forms.IntegerField(
                label=str(bounds.words)[:1].upper() + str(bounds.words)[1:],
                min_value=bounds.lowest,
                max_value=bounds.highest,
                help_text=_("%(lowest)s to %(highest)s; %(default)s unless somebody says otherwise")
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
                    "closes", _("A clinic is open for %(hours)d hours a day at most.") % {"hours": hours}
                )
        return given

    @classmethod
    def showing(cls, limits: Limits) -> "LimitsForm":
        return cls(initial={name: getattr(limits, name) for name in NAMES})


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangedLimits:
    """One change: who, when, and each limit as it was and as it became."""

    who: str
    at: datetime
    changes: list[str]


def changes_of(clinic: Clinic) -> list[ChangedLimits]:
    """The last changes, the newest first. Two statements."""
    versions = limits_history(clinic.pk)
    accounts = User.objects.in_bulk(
        [v.changed_by.removeprefix("user:") for v in versions if "user:" in v.changed_by]
    )
    names = {f"user:{pk}": user.get_full_name() for pk, user in accounts.items()}
    older = [*(Limits.of(version.limits) for version in versions[1:]), DEFAULTS]
    return [
        ChangedLimits(
            who=names.get(version.changed_by, _("an account that is gone")),
            at=version.changed_at,
            changes=_differences(before, Limits.of(version.limits)),
        )
        for version, before in zip(versions, older, strict=False)
        if version.version == 1 or before is not DEFAULTS
    ]


def _differences(before: Limits, after: Limits) -> list[str]:
    old, new = before.plain(), after.plain()
    return [
        f"{NAMES[name]}: {_said(name, old[name])} → {_said(name, new[name])}"
        for name in NAMES
        if old[name] != new[name]
    ]


def _said(name: str, value: Any) -> str:
    return ", ".join(str(dict(DAYS)[day]) for day in value) if name == "open_days" else str(value)
