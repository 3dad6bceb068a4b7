"""What is asked of the log, as an address says it: ids, codes and days, never a name."""

import re
from datetime import UTC, datetime, time, timedelta
from typing import Any, Final
from uuid import UUID

from django import forms
from django.apps import apps
from django.db.models import TextChoices
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from audit.explorer import LogQuestion
from audit.kinds import Kind
from audit.models import SYSTEM_LOG
from audit.purposes import Purpose
from audit.words import EVERYDAY, KINDS, RELATIONS, RESULTS
from clinics.fields import a_day
from clinics.models import User
from consent.purposes import rule_of
from desk.privacy.words import DEEDS
from patients.models import Patient

USUAL_DAYS: Final = 7
MOST_DAYS: Final = 92  # without a patient, an account or a record
_UUID: Final = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_ACTOR: Final = re.compile(rf"user:{_UUID}|system:[a-z][a-z_.-]*|anonymous")
FIRST_DAY: Final = datetime(2020, 1, 1, tzinfo=UTC).date()


class LogChoice(TextChoices):
    """Whose log is read."""

    CLINIC = "clinic", _("This clinic")
    SYSTEM = "system", _("The whole installation")


def _any(words: Any, choices: list[tuple[str, Any]]) -> list[tuple[str, Any]]:
    return [("", words), *choices]


def _deeds() -> list[tuple[str, Any]]:
    named = {**DEEDS, **EVERYDAY, "access": _("opened protected data")}
    return _any(_("anything"), sorted(named.items(), key=lambda pair: str(pair[1])))


def _purposes() -> list[tuple[str, Any]]:
    return _any(_("any purpose"), [(p.value, str(rule_of(p).name)) for p in Purpose])


def _things() -> list[tuple[str, Any]]:
    """Every kind of record that has an id the log may name."""
    ours = (m for m in apps.get_models() if m._meta.app_label in _APPS and m._meta.verbose_name)
    return _any(
        "", sorted(((m._meta.label_lower, str(m._meta.verbose_name)) for m in ours), key=lambda p: p[1])
    )


_APPS: Final = frozenset(
    {"audit", "clinics", "patients", "consent", "records", "followups", "exchange", "portal", "crypto"}
)


class LogForm(forms.Form):
    """The question. Everything is optional; without a patient, an account or a record it asks about the last seven days."""

    patient = forms.UUIDField(required=False, widget=forms.HiddenInput)
    who = forms.ChoiceField(label=_("Account"), required=False)
    type = forms.ChoiceField(label=_("Kind of record"), required=False, choices=_things)
    id = forms.RegexField(rf"^(?:{_UUID}|[0-9]{{1,9}})$", label=_("Its id"), required=False, max_length=36)
    since = a_day(_("From"), required=False)
    until = a_day(_("Until"), required=False)
    kind = forms.ChoiceField(
        label=_("How it was opened"),
        required=False,
        choices=lambda: _any(_("in any way"), [(k.value, KINDS[k]) for k in Kind]),
    )
    action = forms.ChoiceField(label=_("Did what"), required=False, choices=_deeds)
    purpose = forms.ChoiceField(label=_("Purpose"), required=False, choices=_purposes)
    relation = forms.ChoiceField(
        label=_("Relation"), required=False, choices=lambda: _any(_("any relation"), list(RELATIONS.items()))
    )
    result = forms.ChoiceField(
        label=_("Outcome"), required=False, choices=lambda: _any(_("any outcome"), list(RESULTS.items()))
    )
    log = forms.ChoiceField(label=_("Log"), required=False, choices=LogChoice.choices)

    def __init__(self, *args: Any, clinic_id: UUID, sees_system: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.clinic_id = clinic_id
        self.fields["who"].choices = self._accounts()  # type: ignore[attr-defined]  # a ChoiceField
        if not sees_system:
            del self.fields["log"]

    @property
    def has_more(self) -> bool:
        """Whether one of the filters is used that stand folded away."""
        return any(
            self.data.get(name) for name in self.fields if name not in ("patient", "who", "since", "until")
        )

    def _accounts(self) -> list[tuple[str, Any]]:
        """Those who work here; and whoever is asked about by an entry of the log, though they work here no more."""
        staff = User.objects.filter(staff_roles__clinic_id=self.clinic_id).distinct().order_by("display_name")
        known: dict[str, Promise | str] = {f"user:{user.pk}": user.get_full_name() for user in staff}
        asked = str(self.data.get("who", ""))
        if asked not in known and _ACTOR.fullmatch(asked):
            known[asked] = _("the account of this entry")
        return _any(_("anybody"), list(known.items()))

    def clean(self) -> dict[str, Any]:
        given: dict[str, Any] = super().clean() or {}
        if bool(given.get("type")) != bool(given.get("id")):
            self.add_error("id", _("A record is named by its kind and its id together."))
        since, until = given.get("since"), given.get("until")
        if since and since < FIRST_DAY:
            self.add_error("since", _("The log does not begin before 2020."))
        if since and until and until < since:
            self.add_error("until", _("The last day lies before the first."))
        if not self.errors and not self._is_narrow(given):
            self._bound(given)
        return given

    @staticmethod
    def _is_narrow(given: dict[str, Any]) -> bool:
        return any(given.get(name) for name in ("patient", "who", "id"))

    def _bound(self, given: dict[str, Any]) -> None:
        """Nobody asks about all that ever happened to everybody: that is what the evidence pack is for."""
        last = given.get("until") or timezone.localdate()
        first = given.get("since") or last - timedelta(days=USUAL_DAYS - 1)
        if (last - first).days >= MOST_DAYS:
            self.add_error(
                "since", _("Choose at most three months, or ask about one patient, account or record.")
            )
        given["since"] = first

    def question(self, patient: Patient | None) -> LogQuestion:
        """What the form asks, once it is valid. Days are those of the clinic's clock."""
        given = self.cleaned_data
        return LogQuestion(
            log_id=SYSTEM_LOG if given.get("log") == LogChoice.SYSTEM else self.clinic_id,
            since=_begin(given["since"]) if given.get("since") else None,
            until=_begin(given["until"] + timedelta(days=1)) if given.get("until") else None,
            subject_id=patient.subject_id if patient else None,
            actor_ref=given["who"],
            object=(given["type"], given["id"]) if given["type"] else None,
            **{name: given[name] for name in ("action", "kind", "purpose", "relation", "result")},
        )


def _begin(day: Any) -> datetime:
    return timezone.make_aware(datetime.combine(day, time.min))


class FindForm(forms.Form):
    """Whom the question is about, posted: a service number, or what the officer was told on the telephone."""

    q = forms.CharField(label=_("Patient"), max_length=40)
