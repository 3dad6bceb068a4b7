"""The tokens under which people are stored and found, in every living version of the clinic's index secret."""

from uuid import UUID

from crypto import keyring
from crypto.core import tokens
from crypto.core.tokens import LONGEST_QUERY, LONGEST_TERM, SHORTEST_QUERY, Index

__all__ = ["LONGEST_QUERY", "LONGEST_TERM", "SHORTEST_QUERY", "Index", "tokens_for"]


def tokens_for(clinic_id: UUID, index: Index, text: str) -> list[tuple[int, int]]:
    """(key version, token) of every term of `text`: to be written beside a person, or looked for.

    Empty when the text is too short for the index. Raises KeysMissing when the clinic has no index key.
    """
    terms = tokens.terms(index, text)
    return [
        (secret.version, tokens.token(secret.hash_for(index), index, term))
        for secret in keyring.index_secrets(clinic_id)
        for term in terms
    ]
