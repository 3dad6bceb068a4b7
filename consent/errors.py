"""This app's ways of saying no. Exceptions carry codes and ids, never names or values."""

from collections.abc import Sequence
from datetime import date
from http import HTTPStatus
from uuid import UUID

from django.utils.translation import gettext_lazy as _

from audit.purposes import Purpose
from crypto.errors import ClinicError


class ConsentMissing(ClinicError):
    """The person has not permitted this purpose, or no longer does; `reason` is a code of `consent.decisions.Reason`."""

    status = HTTPStatus.FORBIDDEN
    message = _("The patient has not agreed to this. Record their consent first.")

    def __init__(self, patient_id: UUID, purpose: Purpose, reason: str) -> None:
        super().__init__(f"{purpose.value}: {reason}")
        self.patient_id = patient_id
        self.purpose = purpose
        self.reason = reason


class AskedTooSoon(ClinicError):
    """The person said no less than ninety days ago; only they may bring it up before `again_on`."""

    status = HTTPStatus.CONFLICT
    message = _(
        "They said no not long ago. We ask again after ninety days, or when they bring it up themselves."
    )

    def __init__(self, purpose: Purpose, again_on: date) -> None:
        super().__init__(purpose.value)
        self.purpose = purpose
        self.again_on = again_on


class NoticeMissing(ClinicError):
    """A yes needs the notice that was shown; this purpose has none in force, or it is another purpose's."""

    status = HTTPStatus.CONFLICT
    message = _("There is no notice for this purpose yet, so nobody can agree to it.")


class NoticeIncomplete(ClinicError):
    """A notice lacks words that the law asks for; `missing` names them, as "en.rights"."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY
    message = _("A notice needs every item, in Chinese and in English. Fill in what is empty.")

    def __init__(self, missing: Sequence[str]) -> None:
        super().__init__(", ".join(missing))
        self.missing = missing


class NoticeTooEarly(ClinicError):
    """A new version cannot have been in force before anybody could read it."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY
    message = _("A new version is in force from today at the earliest.")


class PublishedMeanwhile(ClinicError):
    """Somebody else has just published a version of this notice."""

    status = HTTPStatus.CONFLICT
    message = _("A colleague has just published a version of this notice. Read it first.")


class AssessmentMissing(ClinicError):
    """No approved impact assessment of that number covers the purposes, or it is due for review."""

    status = HTTPStatus.CONFLICT
    message = _("This needs an approved impact assessment that covers it and is not due for review.")


class AssessmentNotFound(ClinicError):
    """There is no such assessment in this clinic."""

    status = HTTPStatus.NOT_FOUND
    message = _("There is nothing here.")


class ReviewTooSoon(ClinicError):
    """The day on which something is looked at again is over already."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY
    message = _("The next review lies in the future.")


class OwnAssessment(ClinicError):
    """Somebody wants to approve the assessment they wrote."""

    status = HTTPStatus.FORBIDDEN
    message = _("Somebody else has to approve what you wrote.")


class NumberTaken(ClinicError):
    """Another assessment has this number."""

    status = HTTPStatus.CONFLICT
    message = _("This number is taken. Choose another one.")


class NotARecipient(ClinicError):
    """Nobody of that code is on the register, or their agreement is over, or they were cut off."""

    status = HTTPStatus.FORBIDDEN
    message = _("They are not on the register of recipients any more, so nothing is given to them.")


class RecipientNotFound(ClinicError):
    """There is no such recipient on the register of this clinic."""

    status = HTTPStatus.NOT_FOUND
    message = _("There is nothing here.")


class AlreadyCutOff(ClinicError):
    """Whoever was cut off comes back by a new agreement, under a new entry."""

    status = HTTPStatus.CONFLICT
    message = _("They were cut off. A new agreement is a new entry on the register.")


class OutsideAgreement(ClinicError):
    """The purpose, the kinds of data or the country are not what the agreement and the registry of purposes allow."""

    status = HTTPStatus.FORBIDDEN
    message = _("The agreement with this recipient does not cover that.")


class LinkUnknown(ClinicError):
    """No message carried this link."""

    status = HTTPStatus.NOT_FOUND
    message = _("This link leads nowhere. Call the clinic if you want no more messages.")


class RequestNotFound(ClinicError):
    """There is no such request, or it is somebody else's."""

    status = HTTPStatus.NOT_FOUND
    message = _("This request is not here.")


class RequestDecided(ClinicError):
    """The request, or this field of it, has its answer already."""

    status = HTTPStatus.CONFLICT
    message = _("This has been answered already.")


class IdentityUnknown(ClinicError):
    """Nobody has checked who asks, or what was shown does not suffice for whoever asks for somebody else."""

    status = HTTPStatus.CONFLICT
    message = _(
        "First check who asks: an identity card, and proof of the relation if it is for somebody else."
    )


class ReasonNeeded(ClinicError):
    """A no needs its reason in words, and every field of a correction its decision."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY
    message = _("Decide about every field, and give the reason for a no in words.")


class NothingAsked(ClinicError):
    """A correction names at least one field, and only a correction names fields."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY
    message = _("Say what is wrong, and what should stand there.")


class NotCorrectable(ClinicError):
    """Nobody corrects this field by a request, or this cannot be asked for somebody who died."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY
    message = _("This cannot be asked for here.")


class NothingToAsk(ClinicError):
    """Every permission that is asked for at the desk stands decided."""

    status = HTTPStatus.CONFLICT
    message = _("Every permission has been decided. It can be taken back at any time.")


class NotWithdrawable(ClinicError):
    """The purpose rests on law or contract; nobody's consent carries it."""

    status = HTTPStatus.CONFLICT
    message = _("This rests on law or contract and cannot be agreed to or withdrawn here.")


class GuardianNeeded(ClinicError):
    """Below fourteen a guardian decides (PIPL art. 31)."""

    status = HTTPStatus.CONFLICT
    message = _("For a child under 14 a guardian has to agree.")


class OwnWordNeeded(ClinicError):
    """From fourteen to seventeen the young person decides about their data; a guardian cannot agree in their place."""

    status = HTTPStatus.CONFLICT
    message = _("From 14 on the young person decides themselves. Ask them.")


class EvidenceMissing(ClinicError):
    """Somebody at the desk says that a person agreed, and nothing shows it: no witness, no paper, no code, no signature."""

    status = HTTPStatus.CONFLICT
    message = _("A yes needs its evidence: a witness, a signed form, a code or a signature.")


class EvidenceUnreadable(ClinicError):
    """What should show the signature is no picture or PDF, is too large, or is an empty box."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY
    message = _(
        "This shows no signature. Sign in the box, or choose a photograph or PDF of the paper, up to 10 MB."
    )


class EvidenceNotFound(ClinicError):
    """There is no such line of this person's ledger, or no file was kept with it."""

    status = HTTPStatus.NOT_FOUND
    message = _("There is nothing here.")


class ProxyWithoutPages(ClinicError):
    """Nobody of that number has pages of their own here, so nobody could look after somebody else on them."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY
    message = _(
        "Nobody with this service number has their own pages here. Open the portal for them first, on their own card."
    )


class CodeWrong(ClinicError):
    """The one-time code is wrong, used, too old or tried too often; nobody is told which."""

    status = HTTPStatus.UNPROCESSABLE_ENTITY
    message = _("This code does not fit or is no longer valid. Send a new one.")


class CodeTooSoon(ClinicError):
    """A code was sent less than a minute ago."""

    status = HTTPStatus.TOO_MANY_REQUESTS
    message = _("A code is on its way. Wait a minute before sending another.")


class NoPhone(ClinicError):
    """There is no phone of the person's own to send a code to."""

    status = HTTPStatus.CONFLICT
    message = _("There is no phone number of their own to send a code to. Choose another way to confirm.")


class ComplaintNotFound(ClinicError):
    """There is no such complaint in this clinic."""

    status = HTTPStatus.NOT_FOUND
    message = _("There is no such complaint.")


class TooManyComplaints(ClinicError):
    """Several complaints of this person wait already."""

    status = HTTPStatus.TOO_MANY_REQUESTS
    message = _("Several of your messages wait for an answer already. Please call us if it is urgent.")
