"""Whether every message that is about to be sent stands in the outbox, and nothing else does."""

from collections.abc import Iterator
from uuid import UUID

from crypto.soundness import PAGE, Check, Finding, Page
from followups.choices import MessageState
from followups.models import Message, Outbox

HANDED_OVER = (MessageState.QUEUED, MessageState.SENDING)


def checks() -> Iterator[Check]:
    yield _lost
    yield _left


def _lost(clinic_id: UUID, after: UUID) -> Page:
    lost = Message.objects.filter(clinic_id=clinic_id, state__in=HANDED_OVER, outbox=None)
    found = [Finding("followups_message", str(pk), "is about to be sent and stands in no outbox")
             for pk in lost.order_by("pk").values_list("pk", flat=True)[:PAGE]]  # fmt: skip
    return Page(len(found), found)


def _left(clinic_id: UUID, after: UUID) -> Page:
    left = Outbox.objects.filter(clinic_id=clinic_id).exclude(message__state__in=HANDED_OVER)
    found = [Finding("followups_outbox", str(pk), "is of a message that is not to be sent")
             for pk in left.order_by("pk").values_list("pk", flat=True)[:PAGE]]  # fmt: skip
    return Page(len(found), found)
