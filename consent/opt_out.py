"""The link in a message by which whoever reads it wants no more of them: no sign-in, one tap, once.

The token is made anew from the message's id and a secret of the installation, so a message sent again carries the same
link; the table holds a keyed hash, from which nobody makes a link. It names one message of one person: of two people who
share a phone, the one whose message it was.
"""

from base64 import urlsafe_b64encode
from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.utils.crypto import salted_hmac

from audit.actors import Actor
from audit.participation import call
from audit.purposes import Purpose
from audit.removal import delete_rows
from audit.services import record
from clinics.models import Clinic
from consent.choices import EventKind, GivenThrough, Method
from consent.errors import LinkUnknown
from consent.ledger import Said, append, lock_purpose
from consent.models import OptOutLink
from consent.purposes import rule_of
from consent.services import withdraw_consent
from patients.models import Patient

TOKEN_BYTES = 16  # 128 bits


def add_link(
    patient: Patient, purpose: Purpose, *, channel: str, message_id: UUID, at: datetime
) -> tuple[OptOutLink, str]:
    """The link of one message, with the token its text carries. Whoever sends names the row in the event of the sending."""
    token = _token(patient.clinic_id, message_id)
    link = OptOutLink(
        clinic_id=patient.clinic_id,
        patient=patient,
        purpose=purpose,
        channel=channel,
        message_id=message_id,
        token_mac=_mac(token),
        made_at=at,
    )
    OptOutLink.objects.bulk_create([link], ignore_conflicts=True)
    return link, token


def link_of(clinic: Clinic, token: str) -> OptOutLink:
    """Raises LinkUnknown for whatever leads nowhere."""
    link = OptOutLink.objects.filter(clinic=clinic, token_mac=_mac(token)).select_related("patient").first()
    if link is None:
        raise LinkUnknown
    return link


@transaction.atomic
def opt_out(clinic: Clinic, token: str, *, by: Actor, at: datetime) -> OptOutLink:
    """No more messages of this purpose on this channel, and none that waits is sent. Used again it changes nothing.

    News of offers end as a whole: nobody wants them on another channel instead. Raises LinkUnknown.
    """
    found = link_of(clinic, token)
    link = OptOutLink.objects.select_for_update(of=("self",)).select_related("patient").get(pk=found.pk)
    if link.used_at is not None:
        return link
    link.used_at = at
    link.save(update_fields=["used_at"])
    purpose = Purpose(link.purpose)
    record("consent.opted_out", object=link, subjects=[link.patient.subject_id], purpose=purpose)
    if purpose is Purpose.MARKETING:
        withdraw_consent(
            link.patient, purpose, by=by, at=at, given_through=GivenThrough.LINK, idem_key=f"link:{link.pk}"
        )
    else:
        _refuse_channel(link, purpose, by, at)
    return link


def forget_old_links(clinic: Clinic, before: datetime, *, but_of: Collection[UUID] = ()) -> int:
    """Links of messages that are forgotten, but those of some patients; answers how many."""
    old = OptOutLink.objects.filter(clinic=clinic, made_at__lt=before).exclude(patient_id__in=but_of)
    return delete_rows("consent.links_forgotten", old, about=clinic.pk)


def _refuse_channel(link: OptOutLink, purpose: Purpose, by: Actor, at: datetime) -> None:
    rule = rule_of(purpose)
    rows = [
        state
        for state in lock_purpose(link.patient, rule, channel=link.channel, with_dependents=False)
        if state.channel == link.channel
    ]
    said = Said(
        event=EventKind.REFUSED,
        by=by,
        at=at,
        key=f"link:{link.pk}",
        given_through=GivenThrough.LINK,
        method=Method.TAP,
    )
    append(rows, said, patient=link.patient, rule=rule)
    call("on_channel_refused", patient_id=link.patient_id, purpose=purpose, channel=link.channel, at=at)


def _token(clinic_id: UUID, message_id: UUID) -> str:
    made = salted_hmac("zhizhi/opt-out/token", f"{clinic_id}:{message_id}", algorithm="sha256").digest()
    return urlsafe_b64encode(made[:TOKEN_BYTES]).rstrip(b"=").decode()


def _mac(token: str) -> bytes:
    return salted_hmac("zhizhi/opt-out/kept", token, algorithm="sha256").digest()
