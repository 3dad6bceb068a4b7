"""What is typed about care: an emergency and its review, who is responsible, whose chart is watched."""

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from typing import Any
from uuid import UUID

from django import forms
from django.utils.timezone import make_aware
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from clinics.fields import a_day, on_condition
from clinics.models import CareTeam, User
from patients.choices import ONE_AT_A_TIME, CareRole, GlassFinding, GlassReason, GrantReason, Telling
from patients.queries.assigning import Candidate
from patients.services.glass import Sought, sought

PARTS = [(role.value, role.label) for role in ONE_AT_A_TIME]


class GlassForm(forms.Form):
    """Who is meant, why, and what happened: by the number, or by the whole name and the phone."""

    number = forms.CharField(
        label=_("Service number"),
        max_length=14,
        required=False,
        widget=forms.TextInput(
            attrs={"autocomplete": "off", "class": "zz-num", "placeholder": "ZZ-0000-0000"}
        ),
    )
    name = forms.CharField(
        label=_("Whole name"),
        max_length=60,
        required=False,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    phone = forms.CharField(
        label=_("Phone"),
        max_length=32,
        required=False,
        widget=forms.TextInput(attrs={"autocomplete": "off", "inputmode": "tel", "class": "zz-num"}),
    )
    reason = forms.ChoiceField(
        label=_("Why must it be now?"), choices=GlassReason.choices, widget=forms.RadioSelect
    )
    note = forms.CharField(
        label=_("What happened"),
        min_length=4,
        max_length=500,
        help_text=_("The privacy officer reads this. It is sealed."),
        widget=forms.Textarea(attrs={"rows": 3}),
    )

    who: Sought

    def clean(self) -> dict[str, Any]:
        cleaned = self.cleaned_data
        who = sought(cleaned.get("number") or "", cleaned.get("name") or "", cleaned.get("phone") or "")
        if who is None:
            self.add_error("number", _("Type the service number, or the whole name and the phone."))
        else:
            self.who = who
        return cleaned


class GlassReviewForm(forms.Form):
    glass = forms.UUIDField(widget=forms.HiddenInput)
    finding = forms.ChoiceField(label=_("Finding"), choices=GlassFinding.choices)


class GlassToldForm(forms.Form):
    """That somebody told the person. Reading it on their own page is noted there."""

    glass = forms.UUIDField(widget=forms.HiddenInput)
    told = forms.ChoiceField(
        label=_("How they were told"),
        choices=[(way.value, way.label) for way in Telling if way is not Telling.PORTAL],
    )


class ResponsibleForm(forms.Form):
    """Who takes over one part in the care of a patient. The suggestion is chosen already."""

    role = forms.ChoiceField(choices=PARTS, widget=forms.HiddenInput)
    staff = forms.ChoiceField(label=_("Colleague"))

    def __init__(self, *args: Any, found: Sequence[Candidate], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["staff"].choices = [(str(one.user.pk), in_words(one)) for one in found]  # type: ignore[attr-defined]  # a ChoiceField


class PanelForm(forms.Form):
    """Whose patients go to whom, in which part. In the address: three ids of the house."""

    role = forms.ChoiceField(label=_("Part"), choices=PARTS)
    giver = forms.ChoiceField(label=_("From"))
    taker = forms.ChoiceField(label=_("To"))

    def __init__(
        self, *args: Any, givers: Sequence[tuple[User, int]], takers: Sequence[Candidate], **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.fields["giver"].choices = [(str(u.pk), f"{u.get_full_name()} · {_load(n)}") for u, n in givers]  # type: ignore[attr-defined]
        self.fields["taker"].choices = [(str(one.user.pk), in_words(one)) for one in takers]  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        if self.cleaned_data.get("giver") == self.cleaned_data.get("taker"):
            self.add_error("taker", _("Choose somebody else than the one who gives."))
        return self.cleaned_data


class LookForm(forms.Form):
    """Who else sees a chart: a care team, or a colleague for a reason until a day."""

    TEAM, COLLEAGUE = "team:", "user:"
    LONGEST = timedelta(days=366)

    who = forms.ChoiceField(label=_("Care team or colleague"))
    why = on_condition(
        forms.ChoiceField(
            label=_("Why"),
            choices=[
                ("", _("choose")),
                (CareRole.COVERING.value, CareRole.COVERING.label),
                *GrantReason.choices,
            ],
            required=False,
            help_text=_("Needed for a colleague."),
        )
    )
    last_on = on_condition(
        a_day(
            _("Last day"),
            required=False,
            help_text=_("Needed for a colleague. Empty: the team, until further notice."),
        )
    )

    def __init__(
        self, *args: Any, teams: Sequence[CareTeam], staff: Sequence[User], today: date, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.today = today
        self.fields["who"].choices = [  # type: ignore[attr-defined]  # a ChoiceField
            ("", _("choose")),
            (_("Care teams"), [(f"{self.TEAM}{team.pk}", team.name) for team in teams]),
            (_("Colleagues"), [(f"{self.COLLEAGUE}{user.pk}", user.get_full_name()) for user in staff]),
        ]

    def clean_last_on(self) -> date | None:
        day: date | None = self.cleaned_data["last_on"]
        if day is not None and not self.today <= day <= self.today + self.LONGEST:
            raise forms.ValidationError(_("Choose a day from today on, within a year."))
        return day

    def clean(self) -> dict[str, Any]:
        said = self.cleaned_data
        if said.get("who", "").startswith(self.COLLEAGUE):
            if not said.get("why"):
                self.add_error("why", _("Say why the colleague needs to look."))
            if "last_on" in said and said["last_on"] is None:
                self.add_error("last_on", _("Say until which day the colleague may look."))
        return said

    def said(self) -> dict[str, Any]:
        """What `let_look` wants to know. Once the form is valid."""
        said = self.cleaned_data
        who, why, day = said["who"], said["why"], said["last_on"]
        until = make_aware(datetime.combine(day, time.max)) if day else None
        if who.startswith(self.TEAM):
            return {"team_id": UUID(who.removeprefix(self.TEAM)), "why": CareRole.CARE_TEAM, "until": until}
        reason = CareRole(why) if why == CareRole.COVERING else GrantReason(why)
        return {"user_id": UUID(who.removeprefix(self.COLLEAGUE)), "why": reason, "until": until}


class EndLookForm(forms.Form):
    end = forms.UUIDField(widget=forms.HiddenInput)


class WatchForm(forms.Form):
    """Why a chart is watched; neither answer ends it."""

    well_known = forms.BooleanField(label=_("Known to the public"), required=False)
    colleague = forms.ChoiceField(label=_("Is this colleague"), required=False)

    def __init__(self, *args: Any, staff: Sequence[User], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        people = [(str(user.pk), user.get_full_name()) for user in staff]
        self.fields["colleague"].choices = [("", _("nobody of the staff")), *people]  # type: ignore[attr-defined]


def in_words(candidate: Candidate) -> str:
    """A candidate in a list: name, load, and whether they are away or suggested."""
    said = [candidate.user.get_full_name(), _load(candidate.active)]
    if candidate.is_away:
        said.append(str(_("away today")))
    if candidate.is_suggested:
        said.append(str(_("suggested")))
    return " · ".join(said)


def _load(number: int) -> str:
    return ngettext("%(number)s patient", "%(number)s patients", number) % {"number": number}


def role_in(text: str) -> CareRole:
    """The part an address names; the health manager's where it names none."""
    return CareRole(text) if text in dict(PARTS) else CareRole.MANAGER
