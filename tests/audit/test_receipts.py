"""A receipt proves one entry for ever, to anybody, without us and without a network."""

from base64 import b64decode, b64encode
from pathlib import Path
from uuid import UUID

import pytest

from audit import configured
from audit.acting import acting
from audit.errors import NotSealedYet
from audit.merkle import leaf_hash, verify_inclusion
from audit.notes import COSIGNATURE, Checkpoint, Note, Verifier
from audit.proofs import proof_of
from audit.services import record
from audit.signing import read_verifier
from tests.audit.outside import problems, verify, verify_alone
from tests.audit.reading import events
from tests.audit.sealing import WitnessProcess, leaves, seal
from tests.factories.audit import CLINIC, OTHER_CLINIC, SETUP

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("open_clinic", "log_keys")]


def write(count: int = 1) -> list[UUID]:
    with acting(SETUP):
        return [record("card.opened", object=("patients.card", "17")).uid for _ in range(count)]


def receipt(uid: UUID) -> str:
    with acting(SETUP):
        return proof_of(uid)


def kept(folder: Path, text: str) -> Path:
    path = folder / "seen.tlog-proof"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_receipt_is_a_tlog_proof_that_leads_from_the_entry_to_a_cosigned_root(
    witness: WitnessProcess,
) -> None:
    first, *_ = write(300)
    seal()
    text = receipt(first)
    head, _, note = text.partition("\n\n")
    version, extra, index, *path = head.split("\n")
    assert version == "c2sp.org/tlog-proof@v1"
    entry = b64decode(extra.removeprefix("extra "))
    assert f'"uid":"{first}"'.encode() in entry
    signed = Note.parse(note)
    checkpoint = Checkpoint.parse(signed.text)
    place = int(index.removeprefix("index "))
    verify_inclusion(
        leaf_hash(entry), place, checkpoint.size, [b64decode(step) for step in path], checkpoint.root
    )
    log = Verifier(checkpoint.origin, configured.log_signer().verifier().public)
    assert {key.kind for key in signed.check([log, read_verifier(witness.public_key)])} == {1, COSIGNATURE}


def test_it_is_verified_outside_with_nothing_but_the_keys(tmp_path: Path, witness: WitnessProcess) -> None:
    uid = write(2)[1]
    seal()
    path = kept(tmp_path, receipt(uid))
    status, words = verify_alone(path, "--witness-key", witness.public_key)
    assert status == 0
    assert f'"uid":"{uid}"' in words
    assert "cosigned by zhizhi.local/witness" in words
    assert "NOT PROVABLE" in verify(path)[1]


def test_a_changed_entry_place_path_or_key_is_found(tmp_path: Path, log_keys: Path) -> None:
    uid = write(5)[2]
    seal()
    good = receipt(uid)
    lines = good.split("\n")
    entry = b64decode(lines[1].removeprefix("extra "))
    other = entry.replace(b'"17"', b'"18"')
    index = int(lines[2].removeprefix("index "))
    forged = {
        "entry": good.replace(lines[1], f"extra {b64encode(other).decode()}"),
        "place": good.replace(lines[2], f"index {index - 1}"),
        "path": good.replace(lines[3], b64encode(leaf_hash(b"x")).decode()),
        "shorter path": good.replace(f"{lines[3]}\n", ""),
    }
    for what, text in forged.items():
        status, words = verify(kept(tmp_path, text))
        assert status == 1, what
        assert f"the entry is not leaf {index - (what == 'place')} of what was signed" in words
    log_keys.unlink()
    configured.log_signer()
    assert problems(verify(kept(tmp_path, good))[1]) == [
        "seen.tlog-proof: its checkpoint is not signed by the log's key"
    ]


def test_nonsense_is_no_receipt(tmp_path: Path) -> None:
    for text in ("", "c2sp.org/tlog-proof@v1\n", "c2sp.org/tlog-proof@v1\nindex 0\n\nx\n"):
        assert verify(kept(tmp_path, text))[0] == 2


def test_an_entry_without_a_place_has_no_receipt_yet() -> None:
    (uid,) = write()
    with pytest.raises(NotSealedYet):
        receipt(uid)
    seal()
    assert receipt(uid)


def test_a_clinic_gets_no_receipt_from_the_log_of_another() -> None:
    (uid,) = write()
    seal()
    with acting(SETUP, OTHER_CLINIC), pytest.raises(NotSealedYet):
        proof_of(uid)


def test_a_proof_in_a_tree_of_a_million_is_twenty_hashes() -> None:
    from audit.merkle import inclusion_proof

    assert len(inclusion_proof(654_321, 1_000_000, lambda level, place: bytes(32))) == 20


def test_every_entry_of_a_small_log_has_its_receipt() -> None:
    write(3)
    seal()
    texts = [receipt(UUID(e["uid"])) for e in events(clinic=CLINIC)]
    assert len({text.split("\n")[2] for text in texts}) == len(texts) <= len(leaves())
