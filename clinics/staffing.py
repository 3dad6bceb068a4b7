"""Who is in which care team until when, who is away, and what happens when somebody leaves the clinic."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final
from uuid import UUID

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet

from audit.actors import Actor
from audit.participation import call
from audit.services import record
from audit.wrote import wrote, wrote_rows
from clinics.errors import NotOfThisClinic, OwnWork, TeamNameTaken
from clinics.models import CareTeam, StaffAbsence, StaffRole, TeamMember, User, UserKind, holds_at
from clinics.services import close_account
from clinics.sessions import end_sessions

MOST_STAFF: Final = 500


def staff_of(clinic_id: UUID) -> QuerySet[User]:
    """Whoever has a role in the clinic and an open account, by name."""
    roles = StaffRole.objects.filter(user=OuterRef("pk"), clinic_id=clinic_id)
    return User.objects.filter(Exists(roles), kind=UserKind.STAFF, is_active=True).order_by(
        "display_name", "pk"
    )


def member_of_staff(clinic_id: UUID, user_id: UUID) -> User:
    """Raises NotOfThisClinic, the same for nobody and for somebody of another clinic."""
    user = staff_of(clinic_id).filter(pk=user_id).first()
    if user is None:
        raise NotOfThisClinic
    return user


def team_of_clinic(clinic_id: UUID, team_id: UUID) -> CareTeam:
    """Raises NotOfThisClinic."""
    team = CareTeam.objects.filter(clinic_id=clinic_id, pk=team_id).first()
    if team is None:
        raise NotOfThisClinic
    return team


def teams_of_clinic(clinic_id: UUID, at: datetime) -> QuerySet[CareTeam]:
    """The care teams there are at a moment, by name."""
    return CareTeam.objects.filter(holds_at(at), clinic_id=clinic_id).order_by("name", "pk")


@transaction.atomic
def open_team(clinic_id: UUID, name: str, *, at: datetime) -> CareTeam:
    """A new care team; one of this name that was dissolved begins again. Raises TeamNameTaken."""
    team, opened = CareTeam.objects.get_or_create(clinic_id=clinic_id, name=name, defaults={"valid_from": at})
    if not opened:
        if team.valid_until is None or team.valid_until > at:
            raise TeamNameTaken
        team.valid_from, team.valid_until = at, None
        team.save(update_fields=["valid_from", "valid_until"])
    record("team.opened", object=team)
    return team


@transaction.atomic
def dissolve_team(team: CareTeam, *, at: datetime) -> None:
    """From now on nobody sees a patient through this team. Who was in it stays written down."""
    if team.valid_until is None or team.valid_until > at:
        team.valid_until = at
        team.save(update_fields=["valid_until"])
        record("team.dissolved", object=team)


@transaction.atomic
def take_out_of_team(team: CareTeam, user_id: UUID, *, at: datetime) -> None:
    """From the next query on, the person sees nobody through this team. Twice changes nothing."""
    member = TeamMember.objects.filter(holds_at(at), team=team, user_id=user_id).first()
    if member is not None:
        member.valid_until = at
        member.save(update_fields=["valid_until"])
        record(
            "team.left",
            object=("clinics.user", str(user_id)),
            result=str(team.pk),
            wrote=wrote_rows([member]),
        )


@transaction.atomic
def note_absence(clinic_id: UUID, user: User, first_on: date, last_on: date) -> StaffAbsence:
    """Days on which nobody is given to this person. Raises NotOfThisClinic."""
    member_of_staff(clinic_id, user.pk)
    absence = StaffAbsence.objects.create(clinic_id=clinic_id, user=user, first_on=first_on, last_on=last_on)
    record("absence.noted", object=absence)
    return absence


@transaction.atomic
def end_work(user: User, clinic_id: UUID, *, by: Actor, at: datetime) -> None:
    """Somebody leaves the clinic: roles, teams, sessions, and whatever other apps let them do here end in this transaction.

    Each app takes part by `on_left` (care, grants, emergency openings, to-dos, tokens). The account is closed with its last role.
    Whom they were responsible for stays written down until somebody takes over; they see none of them. Raises NotOfThisClinic, and
    OwnWork for one's own.
    """
    if by.user_id == user.pk:
        raise OwnWork
    member_of_staff(clinic_id, user.pk)
    call("on_left", clinic_id=clinic_id, user_id=user.pk, at=at)
    members = TeamMember.objects.filter(holds_at(at), team__clinic_id=clinic_id, user=user)
    left = members.update(valid_until=at)
    roles = StaffRole.objects.filter(user=user, clinic_id=clinic_id)
    ended = roles._raw_delete(roles.db)
    record(
        "staff.left",
        object=user,
        result=str(clinic_id),
        count=ended,
        wrote=(*wrote(TeamMember, count=left), *wrote(StaffRole, count=ended)),
    )
    if StaffRole.objects.filter(user=user).exists():
        end_sessions(user.pk)
    else:
        close_account(user)


@dataclass(frozen=True, slots=True, kw_only=True)
class Colleague:
    """Somebody at work in the clinic, as its manager sees them."""

    user: User
    roles: list[str]
    teams: list[str]
    away_until: date | None


def colleagues(clinic_id: UUID, *, at: datetime, today: date) -> list[Colleague]:
    """Everybody at work in the clinic. Four statements, however many they are."""
    people = list(staff_of(clinic_id)[:MOST_STAFF])
    roles = _by_user(
        (role.user_id, str(role.get_role_display()))
        for role in StaffRole.objects.filter(clinic_id=clinic_id).order_by("role")
    )
    members = TeamMember.objects.filter(holds_at(at), holds_at(at, "team__"), team__clinic_id=clinic_id)
    teams = _by_user(members.order_by("team__name").values_list("user_id", "team__name"))
    away = dict(
        StaffAbsence.objects.filter(clinic_id=clinic_id, first_on__lte=today, last_on__gte=today)
        .order_by("last_on")
        .values_list("user_id", "last_on")
    )
    return [
        Colleague(
            user=user,
            roles=roles.get(user.pk, []),
            teams=teams.get(user.pk, []),
            away_until=away.get(user.pk),
        )
        for user in people
    ]


def _by_user(pairs: Iterable[tuple[UUID, str]]) -> dict[UUID, list[str]]:
    found: dict[UUID, list[str]] = {}
    for user_id, words in pairs:
        found.setdefault(user_id, []).append(words)
    return found
