"""One's own account: where one is signed in, what happened to it, and where notices go."""

import smtplib
from unittest.mock import patch

import pytest
from allauth.mfa.models import Authenticator
from django.contrib.sessions.models import Session
from django.core import mail
from django.db import connection
from django.test import Client

from audit.acting import acting
from audit.actors import system_actor
from audit.models import SYSTEM_LOG
from clinics.accounts.models import AccountNotice, AccountSession, NoticeKind
from clinics.accounts.notices import email_of, send_notices
from clinics.models import User
from clinics.roles import Role
from clinics.services import close_account
from clinics.sessions import SessionStore
from tests.factories.clinics import ClinicFactory, StaffFactory, StaffRoleFactory
from tests.laid_out import laid_out

pytestmark = pytest.mark.django_db
PASSWORD, NEW = "a long enough sentence", "three geese eat the blue soup"


@laid_out
def nurse() -> User:
    user = User.objects.create_user("wangmin", PASSWORD, display_name="王敏")
    StaffRoleFactory(user=user, clinic=ClinicFactory("east"), role=Role.NURSE)
    return user


def signed_in() -> Client:
    client = Client()
    client.post("/accounts/login/", {"login": "wangmin", "password": PASSWORD})
    return client


def goes_on(client: Client) -> bool:
    return client.get("/account/").status_code == 200


def test_one_sees_where_one_is_signed_in_and_ends_a_session_there(nurse: User) -> None:
    here, there = signed_in(), signed_in()
    sessions = here.get("/account/").context["sessions"]
    assert len(sessions) == 2
    other = next(one for one in sessions if str(one.pk) == there.session["session_id"])

    here.post("/account/sessions/end/", {"session": str(other.pk)})

    assert goes_on(here)
    assert not goes_on(there)


def test_nobody_ends_a_session_of_somebody_else(nurse: User) -> None:
    colleague = Client()
    colleague.force_login(StaffFactory())
    owner = signed_in()
    session = AccountSession.objects.get(user=nurse)

    for typed in (str(session.pk), "nonsense", ""):
        assert colleague.post("/account/sessions/end/", {"session": typed}).status_code == 404
    assert goes_on(owner)


def test_an_ended_session_stays_ended_where_a_running_request_puts_it_back(nurse: User) -> None:
    client = signed_in()
    running = SessionStore(client.session.session_key)
    assert running["session_id"]
    row = Session.objects.get()
    AccountSession.objects.get()
    signed_in().post("/account/sessions/end/", {"session": running["session_id"]})
    row.save(force_insert=True)
    running.save()

    assert not goes_on(client)


def test_a_new_password_ends_every_other_session(nurse: User) -> None:
    here, there = signed_in(), signed_in()
    here.post("/accounts/password/change/", {"oldpassword": PASSWORD, "password1": NEW, "password2": NEW})

    assert goes_on(here)
    assert not goes_on(there)
    assert AccountSession.objects.filter(user=nurse).count() == 1


def test_a_closed_account_is_signed_out_everywhere(nurse: User) -> None:
    clients = [signed_in(), signed_in()]
    with acting(system_actor("test", SYSTEM_LOG)):
        close_account(nurse)

    assert not any(goes_on(client) for client in clients)
    assert not AccountSession.objects.exists()


def test_signing_out_leaves_nothing_behind(nurse: User) -> None:
    signed_in().post("/accounts/logout/")

    assert not AccountSession.objects.exists()


def test_a_session_holds_ids_and_no_name(nurse: User) -> None:
    assert "wangmin" not in repr(SessionStore(signed_in().session.session_key).load())


def test_the_owner_is_told_and_told_once(nurse: User) -> None:
    signed_in().post(
        "/accounts/password/change/", {"oldpassword": PASSWORD, "password1": NEW, "password2": NEW}
    )
    client = Client()
    client.post("/accounts/login/", {"login": "wangmin", "password": NEW})

    assert client.get("/").context["frame"].notice_count == 2  # the password, and this device
    page = client.get("/account/")
    assert [notice.kind for notice in page.context["notices"]] == [
        NoticeKind.NEW_DEVICE,
        NoticeKind.PASSWORD_CHANGED,
    ]
    assert client.get("/").context["frame"].notice_count == 0


def test_the_address_for_notices_stands_nowhere_in_clear(nurse: User) -> None:
    signed_in().post("/account/", {"email": "canary@birds.example"})

    nurse.refresh_from_db()
    assert email_of(nurse) == "canary@birds.example"
    with connection.cursor() as cursor:
        cursor.execute("SELECT row_to_json(u)::text FROM clinics_user u")
        assert "canary" not in "".join(row for (row,) in cursor.fetchall())


def test_notices_go_to_the_address_once_and_wait_for_a_server_that_is_away(nurse: User) -> None:
    client = signed_in()
    client.post("/account/", {"email": "wang@birds.example"})
    signed_in()  # another browser
    with patch("django.core.mail.EmailMessage.send", side_effect=smtplib.SMTPServerDisconnected):
        assert send_notices() == 0

    assert (send_notices(), send_notices()) == (1, 0)
    (sent,) = mail.outbox
    assert sent.to == ["wang@birds.example"]
    assert "王敏" not in f"{sent.subject} {sent.body}"
    assert "/account/" in sent.body


def test_the_old_address_hears_of_a_new_one(nurse: User) -> None:
    client = signed_in()
    client.post("/account/", {"email": "old@birds.example"})
    client.post("/account/", {"email": "new@birds.example"})

    assert [one.to for one in mail.outbox] == [["old@birds.example"]]
    assert AccountNotice.objects.filter(kind=NoticeKind.MAIL_CHANGED).count() == 2


def test_an_address_that_is_none_is_refused_beside_the_field(nurse: User) -> None:
    page = signed_in().post("/account/", {"email": "not an address"})

    assert page.context["form"].errors.keys() == {"email"}


def test_the_page_asks_few_questions(nurse: User, django_assert_max_num_queries: object) -> None:
    client = signed_in()
    for _ in range(5):
        signed_in()
    client.get("/account/")
    with django_assert_max_num_queries(16):  # type: ignore[operator]  # pytest-django's fixture
        client.get("/account/")


def test_an_account_without_a_role_still_has_its_own_page(client: Client) -> None:
    client.force_login(StaffFactory())

    assert goes_on(client)


def test_a_patient_has_no_such_page_whichever_way_they_came(nurse: User, client: Client) -> None:
    patient = User.objects.create_patient_account()
    client.force_login(patient)
    for address in (
        "/account/",
        "/account/locked/",
        "/account/session/",
        "/account/unlock/passkey/",
        "/clinic/accounts/",
    ):
        assert client.get(address).status_code == 404, address

    passkey = Authenticator.objects.create(user=patient, type=Authenticator.Type.WEBAUTHN, data={"name": "x"})
    stranger = Client()
    with patch("allauth.mfa.webauthn.forms.LoginWebAuthnForm.clean_credential", return_value=passkey):
        answer = stranger.post("/accounts/2fa/webauthn/login/", {"credential": "{}"})
    assert answer["Location"] == "/accounts/login/"
    assert "_auth_user_id" not in stranger.session


@pytest.mark.parametrize("language", ["en", "zh-hans"])
def test_the_language_is_changed_on_the_page_one_is_on(client: Client, language: str) -> None:
    answer = client.post(
        "/account/language/",
        {"language": language},
        headers={"referer": "http://testserver/accounts/login/?next=/"},
    )
    assert answer["Location"] == "/accounts/login/?next=/"

    client.cookies = answer.cookies
    assert (
        f'lang="{"en" if language == "en" else "zh-Hans"}"' in client.get("/accounts/login/").content.decode()
    )


@pytest.mark.parametrize(
    "referer",
    ["https://elsewhere.example/accounts/login/", "nonsense", "http://testserver//elsewhere.example/"],
)
def test_it_leads_nowhere_else(client: Client, referer: str) -> None:
    assert (
        client.post("/account/language/", {"language": "en"}, headers={"referer": referer})["Location"] == "/"
    )
    assert client.post("/account/language/", {"language": "tlh"}).status_code == 404
