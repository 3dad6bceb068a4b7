"""The small closed lists of this app, with the words people see."""

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _


class Flag(TextChoices):
    """Where a value stands against the range in force when it was taken. Unflagged: no range, so nothing is said."""

    NORMAL = "normal", _("In range")
    LOW = "low", _("Low")
    HIGH = "high", _("High")
    CRITICAL_LOW = "critical_low", _("Critically low")
    CRITICAL_HIGH = "critical_high", _("Critically high")
    UNFLAGGED = "unflagged", _("No range to compare with")

    @property
    def is_critical(self) -> bool:
        """Whether somebody must act at once."""
        return self in (Flag.CRITICAL_LOW, Flag.CRITICAL_HIGH)

    @property
    def is_out_of_range(self) -> bool:
        """Whether the value is above or below its range, critical or not."""
        return self not in (Flag.NORMAL, Flag.UNFLAGGED)

    @property
    def side(self) -> str:
        """`low`, `high` or `normal`, as the rules say it; empty when unflagged."""
        return "" if self is Flag.UNFLAGGED else self.value.removeprefix("critical_")


class WhyUncatalogued(TextChoices):
    """Why a result is kept as printed and not compared with anything."""

    UNKNOWN_CODE = "unknown_code", _("The code is not in the catalogue")
    TWO_CODES = "two_codes", _("Its codes stand for different items")
    WRONG_KIND = "wrong_kind", _("The result is of another kind than this item has")
    UNKNOWN_UNIT = "unknown_unit", _("The unit cannot be converted")


class Cause(TextChoices):
    """Why somebody should look at a patient's facts again."""

    REPORT_FILED = "report.filed", _("A report was filed")
    CONSENT_GIVEN = "consent.given", _("A permission was given")
