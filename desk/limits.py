"""What was changed about the limits of the alarms, in words."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _

from audit.limits import DEFAULTS, Limits, limits_history
from clinics.models import Clinic, User
from desk.forms import DAYS, LIMIT_NAMES


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
        f"{LIMIT_NAMES[name]}: {_said(name, old[name])} → {_said(name, new[name])}"
        for name in LIMIT_NAMES
        if old[name] != new[name]
    ]


def _said(name: str, value: Any) -> str:
    return ", ".join(str(dict(DAYS)[day]) for day in value) if name == "open_days" else str(value)
