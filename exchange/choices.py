"""The small closed lists of this app, with the words people see."""

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _


class BatchState(TextChoices):
    """Where an uploaded file stands."""

    TRIED = "tried", _("Tried, nothing written")
    WRITTEN = "written", _("Written")
    DISCARDED = "discarded", _("Put aside")


class FileKind(TextChoices):
    """What kind of file it is."""

    FHIR_R4 = "fhir_r4", _("FHIR R4 bundle")
