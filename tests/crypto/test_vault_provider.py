"""Provider `vault-transit`: what a key service does on a bad day, and what never leaves this process."""

import logging
import os
import re
import time
import traceback
from base64 import b64encode
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest

from crypto.core.suites import Broken, Suite, new_key
from crypto.errors import KeysMissing
from crypto.providers import Clear, Wrapped
from crypto.providers.vault import BATCH, VaultTransitProvider
from crypto.providers.vault_client import Patience, VaultClient
from tests.crypto.vault_server import (
    Authority,
    Fault,
    TransitKey,
    VaultServer,
    data,
    half_an_answer,
    half_then_silence,
    make_authority,
    no_answer,
    running,
    saying,
    status,
    too_late,
)
from tests.factories.vault import HASTE, none_living, vault_address, vault_provider

AES = Suite.AES_256_GCM
CLINIC, OTHER_CLINIC = (UUID(f"01990000-0000-7000-8000-00000000000{n}") for n in (1, 2))
NAME = f"zhizhi-{CLINIC.hex}"
HURRIED = replace(HASTE, read=0.1, total=0.4)
Act = Callable[[VaultTransitProvider], object]


@pytest.fixture
def server(authority: Authority) -> Iterator[VaultServer]:
    with running(authority) as vault:
        yield vault


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    return tmp_path / "token"


@pytest.fixture
def keys(server: VaultServer, token_file: Path) -> VaultTransitProvider:
    return vault_provider(server, token_file)


@pytest.fixture
def kek(server: VaultServer, keys: VaultTransitProvider) -> str:
    reference = keys.generate(AES, clinic_id=CLINIC)
    server.asked.clear()
    return reference


def clear_for(reference: str, count: int = 1) -> list[Clear]:
    return [Clear(reference, AES, new_key(AES), f"for {place}".encode()) for place in range(count)]


def wrapped_by(keys: VaultTransitProvider, items: list[Clear]) -> list[Wrapped]:
    return [
        Wrapped(item.reference, AES, wrapped, item.aad)
        for item, wrapped in zip(items, keys.wrap(items), strict=True)
    ]


def sentence_of(act: Callable[[], object]) -> str:
    """What an attempt that must fail says, in one sentence."""
    with pytest.raises(KeysMissing) as failure:
        act()
    sentence = str(failure.value)
    assert sentence.endswith(".")
    assert "\n" not in sentence
    return sentence


# --- what is asked --------------------------------------------------------------------------------------------------------


def test_a_page_of_patients_is_one_question(
    server: VaultServer, keys: VaultTransitProvider, kek: str
) -> None:
    wrapped = wrapped_by(keys, clear_for(kek, 150))
    keys.unwrap(wrapped)
    assert [len(server.questions(verb)) for verb in ("encrypt", "decrypt")] == [1, 1]
    assert server.connections == 1


def test_a_question_is_bounded_and_concerns_one_clinic(
    server: VaultServer, keys: VaultTransitProvider, kek: str
) -> None:
    foreign = keys.generate(AES, clinic_id=OTHER_CLINIC)
    server.asked.clear()
    items = clear_for(kek, BATCH + 1) + clear_for(foreign, 2)
    assert keys.unwrap(wrapped_by(keys, items)) == [item.key for item in items]
    sizes = [len(question.body["batch_input"]) for question in server.questions("decrypt")]
    assert sizes == [BATCH, 1, 2]


def test_a_key_is_made_so_that_it_never_leaves(server: VaultServer, keys: VaultTransitProvider) -> None:
    keys.generate(AES, clinic_id=CLINIC)
    (made,) = [q for q in server.asked if q.method == "POST" and q.path.endswith(f"/keys/{NAME}")]
    assert made.body == {
        "type": "aes256-gcm96",
        "exportable": False,
        "allow_plaintext_backup": False,
        "derived": False,
    }


@pytest.mark.parametrize(
    "settings", [{"exportable": True}, {"deletion_allowed": True}, {"derived": True}, {"type": "rsa-2048"}]
)
def test_a_key_that_can_leave_or_vanish_guards_nothing(
    server: VaultServer, keys: VaultTransitProvider, settings: dict[str, object]
) -> None:
    server.keys[NAME] = TransitKey(settings)
    assert "not fit" in sentence_of(lambda: keys.generate(AES, clinic_id=CLINIC))
    assert server.keys[NAME].latest == 1


def test_a_vault_too_old_to_bind_a_key_to_its_place_is_not_used(
    server: VaultServer, keys: VaultTransitProvider
) -> None:
    server.binds = False
    assert "must be 1.13 or newer" in sentence_of(lambda: keys.generate(AES, clinic_id=CLINIC))


def test_every_question_says_who_asks(authority: Authority, token_file: Path) -> None:
    with running(authority, mount="team/transit", namespace="care/east") as server:
        keys = vault_provider(server, token_file)
        keys.generate(AES, clinic_id=CLINIC)
        assert keys.health() == []
        asked = [question for question in server.asked if "sys/health" not in question.path]
        assert {question.headers["x-vault-token"] for question in asked} == {server.token}
        assert {question.headers["x-vault-namespace"] for question in asked} == {"care/east"}
        assert {question.headers["x-vault-request"] for question in server.asked} == {"true"}
        (of_health,) = [q for q in server.asked if "sys/health" in q.path]
        assert "x-vault-token" not in of_health.headers


def test_sm4_is_refused_in_a_sentence(keys: VaultTransitProvider) -> None:
    assert "has no SM4" in sentence_of(lambda: keys.generate(Suite.SM4_GCM, clinic_id=CLINIC))


def test_a_proxy_of_the_environment_is_not_asked(
    keys: VaultTransitProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert keys.generate(AES, clinic_id=CLINIC) == f"{NAME}:1"


def test_a_forked_process_opens_connections_of_its_own(
    server: VaultServer, keys: VaultTransitProvider, kek: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert server.connections == 1
    child = os.getpid() + 1
    monkeypatch.setattr(os, "getpid", lambda: child)
    keys.exists(kek)
    assert server.connections == 2


# --- what passes ------------------------------------------------------------------------------------------------------------

PASSING = [
    pytest.param(status(412, "required index state not present"), id="412"),
    pytest.param(status(429), id="429"),
    pytest.param(status(503, "Vault is sealed"), id="503"),
    pytest.param(no_answer, id="no answer"),
    pytest.param(half_an_answer, id="half an answer"),
]


@pytest.mark.parametrize("fault", PASSING)
def test_what_passes_is_asked_again(
    server: VaultServer, keys: VaultTransitProvider, kek: str, fault: Fault
) -> None:
    items = clear_for(kek, 3)
    wrapped = wrapped_by(keys, items)
    server.faults.extend([fault, fault])
    assert keys.unwrap(wrapped) == [item.key for item in items]
    assert len(server.questions("decrypt")) == 3


@pytest.mark.parametrize("fault", PASSING)
def test_what_does_not_pass_is_given_up_after_three_questions(
    server: VaultServer, keys: VaultTransitProvider, kek: str, fault: Fault
) -> None:
    wrapped = wrapped_by(keys, clear_for(kek))
    server.always = fault
    assert server.url in sentence_of(lambda: keys.unwrap(wrapped))
    assert len(server.questions("decrypt")) == 3


def test_a_rotation_whose_answer_was_lost_gives_a_key_all_the_same(
    server: VaultServer, keys: VaultTransitProvider, kek: str
) -> None:
    server.faults.extend(
        [lambda handler, reply: handler.send(*reply), no_answer]
    )  # shown, then rotated unheard
    later = keys.generate(AES, clinic_id=CLINIC)
    items = clear_for(later)
    assert later != kek
    assert keys.unwrap(wrapped_by(keys, items)) == [items[0].key]


@pytest.mark.parametrize("fault", [too_late, half_then_silence])
def test_a_slow_answer_is_not_waited_for_and_not_asked_for_again(
    server: VaultServer, token_file: Path, kek: str, fault: Fault
) -> None:
    keys = vault_provider(server, token_file, patience=HURRIED)
    wrapped = wrapped_by(keys, clear_for(kek))
    server.always = fault
    began = time.monotonic()
    assert "does not answer in time" in sentence_of(lambda: keys.unwrap(wrapped))
    assert time.monotonic() - began < 2
    assert len(server.questions("decrypt")) == 1


def test_a_page_that_waits_for_vault_ends_before_its_transaction_would() -> None:
    usual = Patience()
    assert usual.total + usual.read <= 5  # transaction_timeout


def test_after_a_failure_nobody_waits_again_for_a_while(
    server: VaultServer, token_file: Path, kek: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = vault_provider(server, token_file, patience=replace(HASTE, rest=60.0))
    items = clear_for(kek)
    wrapped = wrapped_by(keys, items)
    server.sealed = True
    first = sentence_of(lambda: keys.unwrap(wrapped))
    asked = len(server.asked)
    assert sentence_of(lambda: keys.unwrap(wrapped)) == first
    assert len(server.asked) == asked
    server.sealed = False
    in_a_minute = time.monotonic() + 61
    monkeypatch.setattr(time, "monotonic", lambda: in_a_minute)
    assert keys.unwrap(wrapped) == [items[0].key]


# --- what is wrong is said in one sentence ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("act", "words"),
    [
        (lambda server: setattr(server, "sealed", True), "is sealed"),
        (lambda server: setattr(server, "health", 501), "never initialised"),
        (lambda server: setattr(server, "health", 472), "standby of another site"),
        (lambda server: server.stop(), "cannot be reached"),
        (lambda server: server.tokens.clear(), "does not accept the token"),
        (lambda server: server.denied.add("hmac/"), "does not allow"),
        (lambda server: setattr(server, "mount", "elsewhere"), "VAULT_MOUNT names no transit engine"),
        (lambda server: setattr(server, "always", status(307)), "another server"),
    ],
)
def test_an_ill_vault_is_named(
    server: VaultServer, keys: VaultTransitProvider, act: Callable[[VaultServer], None], words: str
) -> None:
    act(server)
    (sentence,) = keys.health()
    assert words in sentence
    assert sentence.endswith(".")


@pytest.mark.parametrize("code", [429, 473])
def test_a_standby_that_passes_questions_on_is_well(
    server: VaultServer, keys: VaultTransitProvider, code: int
) -> None:
    server.health = code
    assert keys.health() == []


def test_looking_after_its_health_makes_no_key(server: VaultServer, keys: VaultTransitProvider) -> None:
    assert keys.health() == []
    assert server.keys == {}


STRANGE = [
    saying(b"<html>sign in</html>"),
    saying(b"[]"),
    saying(b'{"data": 5}'),
    saying(b""),
    saying(b'{"errors": ["1 error occurred"]}', 500),
    saying(b'{"errors": ["encryption key not found"]}', 400),
    status(418),
    data(batch_results=[]),
    data(batch_results=[{}]),
    data(batch_results=[None]),
    data(batch_results="x"),
    data(batch_results=[{"plaintext": "", "ciphertext": ""}]),
    data(batch_results=[{"plaintext": None, "ciphertext": None}]),
    data(batch_results=[{"plaintext": "no base64!", "ciphertext": "vault:v9:AAAA"}]),
    data(batch_results=[{"plaintext": 5, "ciphertext": 5}]),
]


@pytest.mark.parametrize("fault", STRANGE)
def test_a_strange_answer_is_no_key(
    server: VaultServer, keys: VaultTransitProvider, kek: str, fault: Fault
) -> None:
    wrapped = wrapped_by(keys, clear_for(kek))
    server.always = fault
    sentence_of(lambda: keys.unwrap(wrapped))
    sentence_of(lambda: keys.wrap(clear_for(kek)))


def test_an_answer_larger_than_any_of_vaults_is_not_read_to_its_end(
    server: VaultServer, keys: VaultTransitProvider, kek: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crypto.providers.vault_client.LARGEST_ANSWER", 10_000)
    server.always = saying(b'{"data": "' + b"x" * 200_000)
    assert "not Vault's" in sentence_of(lambda: keys.wrap(clear_for(kek)))


@pytest.mark.parametrize("fault", [saying(b'{"data": {"latest_version": "2"}}'), saying(b"{}"), status(500)])
def test_a_strange_description_of_a_key_gives_none(
    server: VaultServer, keys: VaultTransitProvider, kek: str, fault: Fault
) -> None:
    server.always = fault
    sentence_of(lambda: keys.generate(AES, clinic_id=CLINIC))
    assert sentence_of(keys.fingerprint)


def test_a_policy_that_is_too_narrow_is_named(
    server: VaultServer, keys: VaultTransitProvider, kek: str
) -> None:
    server.denied.add("encrypt/")
    sentence = sentence_of(lambda: keys.wrap(clear_for(kek)))
    assert f"its policy does not allow /v1/transit/encrypt/{NAME}" in sentence


# --- the token ----------------------------------------------------------------------------------------------------------------


def test_a_token_that_was_renewed_in_its_file_is_taken_without_restart(
    server: VaultServer, keys: VaultTransitProvider, token_file: Path, kek: str
) -> None:
    items = clear_for(kek)
    server.tokens = {"s.renewed"}
    assert str(token_file) in sentence_of(lambda: keys.wrap(items))
    token_file.write_text("s.renewed\n")
    assert keys.unwrap(wrapped_by(keys, items)) == [items[0].key]


@pytest.mark.parametrize(
    ("content", "mode", "words"),
    [
        ("s.secret", 0o644, "can be read by everybody"),
        ("", 0o600, "holds no token"),
        ("s.secret\nx-evil: 1", 0o600, "holds no token"),
        ("s.sécret", 0o600, "holds no token"),
    ],
)
def test_a_token_file_that_cannot_be_trusted_is_named(
    server: VaultServer, keys: VaultTransitProvider, token_file: Path, content: str, mode: int, words: str
) -> None:
    token_file.write_text(content)
    token_file.chmod(mode)
    (sentence,) = keys.health()
    assert words in sentence
    assert "secret" not in sentence


def test_a_token_file_that_is_not_there_is_named(keys: VaultTransitProvider, token_file: Path) -> None:
    token_file.unlink()
    assert keys.health() == [f"VAULT_TOKEN_FILE {token_file} cannot be read: No such file or directory."]


# --- TLS ----------------------------------------------------------------------------------------------------------------------


def provider_trusting(server: VaultServer, token_file: Path, ca_file: Path | None) -> VaultTransitProvider:
    address = replace(vault_address(server, token_file), ca_file=ca_file)
    return VaultTransitProvider(VaultClient(address, HASTE), none_living)


@pytest.mark.parametrize("trusted", ["another", "nobody's"])
def test_a_server_that_our_authority_does_not_vouch_for_learns_nothing(
    server: VaultServer, token_file: Path, tmp_path: Path, trusted: str
) -> None:
    other = make_authority(tmp_path / "other").ca_file if trusted == "another" else None
    (sentence,) = provider_trusting(server, token_file, other).health()
    assert "shows a certificate we cannot accept" in sentence
    assert server.asked == []


def test_a_certificate_for_another_name_is_refused(tmp_path: Path, token_file: Path) -> None:
    with running(make_authority(tmp_path / "misnamed", host="127.0.0.2")) as server:
        (sentence,) = vault_provider(server, token_file).health()
        assert "shows a certificate we cannot accept" in sentence
        assert server.asked == []


def test_a_server_without_tls_is_not_spoken_to(token_file: Path, authority: Authority) -> None:
    with running(None) as server:
        address = vault_address(server, token_file)
        pretended = replace(address, url=address.url.replace("http:", "https:"), ca_file=authority.ca_file)
        keys = VaultTransitProvider(VaultClient(pretended, HASTE), none_living)
        sentence_of(keys.fingerprint)
        assert server.asked == []


def test_an_agent_on_this_machine_is_spoken_to_without_tls(token_file: Path) -> None:
    with running(None) as server:
        assert vault_provider(server, token_file).health() == []


@pytest.mark.parametrize(("content", "words"), [(None, "No such file"), ("hello", "holds no certificate")])
def test_an_authority_that_cannot_be_read_is_named(
    server: VaultServer, token_file: Path, tmp_path: Path, content: str | None, words: str
) -> None:
    if content is not None:
        (tmp_path / "ca.pem").write_text(content)
    (sentence,) = provider_trusting(server, token_file, tmp_path / "ca.pem").health()
    assert words in sentence


def test_an_authority_that_was_replaced_is_read_without_restart(
    server: VaultServer, authority: Authority, token_file: Path, tmp_path: Path
) -> None:
    ca_file = make_authority(tmp_path / "old").ca_file
    keys = provider_trusting(server, token_file, ca_file)
    assert keys.health() != []
    ca_file.write_bytes(authority.ca_file.read_bytes())
    assert keys.health() == []


# --- the end of a key ---------------------------------------------------------------------------------------------------------


def epochs(keys: VaultTransitProvider, count: int) -> list[str]:
    return [keys.generate(AES, clinic_id=CLINIC) for _epoch in range(count)]


def test_a_key_is_not_destroyed_while_an_older_one_lives(server: VaultServer, token_file: Path) -> None:
    living = {1, 2, 3}
    keys = vault_provider(server, token_file, living=lambda name: living)
    first, second, third = epochs(keys, 3)
    assert f"Destroy {first} first" in sentence_of(lambda: keys.destroy(second))
    assert keys.exists(second)
    keys.destroy(first)
    living.discard(1)
    keys.destroy(second)
    assert [keys.exists(kek) for kek in (first, second, third)] == [False, False, True]
    assert set(server.keys[NAME].versions) == {3}


def test_versions_that_no_record_knows_go_with_the_next(server: VaultServer, token_file: Path) -> None:
    """A rolled-back transaction leaves one behind: nothing was ever wrapped under it."""
    keys = vault_provider(server, token_file, living=lambda name: {2, 3})
    _unknown, second, third = epochs(keys, 3)
    keys.destroy(second)
    assert set(server.keys[NAME].versions) == {3}
    assert keys.exists(third)


def test_a_destruction_that_was_cut_short_is_finished_by_the_next(
    server: VaultServer, keys: VaultTransitProvider
) -> None:
    first, _second = epochs(keys, 2)
    wrapped = wrapped_by(keys, clear_for(first))
    server.denied.add(f"keys/{NAME}/trim")
    sentence_of(lambda: keys.destroy(first))
    assert keys.exists(first)  # nobody may use it, and a hand at Vault could still bring it back
    with pytest.raises(KeysMissing):
        keys.unwrap(wrapped)
    server.denied.clear()
    keys.destroy(first)
    assert not keys.exists(first)


def test_a_destruction_that_vault_did_not_do_is_not_believed(
    server: VaultServer, keys: VaultTransitProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, _second = epochs(keys, 2)
    shown = server.answer
    monkeypatch.setattr(server, "answer", lambda q: (200, {}) if q.path.endswith("/trim") else shown(q))
    assert "could not be destroyed" in sentence_of(lambda: keys.destroy(first))


def test_a_vault_put_back_from_an_old_snapshot_has_no_key_rather_than_damaged_values(
    server: VaultServer, keys: VaultTransitProvider
) -> None:
    _first, second = epochs(keys, 2)
    wrapped = wrapped_by(keys, clear_for(second))
    server.keys[NAME].latest = 1
    del server.keys[NAME].versions[2]
    assert "no longer opens" in sentence_of(lambda: keys.unwrap(wrapped))
    server.keys.clear()
    sentence_of(lambda: keys.unwrap(wrapped))


def test_a_wrapped_key_that_names_another_version_than_its_record_is_not_sent(
    server: VaultServer, keys: VaultTransitProvider
) -> None:
    first, second = epochs(keys, 2)
    (item,) = wrapped_by(keys, clear_for(first))
    server.asked.clear()
    with pytest.raises(Broken):
        keys.unwrap([item._replace(reference=second)])
    assert server.questions("decrypt") == []


def test_the_fingerprint_outlives_a_rotation_of_its_key(
    server: VaultServer, keys: VaultTransitProvider
) -> None:
    before = keys.fingerprint(make=True)
    key = server.keys["zhizhi-fingerprint"]
    key.latest, key.versions[2] = 2, os.urandom(32)
    assert keys.fingerprint() == before
    server.keys.clear()  # a Vault set up anew
    assert keys.fingerprint(make=True) != before


# --- the handbook ---------------------------------------------------------------------------------------------------------------

HANDBOOK = (Path(__file__).resolve().parents[2] / "docs" / "operations.md").read_text()
PATH = re.compile(r'^path "([^"]+)"\s*\{\s*capabilities\s*=\s*\[([^\]]*)\]', re.MULTILINE)


def test_the_policy_of_the_handbook_allows_what_is_asked_and_nothing_else(
    authority: Authority, token_file: Path
) -> None:
    allowed = {path: set(re.findall(r"\w+", words)) for path, words in PATH.findall(HANDBOOK)}
    with running(authority, mount="zhizhi") as server:
        keys = vault_provider(server, token_file)
        keys.fingerprint(make=True)
        first, _second = epochs(keys, 2)
        keys.unwrap(wrapped_by(keys, clear_for(first)))
        keys.destroy(first)
        assert keys.health() == []
        used = set()
        for question in server.asked:
            path = question.path.removeprefix("/v1/")
            if path != "sys/health":  # asks for no token
                (rule,) = [rule for rule in allowed if re.fullmatch(rule.replace("+", "[^/]+"), path)]
                assert ("read" if question.method == "GET" else "update") in allowed[rule], path
                used.add(rule)
            if path.endswith("/config"):
                assert all(f'"{name}" = []' in HANDBOOK for name in question.body)
        assert used == set(allowed)


# --- nothing is told --------------------------------------------------------------------------------------------------------------


def test_no_sentence_log_line_or_trace_holds_a_token_a_key_or_an_answer(
    server: VaultServer, keys: VaultTransitProvider, kek: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    items = clear_for(kek, 2)
    wrapped = wrapped_by(keys, items)
    faults = [
        status(503),
        status(403),
        no_answer,
        half_an_answer,
        saying(b"{broken"),
        data(batch_results=[{}]),
    ]
    told = [repr(keys), repr(vars(keys))]
    for fault in faults:
        server.always = fault
        acts: list[Callable[[], object]] = [
            lambda: keys.unwrap(wrapped),
            lambda: keys.wrap(items),
            lambda: keys.health()[0],
        ]
        for act in acts:
            try:
                told.append(str(act()))
            except (KeysMissing, IndexError) as error:
                told.append("".join(traceback.format_exception(error)))
    told.append(caplog.text)
    secrets = [server.token, *(item.wrapped.decode() for item in wrapped)]
    secrets += [
        text for item in items for text in (b64encode(item.key).decode(), item.key.hex(), repr(item.key))
    ]
    assert not [secret for secret in secrets if any(secret in line for line in told)]
    assert len(told) > 15
