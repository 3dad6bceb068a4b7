"""What the clinic does with records: file a report, and let the rules look at it."""

from records.services.filing import (
    FiledReport,
    ReportCounts,
    file_observation,
    file_report,
    person_of,
    weigh_report,
)
from records.services.tagging import TagChange, apply_rules

__all__ = [
    "FiledReport",
    "ReportCounts",
    "TagChange",
    "apply_rules",
    "file_observation",
    "file_report",
    "person_of",
    "weigh_report",
]
