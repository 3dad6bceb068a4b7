"""The upload and the decision about it."""

from __future__ import annotations

from django import forms
from django.core.files.uploadedfile import UploadedFile
from django.utils.translation import gettext_lazy as _

from exchange.fhir.document import MAX_BYTES


class UploadForm(forms.Form):
    """One file of one person."""

    file = forms.FileField(
        label=_("Report file"),
        help_text=_(
            "A FHIR R4 bundle (.json) of one person, at most 20 MB. Nothing is written before you say so."
        ),
        widget=forms.ClearableFileInput(attrs={"accept": ".json,application/json,application/fhir+json"}),
        error_messages={
            "required": _("Choose a file. A file over 20 MB is not accepted."),
            "empty": _("The file is empty."),
        },
    )

    def clean_file(self) -> UploadedFile[bytes]:
        file: UploadedFile[bytes] = self.cleaned_data["file"]
        if file.size is None or file.size > MAX_BYTES:
            raise forms.ValidationError(_("The file is larger than 20 MB."))
        return file
