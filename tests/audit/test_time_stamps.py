"""An authority that nobody here controls says when a checkpoint existed; whoever trusts its certificate verifies that outside."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from asn1crypto import tsp
from django.core.management import CommandError, call_command

from audit.acting import acting
from audit.services import record
from tests.audit.authority import Authority, running_authority
from tests.audit.outside import exported, problems, verify
from tests.audit.reading import run
from tests.audit.sealing import seal
from tests.factories.audit import CLINIC, SETUP

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("open_clinic", "log_keys")]
YEAR = datetime.now(UTC).year


@pytest.fixture
def authority(settings: Any) -> Iterator[Authority]:
    with running_authority() as authority:
        settings.AUDIT_TIMESTAMP_URL = authority.url
        yield authority


def write() -> None:
    with acting(SETUP):
        record("card.opened", object=("patients.card", "17"))
    seal()


def tokens() -> int:
    with acting(SETUP):
        return int(run("SELECT count(*) FROM audit_timestamp")[0][0])


def test_a_stamped_checkpoint_is_verified_outside_against_the_authoritys_certificate(
    authority: Authority, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write()
    call_command("audit_timestamp")
    call_command("audit_timestamp")  # what is stamped is left alone
    assert capsys.readouterr().out == "1 checkpoints stamped\n0 checkpoints stamped\n"
    write()
    folder = exported(tmp_path / "out")
    (tmp_path / "root.pem").write_bytes(authority.root_pem)
    status, words = verify(folder, "--tsa-certificate", tmp_path / "root.pem")
    assert status == 0
    assert "existed at 2026-11-29 06:00:00 UTC, by its time stamp" in words
    assert "by whom it is, without the authority's certificate" in verify(folder)[1]

    (tmp_path / "stranger.pem").write_bytes(Authority().root_pem)
    assert "is not signed by the authority of the given certificate" in "".join(
        problems(verify(folder, "--tsa-certificate", tmp_path / "stranger.pem")[1])
    )
    place = folder / str(CLINIC) / str(YEAR)
    token = (place / "checkpoint.tsr").read_bytes()
    (place / "checkpoint.tsr").write_bytes(token.replace(b"20261129060000Z", b"20251129060000Z"))
    assert "are not of this time" in "".join(
        problems(verify(folder, "--tsa-certificate", tmp_path / "root.pem")[1])
    )
    (place / "checkpoint.tsr").write_bytes(token[:-5])
    assert problems(verify(folder)[1])
    (place / "checkpoint.tsr").write_bytes(token)
    (place / "checkpoint.stamped").write_bytes((place / "checkpoint").read_bytes())
    assert "the time stamp is of other bytes" in "".join(problems(verify(folder)[1]))


def test_what_is_not_a_time_stamp_of_the_checkpoint_is_not_kept(authority: Authority, settings: Any) -> None:
    write()
    foreign = Authority().reply(
        tsp.TimeStampReq(
            {
                "version": "v1",
                "message_imprint": {"hash_algorithm": {"algorithm": "sha256"}, "hashed_message": bytes(32)},
                "nonce": 7,
            }
        ).dump()
    )
    refused = tsp.PKIStatusInfo({"status": "rejection"}).dump()
    for answer in (foreign, b"nonsense", bytes([0x30, len(refused)]) + refused):
        authority.answer = answer
        with pytest.raises(CommandError):
            call_command("audit_timestamp")
    settings.AUDIT_TIMESTAMP_URL = "http://127.0.0.1:9/"
    with pytest.raises(CommandError, match="absent"):
        call_command("audit_timestamp")
    settings.AUDIT_TIMESTAMP_URL = ""
    with pytest.raises(CommandError, match="must be set"):
        call_command("audit_timestamp")
    assert tokens() == 0
