"""The small closed lists of the ledger, with the words people see. Codes are only ever added."""

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _


class EventKind(TextChoices):
    """What one line of the ledger says (ISO/IEC TS 27560, event state)."""

    REQUESTED = "requested", _("Asked")
    GRANTED = "granted", _("Agreed")
    RENEWED = "renewed", _("Renewed")
    REFUSED = "refused", _("Declined")
    WITHDRAWN = "withdrawn", _("Withdrawn")
    EXPIRED = "expired", _("Expired")
    INVALIDATED = "invalidated", _("Found invalid")
    SUPERSEDED = "superseded", _("Replaced by a new notice")


class State(TextChoices):
    """Where a permission stands after all its events."""

    UNKNOWN = "unknown", _("Never asked")
    REQUESTED = "requested", _("Asked, no answer yet")
    GRANTED = "granted", _("Agreed")
    REFUSED = "refused", _("Declined")
    WITHDRAWN = "withdrawn", _("Withdrawn")
    EXPIRED = "expired", _("Expired")
    INVALIDATED = "invalidated", _("Found invalid")
    SUPERSEDED = "superseded", _("Replaced by a new notice")


class Method(TextChoices):
    """How the person expressed it."""

    TAP = "tap", _("Tapped on their own phone")
    OTP = "otp", _("One-time code sent to their phone")
    ESIGN = "esign", _("Signed on screen")
    PAPER = "paper", _("Signed on paper")
    VERBAL_WITNESSED = "verbal_witnessed", _("Said aloud before a witness")


class GivenThrough(TextChoices):
    DESK = "desk", _("At the desk")
    PORTAL = "portal", _("On their own phone")
    LINK = "link", _("Through a link")
    PHONE = "phone", _("By telephone")
    PAPER = "paper", _("On paper")


class ExpressedBy(TextChoices):
    SELF = "self", _("The person")
    GUARDIAN = "guardian", _("A guardian")
    AGENT = "agent", _("Somebody with a written authorisation")


class StartedBy(TextChoices):
    """Who brought it up. After a no, only the person may, for ninety days."""

    CLINIC = "clinic", _("The clinic asked")
    PERSON = "person", _("The person brought it up")


class LegalBasis(TextChoices):
    CONTRACT = "contract", _("Contract")
    CONSENT = "consent", _("General consent")
    SEPARATE = "separate", _("Separate consent")
    WRITTEN = "written", _("Written consent")
    GUARDIAN = "guardian", _("Consent of a guardian")
    STATUTORY = "statutory", _("Required by law")
    EMERGENCY = "emergency", _("Emergency")


class Operation(TextChoices):
    USE = "use", _("Use inside the clinic")
    SHARE = "share", _("Give to somebody else")
    PUBLISH = "publish", _("Publish")
    CROSSBORDER = "crossborder", _("Send abroad")
    AUTOMATED = "automated", _("Automatic evaluation")


ANY_CHANNEL = "any"
SELF_RECIPIENT = "self"  # the clinic itself
