"""What is planned for a person, how their record is marked, and what they asked of the clinic, as FHIR R4 for them to take along.

CarePlan, Flag and Task. Their words are opened here, inside an access scope; what cannot be read leaves without words.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from consent.choices import RequestState
from consent.models import PersonRequest
from crypto.reading import Unreadable, shown
from exchange.fhir.consents import OURS
from exchange.fhir.record import entry
from followups.queries import PlanItem
from patients.models import Patient
from patients.queries import ShownTag

_TASK_STATUS: Final = {
    RequestState.RECEIVED: "in-progress",
    RequestState.DONE: "completed",
    RequestState.REFUSED: "rejected",
    RequestState.TAKEN_BACK: "cancelled",
}


def care_of(
    patient: Patient,
    *,
    plan: Sequence[PlanItem],
    tags: Iterable[ShownTag],
    requests: Iterable[PersonRequest],
) -> list[dict[str, Any]]:
    """The entries of a Bundle."""
    subject = {"reference": f"urn:uuid:{patient.subject_id}"}
    entries = [entry(tag.id, {**_flag(tag), "subject": subject}) for tag in tags]
    entries += [entry(request.pk, {**_task(request), "for": subject}) for request in requests]
    if plan:
        entries.append({"resource": {**_care_plan(plan), "subject": subject}})
    return entries


def _care_plan(plan: Sequence[PlanItem]) -> dict[str, Any]:
    return {
        "resourceType": "CarePlan",
        "status": "active",
        "intent": "plan",
        "activity": [{"detail": _activity(item)} for item in plan],
    }


def _activity(item: PlanItem) -> dict[str, Any]:
    detail: dict[str, Any] = {
        "status": "scheduled",
        "code": {"text": str(item.name)},
        "description": str(item.prepare),
    }
    if item.due_on:
        detail["scheduledPeriod"] = {"start": item.due_on.isoformat()}
    return detail


def _flag(tag: ShownTag) -> dict[str, Any]:
    code: dict[str, Any] = {"text": tag.name}
    if tag.code:
        code["coding"] = [{"system": f"{OURS}:tag", "code": tag.code}]
    return {
        "resourceType": "Flag",
        "status": "active",
        "code": code,
        "period": {"start": tag.set_at.isoformat()},
    }


def _task(request: PersonRequest) -> dict[str, Any]:
    said = {"words": shown(lambda: request.words), "answer": shown(lambda: request.answer)}
    read = {name: text for name, text in said.items() if text and not isinstance(text, Unreadable)}
    task: dict[str, Any] = {
        "resourceType": "Task",
        "status": _TASK_STATUS[RequestState(request.state)],
        "intent": "order",
        "code": {"text": str(request.get_kind_display())},
        "authoredOn": request.asked_at.isoformat(),
    }
    if "words" in read:
        task["description"] = read["words"]
    if "answer" in read:
        task["output"] = [{"type": {"text": "answer"}, "valueString": read["answer"]}]
    return task
