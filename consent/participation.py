"""What this app does when a permission is withdrawn, an emergency begins, and a person is erased. The ledger's lines stay: they prove what was allowed, under ids alone."""

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from audit.actors import current_actor
from audit.purposes import Purpose
from audit.removal import delete_rows
from consent.choices import Operation
from consent.emergencies import begin_emergency
from consent.models import ConfirmationCode, OptOutLink
from consent.purposes import Words, rule_of
from consent.recipients import ask_back, given_out
from consent.stopped import Stopped
from crypto.core.scopes import Scope
from patients.models import Patient
from patients.queries import proxies_of
from patients.services import end_proxies

STOPS = frozenset({"family", "takedown", "abroad"})


def on_withdrawn(*, patient_id: UUID, purpose: Purpose, at: datetime) -> list[Stopped]:
    """Proxies see nothing any more; what was published is to be taken down, what is abroad to be deleted."""
    stops, patient = rule_of(purpose).stops, Patient.objects.get(pk=patient_id)
    proxies = end_proxies(patient, at=at) if "family" in stops else 0
    asked_back = sum(
        ask_back(patient, purpose, operation, at) for stop, operation in _ASKED_BACK.items() if stop in stops
    )
    return _in_words(proxies, asked_back)


def would_stop(*, patient_id: UUID, purpose: Purpose, at: datetime) -> list[Stopped]:
    """The same words before the deed. Changes nothing."""
    stops, patient = rule_of(purpose).stops, Patient.objects.get(pk=patient_id)
    proxies = proxies_of(patient, at).count() if "family" in stops else 0
    out = [operation for stop, operation in _ASKED_BACK.items() if stop in stops]
    return _in_words(proxies, given_out(patient, purpose, out).count())


def on_emergency(*, patient_id: UUID, emergency_id: UUID, until: datetime, at: datetime) -> None:
    """A chart was opened in an emergency: until its end data may be used and given to whoever helps."""
    begin_emergency(Patient.objects.get(pk=patient_id), emergency_id, until=until, by=current_actor(), at=at)


_ASKED_BACK = {"takedown": Operation.PUBLISH, "abroad": Operation.CROSSBORDER}


def _in_words(proxies: int, asked_back: int) -> list[Stopped]:
    stopped = []
    if proxies:
        stopped.append(Stopped(Words(f"{proxies} 位家人的查看", f"what {proxies} of your family could see")))
    if asked_back:
        stopped.append(
            Stopped(
                Words(
                    f"{asked_back} 份已经给出的资料：已要求撤下或删除",
                    f"{asked_back} things given out: asked back",
                )
            )
        )
    return stopped


def on_erased(
    *,
    clinic_id: UUID,
    patient_id: UUID,
    subject_ids: Collection[UUID],
    scopes: frozenset[Scope],
    at: datetime,
) -> None:
    """Codes and links of the person go; what stood was withdrawn before anybody was asked (`withdraw_everything`)."""
    for model, action in ((ConfirmationCode, "consent.codes_erased"), (OptOutLink, "consent.links_erased")):
        rows = model._default_manager.filter(patient_id=patient_id)
        delete_rows(action, rows, about=patient_id, subjects=subject_ids)
