"""Sign-in of staff through allauth: no sign-up, no patients, second factors sealed."""

from pathlib import Path
from secrets import token_bytes
from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings
from django.http import HttpRequest

from clinics.models import User, UserKind
from crypto.errors import KeysMissing
from crypto.keyfiles import read_key, read_or_create_key


class StaffAccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]  # allauth is untyped
    """Passwords are for staff. Accounts are made by an administrator, never by signing up."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False

    def authenticate(self, request: HttpRequest, **credentials: Any) -> User | None:
        user = super().authenticate(request, **credentials)
        return user if user is not None and user.kind == UserKind.STAFF else None


class SecondFactorAdapter(DefaultMFAAdapter):  # type: ignore[misc]  # allauth is untyped
    """allauth stores seeds of second factors as text; here they are sealed under a key of the key folder."""

    def encrypt(self, text: str) -> str:
        """The first seed makes the key. While there are seeds a folder without it is the wrong one, and stays as it is."""
        key = _sign_in_key(make=not Authenticator.objects.exists())
        nonce = token_bytes(12)
        return (nonce + key.encrypt(nonce, text.encode(), b"zhizhi/second-factor/v1")).hex()

    def decrypt(self, encrypted_text: str) -> str:
        """Raises KeysMissing when the key is away or another installation's."""
        raw, key = bytes.fromhex(encrypted_text), _sign_in_key(make=False)
        try:
            return key.decrypt(raw[:12], raw[12:], b"zhizhi/second-factor/v1").decode()
        except InvalidTag as error:
            raise KeysMissing(
                "sign-in.key in KEYS_DIR does not open the second factors of this installation."
            ) from error


def _sign_in_key(*, make: bool) -> AESGCM:
    path = Path(settings.KEYS_DIR) / "sign-in.key"
    return AESGCM(read_or_create_key(path) if make else read_key(path))
