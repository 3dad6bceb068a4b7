"""What happens next, for tests: made by the real services from a report that says so."""

from datetime import datetime, timedelta

from audit.actors import Actor
from clinics.models import Clinic
from followups.loop import take_changes
from followups.models import FollowUp, Message
from patients.models import Patient
from records.services import file_report
from tests.factories.consent import MONDAY
from tests.factories.records import parsed, parsed_report, printed_number

HIGH_LDL, NORMAL_LDL = "4.60", "2.90"


def file_results(
    patient: Patient, *, by: Actor, at: datetime = MONDAY, taken_at: datetime | None = None, **results: str
) -> None:
    """A report of these results, such as ldl="4.60", taken two hours before; inside `acting`."""
    units = {
        "ldl": "mmol/L",
        "k": "mmol/L",
        "fpg": "mmol/L",
        "sbp": "mm[Hg]",
        "dbp": "mm[Hg]",
        "tg": "mmol/L",
    }
    when = taken_at or at - timedelta(hours=2)
    observations = [
        parsed(key, printed_number(value, units[key]), source_id=f"{key}-{when:%Y%m%d%H%M}", taken_at=when)
        for key, value in results.items()
    ]
    file_report(patient, parsed_report(*observations, source_id=f"visit-{when:%Y%m%d%H%M}"), by=by, at=at)


def take(clinic: Clinic, at: datetime = MONDAY) -> int:
    """The loop looks at what changed."""
    return take_changes(clinic, at)


def follow_ups_of(patient: Patient) -> list[FollowUp]:
    return list(
        FollowUp.objects.filter(patient=patient)
        .select_related("enrolment")
        .order_by("opened_at", "due_on", "pk")
    )


def messages_of(patient: Patient) -> list[Message]:
    return list(Message.objects.filter(patient=patient).order_by("due_at", "pk"))
