"""People's requests that reach every app: a person's data are deleted because they asked for it."""

from datetime import datetime
from uuid import UUID

from audit.acting import acting
from audit.actors import Actor
from consent.choices import RequestKind
from consent.models import PersonRequest
from consent.requests import known_request, note_deletion
from exchange.services.erasure import Reason, erase_patient


def delete_as_asked(request_id: UUID, *, by: Actor, clinic_id: UUID, at: datetime) -> PersonRequest:
    """Erase the person and answer: done, or only stored while a law asks for it.

    Commits by itself, so it is called outside a unit of work; asked again after a crash it goes on where it stopped. Raises
    RequestNotFound, RequestDecided, IdentityUnknown, and whatever `erase_patient` raises; then nothing was erased.
    """
    with acting(by, clinic_id):
        patient = known_request(request_id, RequestKind.DELETE).patient
    erased = erase_patient(patient, reason=Reason.REQUEST, by=by, at=at)
    with acting(by, clinic_id):
        return note_deletion(request_id, kept_by_law=bool(erased.fate.restricted), by=by, at=at)
