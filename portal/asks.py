"""What a person may ask of the clinic about their data, and how each request stands, as the page tells it."""

from dataclasses import dataclass
from datetime import datetime
from math import ceil
from typing import Final

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from consent.choices import RequestedBy, RequestKind, RequestState
from consent.models import PersonRequest
from consent.requests import ANSWER_WITHIN, requests_of
from crypto.reading import Unreadable, shown
from patients.choices import PortalRelation
from patients.models import Patient

ASKED_BY: Final = {
    PortalRelation.SELF: RequestedBy.SELF,
    PortalRelation.PROXY: RequestedBy.AGENT,
    PortalRelation.GUARDIAN: RequestedBy.GUARDIAN,
}
_CIRCLE: Final = 188.5  # the clock's circumference, in its own units


@dataclass(frozen=True, slots=True)
class Ask:
    """One thing that can be asked: its picture, its words, what happens then."""

    kind: RequestKind
    icon: str
    name: Promise
    hint: Promise
    then: Promise


ASKS: Final = {
    ask.kind: ask
    for ask in (
        Ask(RequestKind.SEE, "eye", _("See all of it"), _("Everything the clinic holds"),
            _("Somebody of the clinic shows you everything that is kept about you, at the desk or on paper.")),
        Ask(RequestKind.COPY, "save", _("A copy"), _("On paper or as a file"),
            _("You get a copy of everything, to take along.")),
        Ask(RequestKind.CORRECT, "pen", _("Correct it"), _("What is wrong, and what is right"),
            _("The clinic compares both with the original and tells you what was changed.")),
        Ask(RequestKind.RESTRICT, "pause", _("Do not use it for now"), _("Stored, and nothing else"),
            _("All permissions end and the record is only stored, until you say otherwise. Treatment needs your word again.")),
        Ask(RequestKind.DELETE, "trash", _("Delete it"), _("What the law keeps, we name"),
            _("What rests on your consent is destroyed. Medical records the law makes us keep are only stored, and you are told until when.")),
        Ask(RequestKind.EXPLAIN, "ask", _("Explain it to me"), _("How something was computed or decided"),
            _("Somebody explains how it came about; you may ask that a person decides, not a program.")),
        Ask(RequestKind.MOVE, "move", _("Take it elsewhere"), _("To the clinic you choose"),
            _("Name the clinic below. Your data go there in a form it can read, once you have agreed to it.")),
        Ask(RequestKind.CLOSE_ACCOUNT, "stop", _("Close my account"), _("These pages end"),
            _("You no longer sign in here. What the law makes us keep stays stored at the clinic.")),
    )
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class ShownRequest:
    """One request with its clock."""

    request: PersonRequest
    days_left: int

    @property
    def ask(self) -> Ask:
        return ASKS[RequestKind(self.request.kind)]

    @property
    def answer(self) -> str | Unreadable | None:
        """The clinic's words; a marker where they do not open."""
        return shown(lambda: self.request.answer)

    @property
    def is_open(self) -> bool:
        return bool(self.request.state == RequestState.RECEIVED)

    @property
    def is_pressing(self) -> bool:
        return self.days_left <= 3

    @property
    def arc(self) -> float:
        """How much of the clock's circle is left."""
        return round(_CIRCLE * self.days_left / ANSWER_WITHIN.days, 1)

    @property
    def step(self) -> int:
        """Where it is: 1 received, 2 who asks is being checked, 3 worked on."""
        return 3 if self.request.verified_at else 2


def shown_requests(patient: Patient, at: datetime) -> list[ShownRequest]:
    """What this person asked so far, newest first. Two statements."""
    return [ShownRequest(request, _days_left(request, at)) for request in requests_of(patient)]


def _days_left(request: PersonRequest, at: datetime) -> int:
    """Whole days until the answer is due; the last one counts."""
    return max(0, ceil((request.due_at - at).total_seconds() / 86_400))
