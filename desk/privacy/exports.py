"""What the explorer shows as a file: a table for people, FHIR AuditEvents for programs. Written page by page as it is sent.

Each page is read in a transaction of its own; that somebody carries the file away is on the log before its first byte.
"""

import csv
import json
from collections.abc import Iterator
from datetime import datetime
from io import StringIO
from typing import Final
from uuid import UUID

from django.db.models import TextChoices
from django.utils import timezone, translation
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from audit.acting import acting
from audit.actors import Actor
from audit.explorer import LogQuestion, Told, page_of_log
from desk.privacy.queries import LogRow, rows_of
from exchange.fhir.audit_events import audit_event

PAGE: Final = 500
MOST: Final = 100_000  # more than that is asked of the evidence pack
BOM: Final = "\ufeff"  # without it the usual spreadsheet takes Chinese for something else
BEGINS_A_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n")


class Format(TextChoices):
    CSV = "csv", gettext_lazy("Table (CSV)")
    FHIR = "fhir", gettext_lazy("FHIR AuditEvent")

    @property
    def media_type(self) -> str:
        return "text/csv; charset=utf-8" if self is Format.CSV else "application/fhir+ndjson"

    @property
    def file_name(self) -> str:
        return "zhizhi-log.csv" if self is Format.CSV else "zhizhi-log.ndjson"


def written(actor: Actor, clinic_id: UUID, question: LogQuestion, form: Format) -> Iterator[str]:
    """The file, a page at a time. The question's end stands still, so that the file holds what was counted."""
    language, place, head = translation.get_language(), None, True
    while True:
        with translation.override(language), acting(actor, question.log_id):
            page = page_of_log(question, before=place, size=PAGE)
            text = _resources(page.entries) if form is Format.FHIR else _table(page.entries, clinic_id, head)
        yield text
        if page.next is None:
            return
        place, head = page.next, False


def _resources(entries: list[Told]) -> str:
    return "".join(json.dumps(audit_event(told), ensure_ascii=False) + "\n" for told in entries)


def _table(entries: list[Told], clinic_id: UUID, head: bool) -> str:
    rows = [_cells(row) for row in rows_of(entries, clinic_id)]
    return BOM + _lines([_heads(), *rows]) if head else _lines(rows)


def _heads() -> list[str]:
    return [
        _("When"), _("Who acted"), _("Role"), _("Did"), _("What"), _("Whose"), _("Why"), _("Relation"), _("Outcome"),
        _("Number"), _("Account"), _("Record"), _("Entry"),
    ]  # fmt: skip


def _cells(row: LogRow) -> list[str]:
    event, entry = row.told.event, row.told.entry
    number = "" if event.count is None else str(event.count)
    return [
        _moment(event.timestamp), row.who, row.role, row.did, row.what, " ".join(number for _pk, number in row.whose),
        row.why, event.relation, event.result, number, event.actor_ref, (entry["object"] or {"id": ""})["id"], entry["uid"],
    ]  # fmt: skip


def _moment(at: datetime) -> str:
    return timezone.localtime(at).isoformat(timespec="milliseconds")


def _lines(rows: list[list[str]]) -> str:
    """What a spreadsheet would take for a formula stands behind an apostrophe."""
    out = StringIO()
    csv.writer(out).writerows(
        [f"'{cell}" if cell.startswith(BEGINS_A_FORMULA) else cell for cell in row] for row in rows
    )
    return out.getvalue()
