"""What a rule may ask about one patient at one moment."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from django.utils import timezone

from records.details import Detail
from records.readings import Person
from records.values import Interval


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """One result a rule may read: catalogued and plausible."""

    observation_id: UUID
    taken_at: datetime
    detail: Detail


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """The results of a patient by indicator, newest first, and who they are. Nothing taken after `at` is among them."""

    at: datetime
    person: Person
    results: Mapping[str, Sequence[Known]] = field(default_factory=dict)

    def latest(self, key: str, days: int) -> Known | None:
        """The newest result of an indicator in the last `days`, or None."""
        return next(iter(self.within(key, days)), None)

    def within(self, key: str, days: int) -> list[Known]:
        """All results of an indicator in the last `days`, newest first."""
        since = self.at - timedelta(days=days)
        return [known for known in self.results.get(key, ()) if since < known.taken_at <= self.at]

    def age(self) -> Interval | None:
        """The age in whole years, or None where no birthday is known."""
        return self.person.age_on(timezone.localdate(self.at))
