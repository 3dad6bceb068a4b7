"""Rotation: keys of 200,000 patients are changed under readers and writers, and the process that changes them is killed 20 times.

A new epoch in the other suite: every data key is wrapped again, everybody gets keys of the new suite, every sealed identity is moved to
them, every search token is built anew, and the old keys are destroyed. Four readers and two writers work on all the while and compare
every value with their own copy. Counted are values that did not open or were not what they should be, people who were not found, writes
that were lost, work that was done twice, and old keys that still open something.
"""

import json
import os
import random
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Final
from uuid import UUID

from django.conf import settings
from django.db import connection
from django.db.models import Count, Max, Sum
from django.utils.timezone import now

from audit.access import access
from audit.acting import acting
from audit.actors import system_actor
from audit.kinds import Kind
from audit.models import AuditEvent
from audit.purposes import Purpose
from bench.drills import forks, rotation_crew
from bench.drills.rotation_crew import Orders
from bench.drills.rotation_people import identity_of, number_of, open_cards
from bench.drills.tally import Scale, Tally
from clinics.models import Chain, Clinic
from clinics.services import open_clinic
from crypto.core.scopes import Scope
from crypto.core.suites import Broken, Suite
from crypto.core.wrap import subject_key_aad
from crypto.errors import KeysMissing
from crypto.models import JobKind, Kek, KekState, KeyJob, SubjectKey
from crypto.providers import FileProvider, Wrapped
from crypto.resealing import column_of, values_by_suite
from crypto.rotation import NEW_TOKENS
from exchange.services.keys import destroy_old_keks, only_run
from patients.models import Patient, PatientSearch, PatientSearchPerson

PATIENTS: Final = {Scale.FULL: 200_000, Scale.SMALL: 600}
READERS: Final = 4
KILLS: Final = {Scale.FULL: 20, Scale.SMALL: 2}
ROWS_PER_PATIENT: Final = (
    13  # 3 keys wrapped, 3 made, 3 destroyed; tokens written and dropped; the identity read twice
)
SECONDS_FOR_TOKENS: Final = 600.0  # at most, for the tokens of 200,000 people, kills included
PATIENCE: Final = 60.0  # seconds in which a process that was started does something


def run(scale: Scale, tally: Tally, *, seed: int) -> None:
    people = PATIENTS[scale]
    clinic = open_clinic(
        chain=Chain.objects.create(name="演练"),
        code="drill",
        name="演练诊所",
        short_name="演练",
        phone="010-5550 0100",
    )
    began = time.monotonic()
    open_cards(clinic, range(people), seed=seed)
    tally.say(f"{people} people written in {time.monotonic() - began:.0f} s")
    stolen = _wrap_of_somebody(clinic)
    with tempfile.TemporaryDirectory() as folder:
        orders = Orders(connection.settings_dict["NAME"], clinic.code, people, seed, Path(folder))
        with _crew(orders) as start:
            began = time.monotonic()
            kills = _rotate(clinic, start, KILLS[scale], people, tally, seed=seed)
            tally.say(f"keys changed in {time.monotonic() - began:.0f} s, killed {kills} times")
        reports = _reports(orders)
    tally.check(kills == KILLS[scale], f"only {kills} kills before the keys were changed")
    phones = _weigh(reports, tally)
    _check_every_identity(clinic, people, phones, tally, seed=seed)
    _check_that_nothing_was_done_twice(clinic, tally)
    _check_how_long_tokens_took(clinic, tally)
    _check_that_nothing_old_is_left(clinic, stolen, tally)


# --- the processes ----------------------------------------------------------------------------------------------------

Start = Callable[..., BaseProcess]


@contextmanager
def _crew(orders: Orders) -> Iterator[Start]:
    """Readers and writers at work, and how to start one more process. They are told to stop at the end, and waited for."""

    def start(work: Callable[..., None], *arguments: object) -> BaseProcess:
        return forks.start(os.environ, work, orders, *arguments)

    crew = [start(rotation_crew.read, f"reader{n}") for n in range(READERS)]
    crew += [start(rotation_crew.write, f"writer{n}", n) for n in range(rotation_crew.WRITERS)]
    try:
        yield start
        (orders.folder / "stop").touch()
        for process in crew:
            process.join(PATIENCE)
    finally:
        for process in crew:
            process.kill()


def _rotate(clinic: Clinic, start: Start, kills: int, people: int, tally: Tally, *, seed: int) -> int:
    """Change every key, killing whoever does it; says how often. The last one is left to come to the end."""
    chance = random.Random(seed)  # moments, not secrets
    share = ROWS_PER_PATIENT * people / (kills + 1)
    killed = 0
    while True:
        before, begun = _done(clinic)
        process = start(rotation_crew.rotate, *(() if begun else ("--suite", "sm4")))
        if killed == kills:
            process.join()
            tally.check(process.exitcode == 0, f"the last run ended with {process.exitcode}")
            return killed
        if not _wait_for_progress(clinic, process, chance.uniform(0, 1.6) * share):
            tally.check(process.exitcode == 0, f"a run ended with {process.exitcode}")
            return killed
        time.sleep(chance.uniform(0, 0.05))
        process.kill()
        process.join()
        killed += 1
        after, _begun = _done(clinic)
        tally.check(after >= before, f"kill {killed}: {after} jobs are done after {before}")


def _wait_for_progress(clinic: Clinic, process: BaseProcess, rows: float) -> bool:
    """Until it has dealt with so many rows; False when it ended before."""
    last = _rows_done(clinic)
    dealt = 0
    while dealt <= rows:
        if not process.is_alive():
            return False
        time.sleep(0.03)
        done = _rows_done(clinic)
        dealt += max(0, done - last)
        last = done
    return process.is_alive()


def _rows_done(clinic: Clinic) -> int:
    with acting(system_actor("drill", clinic.pk)):
        return int(KeyJob.objects.aggregate(done=Sum("done"))["done"] or 0)


def _done(clinic: Clinic) -> tuple[int, bool]:
    """How many jobs are finished, and whether any was begun."""
    with acting(system_actor("drill", clinic.pk)):
        return KeyJob.objects.exclude(finished_at=None).count(), KeyJob.objects.exists()


# --- what held --------------------------------------------------------------------------------------------------------


def _reports(orders: Orders) -> dict[str, rotation_crew.Report]:
    files = sorted(orders.folder.glob("*.json"))
    return {path.stem: rotation_crew.Report(**json.loads(path.read_text())) for path in files}


def _weigh(reports: dict[str, rotation_crew.Report], tally: Tally) -> dict[str, str]:
    """Every trial of every process; and the phones the writers wrote, by patient."""
    tally.check(
        len(reports) == READERS + rotation_crew.WRITERS, f"{len(reports)} processes handed in a report"
    )
    phones: dict[str, str] = {}
    for name, report in reports.items():
        tally.passed += report.values + report.found
        for failure, times in Counter(report.failures).items():
            tally.check(False, f"{failure} ({times} times)")
            tally.failed += times - 1
        tally.check(report.values > 0, f"{name} did nothing")
        phones |= report.phones
        tally.say(
            f"{name}: {report.values} values, {report.found} searches, {report.written} writes, {report.opened} cards"
        )
    return phones


def _check_every_identity(
    clinic: Clinic, people: int, phones: dict[str, str], tally: Tally, *, seed: int
) -> None:
    """Nothing unreadable, nothing lost: each of them is called what they were called, or what a writer wrote last."""
    seen, wrong = 0, 0
    after = UUID(int=0)
    while True:
        with acting(system_actor("drill", clinic.pk)), access(Purpose.SECURITY, Kind.MATCHED):
            page = list(Patient.objects.filter(clinic=clinic, pk__gt=after).order_by("pk")[:1000])
            for patient in page:
                written = phones.pop(str(patient.pk), None)
                number = number_of(patient)
                known = identity_of(number, seed=seed)
                phone = patient.identity.phone
                is_theirs = number < people and patient.identity.name == known["name"]
                wrong += phone != written if written else not (is_theirs and phone == known["phone"])
        seen += len(page)
        if not page:
            break
        after = page[-1].pk
    tally.passed += seen - wrong
    tally.check(wrong == 0, f"{wrong} of {seen} identities are not what was written last")
    tally.check(not phones, f"{len(phones)} people whom a writer wrote are gone")


def _check_that_nothing_was_done_twice(clinic: Clinic, tally: Tally) -> None:
    """However often it was killed, each key was wrapped again once: the events of its pages count what the job counts."""
    with acting(system_actor("drill", clinic.pk)):
        wrapped = KeyJob.objects.get(kind=JobKind.REWRAP, target="subject_key").done
        made = KeyJob.objects.get(kind=JobKind.RESEAL, target="subject_key").done
        totals = dict(
            AuditEvent.objects.filter(action__in=["keys.rewrapped", "keys.made", "keys.resealed"])
            .values_list("action")
            .annotate(total=Sum("count"))
        )
    tally.say(f"wrapped again, made and moved: {totals}")
    tally.check(totals["keys.rewrapped"] == wrapped, f"{totals['keys.rewrapped']} wraps of {wrapped} keys")
    tally.check(totals["keys.made"] == made, f"{totals['keys.made']} new keys of {made}")


def _check_how_long_tokens_took(clinic: Clinic, tally: Tally) -> None:
    """Jobs are opened together and done one after another: its own time begins when the one before it ended."""
    with acting(system_actor("drill", clinic.pk)):
        job = KeyJob.objects.get(kind=JobKind.INDEX, target=NEW_TOKENS)
        before = KeyJob.objects.filter(pk__lt=job.pk).aggregate(ended=Max("finished_at"))["ended"]
    began = max(job.started_at, before or job.started_at)
    seconds = (job.finished_at - began).total_seconds() if job.finished_at else -1.0
    tally.say(f"search tokens of {job.done} people built in {seconds:.1f} s")
    tally.check(
        0 < seconds <= SECONDS_FOR_TOKENS,
        f"search tokens took {seconds:.1f} s, and may take {SECONDS_FOR_TOKENS:.0f}",
    )


def _check_that_nothing_old_is_left(clinic: Clinic, stolen: Wrapped, tally: Tally) -> None:
    with acting(system_actor("drill", clinic.pk)):
        tally.check(not KeyJob.objects.filter(finished_at=None).exists(), "a job is not finished")
        living = SubjectKey.objects.exclude(wrapped=None)
        left = living.exclude(kek__state=KekState.ACTIVE).count()
        tally.check(left == 0, f"{left} keys hang on the old key-encryption key")
        identity = column_of("patients.patient.identity")
        suites = values_by_suite(identity, clinic.pk) if identity else {}
        tally.check(set(suites) == {Suite.SM4_GCM}, f"identities by suite: {suites}")
        old = living.filter(suite=Suite.AES_256_GCM).count()
        tally.check(old == 0, f"{old} data keys of the old suite live")
        versions = dict(
            PatientSearch.objects.values_list("key_ver").annotate(people=Count("search_id", distinct=True))
        )
        people = PatientSearchPerson.objects.count()
        tally.check(versions == {2: people}, f"search tokens by version: {versions} of {people}")
    with only_run():
        tally.check(
            destroy_old_keks(clinic, at=now() + timedelta(days=30)) == 1, "the old key is not destroyed"
        )
    try:
        FileProvider(Path(settings.KEYS_DIR)).unwrap([stolen])
        tally.check(False, "a key of the old dump opens with today's key folder")
    except (KeysMissing, Broken):
        tally.check(True, "")


def _wrap_of_somebody(clinic: Clinic) -> Wrapped:
    """A wrapped key as the dump of today holds it."""
    with acting(system_actor("drill", clinic.pk)):
        key = SubjectKey.objects.filter(scope=Scope.IDENTITY).select_related("kek")[0]
        kek = Kek.objects.get(pk=key.kek.pk)
    aad = subject_key_aad(
        clinic_id=clinic.pk,
        subject_id=key.subject_id,
        scope=Scope.IDENTITY,
        version=key.version,
        suite=Suite(key.suite),
        kek_id=kek.pk,
    )
    return Wrapped(kek.provider_ref, Suite(kek.suite), bytes(key.wrapped or b""), aad)
