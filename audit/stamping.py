"""Time stamps of checkpoints (RFC 3161): an authority that nobody here controls says that a checkpoint existed at a time.

Asked by a command of its own and not while sealing: an authority may answer slowly, or not at all.
"""

import urllib.error
import urllib.request
from hashlib import sha256
from secrets import randbits
from typing import Any, NamedTuple

from asn1crypto import tsp

from audit.trees import Tree

SECONDS = 10.0
LARGEST_ANSWER = 64 * 1024
GRANTED = ("granted", "granted_with_mods")


class StampRefused(Exception):
    """The authority did not answer, or with something else than a time stamp of what it was asked for."""


class Unstamped(NamedTuple):
    tree: Tree
    size: int
    note: str


def unstamped(cursor: Any) -> list[Unstamped]:
    """The newest checkpoint of every tree, where it has no time stamp yet."""
    cursor.execute(
        "SELECT s.log_id, s.year, s.hashing, c.size, c.note FROM audit_state s"
        " CROSS JOIN LATERAL (SELECT size, note FROM audit_checkpoint c"
        "  WHERE c.log_id = s.log_id AND c.year = s.year AND c.hashing = s.hashing ORDER BY size DESC LIMIT 1) c"
        " WHERE NOT EXISTS (SELECT FROM audit_timestamp t WHERE t.log_id = s.log_id AND t.year = s.year"
        "  AND t.hashing = s.hashing AND t.size = c.size) ORDER BY s.year, s.log_id"
    )
    return [Unstamped(Tree(*row[:3]), *row[3:]) for row in cursor.fetchall()]


def keep(cursor: Any, one: Unstamped, authority: str, token: bytes) -> None:
    cursor.execute(
        "INSERT INTO audit_timestamp (log_id, year, hashing, size, authority, token) VALUES (%s, %s, %s, %s, %s, %s)"
        " ON CONFLICT DO NOTHING",
        [*one.tree, one.size, authority, token],
    )


def stamp(authority: str, content: bytes) -> bytes:
    """The token (DER) of the authority at this address over these bytes, with its certificate inside. Raises StampRefused.

    Whether the authority's signature is right is judged by whoever trusts its certificate: `tools/verify_audit.py`.
    """
    asked = tsp.TimeStampReq(
        {
            "version": "v1",
            "message_imprint": {
                "hash_algorithm": {"algorithm": "sha256"},
                "hashed_message": sha256(content).digest(),
            },
            "nonce": randbits(64),
            "cert_req": True,
        }
    )
    try:
        answer = tsp.TimeStampResp.load(_post(authority, asked.dump()))
        status = answer["status"]["status"].native
        if status not in GRANTED:
            raise StampRefused(f"the authority answers {status}")
        token = answer["time_stamp_token"]
        info = token["content"]["encap_content_info"]["content"].parsed
        if (info["message_imprint"].native, info["nonce"].native) != (
            asked["message_imprint"].native,
            asked["nonce"].native,
        ):
            raise StampRefused("the time stamp is of something else")
        return bytes(token.dump())
    except (ValueError, TypeError, KeyError) as error:
        raise StampRefused(f"this is not a time stamp: {error}") from error


def _post(authority: str, asked: bytes) -> bytes:
    request = urllib.request.Request(  # noqa: S310  the operator's own setting
        authority, asked, {"Content-Type": "application/timestamp-query"}, method="POST"
    )
    try:
        with urllib.request.urlopen(request, timeout=SECONDS) as answer:  # noqa: S310
            return bytes(answer.read(LARGEST_ANSWER))
    except (urllib.error.URLError, OSError) as error:
        raise StampRefused(f"the authority is absent ({type(error).__name__})") from error
