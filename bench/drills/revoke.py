"""Revoke: during 1,000 running requests and jobs a team, a role, an account or a session is taken away, and nothing comes after it.

Each trial has somebody at work: threads ask for a chart over HTTP with the person's own session, and one runs a job that still holds
the actor it was started with. In the middle of it something is taken away. What began after that was committed must show nothing.
"""

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from django.conf import settings
from django.db import connection
from django.test import Client
from django.utils import timezone

from audit.acting import acting
from audit.actors import Actor, system_actor
from bench.drills.tally import Scale, Tally
from clinics.models import CareTeam, Chain, Clinic, StaffRole, User
from clinics.queries import roles_at_work, staff_actor
from clinics.roles import Role
from clinics.services import close_account, give_role, join_team, open_clinic
from clinics.sessions import end_sessions
from clinics.staffing import take_out_of_team
from patients.choices import Sex
from patients.identity import NewIdentity
from patients.models import Patient
from patients.queries import page_of_visible
from patients.services import open_card

REQUESTS: Final = 1_000  # and jobs
BROWSERS: Final = 2
AT_ONCE: Final = BROWSERS + 1
ROUNDS: Final = 4  # of each thread in a trial
FEWEST_TRIALS: Final = 4  # one of each kind
OK: Final = 200


@dataclass(frozen=True, slots=True)
class Seen:
    """One request or job: when it began, and whether it showed the patient."""

    began: float
    shown: bool


@dataclass(slots=True)
class Trial:
    """Somebody at work with a patient of their team, and what the threads saw."""

    user: User
    team: CareTeam
    patient: Patient
    actor: Actor
    browsers: list[Client]
    seen: list[Seen] = field(default_factory=list)
    jobs: list[Seen] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


def from_the_team(trial: Trial) -> None:
    take_out_of_team(trial.team, trial.user.pk, at=timezone.now())


def from_the_role(trial: Trial) -> None:
    for role in StaffRole.objects.filter(user=trial.user):
        role.delete()


def from_the_account(trial: Trial) -> None:
    close_account(trial.user)


def from_the_session(trial: Trial) -> None:
    end_sessions(trial.user.pk)


WAYS: Final[dict[str, Callable[[Trial], None]]] = {
    "team": from_the_team,
    "role": from_the_role,
    "account": from_the_account,
    "session": from_the_session,
}


def run(scale: Scale, tally: Tally, *, seed: int) -> None:
    chain = Chain.objects.create(name="演练")
    clinic = open_clinic(chain=chain, code="drill", name="演练诊所", short_name="演练", phone="010-5550 0100")
    dice = random.Random(seed)
    trials = max(FEWEST_TRIALS, scale.of(REQUESTS) // (AT_ONCE * ROUNDS) + 1)
    asked, before, after = 0, 0, 0
    for number in range(trials):
        name = list(WAYS)[number % len(WAYS)]
        trial = _set_up(clinic, number)
        revoked_at = _play(clinic, trial, WAYS[name], dice)
        for error in trial.errors:
            tally.check(False, f"trial {number}: {error}")
        asked += len(trial.seen) + len(trial.jobs)
        before += sum(one.shown for one in trial.seen + trial.jobs)
        # a session is nothing a job could hold: jobs go on with the account
        late = [
            one for one in trial.seen + ([] if name == "session" else trial.jobs) if one.began > revoked_at
        ]
        after += len(late)
        for one in late:
            tally.check(not one.shown, f"trial {number}: shown after the {name} was taken away")
    tally.say(
        f"{trials} trials, {asked} requests and jobs, {before} showed the patient, {after} began afterwards"
    )
    tally.check(before >= trials, "nobody saw anything before either")
    tally.check(after >= trials, "too few began after something was taken away")


def _set_up(clinic: Clinic, number: int) -> Trial:
    by = system_actor("drill", clinic.pk)
    with acting(by):
        user = User.objects.create_user(f"drill{number}", display_name="演练")
        give_role(user, clinic.pk, Role.NURSE)
        team = CareTeam.objects.create(clinic=clinic, name=f"{number}组")
        join_team(user, team)
        identity = NewIdentity(name="演练者", sex=Sex.FEMALE)
        patient = open_card(clinic=clinic, identity=identity, by=by, at=timezone.now(), team=team)
    return Trial(
        user,
        team,
        patient,
        staff_actor(user, clinic.pk, roles_at_work(user)),
        [_signed_in(user) for _ in range(BROWSERS)],
    )


def _signed_in(user: User) -> Client:
    browser = Client()
    browser.force_login(user, backend=settings.AUTHENTICATION_BACKENDS[0])
    return browser


def _play(clinic: Clinic, trial: Trial, revoke: Callable[[Trial], None], dice: random.Random) -> float:
    """Threads at work, and in the middle the deed; answers when it was committed."""
    taken, half = threading.Event(), threading.Barrier(AT_ONCE + 1)
    crew = [threading.Thread(target=_look, args=(trial, browser, taken, half)) for browser in trial.browsers]
    crew.append(threading.Thread(target=_work, args=(trial, taken, half)))
    for thread in crew:
        thread.start()
    half.wait()
    time.sleep(dice.uniform(0, 0.03))
    with acting(system_actor("drill", clinic.pk), clinic.pk):
        revoke(trial)
    revoked_at = time.monotonic()
    taken.set()
    for thread in crew:
        thread.join()
    return revoked_at


def _look(trial: Trial, browser: Client, taken: threading.Event, half: threading.Barrier) -> None:
    _again_and_again(trial.seen, taken, half, lambda: _chart(trial, browser), trial.errors)


def _work(trial: Trial, taken: threading.Event, half: threading.Barrier) -> None:
    _again_and_again(trial.jobs, taken, half, lambda: _job(trial), trial.errors)


def _again_and_again(
    seen: list[Seen],
    taken: threading.Event,
    half: threading.Barrier,
    look: Callable[[], bool],
    errors: list[str],
) -> None:
    """Twice before the deed at least, on while it happens, and twice after it."""
    try:
        for turn in range(ROUNDS):
            if turn == ROUNDS // 2:
                half.wait()
            if turn == ROUNDS - 1:
                taken.wait()
            began = time.monotonic()
            seen.append(Seen(began, look()))
    except Exception as error:
        half.abort()
        errors.append(f"{type(error).__name__}: {error}")
    finally:
        connection.close()


def _chart(trial: Trial, browser: Client) -> bool:
    answer = browser.get(f"/patients/{trial.patient.pk}/")
    return answer.status_code == OK and trial.patient.service_number in answer.content.decode()


def _job(trial: Trial) -> bool:
    """A job that was started by somebody goes on with the actor it got then."""
    with acting(trial.actor):
        clinic_id = trial.patient.clinic_id
        return trial.patient in page_of_visible(trial.actor, clinic_id).patients
