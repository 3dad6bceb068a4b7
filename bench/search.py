"""`python -m bench search`: finding a person by phone and by name, sealed, beside the same people in plain text.

Ours is what the desk runs: the tokens of what was typed, the candidates that the gate shows, each opened and compared. The reference asks
Django's ORM for the same page over the plaintext copy with its best index. Both stand under row security and have the same columns
and the same order; keys are warm unless the name says cold. Parallel workers of PostgreSQL help the reference and are not counted.
"""

import random
import time
from collections.abc import Callable, Iterable
from functools import partial
from itertools import islice
from typing import Any, Final
from uuid import UUID

from django.db import connection
from django.db.models import QuerySet

from audit.actors import Actor, system_actor
from bench.measure import Goal, Measure, Report, race
from bench.people import PLAIN_INDEXES, TOKENS_KEY, PlainPatient, clinic_of, people
from config.dbroles.owner import as_owner
from crypto import keyring
from crypto.core.tokens import name_terms
from crypto.scope import AccessScope, opening
from patients.models import Patient
from patients.queries.access import visible_patients
from patients.queries.search import MATCHES_SHOWN, Probe, by_name, by_phone, meant
from patients.search_tokens import tokens_of

GOALS: Final = {
    "search.phone": Goal(1.2, "the plaintext btree, HMAC and opening included"),
    "search.name2": Goal(0.1, "plaintext LIKE, with pg_trgm to choose"),
    "search.name_full": Goal(1.2, "the plaintext btree on the whole name"),
    "search.growth": Goal(1.3, "the same questions to a clinic of 10,000"),
}
FEW, SMALL, FULL = 10_000, 100_000, 1_000_000
COUNTER: Final = 0  # of the key epoch: it does not move while this runs
SEED: Final = 7

Ask = Callable[[UUID, str], object]


def run(report: Report, *, full: bool) -> None:
    many = FULL if full else SMALL
    compare(report, few=clinic_of(FEW, report.say).pk, many=clinic_of(many, report.say).pk, rounds=15)
    sizes_and_build(report)


def compare(report: Report, *, few: UUID, many: UUID, rounds: int) -> None:
    """Ask the same questions in both clinics; the people of the smaller are among those of the larger."""
    _show(few, many)
    report.say("search: asking …")
    drawn = random.Random(SEED)
    everybody = list(islice(people(FEW), _number_in(few)))
    known = drawn.sample(everybody, min(200, len(everybody)))
    phones = [person.phone for person in known[:10]]
    whole = [person.name for person in known if len(person.name) == 3][:10]
    pairs = [_pair(person.name, drawn) for person in known]
    _compare_look_ups(report, many, phones, whole, rounds)
    _compare_pages(report, many, pairs, rounds)
    _compare_growth(report, few, many, phones, whole, pairs, rounds)


def _compare_look_ups(report: Report, many: UUID, phones: list[str], whole: list[str], rounds: int) -> None:
    samples = race(
        {
            "phone": _each(find_by_phone, many, phones),
            "phone_plain": _each(plain_by_phone, many, phones),
            "name": _each(find_by_name, many, whole),
            "name_plain": _each(plain_by_whole_name, many, whole),
        },
        rounds=rounds,
        times=3,
    )
    _report_each(report, "search.phone", samples, "phone", "phone_plain", len(phones))
    _report_each(report, "search.name_full", samples, "name", "name_plain", len(whole))
    samples = race(
        {
            "phone": _each(find_by_phone_cold, many, phones),
            "phone_plain": _each(plain_by_phone, many, phones),
        },
        rounds=rounds,
    )
    _report_each(report, "search.phone_cold", samples, "phone", "phone_plain", len(phones))


def _compare_pages(report: Report, many: UUID, pairs: list[str], rounds: int) -> None:
    """Pairs drawn as often as they occur, then the commonest and the rarest of them, and one that nobody has."""
    by_hits = sorted(set(pairs[:100]), key=lambda pair: len(find_by_name(many, pair)))
    questions = {
        "search.name2": pairs[:8],
        "search.name2_common": by_hits[-2:],
        "search.name2_rare": by_hits[:2],
        "search.name2_absent": ["龘靐"],
    }
    for name, texts in questions.items():
        samples = race(
            {"ours": _each(find_by_name, many, texts), "plain": _each(plain_by_part_of_name, many, texts)},
            rounds=max(3, rounds // 3),
            warm_ups=1,
        )
        _report_each(report, name, samples, "ours", "plain", len(texts))


def _compare_growth(
    report: Report, few: UUID, many: UUID, phones: list[str], whole: list[str], pairs: list[str], rounds: int
) -> None:
    """Questions that both clinics answer with as many people: what grows then is the search and not the page."""
    names = [
        text for text in (*whole, *pairs) if len(find_by_name(few, text)) == len(find_by_name(many, text))
    ][:10]
    asked = {
        "phones": partial(_ask_all, find_by_phone, phones),
        "names": partial(_ask_all, find_by_name, names),
    }
    samples = race(
        {
            "many": lambda: [ask(many) for ask in asked.values()],
            "few": lambda: [ask(few) for ask in asked.values()],
        },
        rounds=rounds,
        times=3,
    )
    _report_each(report, "search.growth", samples, "many", "few", len(phones) + len(names))


def _report_each(
    report: Report, name: str, samples: dict[str, list[float]], ours: str, reference: str, questions: int
) -> None:
    """The cost of one question."""
    each = {key: [cost / questions for cost in costs] for key, costs in samples.items()}
    report.ratio(name, each, ours, reference)


def sizes_and_build(report: Report) -> None:
    """What the tokens and their key take on disk, and what it takes to make them, beside the plaintext indexes."""
    with as_owner(), connection.cursor() as cursor:
        cursor.execute("SET maintenance_work_mem = '512MB'")
        cursor.execute(
            "SELECT pg_total_relation_size('patient_search') + pg_total_relation_size('patient_search_person')"
        )
        ours = cursor.fetchone()[0] / 2**20
        searched = [index for index in PLAIN_INDEXES if index != "bench_patient_newest"]
        cursor.execute("SELECT sum(pg_relation_size(i::regclass)) FROM unnest(%s) i", [searched])
        plain = float(cursor.fetchone()[0]) / 2**20
        report.add(Measure(name="search.size", value=ours, unit="MB", reference=plain, ratio=ours / plain))
        report.say("search: building the tokens' key and the plaintext indexes again …")
        ours, plain = _seconds_of_building(cursor, [TOKENS_KEY]), _seconds_of_building(cursor, searched)
        report.add(Measure(name="search.build", value=ours, unit="s", reference=plain, ratio=ours / plain))
        cursor.execute("SELECT DISTINCT clinic_id FROM patient_search_person LIMIT 1")
        clinic_id = cursor.fetchone()[0]
    _show(clinic_id)
    keyring.begin_unit(COUNTER)
    parts = [person.parts() for person in people(2000)]
    began = time.thread_time()
    for of_one in parts:
        tokens_of(clinic_id, of_one)
    each = (time.thread_time() - began) / len(parts) * 1e6
    report.add(Measure(name="search.tokens_of_one", value=each, unit="us", n=len(parts)))


def _seconds_of_building(cursor: Any, indexes: Iterable[str]) -> float:
    began = time.monotonic()
    for index in indexes:
        cursor.execute(f"REINDEX INDEX {index}")
    return time.monotonic() - began


# --- the questions, sealed ------------------------------------------------------------------------------------------------


def find_by_phone(clinic_id: UUID, phone: str) -> list[Patient]:
    return _found(clinic_id, lambda visible: by_phone(visible, clinic_id, phone))


def find_by_phone_cold(clinic_id: UUID, phone: str) -> list[Patient]:
    keyring.forget_everything()
    return find_by_phone(clinic_id, phone)


def find_by_name(clinic_id: UUID, typed: str) -> list[Patient]:
    return _found(clinic_id, lambda visible: by_name(visible, clinic_id, name_terms(typed)))


def _found(clinic_id: UUID, probe: Callable[[QuerySet[Patient]], Probe]) -> list[Patient]:
    keyring.begin_unit(COUNTER)
    with opening(AccessScope("bench", "care", "MATCHED", frozenset({"identity", "contact"}))):
        return list(meant(probe(visible_patients(_actor(clinic_id), clinic_id)), MATCHES_SHOWN))


def _actor(clinic_id: UUID) -> Actor:
    return system_actor("bench", clinic_id)


# --- the questions, in plain text -------------------------------------------------------------------------------------------


def plain_by_phone(clinic_id: UUID, phone: str) -> list[PlainPatient]:
    return _page(_plain(clinic_id).filter(phone=phone))


def plain_by_whole_name(clinic_id: UUID, name: str) -> list[PlainPatient]:
    return _page(_plain(clinic_id).filter(name=name))


def plain_by_part_of_name(clinic_id: UUID, part: str) -> list[PlainPatient]:
    return _page(_plain(clinic_id).filter(name__contains=part))


def _plain(clinic_id: UUID) -> QuerySet[PlainPatient]:
    return PlainPatient._default_manager.filter(clinic_id=clinic_id, restricted_at=None)


def _page(found: QuerySet[PlainPatient]) -> list[PlainPatient]:
    return list(found.order_by("-created_at", "-pk")[:MATCHES_SHOWN])


# --- helpers ----------------------------------------------------------------------------------------------------------------


def _each(ask: Ask, clinic_id: UUID, texts: list[str]) -> Callable[[], object]:
    return partial(_ask_all, ask, texts, clinic_id)


def _ask_all(ask: Ask, texts: list[str], clinic_id: UUID) -> None:
    for text in texts:
        ask(clinic_id, text)


def _pair(name: str, drawn: random.Random) -> str:
    at = drawn.randrange(len(name) - 1)
    return name[at : at + 2]


def _number_in(clinic_id: UUID) -> int:
    return PlainPatient._default_manager.filter(clinic_id=clinic_id).count()


def _show(*clinic_ids: UUID) -> None:
    """Row security shows these clinics to the whole session."""
    with connection.cursor() as cursor:
        shown = ",".join(str(clinic_id) for clinic_id in clinic_ids)
        cursor.execute("SELECT set_config('zhizhi.clinics', %s, false)", [f"{{{shown}}}"])
