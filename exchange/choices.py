"""The small closed lists of this app, with the words people see."""

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _


class BatchState(TextChoices):
    """Where an uploaded file stands."""

    TRIED = "tried", _("Tried, nothing written")
    WRITTEN = "written", _("Written")
    DISCARDED = "discarded", _("Put aside")


class PreservationReason(TextChoices):
    """Why nothing of a record may be destroyed for now, whatever its periods say."""

    LAWSUIT = "lawsuit", _("A lawsuit")
    DISPUTE = "dispute", _("A dispute about treatment")
    AUTHORITY = "authority", _("An authority looks into it")


class FileKind(TextChoices):
    """What kind of file it is."""

    FHIR_R4 = "fhir_r4", _("FHIR R4 bundle")
