"""The small closed lists of follow-up, with the words people see."""

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _


class EnrolmentState(TextChoices):
    ACTIVE = "active", _("Running")
    PAUSED = "paused", _("Paused: not permitted")
    DONE = "done", _("Finished")
    ENDED = "ended", _("Ended")


class FollowUpState(TextChoices):
    OPEN = "open", _("To do")
    WAITING = "waiting", _("Waiting for the patient")
    DONE = "done", _("Done")
    CANCELLED = "cancelled", _("Cancelled")


class Urgency(TextChoices):
    """How fast a person has to act; class A and B are the consensus on important abnormal results."""

    CLASS_A = "class_a", _("Class A: tell at once")
    CLASS_B = "class_b", _("Class B: tell within days")
    ROUTINE = "routine", _("Routine")


class Outcome(TextChoices):
    """What came of a to-do, in one tap."""

    REACHED = "reached", _("Reached, told")
    AGREED = "agreed", _("Reached, agreed a date")
    NOT_REACHED = "not_reached", _("Not reached")
    CALL_LATER = "call_later", _("Asked to call later")
    WRONG_NUMBER = "wrong_number", _("Wrong number")
    DECLINED = "declined", _("Declined")
    DONE_ELSEWHERE = "done_elsewhere", _("Done elsewhere")


ENDING_OUTCOMES = frozenset({Outcome.REACHED, Outcome.DECLINED, Outcome.DONE_ELSEWHERE})
"""Outcomes that close a to-do. The others are an attempt: the to-do stays open, with the attempt on record."""


class CancelReason(TextChoices):
    WITHDRAWN = "withdrawn", _("The permission was withdrawn")
    NOT_PERMITTED = "not_permitted", _("Not permitted when it was due")
    NO_ADDRESS = "no_address", _("No phone or e-mail address to send to")
    NOT_OWN_PHONE = "not_own_phone", _("The phone is somebody else's, and telling them is not permitted")
    ENDED = "ended", _("No longer needed")
    TOO_LATE = "too_late", _("Its day had passed")


class Channel(TextChoices):
    SMS = "sms", _("Text message")
    EMAIL = "email", _("E-mail message")


class MessageState(TextChoices):
    PLANNED = "planned", _("Planned")
    QUEUED = "queued", _("About to be sent")
    SENDING = "sending", _("On its way")
    SENT = "sent", _("Sent")
    CANCELLED = "cancelled", _("Cancelled")
    FAILED = "failed", _("Could not be sent")


class AttemptOutcome(TextChoices):
    """How one try to hand a message to its carrier ended; empty while nobody knows."""

    ACCEPTED = "accepted", _("Accepted by the carrier")
    REFUSED = "refused", _("Refused by the carrier")
    UNAVAILABLE = "unavailable", _("Carrier not available")
    GIVEN_UP = "given_up", _("Given up unsent, past its deadline")
    LOST = "lost", _("The sender stopped; tried again under the same key")
