"""Patients for tests. Every person in them is invented; the numbers belong to nobody."""

from datetime import UTC, date, datetime
from itertools import count
from typing import Any
from uuid import UUID

from audit.actors import Actor, system_actor
from clinics.models import CareTeam, Clinic, User
from clinics.queries import roles_at_work, staff_actor
from patients.choices import PhoneOwner, Sex, TwinReason
from patients.identity import NewIdentity, id_check_character
from patients.models import Patient
from patients.services import open_card

OPENED_AT = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)
_numbers = count()


def NewIdentityFactory(**known: Any) -> NewIdentity:
    """A woman born on a leap day, with a phone of her own; what is named is what the test is about."""
    dull: dict[str, Any] = {
        "name": "邓淑英",
        "sex": Sex.FEMALE,
        "birth_date": date(1960, 2, 29),
        "phone": f"+861380000{next(_numbers) % 10_000:04d}",
        "phone_owner": PhoneOwner.SELF,
    }
    return NewIdentity(**{**dull, **known})


def PatientFactory(
    *,
    clinic: Clinic,
    by: Actor | None = None,
    at: datetime = OPENED_AT,
    team: CareTeam | None = None,
    form_token: UUID | None = None,
    twin_reason: TwinReason = TwinReason.CHECK_LATER,
    **known: Any,
) -> Patient:
    """A card opened by the real service, inside `acting`; by a program unless `by` is given."""
    return open_card(
        clinic=clinic,
        identity=NewIdentityFactory(**known),
        by=by or system_actor("test", clinic.pk),
        at=at,
        team=team,
        form_token=form_token,
        twin_reason=twin_reason,
    )


def actor_for(user: User, clinic: Clinic) -> Actor:
    """The account at work in a clinic, with what its roles there let it open."""
    return staff_actor(user, clinic.pk, roles_at_work(user))


def id_number(first_seventeen: str) -> str:
    """An ID number with its check character. Region 990101 does not exist."""
    return first_seventeen + id_check_character(first_seventeen)
