"""The demo's chain: two clinics, two care teams in each, and people of every role. All invented."""

from dataclasses import dataclass
from functools import cache

from django.contrib.auth.hashers import make_password
from django.utils.timezone import now

from audit.acting import acting
from audit.actors import system_actor
from audit.services import record
from clinics.models import CareTeam, Chain, Clinic, User
from clinics.roles import Role
from clinics.services import give_role, join_team, open_clinic
from clinics.staffing import open_team

PASSWORD = "zhizhi-demo-2026"  # noqa: S105 (printed in the README: the demo listens on loopback alone)
CHAIN = "云溪健康"
CLINICS = {
    "chengdong": ("云溪健康 · 城东门诊", "010-5550 0101"),
    "chengxi": ("云溪健康 · 城西门诊", "010-5550 0102"),
}
TEAMS = ("慢病一组", "慢病二组")


@dataclass(frozen=True, slots=True)
class DemoAccount:
    """`team` counts from 0 within the clinic; None works for the whole house and cares for nobody."""

    username: str
    name: str
    clinic: str
    role: Role
    team: int | None = None


ACCOUNTS = (
    DemoAccount("linxiao", "林晓", "chengdong", Role.HEALTH_MANAGER, 0),
    DemoAccount("zhoumingyuan", "周明远", "chengdong", Role.DOCTOR, 0),
    DemoAccount("wangmin", "王敏", "chengdong", Role.NURSE, 0),
    DemoAccount("qianyu", "钱雨", "chengdong", Role.CALLER, 0),
    DemoAccount("helan", "何岚", "chengdong", Role.HEALTH_MANAGER, 1),
    DemoAccount("chenjun", "陈军", "chengdong", Role.DOCTOR, 1),
    DemoAccount("sumin", "苏敏", "chengdong", Role.NUTRITIONIST, 1),
    DemoAccount("zhaoqian", "赵倩", "chengdong", Role.FRONT_DESK),
    DemoAccount("sunli", "孙立", "chengdong", Role.MANAGER),
    DemoAccount("fangzheng", "方正", "chengdong", Role.PRIVACY_OFFICER),
    DemoAccount("xuan", "许安", "chengdong", Role.ADMINISTRATOR),
    DemoAccount("guyue", "顾悦", "chengxi", Role.HEALTH_MANAGER, 0),
    DemoAccount("tangwei", "唐伟", "chengxi", Role.DOCTOR, 0),
    DemoAccount("shenyi", "沈怡", "chengxi", Role.NURSE, 1),
    DemoAccount("liangchen", "梁晨", "chengxi", Role.NUTRITIONIST, 1),
    DemoAccount("dongqian", "董倩", "chengxi", Role.FRONT_DESK),
    DemoAccount("linxiao", "林晓", "chengxi", Role.HEALTH_MANAGER, 1),
)


def open_house() -> dict[str, Clinic]:
    """The clinics by code, with teams and staff; closed until `receive_visitors`."""
    chain = Chain.objects.create(name=CHAIN)
    clinics = {code: _clinic(chain, code) for code in CLINICS}
    for account in ACCOUNTS:
        clinic = clinics[account.clinic]
        with acting(system_actor("setup", clinic.pk), clinic.pk):
            _employ(account, clinic)
    return clinics


def is_begun() -> bool:
    return Chain.objects.filter(name=CHAIN).exists()


def is_open() -> bool:
    """Whether everybody is there: the clinics receive nobody before."""
    return Clinic.objects.filter(chain__name=CHAIN, is_active=True).exists()


def receive_visitors() -> None:
    Clinic.objects.filter(chain__name=CHAIN).update(is_active=True)


def teams_in(clinic: Clinic) -> list[CareTeam]:
    """In the order of their names; the first who asks opens them. Inside `acting`."""
    there = {team.name: team for team in CareTeam.objects.filter(clinic=clinic)}
    return [there.get(name) or open_team(clinic.pk, name, at=now()) for name in TEAMS]


def health_manager_of(team: CareTeam) -> User:
    """Who is responsible for the patients of a team."""
    return User.objects.get(
        teams=team, staff_roles__clinic_id=team.clinic_id, staff_roles__role=Role.HEALTH_MANAGER
    )


def doctor_of(team: CareTeam) -> User | None:
    """The doctor of a team, where it has one."""
    return User.objects.filter(
        teams=team, staff_roles__clinic_id=team.clinic_id, staff_roles__role=Role.DOCTOR
    ).first()


@cache
def _hashed(password: str) -> str:
    """Hashed once for all: Argon2 is slow on purpose."""
    return make_password(password)


def _clinic(chain: Chain, code: str) -> Clinic:
    name, phone = CLINICS[code]
    clinic = open_clinic(chain=chain, code=code, name=name, short_name=CHAIN, phone=phone)
    Clinic.objects.filter(pk=clinic.pk).update(is_active=False)
    return clinic


def _employ(account: DemoAccount, clinic: Clinic) -> None:
    user = User.objects.filter(username=account.username).first()
    if user is None:
        administers = account.role == Role.ADMINISTRATOR
        user = User.objects.create(
            username=account.username,
            password=_hashed(PASSWORD),
            display_name=account.name,
            is_staff=administers,
            is_superuser=administers,
        )
        record("account.opened", object=user)
    give_role(user, clinic.pk, account.role)
    if account.team is not None:
        join_team(user, teams_in(clinic)[account.team])
