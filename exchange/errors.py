"""How reading a file says no. The words name the place in the file and the rule, never a value or a name."""

from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from crypto.errors import ClinicError


class FilesTooOften(ClinicError):
    """One account tried more files in an hour than somebody at a desk does."""

    status = HTTPStatus.TOO_MANY_REQUESTS
    message = _("Too many files in one hour. Please go on in the next hour.")


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong in a file: where it stands, and why it cannot be used."""

    where: str
    why: str | Promise

    def __str__(self) -> str:
        return f"{self.where}: {self.why}" if self.where else str(self.why)


class ImportRefused(ClinicError):
    """The file is readable, and still nothing may be written."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY
    message = _("The file was not imported. Nothing was changed.")


class ReportUnreadable(ImportRefused):
    """The file is not what it should be. `problems` says where, for at most the first twenty places."""

    message = _("The file cannot be read. Nothing was changed.")

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(problem.where or "file" for problem in self.problems))


class NobodyMatches(ImportRefused):
    """No card belongs to the person of the file, and nobody asked for a new one."""

    message = _(
        "No card in this clinic matches the person in the file. Open a card first, or import again and let it open one."
    )


class SeveralMatch(ImportRefused):
    """More than one card may belong to the person of the file; a person must decide."""

    message = _(
        "More than one card may belong to the person in the file. Nothing was changed: please check the cards first."
    )


class CardContradicts(ImportRefused):
    """What identifies the person does not agree: inside the file, or with the card that has the same ID number."""

    message = _(
        "Name, birth date, sex and ID number do not belong together, in the file or on the card with this ID number. "
        "Nothing was changed: please check whom the file is about."
    )


class CardUnreadable(ImportRefused):
    """A card that may be this person's does not open, so nobody knows whether it is. A second card would be worse than waiting."""

    message = _(
        "A card that may belong to the person in the file is damaged and cannot be read. Nothing was changed; the privacy officer has been told."
    )


class PersonIncomplete(ImportRefused):
    """The file does not say who the person is."""

    message = _(
        "The file does not say enough about the person: a name, and a birth date or an ID number, are needed."
    )


class BatchNotFound(ImportRefused):
    """There is no such upload of this person in this clinic."""

    status = HTTPStatus.NOT_FOUND
    message = _("There is no such import.")


class ErasureNotAllowed(ClinicError):
    """The role of whoever asks does not include erasing people."""

    status = HTTPStatus.FORBIDDEN
    message = _("Your role does not include erasing people. Please ask the privacy officer.")


class NotHeld(ClinicError):
    """Nothing of this person lies under the legal hold."""

    status = HTTPStatus.CONFLICT
    message = _("Nothing of this person is under the legal hold.")


class KeysAreChanging(ClinicError):
    """Another run is changing keys; two would get into each other's way."""

    status = HTTPStatus.CONFLICT
    message = _("Another run is changing the keys at the moment. Please wait until it has ended.")


class KeyCopyRefused(ClinicError):
    """The file is not a whole copy of this installation's key tables."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY
    message = _("This is not a whole copy of this installation's key tables. Nothing was changed.")


class EvidenceNotFound(ClinicError):
    """There is no such evidence pack here: it is another clinic's, its week is over, or it could not be built."""

    status = HTTPStatus.NOT_FOUND
    message = _("This evidence pack is not here any more. Ask for a new one.")


class PreservationNotFound(ClinicError):
    """Nobody had this preserved in this clinic."""

    status = HTTPStatus.NOT_FOUND
    message = _("There is no such preservation.")


class NotLiftable(ClinicError):
    """The person was erased: what is stored of them is under the legal hold, or gone."""

    status = HTTPStatus.CONFLICT
    message = _("This person was erased. What a law keeps of them stays closed.")
