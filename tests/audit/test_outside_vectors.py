"""The outside verifier against what others have published: it is a second program, so it gets the vectors of its own."""

import pytest

from audit.notes import Verifier
from tests.audit.test_signed_notes import PETER
from tests.audit.test_tree_of_rfc_6962 import LEAVES, PATH_OF_FIRST_OF_EIGHT, ROOTS
from tools.verify_audit import SHA256, Edge, Key, Unreadable, root_from_path

# Verifier keys that other programs wrote: the example of C2SP signed-note, Go's sumdb/note, transparency-dev/formats.
KEYS = (
    "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
    PETER,
    "EnochRoot+af0cfe78+ATtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop",
    "TEST+7997405c+AQcC+FTVKf0jlTdHDY3rbevmnKxxPjigCXlVtGe6RIr6",
    "remora.n621.de+da77ade7+BOvN63jn/bLvkieywe8R6UYAtVtNbZpXh34x7onlmtw2",
)


@pytest.mark.parametrize("line", KEYS)
def test_a_key_that_another_program_wrote_is_read_and_a_changed_one_is_not(line: str) -> None:
    key = Key.parse(line)
    assert (key.name, key.public, key.kind) == (
        Verifier.parse(line).name,
        Verifier.parse(line).public,
        Verifier.parse(line).kind,
    )
    name, number, rest = line.split("+", 2)
    with pytest.raises(Unreadable):
        Key.parse(f"{name}x+{number}+{rest}")


def test_the_reference_leaves_grow_the_published_roots_and_the_published_path_leads_there() -> None:
    edge = Edge(SHA256)
    for leaf, root in zip(LEAVES, ROOTS, strict=True):
        edge.append(SHA256.leaf(leaf))
        assert edge.root().hex() == root
    path = [bytes.fromhex(step) for step in PATH_OF_FIRST_OF_EIGHT]
    first = SHA256.leaf(LEAVES[0])
    assert root_from_path(first, 0, 8, path, SHA256) == edge.root()
    assert root_from_path(first, 0, 8, path[:-1], SHA256) is None
    assert root_from_path(first, 0, 8, [*path, path[0]], SHA256) is None
    assert root_from_path(first, 1, 8, path, SHA256) != edge.root()
    assert root_from_path(first, 8, 8, path, SHA256) is None
