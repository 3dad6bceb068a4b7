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
    INVOKED = "invoked", _("Used in an emergency, without asking")


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
    INVOKED = "invoked", _("Used in an emergency, without asking")


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
    CLINIC = "clinic", _("The clinic, in an emergency")


SPEAKERS = (ExpressedBy.SELF, ExpressedBy.GUARDIAN, ExpressedBy.AGENT)
"""Who can say yes or no. An emergency is nobody's word."""


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


class RecipientRole(TextChoices):
    """What a recipient is in law: who decides, who works for us, who decides together with us (PIPL arts. 20, 21, 23)."""

    HANDLER = "handler", _("Decides themselves")
    PROCESSOR = "processor", _("Works on our behalf")
    JOINT = "joint", _("Decides together with us")


class RequestKind(TextChoices):
    """What a person can ask for (PIPL arts. 44 to 50; account closing: 网络数据安全管理条例 art. 24)."""

    SEE = "see", _("See my data")
    COPY = "copy", _("A copy of my data")
    CORRECT = "correct", _("Correct my data")
    RESTRICT = "restrict", _("Stop using my data")
    DELETE = "delete", _("Delete my data")
    EXPLAIN = "explain", _("An explanation")
    MOVE = "move", _("Move to another provider")
    CLOSE_ACCOUNT = "close_account", _("Close my account")


class RequestState(TextChoices):
    RECEIVED = "received", _("Being looked at")
    DONE = "done", _("Done")
    REFUSED = "refused", _("Not done, with the reason")
    TAKEN_BACK = "back", _("Taken back")


class RequestedBy(TextChoices):
    SELF = "self", _("The person")
    GUARDIAN = "guardian", _("A guardian")
    AGENT = "agent", _("Somebody with a written authorisation")
    RELATIVE = "relative", _("A close relative of somebody who died")


class IdentityCheck(TextChoices):
    """How the clinic knows who asks. Nothing beyond it may be demanded (网络数据安全管理条例 art. 23)."""

    PORTAL = "portal", _("Signed in on their own phone")
    PAPERS = "papers", _("Identity card shown")
    PROOF = "proof", _("Identity card, and proof of the relation")


class RefusalReason(TextChoices):
    """Why a request was not granted, as the person is told."""

    RETENTION = "retention", _("A law makes us keep the record")
    NOT_THEIRS = "not_theirs", _("The data are about somebody else")
    NOT_WRONG = "not_wrong", _("What stands there is right")
    NOT_KNOWN = "not_known", _("We hold no such data")
    IDENTITY = "identity", _("We could not tell who asks")
    ARRANGED = "arranged", _("The person who died had arranged otherwise")
    HARM = "harm", _("It would harm somebody")


class CorrectionDecision(TextChoices):
    ACCEPTED = "accepted", _("Corrected")
    REFUSED = "refused", _("Left as it is")
