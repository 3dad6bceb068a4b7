"""What the desk ticks while the person decides: each purpose a switch of its own, all of them off at first."""

from collections.abc import Sequence
from datetime import date
from typing import Any
from uuid import uuid4

from django import forms
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from audit.purposes import Purpose
from clinics.fields import a_day
from consent.choices import SPEAKERS, ExpressedBy, Method, RefusalReason
from consent.errors import EvidenceUnreadable
from consent.evidence import scan_in, signature_in
from consent.queries import PurposeStanding

DESK_METHODS = (Method.VERBAL_WITNESSED, Method.PAPER, Method.OTP)


class RecordForm(forms.Form):
    """Takes the standings of the purposes to decide now. A purpose declined not long ago needs the person's own wish."""

    form_token = forms.UUIDField(widget=forms.HiddenInput)
    told = forms.BooleanField(
        label=_("The notice was read by the person, or read to them"),
        error_messages={
            "required": _("Nobody can agree to what they have not been told. Go through the notice first.")
        },
    )
    expressed_by = forms.ChoiceField(
        label=_("Who decides"),
        choices=[(speaker.value, speaker.label) for speaker in SPEAKERS],
        initial=ExpressedBy.SELF,
        widget=forms.RadioSelect,
    )
    method = forms.ChoiceField(
        label=_("How it is confirmed"),
        choices=[(method.value, method.label) for method in DESK_METHODS],
        widget=forms.RadioSelect,
        error_messages={"required": _("Choose how the person confirms.")},
    )
    witness = forms.CharField(
        label=_("Witness, or number of the paper form"),
        max_length=60,
        required=False,
        help_text=_("Said aloud: who else heard it. On paper: the number on the form."),
    )
    code = forms.CharField(
        label=_("Code from the text message"),
        max_length=12,
        required=False,
        widget=forms.TextInput(attrs={"inputmode": "numeric", "autocomplete": "off"}),
    )

    def __init__(self, *args: Any, asked: Sequence[PurposeStanding], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["form_token"].initial = uuid4()
        self.asked = asked
        for standing in asked:
            name = standing.rule.purpose.value
            self.fields[f"yes_{name}"] = forms.BooleanField(label=str(standing.rule.name), required=False)
            if standing.ask_again_on:
                self.fields[f"own_{name}"] = forms.BooleanField(
                    label=_("They brought it up themselves"), required=False
                )

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        method = data.get("method")
        if method in (Method.VERBAL_WITNESSED, Method.PAPER) and not data.get("witness"):
            self.add_error("witness", _("Name the witness, or the number of the paper form."))
        if method == Method.OTP and not data.get("code"):
            self.add_error("code", _("Send a code and type it here."))
        if method == Method.OTP and data.get("expressed_by") not in (ExpressedBy.SELF, None):
            self.add_error("method", _("A code confirms only for the person themselves. Choose another way."))
        for standing in self.asked:
            name = standing.rule.purpose.value
            if standing.ask_again_on and data.get(f"yes_{name}") and not data.get(f"own_{name}"):
                self.add_error(
                    f"own_{name}",
                    _("They said no not long ago. Tick this only if they brought it up themselves."),
                )
        return data

    def answers(self) -> dict[Purpose, bool]:
        """What the person said about each purpose that was asked. A fresh no that nobody brought up again is not asked."""
        return {
            standing.rule.purpose: self.cleaned_data[f"yes_{standing.rule.purpose.value}"]
            for standing in self.asked
            if not standing.ask_again_on or self.cleaned_data[f"own_{standing.rule.purpose.value}"]
        }


class DeskForm(RecordForm):
    """The same with what only a page can bring: a signature on the screen, a scan of the paper, the proof of who decides."""

    proof = forms.CharField(
        label=_("What shows that they may decide"),
        max_length=120,
        required=False,
        help_text=_(
            "For a guardian or somebody authorised: household register, birth certificate, court paper, written authorisation."
        ),
    )
    signature = forms.CharField(required=False, widget=forms.HiddenInput)
    scan = forms.FileField(
        label=_("Photograph or PDF of the signed paper"),
        required=False,
        help_text=_("Kept sealed; up to 10 MB."),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        method = self.fields["method"]
        method.choices = [(one.value, one.label) for one in (*DESK_METHODS, Method.ESIGN)]  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        data = super().clean()
        method = data.get("method")
        data["file"] = None
        try:
            if method == Method.ESIGN:
                data["file"] = signature_in(data.get("signature", ""))
            elif method == Method.PAPER:
                data["file"] = scan_in(data["scan"].read() if data.get("scan") else b"")
        except EvidenceUnreadable as error:
            self.add_error("scan" if method == Method.PAPER else "method", str(error.message))
        if data.get("expressed_by") not in (ExpressedBy.SELF, None) and not data.get("proof"):
            self.add_error("proof", _("Name the paper that shows they may decide."))
        return data


class ProxyForm(forms.Form):
    """Who will act for the person, until when, and what shows that they want it."""

    form_token = forms.UUIDField(widget=forms.HiddenInput)
    number = forms.CharField(
        label=_("Service number of who will act"),
        max_length=20,
        help_text=_("They need a card and pages of their own here."),
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    last_on = a_day(_("Last day"), help_text=_("At most a year; then they are asked again."))
    told = RecordForm.base_fields["told"]
    expressed_by = forms.ChoiceField(
        label=_("Who decides"),
        choices=[
            (one.value, one.label) for one in (ExpressedBy.SELF, ExpressedBy.GUARDIAN, ExpressedBy.AGENT)
        ],
        initial=ExpressedBy.SELF,
        widget=forms.RadioSelect,
    )
    method = forms.ChoiceField(
        label=_("How it is confirmed"),
        choices=[(one.value, one.label) for one in (Method.VERBAL_WITNESSED, Method.PAPER)],
        widget=forms.RadioSelect,
        error_messages={"required": _("Choose how the person confirms.")},
    )
    witness = forms.CharField(label=_("Witness: name"), max_length=60)
    proof = forms.CharField(
        label=_("Proof of the relation"),
        max_length=120,
        help_text=_("Household register, birth certificate, court paper, written authorisation."),
    )
    scan = forms.FileField(
        label=_("Photograph or PDF of the signed paper"),
        required=False,
        help_text=_("Kept sealed; up to 10 MB."),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["form_token"].initial = uuid4()

    def clean_last_on(self) -> date:
        day: date = self.cleaned_data["last_on"]
        if day < timezone.localdate():
            raise forms.ValidationError(_("This day is over."))
        return day

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        data["file"] = None
        if data.get("method") == Method.PAPER:
            try:
                data["file"] = scan_in(data["scan"].read() if data.get("scan") else b"")
            except EvidenceUnreadable as error:
                self.add_error("scan", str(error.message))
        return data


class ComplaintAnswerForm(forms.Form):
    """What the clinic answers to one complaint."""

    complaint = forms.UUIDField(widget=forms.HiddenInput)
    answer = forms.CharField(
        label=_("Answer to the person"),
        max_length=2000,
        error_messages={"required": _("Write an answer; it stands on their page.")},
    )


class AnswerForm(forms.Form):
    """One deed about a request: who asks is checked, a field is decided, or the whole is answered."""

    DEEDS = ("papers", "proof", "accept", "leave", "done", "refuse")

    deed = forms.ChoiceField(choices=[(deed, deed) for deed in DEEDS])
    correction = forms.UUIDField(required=False)
    reason = forms.ChoiceField(choices=[("", ""), *RefusalReason.choices], required=False)
    answer = forms.CharField(label=_("Answer to the person"), max_length=2000, required=False)
