"""The small closed lists of this app, with the words people see."""

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _


class Sex(TextChoices):
    """Administrative sex, as on the person's papers."""

    FEMALE = "female", _("Female")
    MALE = "male", _("Male")
    UNKNOWN = "unknown", _("Not stated")


class PhoneOwner(TextChoices):
    """Whose phone the number is; a shared one is common in a family."""

    SELF = "self", _("The person")
    CHILD = "child", _("A son or daughter")
    SPOUSE = "spouse", _("Husband or wife")
    PARENT = "parent", _("A parent")
    OTHER = "other", _("Somebody else")


class CardState(TextChoices):
    ACTIVE = "active", _("In use")
    REPLACED = "replaced", _("Replaced")
    CLOSED = "closed", _("Closed")


class CareRole(TextChoices):
    """Why somebody may open this chart."""

    OPENER = "opener", _("Opened the card")
    DOCTOR = "doctor", _("Responsible doctor")
    MANAGER = "manager", _("Responsible health manager")
    CARE_TEAM = "care_team", _("Care team")
    COVERING = "covering", _("Covering for a colleague")


class GrantReason(TextChoices):
    """Why a single chart was opened to somebody outside its care relationships."""

    SECOND_OPINION = "second_opinion", _("Second opinion")
    COVER = "cover", _("Cover during absence")
    COMPLAINT = "complaint", _("Handling a complaint")
    QUALITY = "quality", _("Quality review")


ONE_AT_A_TIME = (CareRole.DOCTOR, CareRole.MANAGER)
"""Parts in which one person at a time is responsible for a patient."""


class GlassReason(TextChoices):
    """Why somebody opened a chart outside their care."""

    EMERGENCY = "emergency", _("Emergency")
    PRESENT = "present", _("The person is here and nobody of their team is")
    CRITICAL = "critical", _("A critical result that nobody of their team can tell")
    SAFETY = "safety", _("Danger to the person or to others")


class GlassFinding(TextChoices):
    """What the privacy officer found about an emergency opening."""

    JUSTIFIED = "justified", _("It was justified")
    NOT_JUSTIFIED = "not_justified", _("It was not justified")


class Telling(TextChoices):
    """How a person learned that their record was opened in an emergency (PIPL art. 18)."""

    PORTAL = "portal", _("Read on their own page")
    IN_PERSON = "in_person", _("In person")
    PHONE = "phone", _("By telephone")
    LETTER = "letter", _("By letter")


class PortalRelation(TextChoices):
    SELF = "self", _("The person")
    PROXY = "proxy", _("Proxy")
    GUARDIAN = "guardian", _("Guardian")


class TagLevel(TextChoices):
    INFO = "info", _("For information")
    WARN = "warn", _("Needs attention")
    CRITICAL = "critical", _("Critical")


class TagSource(TextChoices):
    MANUAL = "manual", _("Set by a person")
    RULE = "rule", _("Set by a rule")


class TwinReason(TextChoices):
    """Why a card was opened although a similar person already has one."""

    OTHER_PERSON = "other_person", _("Papers checked: not the same person")
    SHARED_PHONE = "shared_phone", _("A family shares the phone")
    CHECK_LATER = "check_later", _("Cannot tell now, to be checked later")
    NOT_SHOWN = "not_shown", _("Not shown: the opener may not see the other card")


class RevealReason(TextChoices):
    """Why somebody needs a value in clear. Short on purpose: a list nobody reads is a list nobody answers."""

    CALL = "call", _("To call the person")
    VERIFY = "verify", _("To check who is in front of me")
    PAPERS = "papers", _("For a form, an insurance or a transfer")
    CORRECT = "correct", _("To correct a mistake")
