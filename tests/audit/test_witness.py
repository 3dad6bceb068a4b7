"""The witness: a process of its own that signs one history of each log and refuses every other."""

import os
import re
import subprocess
import sys
import urllib.error
import urllib.request
from base64 import b64encode
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from pwd import getpwnam
from tempfile import TemporaryDirectory

import pytest

from audit.merkle import EMPTY_ROOT, Frontier, consistency_proof, leaf_hash, node_hash
from audit.notes import COSIGNATURE, Checkpoint, Note, Signer
from audit.signing import read_verifier, signer_from
from audit.witnessing import WitnessClient, WitnessRefused
from tests.audit.sealing import WitnessProcess

ORIGIN = "zhizhi.local/system/2026"


@pytest.fixture
def key(tmp_path: Path) -> Path:
    signer_from(tmp_path / "log.key", "zhizhi.local", kind=1)
    return tmp_path / "log.key"


@pytest.fixture
def process(tmp_path: Path, key: Path) -> Iterator[WitnessProcess]:
    witness = WitnessProcess(tmp_path / "witness", Path(f"{key}.pub"))
    witness.start()
    yield witness
    witness.kill()


class Grown:
    """A log that grows by numbered leaves; `salt` makes it another history."""

    def __init__(self, key: Path, salt: str = "", origin: str = ORIGIN) -> None:
        self.signer = Signer(origin, key.read_bytes())
        self.salt = salt

    def leaf(self, index: int) -> bytes:
        return leaf_hash(f"{self.salt}{index}".encode())

    def subtree(self, level: int, place: int) -> bytes:
        hashes = [self.leaf(i) for i in range(place << level, (place + 1) << level)]
        while len(hashes) > 1:
            hashes = [node_hash(a, b) for a, b in zip(hashes[::2], hashes[1::2], strict=True)]
        return hashes[0]

    def note(self, size: int) -> Note:
        tree = Frontier()
        for index in range(size):
            tree.append(self.leaf(index))
        text = str(Checkpoint(self.signer.name, size, tree.root()))
        return Note(text, (self.signer.sign(text),))

    def proof(self, old: int, new: int) -> list[bytes]:
        return consistency_proof(old, new, self.subtree)


def hand_in(
    process: WitnessProcess, log: Grown, old: int, new: int, *, note: Note | None = None
) -> tuple[int, str]:
    client = WitnessClient(process.url, process.public_key)
    return client._post(old, log.proof(old, new) if old <= new else [], note or log.note(new))


def test_a_growing_log_is_cosigned_with_the_time(process: WitnessProcess, key: Path) -> None:
    log = Grown(key)
    for old, new in [(0, 3), (3, 3), (3, 8), (8, 21)]:
        status, line = hand_in(process, log, old, new)
        assert status == 200
        Note(log.note(new).text, (line,)).check([read_verifier(process.public_key)])


@pytest.mark.parametrize(
    ("old", "new", "salt", "status"),
    [
        (8, 8, "fork ", 409),  # the same size with another root
        (8, 13, "fork ", 422),  # a proof within the fork does not begin with what was signed
        (5, 8, "", 409),  # an older place to start from
        (0, 5, "", 409),  # a step back
        (13, 21, "", 409),  # a place never reached
        (8, 5, "", 400),  # a tree that shrinks
    ],
)
def test_a_fork_and_a_step_back_are_refused(
    process: WitnessProcess, key: Path, old: int, new: int, salt: str, status: int
) -> None:
    hand_in(process, Grown(key), 0, 8)
    answer, body = hand_in(process, Grown(key, salt), old, new)
    assert answer == status
    if status == 409:
        assert body == "8\n"
    assert hand_in(process, Grown(key), 8, 13)[0] == 200


def test_the_client_learns_the_size_the_witness_has_seen_and_asks_again_once(
    process: WitnessProcess, key: Path
) -> None:
    log = Grown(key)
    hand_in(process, log, 0, 8)
    client = WitnessClient(process.url, process.public_key)
    assert client.cosignature(log.note(13), 13, 0, lambda old: log.proof(old, 13)).startswith(
        "— zhizhi.local/witness "
    )
    with pytest.raises(WitnessRefused, match="409"):
        client.cosignature(log.note(5), 5, 0, lambda old: log.proof(old, 5))


def test_a_stranger_is_not_signed_for(process: WitnessProcess, key: Path, tmp_path: Path) -> None:
    assert hand_in(process, Grown(key, origin="elsewhere.local/system/2026"), 0, 3)[0] == 404
    signer_from(tmp_path / "thief.key", "zhizhi.local", kind=1)
    assert hand_in(process, Grown(tmp_path / "thief.key"), 0, 3)[0] == 403


def test_a_second_key_of_the_log_changes_nothing(process: WitnessProcess, key: Path) -> None:
    hand_in(process, Grown(key), 0, 3)
    process.kill()
    key.unlink()
    signer_from(key, "zhizhi.local", kind=1)
    process.start()
    assert hand_in(process, Grown(key), 3, 8)[0] == 403


def test_what_was_signed_is_remembered_through_a_kill(process: WitnessProcess, key: Path) -> None:
    hand_in(process, Grown(key), 0, 8)
    process.kill()
    process.start()
    assert hand_in(process, Grown(key, "fork "), 0, 9) == (409, "8\n")
    assert hand_in(process, Grown(key), 8, 9)[0] == 200


@pytest.mark.parametrize(
    "body",
    [
        "", "old 0\n", "old 00\n\n", "old -1\n\nx\n1\n\n— a YQ==\n", "old 0\nnot base64\n\nx\n", "old 0\n\nno note",
        "old 0\n" + f"{b64encode(EMPTY_ROOT).decode()}\n" * 64 + "\nx\n", "\udcff",
    ],
)  # fmt: skip
def test_nonsense_is_refused_as_nonsense(process: WitnessProcess, body: str) -> None:
    request = urllib.request.Request(  # noqa: S310
        f"{process.url}/add-checkpoint", body.encode(errors="surrogateescape"), method="POST"
    )
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request, timeout=5)  # noqa: S310
    assert refused.value.code == 400
    refused.value.close()


def test_two_witnesses_never_share_a_folder(process: WitnessProcess) -> None:
    second = subprocess.run(
        [sys.executable, "-m", "audit.witness", "--dir", str(process.folder), "--port", "0"],
        capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert second.returncode == 1
    assert "cannot start" in second.stderr


def test_without_a_key_of_the_log_it_does_not_start(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "audit.witness", "--dir", str(tmp_path), "--port", "0"],
        capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "no key of the log" in done.stderr


def test_its_key_is_its_own_and_what_it_saw_is_a_note_anybody_reads(
    process: WitnessProcess, key: Path
) -> None:
    assert (process.folder / "witness.key").stat().st_mode & 0o777 == 0o600
    log = Grown(key)
    hand_in(process, log, 0, 3)
    seen = process.folder / "seen" / f"{sha256(ORIGIN.encode()).hexdigest()}.note"
    verifier = read_verifier(process.public_key)
    assert verifier.kind == COSIGNATURE
    Note.parse(seen.read_text()).check([verifier, log.signer.verifier()])


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_started_by_root_it_goes_on_as_another_account(key: Path, tmp_path: Path) -> None:
    with TemporaryDirectory(dir="/tmp") as folder:  # pytest's own folders are closed to other accounts
        Path(folder).chmod(0o755)
        shown = tmp_path / "witness.pub"
        witness = WitnessProcess(Path(folder) / "witness", Path(f"{key}.pub"))
        witness.start("--user", "nobody", "--public-key", str(shown))
        try:
            assert witness.process is not None
            status = Path(f"/proc/{witness.process.pid}/status").read_text()
            nobody = str(getpwnam("nobody").pw_uid)
            assert re.search(r"^Uid:\s+(\d+)\s+\1\s+\1\s+\1$", status, re.MULTILINE)[1] == nobody  # type: ignore[index]
            client = WitnessClient(witness.url, shown)
            log = Grown(key)
            for old, new in [(0, 3), (3, 8)]:
                assert client.cosignature(log.note(new), new, old, lambda old, new=new: log.proof(old, new))  # type: ignore[misc]
            assert hand_in(witness, Grown(key, "fork "), 8, 9)[0] == 422
        finally:
            witness.kill()


def test_it_needs_neither_django_nor_a_database() -> None:
    program = "import sys, audit.witness; sys.exit(any(m.split('.')[0] in ('django', 'psycopg2') for m in sys.modules))"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
