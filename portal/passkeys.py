"""Passkeys of patients: kept with the account as those of the staff are, and good for the patient's pages alone."""

import json
from datetime import datetime
from typing import Any

from allauth.mfa.base.internal.flows import delete_and_cleanup
from allauth.mfa.models import Authenticator
from allauth.mfa.webauthn.forms import AddWebAuthnForm, LoginWebAuthnForm
from allauth.mfa.webauthn.internal.auth import WebAuthn, begin_authentication, begin_registration
from django.db.models import QuerySet

from clinics.errors import NoSuchPage
from clinics.guards import ClinicRequest
from clinics.models import Clinic, User, UserKind
from patients.queries import portal_patients


def passkeys_of(user: User) -> QuerySet[Authenticator]:
    """The passkeys of one account, oldest first."""
    keys: QuerySet[Authenticator] = Authenticator.objects.filter(user=user, type=Authenticator.Type.WEBAUTHN)
    return keys.order_by("created_at")


def ask_for_passkey() -> dict[str, Any]:
    """The challenge for whoever has one, kept in the session until it is answered."""
    challenge: dict[str, Any] = begin_authentication()
    return challenge


def who_has_passkey(clinic: Clinic, credential: str, *, at: datetime) -> User | None:
    """The patient's account that answered the challenge, if it may see anybody's pages in this clinic."""
    form = LoginWebAuthnForm(data={"credential": credential})
    if not _is_answer(credential) or not form.is_valid():
        return None
    passkey: Authenticator = form.cleaned_data["credential"]
    user: User = passkey.user
    if user.kind != UserKind.PATIENT or not portal_patients(user.pk, clinic.pk, at=at).exists():
        return None
    passkey.record_usage()
    return user


def offer_passkey(user: User) -> dict[str, Any]:
    """What a browser needs to make one that signs in by itself."""
    offer: dict[str, Any] = begin_registration(user, passwordless=True)
    return offer


def add_passkey(user: User, credential: str) -> bool:
    """Keep what the browser made; False where it does not answer the offer, or asked for neither finger, face nor PIN."""
    form = AddWebAuthnForm(data={"credential": credential, "passwordless": "on"}, user=user)
    if not _is_answer(credential) or not form.is_valid():
        return False
    WebAuthn.add(user, form.cleaned_data["name"], form.cleaned_data["credential"])
    return True


def remove_passkey(request: ClinicRequest, user: User, key_id: int) -> None:
    """Take one passkey of this account away; codes still open it. Raises NoSuchPage for anybody else's."""
    passkey = passkeys_of(user).filter(pk=key_id).first()
    if passkey is None:
        raise NoSuchPage
    delete_and_cleanup(request, passkey)


def _is_answer(credential: str) -> bool:
    """Whether it has the shape the package expects; it stumbles over others."""
    try:
        answer = json.loads(credential)
    except ValueError:
        return False
    return isinstance(answer, dict) and isinstance(answer.get("response"), dict)
