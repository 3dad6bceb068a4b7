"""Notes, checkpoints and cosignatures in the formats that others' programs read."""

import pytest

from audit.notes import COSIGNATURE, Checkpoint, Note, NoteRefused, Signer, Verifier

# The worked example of Go's sumdb/note: a key, a text and a signature made by another program.
PETER = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
SAYING = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
    "\n"
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)
LOG = Signer("zhizhi.local/system/2026", bytes(range(32)))
WITNESS = Signer("witness.local", bytes(range(1, 33)))
CHECKPOINT = Checkpoint(LOG.name, 20852163, bytes(range(32)))


def test_a_note_signed_by_another_program_verifies() -> None:
    verifier = Verifier.parse(PETER)
    assert str(verifier) == PETER
    assert Note.parse(SAYING).check([verifier]) == [verifier]


def test_a_changed_note_is_refused() -> None:
    with pytest.raises(NoteRefused, match="wrong"):
        Note.parse(SAYING.replace("answer", "Answer")).check([Verifier.parse(PETER)])


def test_a_signature_of_an_unknown_key_counts_for_nothing() -> None:
    with pytest.raises(NoteRefused, match="no known key"):
        Note.parse(SAYING).check([LOG.verifier()])


def test_a_checkpoint_and_its_cosignature_travel_as_text_and_verify() -> None:
    text = str(CHECKPOINT)
    note = Note.parse(str(Note(text, (LOG.sign(text), WITNESS.cosign(text, at=1679315147)))))
    assert Checkpoint.parse(note.text) == CHECKPOINT
    assert note.check([LOG.verifier(), WITNESS.verifier(COSIGNATURE)]) == [
        LOG.verifier(),
        WITNESS.verifier(COSIGNATURE),
    ]


def test_a_cosignature_holds_only_for_its_second() -> None:
    text = str(CHECKPOINT)
    line = WITNESS.cosign(text, at=1679315147)
    later = WITNESS.cosign(text, at=1679315148)
    forged = later[:40] + line[40:]
    with pytest.raises(NoteRefused):
        Note(text, (forged,)).check([WITNESS.verifier(COSIGNATURE)])


@pytest.mark.parametrize(
    "text",
    [
        "", "origin\n", "origin\n1\n", "origin\n01\nAAAA\n", "origin\n-1\n" + "A" * 43 + "=\n", "\n1\n" + "A" * 43 + "=\n",
        "origin\n1\n???\n", "origin\n٣\n" + "A" * 43 + "=\n",
    ],
)  # fmt: skip
def test_what_is_not_a_checkpoint_is_refused(text: str) -> None:
    with pytest.raises(NoteRefused):
        Checkpoint.parse(text)


@pytest.mark.parametrize(
    "raw", ["", "text\n", "text\n\n", "text\n\nnot a signature\n", "te\0xt\n\n— a YQ==\n", "text\n\n— a YQ=="]
)
def test_what_is_not_a_note_is_refused(raw: str) -> None:
    with pytest.raises(NoteRefused):
        Note.parse(raw)


def test_a_verifier_key_with_a_wrong_number_is_refused() -> None:
    with pytest.raises(NoteRefused):
        Verifier.parse(PETER.replace("c74f20a3", "c74f20a4"))
