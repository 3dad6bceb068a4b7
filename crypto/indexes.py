"""The tokens under which people are stored and found, in every living version of the clinic's index secret."""

from uuid import UUID

from crypto import keyring
from crypto.core import tokens
from crypto.core.tokens import LONGEST_TERM, Index

__all__ = ["LONGEST_TERM", "Index", "marks_for", "tokens_for"]


def tokens_for(
    clinic_id: UUID, index: Index, text: str, *, version: int | None = None
) -> list[tuple[int, int]]:
    """(key version, token) of every term of `text`: to be written beside a person, or looked for.

    In every living version, or in `version` alone. Empty when the text is too short for the index. Raises KeysMissing when
    the clinic has no index key.
    """
    terms = tokens.terms(index, text)
    return [
        (secret.version, tokens.token(secret.hash_for(index), index, term))
        for secret in keyring.index_secrets(clinic_id)
        if version is None or secret.version == version
        for term in terms
    ]


def marks_for(clinic_id: UUID, subject_id: UUID) -> list[tuple[int, bytes]]:
    """(key version, 16 bytes) of a subject under every living index secret of the clinic: comparable, and blind without it.

    Raises KeysMissing when the clinic has no index key.
    """
    return [(secret.version, secret.mark_of(subject_id)) for secret in keyring.index_secrets(clinic_id)]
