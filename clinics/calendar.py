"""Working days of a clinic: the week, the holidays, and the weekends on which it works after all."""

from datetime import date, timedelta
from typing import Final
from uuid import UUID

from clinics.models import SpecialDay

SATURDAY: Final = 5
LONGEST_HOLIDAY: Final = 30  # days; beyond it, somebody forgot to say when the clinic opens again


def next_working_day(clinic_id: UUID, after: date) -> date:
    """The first day after `after` on which the clinic works. Saturday and Sunday are closed unless the table says otherwise."""
    days = [after + timedelta(days=number) for number in range(1, LONGEST_HOLIDAY + 1)]
    special = dict(SpecialDay.objects.filter(clinic_id=clinic_id, day__in=days).values_list("day", "at_work"))
    return next((day for day in days if special.get(day, day.weekday() < SATURDAY)), days[-1])
