"""Denials: over 200 pairs of what is not theirs and what is not there, no difference of cost that a rank test finds.

Somebody of another care team asks by turns for a patient of this one, or of the sister clinic, and for an id that nobody has: the chart,
the results, and the patient over the API. Compared is the CPU of this process and of its PostgreSQL backend. That both answers are the same and the database
is asked the same stands in tests/test_who_reaches_what.py; this is about what a stop-watch could tell.
"""

import gc
import random
from collections.abc import Callable
from math import erfc, sqrt
from statistics import median
from typing import Final
from uuid import UUID, uuid4

from django.conf import settings
from django.test import Client
from django.utils import timezone

from audit.acting import acting
from audit.actors import system_actor
from bench.drills.tally import Scale, Tally
from bench.measure import cpu_clock
from clinics.models import CareTeam, Chain, Clinic, User
from clinics.roles import Role
from clinics.services import give_role, join_team, open_clinic
from patients.choices import Sex
from patients.identity import NewIdentity
from patients.services import open_card

PAIRS: Final = 200
FEWEST: Final = 30
PATIENTS: Final = 20
WARM_UP: Final = 10
CHANCE: Final = 0.01  # a difference so unlikely by chance, and found again with new pairs, is one
NOT_FOUND: Final = 404
DOORS: Final = {
    "chart": "/patients/{}/",
    "results": "/patients/{}/results/",
    "API": "/api/v1/patients/{}/",
}


def run(scale: Scale, tally: Tally, *, seed: int) -> None:
    chain = Chain.objects.create(name="演练")
    clinic = open_clinic(chain=chain, code="drill", name="演练诊所", short_name="演练", phone="010-5550 0100")
    sister = open_clinic(
        chain=chain, code="sister", name="姊妹诊所", short_name="姊妹", phone="010-5550 0200"
    )
    theirs = [*_patients(clinic), *_patients(sister)]
    stranger, dice = _stranger(clinic), random.Random(seed)
    clock, pairs = cpu_clock(), max(FEWEST, scale.of(PAIRS))
    for name, address in DOORS.items():
        chances = []
        for _ in range(2):
            there, missing = _asked(stranger, address, theirs, pairs, dice, clock, tally)
            chances.append(rank_test(there, missing))
            tally.say(
                f"{name}: {pairs} pairs, {median(there):.2f} ms for what is there and {median(missing):.2f} ms"
                f" for what is not; as different by chance in {chances[-1]:.0%} of runs"
            )
            if chances[-1] >= CHANCE:
                break
        tally.check(chances[-1] >= CHANCE, f"{name}: a rank test tells what is there from what is not")


def _patients(clinic: Clinic) -> list[UUID]:
    by = system_actor("drill", clinic.pk)
    with acting(by):
        team = CareTeam.objects.create(clinic=clinic, name="一组")
        return [
            open_card(
                clinic=clinic,
                identity=NewIdentity(name=f"演练{chr(0x4E00 + number)}", sex=Sex.FEMALE),
                by=by,
                at=timezone.now(),
                team=team,
            ).pk
            for number in range(PATIENTS)
        ]


def _stranger(clinic: Clinic) -> Client:
    with acting(system_actor("drill", clinic.pk)):
        user = User.objects.create_user("drill", display_name="演练")
        give_role(user, clinic.pk, Role.DOCTOR)
        join_team(user, CareTeam.objects.create(clinic=clinic, name="二组"))
    browser = Client()
    browser.force_login(user, backend=settings.AUTHENTICATION_BACKENDS[0])
    return browser


def _asked(
    stranger: Client,
    address: str,
    theirs: list[UUID],
    pairs: int,
    dice: random.Random,
    clock: Callable[[], int],
    tally: Tally,
) -> tuple[list[float], list[float]]:
    """Milliseconds of what is there and of what is not, in turns whose order is drawn."""
    costs: tuple[list[float], list[float]] = [], []
    for number in range(-WARM_UP, pairs):
        for side in dice.sample((0, 1), 2):
            path = address.format(uuid4() if side else dice.choice(theirs))
            gc.collect(0)
            began = clock()
            answer = stranger.get(path)
            cost = (clock() - began) / 1e6
            tally.check(answer.status_code == NOT_FOUND, f"{address} answers {answer.status_code}")
            if number >= 0:
                costs[side].append(cost)
    return costs


def rank_test(ours: list[float], theirs: list[float]) -> float:
    """How often chance alone makes two samples so different: Mann and Whitney's U, two-sided, by its normal approximation.

    For samples of twenty and more; equal values share their rank.
    """
    ordered = sorted(ours + theirs)
    first = {value: at for at, value in reversed(list(enumerate(ordered, start=1)))}
    last = {value: at for at, value in enumerate(ordered, start=1)}
    of_ours = sum((first[value] + last[value]) / 2 for value in ours)
    n, m = len(ours), len(theirs)
    u = of_ours - n * (n + 1) / 2
    spread = sqrt(n * m * (n + m + 1) / 12)
    return erfc(abs(u - n * m / 2) / spread / sqrt(2))
