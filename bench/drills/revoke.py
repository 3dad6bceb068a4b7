"""Revoke: during 1,000 running requests and jobs a team, a role, an account, a session, a token or a proxy is taken away, and nothing comes after it.

Each trial has somebody at work: threads ask for a chart over HTTP, one with the person's own session and one with a token of theirs,
and one runs a job that still holds the actor it was started with. Or somebody looks after another's pages on the phone. In the middle of
it something is taken away. What began after that was committed must show nothing.
"""

import random
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Final
from uuid import uuid4

from allauth.mfa.models import Authenticator
from django.conf import settings
from django.db import connection
from django.db.models import Q
from django.test import Client
from django.utils import timezone

from audit.acting import acting
from audit.actors import Actor, system_actor
from bench.drills.tally import Scale, Tally
from clinics.models import ApiToken, CareTeam, Chain, Clinic, StaffRole, User
from clinics.queries import patient_actor, roles_at_work, staff_actor
from clinics.roles import Role
from clinics.services import close_account, give_role, join_team, open_clinic
from clinics.sessions import end_sessions
from clinics.staffing import take_out_of_team
from clinics.tokens import end_token, make_token
from patients.choices import PortalRelation, Sex
from patients.identity import NewIdentity
from patients.models import Patient, PortalAccess
from patients.queries import page_of_visible
from patients.services import give_portal_access, open_card
from portal.people import end_proxy

REQUESTS: Final = 1_000  # and jobs
AT_ONCE: Final = 3  # two that ask, and a job
ROUNDS: Final = 4  # of each thread in a trial
FEWEST_TRIALS: Final = 6  # one of each kind
OK: Final = 200


@dataclass(frozen=True, slots=True)
class Seen:
    """One request or job: by which way, when it began, and whether it showed the patient."""

    by: str
    began: float
    shown: bool


@dataclass(slots=True)
class Trial:
    """Somebody with a patient, the ways they look by, and what the threads saw."""

    user: User
    patient: Patient
    looks: Mapping[str, Callable[[], bool]]
    team: CareTeam | None = None
    token: ApiToken | None = None
    seen: list[Seen] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


def from_the_team(trial: Trial) -> None:
    assert trial.team  # noqa: S101  # every trial at the desk has one
    take_out_of_team(trial.team, trial.user.pk, at=timezone.now())


def from_the_role(trial: Trial) -> None:
    for role in StaffRole.objects.filter(user=trial.user):
        role.delete()


def from_the_account(trial: Trial) -> None:
    close_account(trial.user)


def from_the_session(trial: Trial) -> None:
    end_sessions(trial.user.pk)


def from_the_token(trial: Trial) -> None:
    assert trial.token  # noqa: S101  # every trial at the desk has one
    end_token(trial.token.pk, Q(user=trial.user), at=timezone.now())


def from_the_proxy(trial: Trial) -> None:
    access = PortalAccess.objects.get(user=trial.user)
    end_proxy(trial.patient, access.pk, at=timezone.now())


WAYS: Final[dict[str, Callable[[Trial], None]]] = {
    "team": from_the_team,
    "role": from_the_role,
    "account": from_the_account,
    "session": from_the_session,
    "token": from_the_token,
    "proxy": from_the_proxy,
}
# What one of these is taken from; everything else of the person goes on, and team, role, account and proxy end every way.
ALONE: Final = {"session": "session", "token": "token"}


def run(scale: Scale, tally: Tally, *, seed: int) -> None:
    chain = Chain.objects.create(name="演练")
    clinic = open_clinic(chain=chain, code="drill", name="演练诊所", short_name="演练", phone="010-5550 0100")
    dice = random.Random(seed)
    trials = max(FEWEST_TRIALS, scale.of(REQUESTS) // (AT_ONCE * ROUNDS) + 1)
    asked, before, after = 0, 0, 0
    for number in range(trials):
        name = list(WAYS)[number % len(WAYS)]
        trial = _on_the_phone(clinic, number) if name == "proxy" else _at_the_desk(clinic, number)
        revoked_at = _play(clinic, trial, WAYS[name], dice)
        for error in trial.errors:
            tally.check(False, f"trial {number}: {error}")
        asked += len(trial.seen)
        before += sum(one.shown for one in trial.seen)
        late = [one for one in trial.seen if one.began > revoked_at and ALONE.get(name, one.by) == one.by]
        after += len(late)
        for one in late:
            tally.check(not one.shown, f"trial {number}: by {one.by} after the {name} was taken away")
    tally.say(
        f"{trials} trials, {asked} requests and jobs, {before} showed the patient, {after} began afterwards"
    )
    tally.check(before >= trials, "nobody saw anything before either")
    tally.check(after >= trials, "too few began after something was taken away")


def _at_the_desk(clinic: Clinic, number: int) -> Trial:
    """A nurse with a patient of their team, a session and a token."""
    by = system_actor("drill", clinic.pk)
    with acting(by):
        user = User.objects.create_user(f"drill{number}", display_name="演练")
        give_role(user, clinic.pk, Role.NURSE)
        Authenticator.objects.create(user=user, type=Authenticator.Type.TOTP, data={"secret": "drill"})
        team = CareTeam.objects.create(clinic=clinic, name=f"{number}组")
        join_team(user, team)
        patient = _patient(clinic, by, team)
        made = make_token(
            uuid4(), user, clinic, label="drill", scopes=["patients:read"], days=1, by=user, at=timezone.now()
        )
    browser, program = _signed_in(user), Client(headers={"Authorization": f"Bearer {made.secret}"})
    actor = staff_actor(user, clinic.pk, roles_at_work(user))
    looks = {
        "session": partial(_shows, browser, f"/patients/{patient.pk}/", patient),
        "token": partial(_shows, program, f"/api/v1/patients/{patient.pk}/", patient),
        "job": partial(_job, actor, patient),
    }
    return Trial(user, patient, looks, team, made.token)


def _on_the_phone(clinic: Clinic, number: int) -> Trial:
    """Somebody who looks after a patient's pages, on two phones."""
    by = system_actor("drill", clinic.pk)
    with acting(by):
        patient = _patient(clinic, by, CareTeam.objects.create(clinic=clinic, name=f"{number}组"))
        user = give_portal_access(patient, PortalRelation.PROXY, by, at=timezone.now()).user
    actor = patient_actor(user, clinic.pk)
    looks = {
        "session": partial(_shows, _signed_in(user), f"/p/{clinic.code}/permissions/", None),
        "other session": partial(_shows, _signed_in(user), f"/p/{clinic.code}/results/", None),
        "job": partial(_job, actor, patient),
    }
    return Trial(user, patient, looks)


def _patient(clinic: Clinic, by: Actor, team: CareTeam) -> Patient:
    identity = NewIdentity(name="演练者", sex=Sex.FEMALE)
    return open_card(clinic=clinic, identity=identity, by=by, at=timezone.now(), team=team)


def _signed_in(user: User) -> Client:
    browser = Client()
    browser.force_login(user, backend=settings.AUTHENTICATION_BACKENDS[0])
    return browser


def _play(clinic: Clinic, trial: Trial, revoke: Callable[[Trial], None], dice: random.Random) -> float:
    """Threads at work, and in the middle the deed; answers when it was committed."""
    taken, half = threading.Event(), threading.Barrier(AT_ONCE + 1)
    crew = [threading.Thread(target=_again_and_again, args=(trial, by, taken, half)) for by in trial.looks]
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


def _again_and_again(trial: Trial, by: str, taken: threading.Event, half: threading.Barrier) -> None:
    """Twice before the deed at least, on while it happens, and twice after it."""
    try:
        for turn in range(ROUNDS):
            if turn == ROUNDS // 2:
                half.wait()
            if turn == ROUNDS - 1:
                taken.wait()
            began = time.monotonic()
            trial.seen.append(Seen(by, began, trial.looks[by]()))
    except Exception as error:
        half.abort()
        trial.errors.append(f"{type(error).__name__}: {error}")
    finally:
        connection.close()


def _shows(client: Client, address: str, patient: Patient | None) -> bool:
    """Whether the page is there, with the patient's service number where it says one."""
    answer = client.get(address)
    number = patient.service_number if patient else ""
    return answer.status_code == OK and number in answer.content.decode()


def _job(actor: Actor, patient: Patient) -> bool:
    """A job that was started by somebody goes on with the actor it got then."""
    with acting(actor):
        return patient in page_of_visible(actor, patient.clinic_id).patients
