"""`python -m bench search`: finding a person by phone and by name, sealed, beside the same people in plain text.

Ours is what the desk runs: the tokens of what was typed, the candidates that the gate shows to somebody whose team cares for everybody,
each opened and compared. The reference asks Django's ORM for the same page over the plaintext copy with its best index, through the same gate.
Both stand under row security and have the same columns and the same order; `_bare` leaves the gate out on both sides. Keys are warm
unless the name says cold. Parallel workers of PostgreSQL help the reference and are not counted.
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
from django.db.models.expressions import RawSQL
from django.utils import timezone

from audit.actors import Actor, system_actor
from bench.measure import Goal, Measure, Report, race
from bench.people import PLAIN_INDEXES, TOKENS_KEY, PlainPatient, clinic_of, desk_of, people
from clinics.roles import Permission
from config.dbroles.owner import as_owner
from crypto import keyring
from crypto.core.tokens import name_terms
from crypto.scope import AccessScope, opening
from patients.models import Patient
from patients.queries.access import SEEN, seen_by, visible_patients
from patients.queries.search import MATCHES_SHOWN, Probe, by_name, by_phone, by_whole_name, meant
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

Ask = Callable[[Actor, str], object]


def run(report: Report, *, full: bool) -> None:
    clinics = clinic_of(FEW, report.say), clinic_of(FULL if full else SMALL, report.say)
    few, many = (desk_of(clinic, report.say) for clinic in clinics)
    compare(report, few=few, many=many, rounds=15)
    sizes_and_build(report)


def compare(report: Report, *, few: Actor, many: Actor, rounds: int) -> None:
    """Ask the same questions in both clinics; the people of the smaller are among those of the larger."""
    _show(_clinic(few), _clinic(many))
    report.say("search: asking …")
    drawn = random.Random(SEED)
    everybody = list(islice(people(FEW), _plain(_everybody_in(few)).count()))
    known = drawn.sample(everybody, min(200, len(everybody)))
    phones = [person.phone for person in known[:10]]
    whole = [person.name for person in known if len(person.name) == 3][:10]
    pairs = [_pair(person.name, drawn) for person in known]
    _compare_look_ups(report, many, phones, whole, rounds)
    _compare_pages(report, many, pairs, rounds)
    _compare_growth(report, few, many, phones, whole, pairs, rounds)


def _compare_look_ups(report: Report, many: Actor, phones: list[str], whole: list[str], rounds: int) -> None:
    for suffix, actor in (("", many), ("_bare", _everybody_in(many))):
        samples = race(
            {
                "phone": _each(find_by_phone, actor, phones),
                "phone_plain": _each(plain_by_phone, actor, phones),
                "name": _each(find_by_whole_name, actor, whole),
                "name_plain": _each(plain_by_whole_name, actor, whole),
            },
            rounds=rounds,
            times=3,
        )
        _report_each(report, f"search.phone{suffix}", samples, "phone", "phone_plain", len(phones))
        _report_each(report, f"search.name_full{suffix}", samples, "name", "name_plain", len(whole))
    samples = race(
        {
            "phone": _each(find_by_phone_cold, many, phones),
            "phone_plain": _each(plain_by_phone, many, phones),
        },
        rounds=rounds,
    )
    _report_each(report, "search.phone_cold", samples, "phone", "phone_plain", len(phones))


def _compare_pages(report: Report, many: Actor, pairs: list[str], rounds: int) -> None:
    """Pairs drawn as often as they occur, then the commonest and the rarest of them, and one that nobody has."""
    by_hits = sorted(set(pairs[:100]), key=lambda pair: len(find_by_name(many, pair)))
    questions = {
        "search.name2": pairs[:8],
        "search.name2_common": by_hits[-2:],
        "search.name2_rare": by_hits[:2],
        "search.name2_absent": ["龘靐"],
    }
    for name, texts in questions.items():
        for suffix, actor in (("", many), ("_bare", _everybody_in(many))):
            samples = race(
                {
                    "ours": _each(find_by_name, actor, texts),
                    "plain": _each(plain_by_part_of_name, actor, texts),
                },
                rounds=max(1, rounds // 3),
                warm_ups=1,
            )
            _report_each(report, name + suffix, samples, "ours", "plain", len(texts))


def _compare_growth(
    report: Report,
    few: Actor,
    many: Actor,
    phones: list[str],
    whole: list[str],
    pairs: list[str],
    rounds: int,
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


def find_by_phone(actor: Actor, phone: str) -> list[Patient]:
    return _found(actor, lambda visible: by_phone(visible, _clinic(actor), phone))


def find_by_phone_cold(actor: Actor, phone: str) -> list[Patient]:
    keyring.forget_everything()
    return find_by_phone(actor, phone)


def find_by_name(actor: Actor, typed: str) -> list[Patient]:
    return _found(actor, lambda visible: by_name(visible, _clinic(actor), name_terms(typed)))


def find_by_whole_name(actor: Actor, name: str) -> list[Patient]:
    return _found(actor, lambda visible: by_whole_name(visible, _clinic(actor), name_terms(name)))


def _found(actor: Actor, probe: Callable[[QuerySet[Patient]], Probe]) -> list[Patient]:
    keyring.begin_unit(COUNTER)
    with opening(AccessScope("bench", "care", "MATCHED", frozenset({"identity", "contact"}))):
        return list(meant(probe(visible_patients(actor, _clinic(actor))), MATCHES_SHOWN))


# --- the questions, in plain text -------------------------------------------------------------------------------------------


def plain_by_phone(actor: Actor, phone: str) -> list[PlainPatient]:
    return _page(_plain(actor).filter(phone=phone))


def plain_by_whole_name(actor: Actor, name: str) -> list[PlainPatient]:
    return _page(_plain(actor).filter(name=name))


def plain_by_part_of_name(actor: Actor, part: str) -> list[PlainPatient]:
    return _page(_plain(actor).filter(name__contains=part))


def _plain(actor: Actor) -> QuerySet[PlainPatient]:
    """The gate of `visible_patients`, before the plaintext copy."""
    clinic_id = _clinic(actor)
    patients = PlainPatient._default_manager.filter(clinic_id=clinic_id, restricted_at=None)
    if actor.kind == "system":
        return patients
    if actor.user_id is None:
        raise ValueError("whoever asks has an account")
    now = timezone.now()
    return patients.filter(
        pk__in=RawSQL(SEEN, seen_by(actor.user_id, clinic_id, Permission.SEE_PATIENTS, now))  # noqa: S611  # constant text
    )


def _page(found: QuerySet[PlainPatient]) -> list[PlainPatient]:
    return list(found.order_by("-created_at", "-pk")[:MATCHES_SHOWN])


# --- helpers ----------------------------------------------------------------------------------------------------------------


def _each(ask: Ask, actor: Actor, texts: list[str]) -> Callable[[], object]:
    return partial(_ask_all, ask, texts, actor)


def _ask_all(ask: Ask, texts: list[str], actor: Actor) -> None:
    for text in texts:
        ask(actor, text)


def _pair(name: str, drawn: random.Random) -> str:
    at = drawn.randrange(len(name) - 1)
    return name[at : at + 2]


def _clinic(actor: Actor) -> UUID:
    if actor.clinic_id is None:
        raise ValueError("who asks, asks in a clinic")
    return actor.clinic_id


def _everybody_in(actor: Actor) -> Actor:
    """Who sees the whole clinic without asking the gate."""
    return system_actor("bench", _clinic(actor))


def _show(*clinic_ids: UUID) -> None:
    """Row security shows these clinics to the whole session."""
    with connection.cursor() as cursor:
        shown = ",".join(str(clinic_id) for clinic_id in clinic_ids)
        cursor.execute("SELECT set_config('zhizhi.clinics', %s, false)", [f"{{{shown}}}"])
