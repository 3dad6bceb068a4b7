"""The ways the log says no."""

from http import HTTPStatus

from django.utils.translation import gettext_lazy as _

from crypto.errors import ClinicError


class NoActor(ClinicError):
    """Something was to be recorded, but nobody is acting: open `audit.acting.acting` first."""

    status = HTTPStatus.INTERNAL_SERVER_ERROR
    message = _("This could not be done, because the system did not know who asked for it.")


class PurposeUndeclared(ClinicError):
    """A job wanted to open sealed data for a purpose it has not named. A mistake of ours, never of who waits for it."""

    status = HTTPStatus.INTERNAL_SERVER_ERROR
    message = _("This could not be done, because the system did not know who asked for it.")


class LogUnavailable(ClinicError):
    """The log cannot be written, so the action does not happen."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    message = _("The log cannot be written, so nothing was done. Please try again.")


class AlarmNotFound(ClinicError):
    """There is no such alarm for this person, or it has been decided otherwise."""

    status = HTTPStatus.NOT_FOUND
    message = _("This alarm is not there any more: a colleague may have decided about it.")


class OwnAlarm(ClinicError):
    """Nobody decides whether they themselves had a reason to look."""

    status = HTTPStatus.FORBIDDEN
    message = _("This alarm is about what you did yourself: somebody else decides about it.")


class LogNotFound(ClinicError):
    """There is no such log for this person."""

    status = HTTPStatus.NOT_FOUND
    message = _("There is no such log here.")


class NotSealedYet(ClinicError):
    """The entry has no place under a signed checkpoint so far; in a few seconds it will."""

    status = HTTPStatus.CONFLICT
    message = _("This entry is not sealed yet. Please try again in a few seconds.")


class ReasonMissing(ClinicError):
    """A decision without a word of why."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY
    message = _("Say in a few words what you found out: the decision stands on the log with it.")


class LimitsRefused(ClinicError):
    """A limit of the alarms outside its floor and ceiling; the text is its name."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY
    message = _("These limits cannot be set: one of them is too low or too high.")
