"""Patients for tests. Every person in them is invented; the numbers belong to nobody."""

from datetime import UTC, date, datetime
from typing import Any

import factory

from audit.actors import Actor, system_actor
from clinics.models import Clinic, User
from clinics.queries import roles_at_work, staff_actor
from patients.choices import PhoneOwner, Sex
from patients.identity import NewIdentity, id_check_character
from patients.models import Patient
from patients.services import open_card

OPENED_AT = datetime(2026, 3, 2, 1, 0, tzinfo=UTC)


class NewIdentityFactory(factory.Factory[NewIdentity]):
    class Meta:
        model = NewIdentity

    name = "邓淑英"
    sex = Sex.FEMALE
    birth_date = date(1960, 2, 29)
    id_number = None
    phone = factory.Sequence(lambda n: f"+861380000{n % 10_000:04d}")
    phone_owner = PhoneOwner.SELF
    email = None


class PatientFactory(factory.Factory[Patient]):
    """A card opened inside `acting`, by a program unless `by` is given. What else is named is the person's identity."""

    class Meta:
        model = Patient

    @classmethod
    def _create(cls, model_class: type[Patient], *args: Any, **kwargs: Any) -> Patient:
        clinic: Clinic = kwargs.pop("clinic")
        card = {name: kwargs.pop(name) for name in ("team", "form_token", "twin_reason") if name in kwargs}
        return open_card(
            clinic=clinic,
            by=kwargs.pop("by", None) or system_actor("test", clinic.pk),
            at=kwargs.pop("at", OPENED_AT),
            identity=NewIdentityFactory(**kwargs),
            **card,
        )


def actor_for(user: User, clinic: Clinic) -> Actor:
    """The account at work in a clinic, with what its roles there let it open."""
    return staff_actor(user, clinic.pk, roles_at_work(user))


def id_number(first_seventeen: str) -> str:
    """An ID number with its check character. Region 990101 does not exist."""
    return first_seventeen + id_check_character(first_seventeen)
