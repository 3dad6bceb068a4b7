"""`python -m bench seal`: what a page of sealed values costs beside plain text fields, and beside a package for the purpose.

Every contestant reads the same rows of six short values in one query, each value once, under row security. One unit of work and
one access scope per page, as in a request. Keys are warm (kept by the process) unless the name says cold.
"""

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from statistics import median
from typing import Any, Final
from unittest.mock import patch
from uuid import UUID

from django.db import connection, models, transaction
from django.test.utils import override_settings

from bench.measure import Goal, Measure, Report, median_ratio, race
from bench.specimens import MODELS, VALUES, BareRow, BlobRow, FernetRow, FieldsRow, PlainRow, create_tables
from config.dbroles.owner import as_owner
from crypto import keyring, services
from crypto.core.suites import TAG_BYTES, Aead, Suite
from crypto.ids import uuid7
from crypto.scope import AccessScope, opening
from crypto.services import create_subject_keys, open_clinic_keys

GOALS: Final = {
    "seal.page50": Goal(1.8, "plain TextField"),
    "seal.page50_vs_fernet": Goal(1 / 3, "django-fernet-encrypted-fields"),
    "seal.page1000": Goal(3.0, "plain TextField"),
}
COUNTER: Final = 0  # of the key epoch: it does not move while this runs
SEED: Final = 20261121
SALT: Final = "only for the comparison"  # the package wants one in the settings


@dataclass(frozen=True, slots=True)
class Size:
    page: int
    wide: int
    rounds: int


SMALL: Final = Size(page=50, wide=1000, rounds=21)
FULL: Final = Size(page=50, wide=1000, rounds=61)


@dataclass(frozen=True, slots=True)
class Clinics:
    """Three clinics of the same people; the cipher of the last changes nothing."""

    aes: UUID
    sm4: UUID
    identity: UUID


def run(report: Report, *, full: bool) -> None:
    size = FULL if full else SMALL
    with as_owner():
        create_tables()
    report.say(f"seal: sealing {3 * size.wide} rows …")
    with override_settings(SALT_KEY=SALT):
        clinics = seed(size)
        _analyze()
        report.say(f"seal: reading pages of {size.page} and {size.wide} …")
        compare(report, size, clinics)


def seed(size: Size) -> Clinics:
    """As many people in each clinic as the widest page shows. Rows of earlier runs do not matter."""
    aes = _seed(Suite.AES_256_GCM, size.wide)
    sm4 = _seed(Suite.SM4_GCM, size.wide)
    with _identity_ciphers():
        identity = _seed(Suite.AES_256_GCM, size.wide)
    return Clinics(aes, sm4, identity)


def compare(report: Report, size: Size, clinics: Clinics) -> None:
    show(clinics.aes, clinics.sm4, clinics.identity)
    _compare_pages(report, size, clinics.aes, clinics.sm4, clinics.identity)
    _compare_cold(report, size, clinics.aes)
    _compare_wide(report, size, clinics.aes)


def _compare_pages(report: Report, size: Size, aes: UUID, sm4: UUID, identity: UUID) -> None:
    fields = partial(_sealed_page, FieldsRow, _read_fields, limit=size.page)
    blob = partial(_sealed_page, BlobRow, _read_blob, limit=size.page)
    samples = race(
        {
            "bare": partial(_page, BareRow, _read_fields, aes, limit=size.page),
            "plain": partial(_page, PlainRow, _read_fields, aes, limit=size.page),
            "fernet": partial(_page, FernetRow, _read_fields, aes, limit=size.page),
            "blob": partial(blob, aes),
            "blob_sm4": partial(blob, sm4),
            "fields": partial(fields, aes),
            "fields_sm4": partial(fields, sm4),
            "fields_identity": _identity_ciphers()(partial(fields, identity)),
        },
        rounds=size.rounds,
        times=4,
    )
    report.ratio("seal.page50", samples, "blob", "plain")
    report.ratio("seal.page50_vs_bare", samples, "blob", "bare")
    report.ratio("seal.page50_vs_fernet", samples, "blob", "fernet")
    report.ratio("seal.added50_vs_fernet", _added(samples), "blob", "fernet")
    report.ratio("seal.sm4_page50", samples, "blob_sm4", "plain")
    report.ratio("seal.page50_fields", samples, "fields", "plain")
    report.ratio("seal.page50_fields_vs_fernet", samples, "fields", "fernet")
    report.ratio("seal.sm4_page50_fields", samples, "fields_sm4", "plain")
    values = size.page * len(VALUES)
    for name, more, less, whole in (
        ("seal.value_python", "fields_identity", "plain", "fields"),
        ("seal.value_cipher", "fields", "fields_identity", "fields"),
        ("seal.value_cipher_sm4", "fields_sm4", "fields_identity", "fields_sm4"),
    ):
        report.add(_per_value(name, samples, more, less, whole, values))


def _added(samples: dict[str, list[float]]) -> dict[str, list[float]]:
    """What each contestant costs more than plain text, round by round."""
    return {
        name: [cost - plain for cost, plain in zip(costs, samples["plain"], strict=True)]
        for name, costs in samples.items()
    }


def _per_value(
    name: str, samples: dict[str, list[float]], more: str, less: str, whole: str, values: int
) -> Measure:
    """Microseconds of one value that `more` costs and `less` does not, and its share of what sealing one value adds."""
    part = [(a - b) * 1000 / values for a, b in zip(samples[more], samples[less], strict=True)]
    added = [cost * 1000 / values for cost in _added(samples)[whole]]
    return Measure(
        name=name,
        value=median(part),
        unit="us",
        reference=median(added),
        ratio=median_ratio(part, added),
        n=len(part),
    )


def _compare_cold(report: Report, size: Size, aes: UUID) -> None:
    """A race of its own: emptied caches would cost whoever comes next."""
    samples = race(
        {
            "plain": partial(_page, PlainRow, _read_fields, aes, limit=size.page),
            "blob": partial(
                _with_cold_keys, partial(_sealed_page, BlobRow, _read_blob, aes, limit=size.page)
            ),
        },
        rounds=size.rounds,
        times=4,
    )
    report.ratio("seal.page50_cold", samples, "blob", "plain")


def _compare_wide(report: Report, size: Size, aes: UUID) -> None:
    samples = race(
        {
            "plain": partial(_page, PlainRow, _read_fields, aes, limit=size.wide),
            "blob": partial(_sealed_page, BlobRow, _read_blob, aes, limit=size.wide),
            "fields": partial(_sealed_page, FieldsRow, _read_fields, aes, limit=size.wide),
        },
        rounds=size.rounds,
    )
    report.ratio("seal.page1000", samples, "blob", "plain")
    report.ratio("seal.page1000_fields", samples, "fields", "plain")


# --- what is read --------------------------------------------------------------------------------------------------------


def _page(model: type[models.Model], read: Callable[[Any], object], clinic_id: UUID, *, limit: int) -> None:
    for row in model._default_manager.filter(clinic_id=clinic_id, pk__gt=clinic_id).order_by("pk")[:limit]:
        read(row)


def _sealed_page(
    model: type[models.Model], read: Callable[[Any], object], clinic_id: UUID, *, limit: int
) -> None:
    keyring.begin_unit(COUNTER)
    with opening(AccessScope("bench", "care", "LISTED", frozenset({"identity", "contact"}))):
        _page(model, read, clinic_id, limit=limit)


def _with_cold_keys(page: Callable[[], None]) -> None:
    """As in a process that was just started, or after keys were destroyed: every data key is loaded and unwrapped."""
    keyring.forget_everything()
    page()


def _read_fields(row: Any) -> tuple[str, ...]:
    return row.name, row.phone, row.id_number, row.email, row.address, row.remark


def _read_blob(row: Any) -> tuple[str, ...]:
    identity = row.identity
    return (
        identity.name,
        identity.phone,
        identity.id_number,
        identity.email,
        identity.address,
        identity.remark,
    )


# --- what it is read from ------------------------------------------------------------------------------------------------


def show(*clinic_ids: UUID) -> None:
    """Row security shows these clinics to the whole session: a page is one query, with no setting of its own."""
    with connection.cursor() as cursor:
        shown = ",".join(str(clinic_id) for clinic_id in clinic_ids)
        cursor.execute("SELECT set_config('zhizhi.clinics', %s, false)", [f"{{{shown}}}"])


def _seed(suite: Suite, rows: int) -> UUID:
    """A new clinic, whose id is lower than those of its rows: they begin there in the order of ids."""
    clinic_id = uuid7()
    show(clinic_id)
    keyring.begin_unit(COUNTER)
    random_ = random.Random(SEED)
    with transaction.atomic():
        open_clinic_keys(clinic_id, suite=suite)
        people = [_person(random_) for _ in range(rows)]
        subjects = [uuid7() for _ in people]
        for subject_id in subjects:
            create_subject_keys(clinic_id, subject_id)
        BareRow._default_manager.bulk_create(BareRow(clinic_id=clinic_id, **person) for person in people)
        plain: tuple[type[models.Model], ...] = (PlainRow, FernetRow)
        for model in plain:
            model._default_manager.bulk_create(
                model(clinic_id=clinic_id, sealed_by_clinic=clinic_id, **person) for person in people
            )
        pairs = list(zip(subjects, people, strict=True))
        FieldsRow.objects.sealed_bulk_create(
            FieldsRow(clinic_id=clinic_id, subject_id=s, **p) for s, p in pairs
        )
        BlobRow.objects.sealed_bulk_create(
            BlobRow(clinic_id=clinic_id, subject_id=s, identity=p) for s, p in pairs
        )
    return clinic_id


def _analyze() -> None:
    """The planner knows all tables alike: without it, it guesses a plan for each."""
    with as_owner(), connection.cursor() as cursor:
        for model in MODELS:
            cursor.execute(f"VACUUM ANALYZE {model._meta.db_table}")


def _person(random_: random.Random) -> dict[str, str]:
    """Six values of 3 to 120 characters; nobody's."""
    number = random_.randrange(10**8)
    syllables = "丹云安宁平文春秋晓明星晨月朗林江海清溪石禾竹舟萍兰蓝"
    return {
        "name": "".join(random_.choices(syllables, k=3)),
        "phone": f"+86138{number:08d}",
        "id_number": f"99010119600229{number % 10**4:04d}",
        "email": f"person{number}@example.invalid",
        "address": "".join(random_.choices(syllables, k=30)),
        "remark": "".join(random_.choices(syllables, k=120)),
    }


class Identity:
    """A cipher that changes nothing: what is left of the cost is Python's and PostgreSQL's."""

    def seal(self, nonce: bytes, plain: bytes, aad: bytes) -> bytes:
        return plain + bytes(TAG_BYTES)

    def open(self, nonce: bytes, sealed: bytes, aad: bytes) -> bytes:
        return sealed[:-TAG_BYTES]


def _identity(suite: Suite, key: bytes) -> Aead:
    return Identity()


@contextmanager
def _identity_ciphers() -> Iterator[None]:
    """Data keys that are made or loaded inside open with the identity; those that wrap them stay as they are."""
    with patch.object(keyring, "aead", _identity), patch.object(services, "aead", _identity):
        yield
