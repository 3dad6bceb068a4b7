"""Somebody who reads the whole database, as the backup role or as the owner, finds in each column what the data catalogue says.

Sealed columns hold the bytes of sealed values under a key of the row's own subject and of the scope they declare; tokens and
hashes have the form of tokens and hashes; no word of the patient and no key stands anywhere, nor a hash that anybody could make.
"""

import base64
import hashlib
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from allauth.mfa.models import Authenticator
from django.apps import apps
from django.conf import LazySettings, settings
from django.contrib.sessions.backends.cache import SessionStore
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from psycopg2.extensions import connection as Connection

from audit.access import access
from audit.acting import acting
from audit.actors import Actor
from audit.alarms import AlarmDecision, Rule, decide, raise_alarm
from audit.connections import as_role
from audit.decoys import mark_decoys
from audit.kinds import Kind
from audit.models import Alarm
from audit.purposes import Purpose
from audit.services import record
from clinics.accounts.keys import seal_for
from clinics.accounts.notices import set_email
from clinics.accounts.services import issue_reset_link
from clinics.models import Clinic, User
from clinics.roles import Role
from clinics.tokens import make_token
from config.dbroles.owner import as_owner
from consent.catalogue import Column, Seal, columns, read_table, tables
from consent.choices import ExpressedBy, GivenThrough, Method, RequestKind, StartedBy
from consent.codes import send_code as send_consent_code
from consent.complaints import answer_complaint, complain
from consent.opt_out import add_link
from consent.requests import ask, grant_request
from consent.services import current_notices, record_answers
from crypto import keyring
from crypto.core import wire
from crypto.core.scopes import Scope
from crypto.core.suites import NONCE_BYTES, TAG_BYTES, Broken
from crypto.fields import SealedField
from crypto.files import write_file
from crypto.models import IndexKey, SubjectKey
from exchange.services import try_file, write_batch
from followups.choices import Outcome
from followups.loop import take_changes
from followups.models import FollowUp
from followups.services import complete_follow_up
from patients.choices import GlassReason
from patients.models import Patient
from patients.services import invite_to_portal
from patients.services.glass import Sought, break_glass
from patients.services.watching import watch
from portal.doors import Asker
from portal.pins import set_pin
from portal.reading import choose_reading
from portal.services import send_code
from tests.config.test_database_border import TESTS_OWN
from tests.factories.clinics import (
    CareTeamFactory,
    ClinicFactory,
    StaffFactory,
    StaffRoleFactory,
    TeamMemberFactory,
    said,
)
from tests.factories.patients import PatientFactory, actor_for, id_number
from tests.factories.records import fixture

NAME, PHONE, EMAIL, BORN = "金雀花·阿不都", "+8613912345679", "curious@birds.example", "1960-12-30"
OTHER_NAME = "金雀草·阿不都"
PAPERS = id_number("99010119601230002")
# A value that no time of day can look like.
PRINTED, NOTE, WITNESS, RECORDED = "417.35", "鸟语：药已停", "见证人鸟女士", "录音里说的话"
PASSWORD = "an invented sentence"
SEED = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
WORDS = [
    NAME,
    OTHER_NAME,
    PHONE,
    PHONE[3:],
    EMAIL,
    BORN,
    PAPERS,
    PRINTED,
    NOTE,
    WITNESS,
    RECORDED,
    PASSWORD,
    SEED,
    "乙肝表面抗原",
]
# The sequencer's tables: it is not running here, and its own tests read them.
NOT_WALKED = {"audit_leaf", "audit_node", "audit_checkpoint", "audit_cosig", "audit_state"}
# What a program, a worker and a provider of single sign-on fill: their own tests read it.
NOT_WALKED |= {"clinics_apirepeat", "exchange_evidencepack", "socialaccount_socialaccount"}
KEY_LENGTHS = {NONCE_BYTES + length + TAG_BYTES for length in (16, 32)}
DIGEST_LENGTHS = {16, 32}
HEX = re.compile(r"(c:)?([0-9a-f]{32}|[0-9a-f]{40}|[0-9a-f]{64})")
HEXADECIMAL = re.compile("[0-9a-f]+")
SLOW_OR_NONE = re.compile(r"argon2\$argon2id\$.+|!.*")


@dataclass(frozen=True, slots=True)
class KnownKey:
    subject_id: UUID
    scope: str


Keys = Mapping[int, KnownKey]


# What is wrong with a value, by its entry in the catalogue


def flaw(column: Column, value: Any, subject_id: UUID | None, keys: Keys) -> str:
    """Why the value is not what the column's seal says; empty when it is."""
    match column.seal:
        case Seal.SEALED if column.scope:
            return _unsealed(column, bytes(value), subject_id, keys)
        case Seal.SEALED:
            return (
                "" if _sealed_inside(column, value) else "a part that is said to be sealed is no sealed text"
            )
        case Seal.WRAPPED_KEY:
            return "" if len(value) in KEY_LENGTHS else "has not the length of a wrapped key"
        case Seal.KEYED_TOKEN:
            return "" if _is_digest(value) or isinstance(value, int) else "is no keyed token"
        case Seal.HASH:
            hashed = all(map(_is_digest, value)) if isinstance(value, list) else _is_digest(value)
            return "" if hashed or SLOW_OR_NONE.fullmatch(str(value)) else "is no hash"
        case _:
            return ""


def _unsealed(column: Column, raw: bytes, subject_id: UUID | None, keys: Keys) -> str:
    try:
        key = keys.get(wire.key_id_of(raw))
    except Broken:
        return "is not the bytes of a sealed value"
    if (len(raw) - wire.OVERHEAD_BYTES) % wire.BLOCK_BYTES:
        return "tells the length of what it seals"
    if key is None:
        return "is sealed under no key of the table of keys"
    if key.scope != column.scope:
        return f"is sealed under a key of the scope {key.scope}"
    return "" if key.subject_id == subject_id else "is sealed under another subject's key"


def _sealed_inside(column: Column, held: Any) -> bool:
    """A text that is sealed whole or empty; or JSON whose parts are sealed where their reason says so."""
    if not column.parts:
        return held == "" or _sealed_text(held)
    value = json.loads(held) if isinstance(held, str) else held  # Django's connection hands JSON out as text
    said = [name for name, part in column.parts.items() if part.reason.endswith("sealed") and name in value]
    return bool(said) and all(_sealed_text(value[name]) for name in said)


def _sealed_text(text: str) -> bool:
    """Nonce, ciphertext and tag, in hexadecimal digits or in base64."""
    try:
        raw = bytes.fromhex(text) if HEXADECIMAL.fullmatch(text) else base64.b64decode(text, validate=True)
    except ValueError:
        return False
    return len(raw) > NONCE_BYTES + TAG_BYTES


def _is_digest(value: Any) -> bool:
    if isinstance(value, bytes | memoryview):
        return len(bytes(value)) in DIGEST_LENGTHS
    return isinstance(value, str) and HEX.fullmatch(value) is not None


# The walk through the product


@dataclass(slots=True)
class World:
    clinic: Clinic
    doctor: User


@pytest.fixture
def lived_in(transactional_db: None, settings: LazySettings, tmp_path: Path) -> World:
    """A clinic after a day: reports, permissions, to-dos with notes, codes, a file, a decoy, a second factor."""
    settings.FILES_DIR = tmp_path
    world = World(ClinicFactory("east"), StaffFactory(username="doctor"))
    StaffRoleFactory(user=world.doctor, clinic=world.clinic, role=Role.DOCTOR)
    TeamMemberFactory(team=CareTeamFactory(clinic=world.clinic), user=world.doctor)
    doctor = actor_for(world.doctor, world.clinic)
    for step in (
        _bring,
        _agree,
        _follow,
        _send_codes,
        _ask_the_clinic,
        _keep_a_file,
        _hide_a_decoy,
        _take_care,
    ):
        with acting(doctor, world.clinic.pk):
            step(world, doctor)
    world.doctor.set_password(PASSWORD)
    world.doctor.save()
    seed = seal_for(world.doctor.pk, "second-factor", SEED)
    Authenticator.objects.create(user=world.doctor, type=Authenticator.Type.TOTP, data={"secret": seed})
    Client().force_login(world.doctor)
    return world


def _report() -> bytes:
    found = json.loads(fixture("checkup", on=timezone.localdate()))
    for entry in found["entry"]:
        resource = entry["resource"]
        if resource["resourceType"] == "Patient":
            resource |= {"name": [{"text": NAME}], "birthDate": BORN, "gender": "female"}
            resource["telecom"] = [
                {"system": "phone", "value": PHONE},
                {"system": "email", "value": EMAIL},
            ]
            resource["identifier"][0]["value"] = PAPERS
        if resource.get("valueQuantity", {}).get("value") == 23.1:
            resource["valueQuantity"]["value"] = float(PRINTED)
    return json.dumps(found, ensure_ascii=False).encode()


def _bring(world: World, doctor: Actor) -> None:
    now = timezone.now()
    batch = try_file(_report(), clinic=world.clinic, by=doctor, at=now)
    with access(Purpose.CARE, Kind.COMPUTED):
        write_batch(batch.pk, open_card=True, by=doctor, at=now)
    try_file(_report(), clinic=world.clinic, by=doctor, at=now)


def _agree(world: World, doctor: Actor) -> None:
    now, asked = timezone.now(), [Purpose.CARE, Purpose.REPORT, Purpose.FOLLOWUP, Purpose.RISK]
    record_answers(
        Patient.objects.get(),
        dict.fromkeys(asked, True),
        notices=current_notices(world.clinic, asked, "zh-hans", now),
        method=Method.VERBAL_WITNESSED,
        expressed_by=ExpressedBy.SELF,
        given_through=GivenThrough.DESK,
        started_by=dict.fromkeys(asked, StartedBy.CLINIC),
        by=doctor,
        at=now,
        idem_key=str(uuid4()),
        evidence=WITNESS,
    )


def _follow(world: World, doctor: Actor) -> None:
    assert take_changes(world.clinic, timezone.now())
    todo = FollowUp.objects.defer("note").first()
    assert todo is not None
    complete_follow_up(todo.pk, outcome=Outcome.NOT_REACHED, by=doctor, at=timezone.now(), note=NOTE)


def _send_codes(world: World, doctor: Actor) -> None:
    now = timezone.now()
    with access(Purpose.CARE, Kind.COMPUTED):
        send_consent_code(Patient.objects.get(), world.clinic, now)
        invited = invite_to_portal(Patient.objects.get(), by=doctor, at=now)
    send_code(world.clinic, PHONE, asker=Asker("203.0.113.9"), at=now)
    choose_reading(SessionStore(), invited.invitation.access.user, elder=True)
    set_pin(invited.invitation.access, "582914", at=now)


def _ask_the_clinic(world: World, doctor: Actor) -> None:
    """A correction and a question of the person's, answered; and the link of a message."""
    now, patient = timezone.now(), Patient.objects.order_by("created_at")[0]
    with access(Purpose.CARE, Kind.COMPUTED):
        ask(
            patient,
            RequestKind.CORRECT,
            asked_through=GivenThrough.PORTAL,
            corrections={"name": OTHER_NAME},
            by=doctor,
            at=now,
        )
        asked = ask(
            patient, RequestKind.EXPLAIN, asked_through=GivenThrough.PORTAL, words=NOTE, by=doctor, at=now
        )
        grant_request(asked.pk, NOTE, by=doctor, at=now)
        complaint = complain(patient, NOTE, by=doctor, at=now)
        answer_complaint(complaint.pk, NOTE, by=doctor, at=now)
    link, _token = add_link(patient, Purpose.FOLLOWUP, channel="sms", message_id=uuid4(), at=now)
    record("message.started", object=link, subjects=[patient.subject_id])


def _keep_a_file(world: World, doctor: Actor) -> None:
    patient = Patient.objects.get()
    said(write_file(world.clinic.pk, patient.pk, patient.subject_id, Scope.RECORD, [RECORDED.encode()]))


def _hide_a_decoy(world: World, doctor: Actor) -> None:
    decoy = PatientFactory(clinic=world.clinic, name="假想人")
    mark_decoys(world.clinic.pk, [decoy.subject_id])


def _take_care(world: World, doctor: Actor) -> None:
    """A watched chart, a colleague's emergency and what was decided about it, a token, a link to a new password."""
    now, patient = timezone.now(), Patient.objects.order_by("created_at")[0]
    with access(Purpose.CARE, Kind.COMPUTED):
        watch(patient.pk, well_known=True, colleague_id=None, by=doctor, at=now)
    colleague = StaffFactory()
    StaffRoleFactory(user=colleague, clinic=world.clinic, role=Role.DOCTOR)
    who = Sought(service_number=patient.service_number)
    with acting(actor_for(colleague, world.clinic), world.clinic.pk):
        break_glass(
            who, reason=GlassReason.EMERGENCY, note=NOTE, by=actor_for(colleague, world.clinic), at=now
        )
        raise_alarm(Rule.DECOY_OPENED, clinic_id=world.clinic.pk, object=("viewed", "user:1"))
    decide([Alarm.objects.get().pk], AlarmDecision.HARMLESS, NOTE, doctor, now)
    Authenticator.objects.create(
        user=colleague,
        type=Authenticator.Type.WEBAUTHN,
        data={"secret": seal_for(colleague.pk, "second-factor", SEED)},
    )
    make_token(
        uuid4(),
        colleague,
        world.clinic,
        label="excel",
        scopes=["patients:read"],
        days=1,
        by=colleague,
        at=now,
    )
    issue_reset_link(colleague, world.doctor, at=now)
    set_email(world.doctor, EMAIL)


# Reading everything


def as_backup() -> Connection:
    reading = as_role(os.environ["DATABASE_BACKUP_URL"])
    reading.set_session(readonly=True, autocommit=True)
    return reading


def rows_of(reading: Any, table: str) -> Iterator[dict[str, Any]]:
    with reading.cursor() as cursor:
        cursor.execute(f'SELECT * FROM "{table}"')
        names = [column[0] for column in cursor.description]
        yield from (dict(zip(names, row, strict=True)) for row in cursor.fetchall())


def texts_of(reading: Any, table: str) -> Iterator[str]:
    with reading.cursor() as cursor:
        cursor.execute(f'SELECT t::text FROM "{table}" t')
        yield from (text for (text,) in cursor.fetchall())


def flaws(reading: Any) -> list[str]:
    """Every value of every table that is not what the catalogue says."""
    keys = {
        row["id"]: KnownKey(UUID(str(row["subject_id"])), Scope(row["scope"]).name.lower())
        for row in rows_of(reading, "subject_key")
    }
    found = []
    for table in tables().values():
        for row in rows_of(reading, table.name):
            subject = UUID(str(row["subject_id"])) if row.get("subject_id") else None
            for column in table.columns.values():
                value = row[column.name]
                if column.kind == "unused":
                    found.append(f"{column.place} is said to stay empty, and has a row")
                elif value is not None and (wrong := flaw(column, value, subject, keys)):
                    found.append(f"{column.place} {wrong}")
    return sorted(set(found))


def forms(word: bytes) -> set[str]:
    """How somebody could find these bytes in the text of a row: as text, bytes, base64, and by hashes without a key."""
    digests = [hashlib.new(name, word).digest() for name in ("sha256", "sha1", "md5", "sm3")]
    signed = [str(int.from_bytes(digest[:8], "big", signed=True)) for digest in digests]
    encoded = base64.b64encode(word).decode().rstrip("=")[:-1]
    hexes = {digest[:length].hex() for digest in digests for length in (16, 20, 32) if len(digest) >= length}
    return {word.hex(), encoded, *hexes, *signed}


def forms_of_text(word: str) -> set[str]:
    escaped = word.encode("unicode_escape").decode()
    other = word.encode("gb18030").hex()
    return {word, escaped, other} | forms(word.encode())


def sightings(reading: Any, sought: Mapping[str, set[str]]) -> dict[str, list[str]]:
    """In which tables something sought stands, by what it is called."""
    found: dict[str, list[str]] = {}
    for table in tables().values():
        text = "\n".join(texts_of(reading, table.name))
        for called, written in sought.items():
            if any(form in text for form in written):
                found.setdefault(called, []).append(table.name)
    return found


def keys_in_hand(clinic_id: UUID) -> dict[str, set[str]]:
    """Every key that this process can open, and the files of the key folder."""
    found = {
        str(path.name): forms(path.read_bytes())
        for path in Path(settings.KEYS_DIR).rglob("*")
        if path.is_file() and path.stat().st_size
    }
    for row in SubjectKey.objects.filter(clinic_id=clinic_id, wrapped__isnull=False):
        found[f"data key {row.pk}"] = forms(keyring.key_of(row.pk).secret)
    assert IndexKey.objects.filter(clinic_id=clinic_id).exists()
    for secret in keyring.index_secrets(clinic_id):
        found[f"index secret {secret.version}"] = forms(secret.secret)
    return found


def test_who_reads_the_whole_database_finds_what_the_catalogue_says_and_nothing_of_the_patient(
    lived_in: World,
) -> None:
    with acting(actor_for(lived_in.doctor, lived_in.clinic), lived_in.clinic.pk):
        keys = keys_in_hand(lived_in.clinic.pk)
        patient_id = str(Patient.objects.order_by("created_at")[0].pk)
    sought = {word: forms_of_text(word) for word in WORDS} | keys
    backup = as_backup()
    try:
        assert flaws(backup) == []
        assert sightings(backup, sought) == {}
        assert sightings(backup, {"a patient's id": {patient_id}})  # the search finds what is there
        assert not_walked(backup) == set()
    finally:
        backup.close()
    with as_owner():
        assert flaws(connection) == []
        assert sightings(connection, sought) == {}


def not_walked(reading: Any) -> set[str]:
    """Sealed, wrapped and hashed columns that nothing of the walk has filled: there the test would see nothing."""
    kept_back = {Seal.CLEAR, Seal.NONE}
    return {
        column.place
        for column in columns()
        if column.seal not in kept_back and column.table not in NOT_WALKED
        if not any(row[column.name] is not None for row in rows_of(reading, column.table))
    }


def test_the_same_value_twice_is_sealed_in_two_ways(lived_in: World) -> None:
    with as_owner():
        for column in columns():
            if column.seal == Seal.SEALED and column.scope:
                seals = [
                    bytes(row[column.name]) for row in rows_of(connection, column.table) if row[column.name]
                ]
                nonces = {raw[wire.HEADER.size : wire.HEADER.size + NONCE_BYTES] for raw in seals}
                assert len(nonces) == len(set(seals)) == len(seals), column.place


# What was opened

# Rules about tags ask for age and sex, and the notice of that purpose says so; its kinds of data do not name them.
AS_ITS_NOTICE_SAYS = {("risk", "patient.identity.birth_date")}


@pytest.mark.requirement("PIPL-06")
def test_what_was_opened_for_a_purpose_is_what_the_catalogue_says_it_needs(lived_in: World) -> None:
    desk = Client()
    desk.force_login(lived_in.doctor)
    with acting(actor_for(lived_in.doctor, lived_in.clinic), lived_in.clinic.pk):
        patient = Patient.objects.order_by("created_at")[0]
    for page in ("desk:chart", "records:results", "followups:panel", "consent:panel"):
        assert desk.get(reverse(page, args=[patient.pk])).status_code == 200
    for page in ("desk:workbench", "patients:list", "exchange:import"):
        assert desk.get(reverse(page)).status_code == 200
    with as_owner():
        opened = set(openings(connection))

    needed = {
        (purpose.value, name) for name, purposes in sealed_names().items() for purpose in purposes
    } | AS_ITS_NOTICE_SAYS
    assert opened - needed == set()
    assert {purpose for purpose, _name in opened} >= {"care", "risk"}


def openings(reading: Any) -> Iterator[tuple[str, str]]:
    """Purpose and name of everything that an event of the log says was opened."""
    for row in rows_of(reading, "audit_event"):
        entry = json.loads(bytes(row["canon"]))
        if entry["action"] == "access":
            yield from ((entry["purpose"], field["name"]) for field in entry["fields"])


def sealed_names() -> dict[str, frozenset[Purpose]]:
    """The lasting name of every sealed field and part, with the purposes that its entry names."""
    found: dict[str, frozenset[Purpose]] = {}
    for model in apps.get_models():
        for sealed in model._meta.concrete_fields:
            if isinstance(sealed, SealedField):
                column = tables()[model._meta.db_table].columns[str(sealed.column)]
                found[sealed.aad_name] = column.purposes
                found |= {f"{sealed.aad_name}.{name}": p.purposes for name, p in column.parts.items()}
    return found


# The checks themselves

SUBJECT, OTHER, KEY_ID = uuid4(), uuid4(), 7
KEYS: Keys = {KEY_ID: KnownKey(SUBJECT, "record")}


def column_of(seal: str, **said: Any) -> Column:
    row = {"reason": "it is invented", "level": "L4", "seal": seal, **said}
    table = {
        "what": "Invented.",
        "category": "health",
        "level": "L3",
        "purposes": ["care"],
        "retention": "record",
        "columns": {"word": row},
    }
    return read_table("invented", table, app="invented").columns["word"]


def seal_of(*, key_id: int = KEY_ID, length: int = 32) -> bytes:
    return wire.HEADER.pack(wire.MAGIC, wire.VERSION, 1, key_id) + bytes(NONCE_BYTES + length + TAG_BYTES)


@pytest.mark.parametrize(
    ("make", "subject_id", "said"),
    [
        (lambda: seal_of(), SUBJECT, ""),
        (lambda: NAME.encode() * 9, SUBJECT, "is not the bytes of a sealed value"),
        (lambda: seal_of(length=33), SUBJECT, "tells the length of what it seals"),
        (lambda: seal_of(key_id=8), SUBJECT, "is sealed under no key of the table of keys"),
        (lambda: seal_of(), OTHER, "is sealed under another subject's key"),
    ],
)
def test_what_is_not_sealed_as_it_should_be_is_seen(
    make: Callable[[], bytes], subject_id: UUID, said: str
) -> None:
    assert flaw(column_of("sealed", scope="record", field_set="clinical"), make(), subject_id, KEYS) == said


def test_a_key_of_another_scope_is_seen() -> None:
    column = column_of("sealed", scope="identity", field_set="identity")
    assert flaw(column, seal_of(), SUBJECT, KEYS) == "is sealed under a key of the scope record"


@pytest.mark.parametrize(
    ("seal", "value"),
    [
        ("wrapped key", b"a" * 32),
        ("keyed token", PHONE),
        ("keyed token", PHONE.encode()),
        ("hash", "correct horse battery staple"),
        ("hash", [b"a" * 32, b"short"]),
    ],
)
def test_what_has_not_the_form_of_its_seal_is_seen(seal: str, value: Any) -> None:
    assert flaw(column_of(seal), value, SUBJECT, KEYS)


def test_a_seed_in_clear_is_seen() -> None:
    column = column_of("sealed", parts={"secret": "the seed, sealed"}, proof="tests/x.py::y")
    assert flaw(column, {"secret": SEED}, None, KEYS)
    assert not flaw(column, {"secret": "0f" * 60}, None, KEYS)


def test_a_text_in_clear_where_it_is_sealed_whole_is_seen() -> None:
    column = column_of("sealed", proof="tests/x.py::y")
    assert flaw(column, EMAIL, None, KEYS)
    assert flaw(column, NOTE * 20, None, KEYS)
    assert not flaw(column, "0f" * 60, None, KEYS)
    assert not flaw(column, "", None, KEYS)


def test_tables_of_other_tests_are_not_the_products() -> None:
    assert not any(name.startswith(TESTS_OWN) for name in tables())
