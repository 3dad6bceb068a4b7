"""Whose chart is on the phone's screen, and what its pages show."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Q
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from audit.purposes import Purpose
from clinics.errors import NoSuchPage
from clinics.guards import ClinicRequest
from clinics.models import StaffRole
from consent.choices import State
from consent.purposes import PurposeRule
from consent.queries import PurposeStanding
from consent.speaking import GuardianSees, guardian_sees
from followups.queries import PlanItem, plan_of
from patients.choices import PortalRelation
from patients.models import CareRelationship, Patient, PortalAccess
from patients.queries import portal_patients
from portal.errors import AnotherPerson, YoungPersonDecides

SESSION_PERSON = "portal_person"
ENDS_SOON = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class OnScreen:
    """The chart that is shown, the others this account may turn to, and how much of it a guardian sees."""

    shown: PortalAccess
    others: list[PortalAccess]
    sees: GuardianSees

    @property
    def is_own(self) -> bool:
        return self.shown.relation == PortalRelation.SELF

    @property
    def has_a_card(self) -> bool:
        """Whether the account is a patient's of this clinic too, and not only somebody's who looks after others."""
        return any(access.relation == PortalRelation.SELF for access in (self.shown, *self.others))

    @property
    def by_law_alone(self) -> bool:
        """Shown to the guardian of a young person who does not let them look."""
        return self.sees is GuardianSees.LAW

    @property
    def reads_for_them(self) -> bool:
        """The person, and the guardian of a child: what they have read, the person was told."""
        return self.is_own or (self.is_told_of_emergencies and self.sees is GuardianSees.ALL)

    @property
    def is_told_of_emergencies(self) -> bool:
        """The person and a guardian; a proxy is not."""
        return self.shown.relation != PortalRelation.PROXY


def on_screen(request: ClinicRequest, *, by_law_too: bool = False) -> OnScreen:
    """The person whose pages are shown, and whom a form that was sent is about: `portal/_about.html` puts into it whom.

    Raises NoSuchPage where the account has nobody here, AnotherPerson for a form that says somebody else or nobody, YoungPersonDecides
    where the law alone opens something to a guardian, unless the page is one of those (`by_law_too`).
    """
    screen = turned_to(request)
    request.patient_id = screen.shown.patient_id
    if request.method == "POST" and request.POST.get("about") != str(request.patient_id):
        raise AnotherPerson
    if screen.by_law_alone and not by_law_too:
        raise YoungPersonDecides
    return screen


def turned_to(request: ClinicRequest) -> OnScreen:
    """The person the account has turned to, else oneself: enough for what is the account's and about nobody's record.

    Raises NoSuchPage where the account has nobody here.
    """
    if request.actor.user_id is None:
        raise NoSuchPage
    found = portal_patients(request.actor.user_id, request.clinic.pk)
    sees = {access: _sees(access) for access in found}
    mine = [access for access, seen in sees.items() if seen is not GuardianSees.NOTHING]
    if not mine:
        raise NoSuchPage
    chosen = request.session.get(SESSION_PERSON)
    shown = next((access for access in mine if str(access.patient_id) == chosen), mine[0])
    return OnScreen(shown, [access for access in mine if access != shown], sees[shown])


def _sees(access: PortalAccess) -> GuardianSees:
    if access.relation != PortalRelation.GUARDIAN:
        return GuardianSees.ALL
    return guardian_sees(access.patient, since=access.given_at, at=timezone.now())


def own_patient(request: ClinicRequest) -> Patient:
    """The reader's own chart. Raises NoSuchPage while the pages of somebody they look after are shown."""
    screen = on_screen(request)
    if not screen.is_own:
        raise NoSuchPage
    return screen.shown.patient


@dataclass(frozen=True, slots=True)
class PermissionGroup:
    title: str | Promise
    standings: list[PurposeStanding]


@dataclass(frozen=True, slots=True, kw_only=True)
class Permissions:
    """The page of permissions: what can be chosen, by whom it concerns, and what cannot."""

    groups: list[PermissionGroup]
    required: list[PurposeRule]
    granted: int
    not_granted: int
    ending: int


_OUTSIDE = frozenset({Purpose.FAMILY, Purpose.REFERRAL, Purpose.EMPLOYER, Purpose.CROSSBORDER})
_UNRELATED = frozenset({Purpose.MARKETING, Purpose.RESEARCH, Purpose.PUBLISH})


def permissions_page(standings: Iterable[PurposeStanding], at: datetime) -> Permissions:
    """Put the purposes in the order a patient reads them: my health, people outside, nothing to do with my care."""
    standings = list(standings)
    offered = [standing for standing in standings if standing.offered and standing.rule.needs_consent]
    inside = [s for s in offered if s.rule.purpose not in _OUTSIDE | _UNRELATED]
    groups = [
        PermissionGroup(_("For my health"), inside),
        PermissionGroup(
            _("For people outside the clinic"), [s for s in offered if s.rule.purpose in _OUTSIDE]
        ),
        PermissionGroup(
            _("Nothing to do with my care"), [s for s in offered if s.rule.purpose in _UNRELATED]
        ),
    ]
    granted = [standing for standing in offered if standing.state is State.GRANTED]
    return Permissions(
        groups=[group for group in groups if group.standings],
        required=[standing.rule for standing in standings if not standing.rule.needs_consent],
        granted=len(granted),
        not_granted=len(offered) - len(granted),
        ending=sum(1 for s in granted if s.valid_until and s.valid_until <= at + ENDS_SOON),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What comes up for the person: due now, and later."""

    due: list[PlanItem]
    later: list[PlanItem]

    @property
    def next(self) -> PlanItem | None:
        """The one thing to mind first."""
        return next(iter(self.due + self.later), None)


def plan_page(patient: Patient, at: datetime) -> Plan:
    today = timezone.localdate(at)
    items = plan_of(patient)
    due = [item for item in items if item.due_on and item.due_on <= today]
    return Plan(due=due, later=[item for item in items if item not in due])


@dataclass(frozen=True, slots=True)
class Helper:
    """Somebody who looks after the person, by name and by what they are in the clinic."""

    name: str
    role: str


def helpers_of(patient: Patient, at: datetime) -> list[Helper]:
    """The people of the clinic who look after the patient now, then their care teams. Two statements."""
    running = Q(valid_until=None) | Q(valid_until__gt=at)
    caring = list(
        CareRelationship.objects.filter(running, patient=patient, valid_from__lte=at)
        .select_related("staff", "team")
        .order_by("valid_from")
    )
    staff = {row.staff_id: row.staff for row in caring if row.staff}
    roles = StaffRole.objects.filter(clinic_id=patient.clinic_id, user__in=staff).order_by("role")
    words = {role.user_id: str(role.get_role_display()) for role in roles}
    people = [
        Helper(user.get_full_name(), words.get(user.pk, "")) for user in staff.values() if user.is_active
    ]
    teams = {row.team_id: row.team.name for row in caring if row.team}
    return people + [Helper(name, str(_("Care team"))) for name in teams.values()]
