"""Letting a relative act for somebody on the portal: with the person's own separate consent, its evidence, and an end.

Below fourteen a guardian says it, from fourteen on the young person alone (`consent.speaking`); for an adult who cannot, a guardian
with their proof.
"""

from dataclasses import dataclass
from datetime import date, datetime, time
from uuid import UUID

from django.db import transaction
from django.utils.timezone import make_aware

from audit.actors import Actor
from audit.purposes import Purpose
from clinics.errors import NoSuchPage
from clinics.models import Clinic
from consent.choices import ExpressedBy, GivenThrough, Method
from consent.errors import ProxyWithoutPages
from consent.evidence import keep_evidence
from consent.publishing import current_notice
from consent.purposes import rule_of
from consent.services import record_consent
from consent.speaking import ADULT_FROM, is_younger
from patients.choices import PortalRelation
from patients.models import Patient, PortalAccess
from patients.queries import open_portal_of, own_access_of, who_else_sees
from patients.services import end_portal_access, give_portal_access


@dataclass(frozen=True, slots=True, kw_only=True)
class Authorisation:
    """What was said at the desk. `number` is the service number of whoever will act, `words` the proof and the witness."""

    number: str
    last_on: date
    expressed_by: ExpressedBy
    method: Method
    words: str
    file: bytes | None
    form_token: UUID


@transaction.atomic
def give_proxy(
    patient: Patient, clinic: Clinic, said: Authorisation, *, locale: str, by: Actor, at: datetime
) -> PortalAccess:
    """Write the consent down with its evidence and open the person's pages to the other account, until the last day.

    Of somebody below eighteen they are a guardian, else a proxy. It ends with the consent at the latest. Raises ProxyWithoutPages,
    and what `record_consent` raises.
    """
    own = open_portal_of(clinic.pk, said.number, at=at)
    if own is None or own.patient_id == patient.pk:
        raise ProxyWithoutPages(str(patient.pk))
    notice = current_notice(clinic, Purpose.FAMILY, locale, at)
    record_consent(
        patient,
        Purpose.FAMILY,
        granted=True,
        notice=notice,
        method=said.method,
        expressed_by=said.expressed_by,
        given_through=GivenThrough.PAPER if said.method == Method.PAPER else GivenThrough.DESK,
        by=by,
        at=at,
        idem_key=str(said.form_token),
        evidence=said.words,
        evidence_file=keep_evidence(patient, said.file) if said.file else None,
    )
    until = make_aware(datetime.combine(said.last_on, time.max))
    relation = PortalRelation.GUARDIAN if is_younger(patient, ADULT_FROM, at) else PortalRelation.PROXY
    term = rule_of(Purpose.FAMILY).term
    return give_portal_access(
        patient, relation, by, at=at, user=own.user, until=min(until, at + term) if term else until
    )


def who_acts_for(patient: Patient, at: datetime) -> list[tuple[PortalAccess, str]]:
    """Everybody else who sees this person's pages now, with the service number of their own card, or ""."""
    others = list(who_else_sees(patient, at=at))
    own = own_access_of(patient.clinic_id, [other.user_id for other in others])
    numbers = {access.user_id: access.patient.service_number for access in own}
    return [(other, numbers.get(other.user_id, "")) for other in others]


def end_proxy(patient: Patient, access_id: UUID, *, at: datetime) -> None:
    """Close the person's pages to somebody, now. Raises NoSuchPage for the person's own access, and for anybody else's."""
    access = who_else_sees(patient, at=at).filter(pk=access_id).first()
    if access is None:
        raise NoSuchPage
    end_portal_access(access, at=at)
