"""The second tree has the same entries in the same places, hashed by SM3, signed and witnessed under its own name."""

from hashlib import new
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from audit import configured
from audit.acting import acting
from audit.merkle import SM3, Frontier, inclusion_proof, verify_inclusion
from audit.models import Leaf
from audit.notes import Checkpoint, Note, Verifier
from audit.queries import seal_state
from audit.services import record
from audit.trees import Tree, places, stored_subtree
from tests.audit.reading import run, run_as_owner
from tests.audit.sealing import WitnessProcess, leaves, seal, seal_all, sequencer
from tests.factories.audit import CLINIC, SETUP

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("open_clinic", "log_keys")]


def write(count: int) -> None:
    with acting(SETUP):
        for _ in range(count):
            record("card.opened", object=("patients.card", "17"))


def signed() -> Checkpoint:
    with acting(SETUP):
        ((note,),) = run(
            "SELECT note FROM audit_checkpoint WHERE log_id = %s AND hashing = 'sm3' ORDER BY size DESC LIMIT 1",
            str(CLINIC),
        )
    found = Note.parse(note)
    checkpoint = Checkpoint.parse(found.text)
    found.check([Verifier(checkpoint.origin, configured.log_signer().verifier().public)])
    return checkpoint


def year() -> int:
    return leaves()[0][0]


def test_sm3_hashes_as_published() -> None:
    """GB/T 32905-2016, A.1."""
    assert (
        new("sm3", b"abc").hexdigest() == "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0"
    )
    assert SM3.leaf(b"") == new("sm3", b"\x00").digest()


def test_switched_on_late_it_begins_at_the_first_entry(settings: Any) -> None:
    write(300)
    seal()
    settings.AUDIT_SM3_TREE = True
    write(2)
    seal()
    checkpoint = signed()
    assert checkpoint.origin == f"zhizhi.local/{CLINIC}/{year()}/sm3"
    assert checkpoint.size == len(leaves())
    with sequencer() as sealing, sealing.connection, sealing.connection.cursor() as cursor:
        tree = Frontier(hashing=SM3)
        entries = places(cursor, CLINIC, year(), 0, checkpoint.size)
        tree.extend(SM3.leaves(place.data for place in entries if place.data))
        assert tree.root() == checkpoint.root
        subtree = stored_subtree(cursor, Tree(CLINIC, year(), "sm3"))
        for index in (0, 255, 256, checkpoint.size - 1):
            proof = inclusion_proof(index, checkpoint.size, subtree, SM3)
            verify_inclusion(
                SM3.leaf(entries[index].data or b""), index, checkpoint.size, proof, checkpoint.root, SM3
            )


def test_it_is_witnessed_like_the_first_and_both_verify(
    settings: Any, witness: WitnessProcess, capsys: pytest.CaptureFixture[str]
) -> None:
    settings.AUDIT_SM3_TREE = True
    for _ in range(2):
        write(3)
        seal()
    capsys.readouterr()
    call_command("audit_verify")
    said = capsys.readouterr().out
    size = len(leaves())
    for origin in (f"zhizhi.local/{CLINIC}/{year()}", f"zhizhi.local/{CLINIC}/{year()}/sm3"):
        assert f"{size} entries verify under checkpoint {size} of {origin}, witnessed by" in said
    with acting(SETUP):
        assert seal_state(CLINIC).troubles == ()
        assert Leaf.objects.filter(log_id=CLINIC).count() == size


def test_an_entry_changed_with_its_first_hash_is_not_hashed_again(
    settings: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    settings.AUDIT_SM3_TREE = True
    write(3)
    seal()
    run_as_owner(
        "ALTER TABLE audit_event DISABLE TRIGGER USER; UPDATE audit_event SET canon = canon || ' '::bytea"
        " WHERE uid = (SELECT max(uid::text)::uuid FROM audit_event); ALTER TABLE audit_event ENABLE TRIGGER USER;"
        " DELETE FROM audit_state WHERE hashing = 'sm3'"
    )
    write(1)
    with sequencer() as sealing:
        seal_all(sealing)
        assert [t for t in sealing.troubles if "/sm3 is not continued: leaf " in t]
    with pytest.raises(CommandError, match="not what it was"):
        call_command("audit_verify")
    assert "/sm3 at " in capsys.readouterr().err
