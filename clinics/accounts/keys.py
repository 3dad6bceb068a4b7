"""What accounts keep sealed stands under one key of the key folder: seeds of second factors, addresses for notices.

Beside it: marks of what was keyed, such as the name a provider of single sign-on knows somebody by.
"""

import hmac
from pathlib import Path
from secrets import token_bytes
from uuid import UUID

from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings

from clinics.models import User
from crypto.errors import KeysMissing
from crypto.keyfiles import read_key, read_or_create_key

_NONCE = 12


def seal_for(user_id: UUID, what: str, text: str) -> str:
    """`text` sealed for one account and one use; in another row or another column it does not open."""
    nonce = token_bytes(_NONCE)
    return (nonce + AESGCM(_key()).encrypt(nonce, text.encode(), _place(user_id, what))).hex()


def open_for(user_id: UUID, what: str, sealed: str) -> str:
    """Raises KeysMissing when the key is away or another installation's, or the value was sealed for another account."""
    raw = bytes.fromhex(sealed)
    try:
        return AESGCM(_key()).decrypt(raw[:_NONCE], raw[_NONCE:], _place(user_id, what)).decode()
    except InvalidTag as error:
        raise KeysMissing(
            f"sign-in.key in KEYS_DIR does not open {what} of account {user_id}: it is another installation's key, or the value was moved."
        ) from error


def keyed_mark(what: str, text: str) -> str:
    """A mark by which a name is found again and never read."""
    return hmac.digest(_key(), f"zhizhi/{what}/{text}".encode(), "sha256").hex()


def _place(user_id: UUID, what: str) -> bytes:
    return f"zhizhi/{what}/v2/{user_id}".encode()


def _key() -> bytes:
    """The first thing sealed makes the key. While there are such things a folder without it is the wrong one, and stays as it is."""
    path = Path(settings.KEYS_DIR) / "sign-in.key"
    if path.exists() or _something_is_sealed():
        return read_key(path)
    return read_or_create_key(path)


def _something_is_sealed() -> bool:
    """A passkey has nothing secret: an installation whose first factor is one has no key yet."""
    return (
        Authenticator.objects.exclude(type=Authenticator.Type.WEBAUTHN).exists()
        or User.objects.exclude(sealed_email="").exists()
        or SocialAccount.objects.exists()
    )
