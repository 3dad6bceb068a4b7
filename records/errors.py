"""How filing a report says no. Messages carry no name and no value."""

from http import HTTPStatus

from django.utils.translation import gettext_lazy as _

from crypto.errors import ClinicError


class ObservationNotFound(ClinicError):
    """The patient has no such result, or not for this reader."""

    status = HTTPStatus.NOT_FOUND
    message = _("There is no such result here.")


class ReportRefused(ClinicError):
    """The report cannot be filed; nothing was changed."""

    status = HTTPStatus.CONFLICT
    message = _("The report was not filed. Nothing was changed.")


class ReportChanged(ReportRefused):
    """A report with the same number was filed before and says something else now."""

    message = _(
        "This report was filed before, and now says something else under the same number. Nothing was changed: "
        "ask the sender which one is right."
    )

    def __init__(self, source_ids: list[str]) -> None:
        self.source_ids = source_ids
        super().__init__(f"{len(source_ids)} results")


class TakenInTheFuture(ReportRefused):
    """A result is dated later than tomorrow."""

    message = _("A result is dated in the future. Nothing was changed: check the date in the file.")


class TakenBeforeBirth(ReportRefused):
    """A result is dated before the patient was born: the wrong person, or a wrong date."""

    message = _(
        "A result is dated before the patient was born. Nothing was changed: check whom the file is about."
    )


class RecordClosed(ReportRefused):
    """The record is only kept; the law or the person allows no new entry."""

    message = _("This record is only kept and takes no new entries.")
