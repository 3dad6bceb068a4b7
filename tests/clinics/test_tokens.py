"""Tokens of the API: made by whoever has a second factor, shown once, kept as a digest, ended at once. And the clinic's programs."""

import re
import time
from datetime import timedelta
from uuid import uuid4

import pytest
from allauth.mfa.models import Authenticator
from django.test import Client
from django.utils import timezone

from audit.acting import acting
from audit.actors import Actor, system_actor
from audit.models import AuditEvent
from clinics.errors import NotAllowed, SecondFactorNeeded, TokensFull
from clinics.models import ApiToken, Clinic, Integration, User, UserKind
from clinics.roles import Role
from clinics.scopes import ApiScope
from clinics.services import close_account
from clinics.staffing import end_work
from clinics.tokens import end_tokens, make_token, token_of
from tests.factories.clinics import ClinicFactory, StaffFactory, StaffRoleFactory
from tests.laid_out import laid_out

pytestmark = pytest.mark.django_db
NEW = "/account/tokens/new/"


@laid_out
def clinic() -> Clinic:
    return ClinicFactory("east")


def hired(clinic: Clinic, role: Role = Role.DOCTOR, *, second_factor: bool = True) -> User:
    user = StaffFactory()
    StaffRoleFactory(user=user, clinic=clinic, role=role)
    if second_factor:
        Authenticator.objects.create(user=user, type=Authenticator.Type.TOTP, data={"secret": "x"})
    return user


def desk_of(user: User, *, just_proved: bool = True) -> Client:
    client = Client()
    client.force_login(user, backend="clinics.accounts.backend.AccountBackend")
    if just_proved:
        session = client.session
        session["account_authentication_methods"] = [
            {"method": "password", "at": time.time(), "reauthenticated": True}
        ]
        session["account_authentication_methods_user"] = str(user.pk)
        session.save()
    return client


def form(**said: object) -> dict[str, object]:
    return {
        "label": "化验室接口",
        "scopes": ["patients:read"],
        "days": "30",
        "form_token": str(uuid4()),
        **said,
    }


def make(user: User, clinic: Clinic, **said: object) -> str:
    facts = {
        "label": "化验室",
        "scopes": ["patients:read"],
        "days": 30,
        "by": user,
        "at": timezone.now(),
        **said,
    }
    with acting(system_actor("test", clinic.pk), clinic.pk):
        made = make_token(uuid4(), user, clinic, **facts)  # type: ignore[arg-type]  # the dullest facts
    assert made.secret
    return made.secret


def test_a_token_is_shown_once_and_kept_as_a_digest_alone(clinic: Clinic) -> None:
    doctor = hired(clinic)
    desk = desk_of(doctor)

    page = desk.post(NEW, form()).content.decode()
    (secret,) = re.findall(r"zhizhi_[A-Za-z0-9_-]{43}", page)

    token = ApiToken.objects.get()
    assert secret not in str(ApiToken.objects.values_list().get())
    assert secret not in desk.get("/account/tokens/").content.decode()
    assert "no-store" in desk.post(NEW, form())["Cache-Control"]
    assert token_of(secret, at=timezone.now()) == (token, True)
    with acting(system_actor("test", clinic.pk)):
        (event,) = AuditEvent.objects.filter(action="token.made", object_pk=str(token.pk))
    assert (event.actor_ref, event.changes["scopes"]) == (f"user:{doctor.pk}", [None, "patients:read"])
    assert secret not in str(event.__dict__)


def test_the_form_sent_twice_makes_one_token_and_shows_it_once(clinic: Clinic) -> None:
    desk, typed = desk_of(hired(clinic)), form()

    first, second = (desk.post(NEW, typed).content.decode() for _ in range(2))

    assert ApiToken.objects.count() == 1
    assert "zhizhi_" in first
    assert "zhizhi_" not in second


def test_without_a_second_factor_nobody_makes_one(clinic: Clinic) -> None:
    doctor = hired(clinic, second_factor=False)

    answer = desk_of(doctor).post(NEW, form())

    assert answer.status_code == 403
    assert not ApiToken.objects.exists()
    with pytest.raises(SecondFactorNeeded):
        make(doctor, clinic)


def test_who_signed_in_long_ago_says_again_who_they_are(clinic: Clinic) -> None:
    """And what they had typed does not wait in the session meanwhile."""
    desk = desk_of(hired(clinic), just_proved=False)
    shown, sent = desk.get(NEW), desk.post(NEW, form())

    assert shown["Location"].startswith("/accounts/2fa/reauthenticate/")
    assert sent["Location"] == NEW
    assert "化验室接口" not in str(dict(desk.session))
    assert not ApiToken.objects.exists()


def test_a_token_says_words_of_the_list_alone(clinic: Clinic) -> None:
    """And no more than its account may: a front desk's token reads no results."""
    front_desk = hired(clinic, Role.FRONT_DESK)

    for scopes in ([], ["patients:eat"], ["陈雅琴"], ["observations:read"], ["events:read"]):
        with pytest.raises(NotAllowed):
            make(front_desk, clinic, scopes=scopes)
        assert "zhizhi_" not in desk_of(front_desk).post(NEW, form(scopes=scopes)).content.decode()
    assert not ApiToken.objects.exists()


def test_a_label_is_the_name_of_a_program_and_no_number_of_a_person(clinic: Clinic) -> None:
    desk = desk_of(hired(clinic))

    for label in ("13900001234", "陈 1968", "chen@example.invalid", ""):
        assert "zhizhi_" not in desk.post(NEW, form(label=label)).content.decode()
    assert not ApiToken.objects.exists()


def test_twenty_tokens_are_enough(clinic: Clinic) -> None:
    doctor = hired(clinic)
    make(doctor, clinic)
    first = ApiToken.objects.get()
    for number in range(19):
        first.pk, first.digest = uuid4(), bytes([number]) * 32
        first.save(force_insert=True)

    with pytest.raises(TokensFull):
        make(doctor, clinic)


def test_one_ends_ones_own_tokens_and_nobody_elses(clinic: Clinic) -> None:
    doctor, colleague = hired(clinic), hired(clinic)
    secret = make(doctor, clinic)
    path = f"/account/tokens/{ApiToken.objects.get().pk}/end/"

    assert desk_of(colleague).post(path).status_code == 404
    assert token_of(secret, at=timezone.now())[1]
    assert desk_of(doctor).post(path).status_code == 302
    assert not token_of(secret, at=timezone.now())[1]
    with acting(system_actor("test", clinic.pk)):
        assert AuditEvent.objects.filter(action="token.ended").count() == 1


def test_tokens_end_with_time_and_with_their_account(clinic: Clinic) -> None:
    doctor = hired(clinic)
    secret, now = make(doctor, clinic), timezone.now()

    assert token_of(secret, at=now + timedelta(days=29))[1]
    assert not token_of(secret, at=now + timedelta(days=31))[1]
    with acting(system_actor("test", clinic.pk), clinic.pk):
        close_account(doctor)
        assert end_tokens(doctor.pk, at=now) == 0
    assert not token_of(secret, at=now)[1]
    assert token_of("zhizhi_of-nobody", at=now) == (None, False)


def test_whoever_leaves_a_clinic_leaves_no_token_there(clinic: Clinic) -> None:
    doctor, manager, west = hired(clinic), hired(clinic, Role.MANAGER), ClinicFactory("west")
    StaffRoleFactory(user=doctor, clinic=west)
    here, there = make(doctor, clinic), make(doctor, west)
    by = Actor(f"user:{manager.pk}", "staff", clinic.pk, frozenset(), manager.pk)

    with acting(by, clinic.pk):
        end_work(doctor, clinic.pk, by=by, at=timezone.now())

    assert [token_of(secret, at=timezone.now())[1] for secret in (here, there)] == [False, True]


def program(**said: object) -> dict[str, object]:
    return {
        "name": "华康化验室",
        "scopes": ["observations:write", "patients:read"],
        "purposes": ["care"],
        "field_sets": ["clinical"],
        **said,
    }


def test_a_manager_gives_a_program_a_place_a_token_and_an_end(clinic: Clinic) -> None:
    manager = desk_of(hired(clinic, Role.MANAGER))

    page = manager.post("/integrations/", program())["Location"]
    made = manager.post(f"{page}tokens/new/", form(scopes=["observations:write"])).content.decode()
    (secret,) = re.findall(r"zhizhi_[A-Za-z0-9_-]{43}", made)

    integration = Integration.objects.get()
    assert integration.user.kind == UserKind.INTEGRATION
    assert not integration.user.has_usable_password()
    assert (integration.scopes, integration.field_sets) == ("observations:write patients:read", "clinical")
    assert "华康化验室" in manager.get("/integrations/").content.decode()
    assert "zhizhi_" not in manager.post(f"{page}tokens/new/", form(scopes=["events:read"])).content.decode()
    assert token_of(secret, at=timezone.now())[1]

    manager.post(f"{page}end/")

    assert not token_of(secret, at=timezone.now())[1]
    assert not User.objects.get(pk=integration.user_id).is_active


@pytest.mark.parametrize(
    "wrong",
    [
        {"scopes": ["x"]},
        {"purposes": ["陈雅琴"]},
        {"field_sets": ["all"]},
        {"scopes": ["events:read"]},
        {"field_sets": ["log"]},
        {"scopes": []},
        {"name": "13900001234"},
    ],
)
def test_a_program_is_described_by_words_of_the_lists_alone(clinic: Clinic, wrong: dict[str, object]) -> None:
    manager = desk_of(hired(clinic, Role.MANAGER))
    assert manager.post("/integrations/", program(**wrong)).status_code == 200
    assert not Integration.objects.exists()


def test_the_log_is_given_to_a_program_by_who_may_read_it(clinic: Clinic) -> None:
    """Whoever makes a program is shown its token, and would read with it what is closed to them."""
    both = hired(clinic, Role.MANAGER)
    StaffRoleFactory(user=both, clinic=clinic, role=Role.PRIVACY_OFFICER)
    watches = {"scopes": ["events:read"], "purposes": ["security"], "field_sets": ["log"]}
    page = desk_of(both).post("/integrations/", program(**watches))["Location"]

    manager = desk_of(hired(clinic, Role.MANAGER))
    refused = manager.post(f"{page}tokens/new/", form(scopes=["events:read"]))
    given = desk_of(both).post(f"{page}tokens/new/", form(scopes=["events:read"]))

    assert "zhizhi_" not in refused.content.decode()
    assert "zhizhi_" in given.content.decode()


def test_only_the_manager_of_the_clinic_manages_its_programs(clinic: Clinic) -> None:
    doctor, elsewhere = hired(clinic), hired(ClinicFactory("west"), Role.MANAGER)
    secret = make(doctor, clinic)
    desk_of(hired(clinic, Role.MANAGER)).post("/integrations/", program())
    integration, token = Integration.objects.get(), ApiToken.objects.get()
    paths = [
        f"/integrations/{integration.pk}/end/",
        f"/integrations/{integration.pk}/tokens/new/",
        f"/integrations/tokens/{token.pk}/end/",
    ]

    for path in paths:
        assert desk_of(doctor).post(path).status_code == 403
        assert desk_of(elsewhere).post(path).status_code == 404
    assert desk_of(doctor).get("/integrations/").status_code == 403
    assert desk_of(elsewhere).get(f"/integrations/{integration.pk}/").status_code == 404
    assert token_of(secret, at=timezone.now())[1]
    assert Integration.objects.filter(ended_at=None).exists()


def test_an_integration_signs_in_nowhere(clinic: Clinic) -> None:
    desk_of(hired(clinic, Role.MANAGER)).post("/integrations/", program())
    account = User.objects.get(kind=UserKind.INTEGRATION)
    account.set_password("an invented sentence")
    account.save()

    answer = Client().post(
        "/accounts/login/", {"login": account.username, "password": "an invented sentence"}
    )

    assert answer.status_code == 200
    client = Client()
    client.force_login(account, backend="clinics.accounts.backend.AccountBackend")
    assert client.get("/").status_code == 404
    assert client.get("/api/v1/patients/").status_code == 404


def test_every_scope_rests_on_a_permission() -> None:
    assert all(scope.permission for scope in ApiScope)
