"""Hashes that only this installation can make, so that a stolen table names no phone and no browser and gives no code away."""

from django.utils.crypto import salted_hmac


def keyed(what: str, *parts: object) -> str:
    return salted_hmac(f"zhizhi/portal/{what}", ":".join(map(str, parts)), algorithm="sha256").hexdigest()
