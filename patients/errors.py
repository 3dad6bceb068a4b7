"""This app's ways of saying no. Exceptions carry codes and ids, never names or values."""

from enum import StrEnum
from http import HTTPStatus
from typing import ClassVar

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from crypto.errors import ClinicError


class PatientNotFound(ClinicError):
    """There is no such patient for this person: it is missing, or it is not theirs to know. Nobody can tell which."""

    status = HTTPStatus.NOT_FOUND
    message = _(
        "No such card here. If you looked for somebody in your care, ask your team to add you to their chart."
    )


class SearchTooShort(ClinicError):
    """One character finds too many people: its reader would open more charts than the search needs."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY
    message = _("Type at least two characters.")


class SearchByNumberOnly(SearchTooShort):
    """Whoever works by service number is told nothing of who has which name or phone, and so cannot ask for it."""

    message = _("Your role finds people by service number or card number.")


class SearchTooOften(ClinicError):
    """One account searched more often in a minute than somebody at a desk does."""

    status = HTTPStatus.TOO_MANY_REQUESTS
    message = _("Too many searches in one minute. Please wait a minute and try again.")


class IdNumberFlaw(StrEnum):
    LENGTH = "length"
    CHARACTERS = "characters"
    BIRTH_DATE = "birth_date"
    CHECKSUM = "checksum"


class IdNumberInvalid(ClinicError):
    """The text is not a resident identity number; `flaw` says why."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY
    message = _("This is not a valid ID number.")
    MESSAGES: ClassVar[dict[IdNumberFlaw, Promise]] = {
        IdNumberFlaw.LENGTH: _("An ID number has 18 characters. For other papers leave this empty."),
        IdNumberFlaw.CHARACTERS: _("An ID number is 17 digits and a digit or X."),
        IdNumberFlaw.BIRTH_DATE: _("The birth date inside this ID number does not exist."),
        IdNumberFlaw.CHECKSUM: _("The last character does not fit the rest: please compare with the card."),
    }

    def __init__(self, flaw: IdNumberFlaw) -> None:
        super().__init__(flaw.value)
        self.flaw = flaw

    @property
    def explanation(self) -> Promise:
        return self.MESSAGES[self.flaw]


class PhoneInvalid(ClinicError):
    """The text is not a telephone number that can be called."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY
    message = _(
        "This is not a telephone number. A landline needs its area code, a foreign one its + and country code."
    )


class NotTheirPhone(ClinicError):
    """The portal opens by a code to the person's own phone, and this card has none."""

    status = HTTPStatus.CONFLICT
    message = _(
        "The portal opens with a code to the person's own phone. Enter their own number on the card first."
    )


class GlassFindsNobody(ClinicError):
    """No single patient of the clinic is meant by what was typed in an emergency: missing, several, or only stored."""

    status = HTTPStatus.NOT_FOUND
    message = _("Nobody with a card in this clinic is meant by this. Your try is on the log.")


class GlassTooOften(ClinicError):
    """More emergencies in an hour than one person meets: numbers are being tried."""

    status = HTTPStatus.TOO_MANY_REQUESTS
    message = _("Too many emergencies in one hour. Ask the privacy officer, or somebody of the care team.")


class GlassNotFound(ClinicError):
    """There is no such emergency opening in this clinic."""

    status = HTTPStatus.NOT_FOUND
    message = _("There is nothing here.")


class OwnGlass(ClinicError):
    """Whoever opened a chart in an emergency cannot review it."""

    status = HTTPStatus.CONFLICT
    message = _("You opened it yourself: somebody else looks at it.")


class CannotBeResponsible(ClinicError):
    """The account has not the role in this clinic that the part asks for, or is the one who gives."""

    status = HTTPStatus.CONFLICT
    message = _("This colleague cannot take the part: it needs the role in this clinic.")


class StillResponsible(ClinicError):
    """Who is responsible for a patient is not ended: somebody else takes the part."""

    status = HTTPStatus.CONFLICT
    message = _("This colleague is responsible for the person: give the part to somebody else first.")


class LastToLook(ClinicError):
    """After this right nobody would be left who looks after the person."""

    status = HTTPStatus.CONFLICT
    message = _("Nobody else looks after this person: let somebody else look first.")


class NoPhone(ClinicError):
    """The card has no telephone number."""

    status = HTTPStatus.CONFLICT
    message = _("There is no telephone number on the card.")


class CallNotPossible(ClinicError):
    """The telephone system said no, or nothing."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    message = _("The telephone system did not put the call through. Nothing was changed; please try again.")


class BirthDateMissing(ClinicError):
    """The card has no birth date, so a link to the portal could not tell the person from its finder."""

    status = HTTPStatus.CONFLICT
    message = _(
        "There is no birth date on the card. Without it a link cannot tell the person from somebody who finds it."
    )


class OwnInvitation(ClinicError):
    """Whoever made the link may not confirm that the person is there: two people see them."""

    status = HTTPStatus.FORBIDDEN
    message = _("You made this link, so a colleague has to confirm that the person is there.")


class InvitationWaits(ClinicError):
    """Nobody but who made the link has seen the person with it yet."""

    status = HTTPStatus.CONFLICT
    message = _(
        "A second person of the clinic has to confirm that you are there. Ask at the desk, then try again."
    )


class NoOwnPages(ClinicError):
    """Nobody can be signed in on this person's own pages: they were never opened."""

    status = HTTPStatus.CONFLICT
    message = _("The portal is not open for this person, so nobody is signed in there.")


class NoInvitation(ClinicError):
    """No link of this person waits for a colleague."""

    status = HTTPStatus.CONFLICT
    message = _("No link waits for a colleague any more. Make a new one.")


class InvitationEnded(ClinicError):
    """The link is used, too old, tried too often, or was never made; nobody is told which."""

    status = HTTPStatus.NOT_FOUND
    message = _("This link has ended. Ask the clinic for a new one.")
