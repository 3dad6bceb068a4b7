"""Sign-in of staff through allauth: no sign-up, no patients, second factors sealed."""

from pathlib import Path
from secrets import token_bytes
from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.mfa.adapter import DefaultMFAAdapter
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings
from django.http import HttpRequest

from clinics.models import User, UserKind
from crypto.keyfiles import read_or_create_key


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
        nonce = token_bytes(12)
        return (nonce + _sign_in_key().encrypt(nonce, text.encode(), b"zhizhi/second-factor/v1")).hex()

    def decrypt(self, encrypted_text: str) -> str:
        raw = bytes.fromhex(encrypted_text)
        return _sign_in_key().decrypt(raw[:12], raw[12:], b"zhizhi/second-factor/v1").decode()


def _sign_in_key() -> AESGCM:
    return AESGCM(read_or_create_key(Path(settings.KEYS_DIR) / "sign-in.key"))
