"""A patient signs in with a code sent to the phone: it opens once, and nobody learns who is a patient here."""

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from threading import Barrier

import pytest
import time_machine
from django.core import mail
from django.db import connection, connections
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from audit.acting import acting
from audit.models import AuditEvent
from clinics.accounts.models import KnownDevice
from clinics.models import Clinic, User
from patients.services import change_contact
from portal.doors import MOST_BY_STRANGERS, MOST_PER_ADDRESS, MOST_PER_DOOR, Asker, hash_of_address
from portal.errors import TooManyCodes
from portal.models import MOST_TRIES, SignInCode
from portal.services import send_code
from tests.factories.clinics import ClinicFactory, StaffFactory
from tests.factories.patients import PatientFactory
from tests.portal.conftest import PHONE, TYPED, Person, Register, code_in, system, texts

Capture = Callable[..., AbstractContextManager[list[Callable[[], None]]]]
MORNING = datetime(2026, 11, 23, 0, 40, tzinfo=UTC)
SIGN_IN = "/p/east/sign-in/"
CODE = "/p/east/sign-in/code/"
PHONES_AT_ONCE = MOST_PER_DOOR + 2
HERE = "127.0.0.1"
ELSEWHERE = "203.0.113.7"
WRONG_CODES = ("000000", "111111")


@pytest.fixture
def ask(client: Client, django_capture_on_commit_callbacks: Capture) -> Callable[..., object]:
    """Type a phone; what is sent after the commit is sent."""

    def ask(phone: str = TYPED, path: str = SIGN_IN, by: Client = client, address: str = HERE) -> object:
        with django_capture_on_commit_callbacks(execute=True):
            return by.post(path, {"phone": phone}, REMOTE_ADDR=address)

    return ask


Ask = Callable[..., object]


def is_signed_in(client: Client) -> bool:
    return "_auth_user_id" in client.session


@pytest.mark.requirement("HIPAA-312d")
def test_the_right_code_opens_the_portal(person: Person, client: Client, ask: Ask) -> None:
    ask()
    answer = client.post(CODE, {"code": code_in(texts()[0])})

    assert answer.headers["Location"] == "/p/east/"
    assert client.session["_auth_user_id"] == str(person.user.pk)


def test_the_sign_in_is_in_the_log_under_the_persons_account(
    person: Person, client: Client, ask: Ask, clinic: Clinic
) -> None:
    ask()
    client.post(CODE, {"code": code_in(texts()[0])})

    with acting(system(clinic)):
        event = AuditEvent.objects.get(action="account.signed_in")
    assert event.actor_ref == f"user:{person.user.pk}"


def test_asking_and_failing_are_in_the_log_alike_for_known_and_unknown_phones(
    person: Person, client: Client, ask: Ask, clinic: Clinic
) -> None:
    for phone in (TYPED, "13900009999"):
        ask(phone)
        client.post(CODE, {"code": "000000"})

    with acting(system(clinic)):
        asked = [event.actor_kind for event in AuditEvent.objects.filter(action="account.code_sent")]
        failed = AuditEvent.objects.filter(action="account.sign_in_failed").order_by("uid")
        told = [(event.object_pk, event.result, event.reason) for event in failed]
    assert asked == ["anonymous"] * 2
    assert told == [(str(person.user.pk), "refused", "code"), ("unknown", "refused", "code")]


def test_spaces_in_the_code_do_no_harm(person: Person, client: Client, ask: Ask) -> None:
    ask()
    code = code_in(texts()[0])

    client.post(CODE, {"code": f"{code[:3]} {code[3:]}"})

    assert is_signed_in(client)


def test_a_code_opens_once(person: Person, client: Client, ask: Ask) -> None:
    ask()
    code = code_in(texts()[0])
    session = dict(client.session)
    client.post(CODE, {"code": code})

    replayed = Client()
    store = replayed.session
    store.update({"portal_code": session["portal_code"]})
    store.save()
    answer = replayed.post(CODE, {"code": code})

    assert not is_signed_in(replayed)
    assert "portal/code_ended.html" in [template.name for template in answer.templates]


def test_three_wrong_codes_end_it_even_for_the_right_one(person: Person, client: Client, ask: Ask) -> None:
    ask()
    code = code_in(texts()[0])
    wrong = "000000" if code != "000000" else "111111"
    session_code = client.session["portal_code"]
    for _ in range(3):
        client.post(CODE, {"code": wrong})

    store = client.session
    store["portal_code"] = session_code
    store.save()
    client.post(CODE, {"code": code})

    assert not is_signed_in(client)


def test_a_wrong_code_says_how_many_tries_are_left(person: Person, client: Client, ask: Ask) -> None:
    ask()
    code = code_in(texts()[0])
    answer = client.post(CODE, {"code": "000000" if code != "000000" else "111111"})

    assert answer.status_code == 200
    assert answer.context["form"].errors["code"]
    assert not is_signed_in(client)


def test_a_code_ends_after_five_minutes(person: Person, client: Client, ask: Ask) -> None:
    with time_machine.travel(MORNING, tick=False):
        ask()
    with time_machine.travel(MORNING + timedelta(minutes=5), tick=False):
        client.post(CODE, {"code": code_in(texts()[0])})

    assert not is_signed_in(client)


def test_an_unknown_phone_gets_the_same_answers_and_no_text(clinic: Clinic, client: Client, ask: Ask) -> None:
    known, unknown = ask("13900000009"), client.get(CODE)

    assert known.headers["Location"] == CODE  # type: ignore[attr-defined]
    assert unknown.status_code == 200
    assert texts() == []


def test_known_and_unknown_phones_see_the_same_pages(person: Person, ask: Ask) -> None:
    def pages(phone: str) -> list[bytes]:
        visitor = Client()
        ask(phone, by=visitor)
        first = visitor.get(CODE).content
        second = visitor.post(CODE, {"code": "12345x"}).content
        return [without_csrf(first), without_csrf(second)]

    assert pages(TYPED) == pages("13900000009")


def test_known_and_unknown_phones_cost_the_same_statements(person: Person, ask: Ask) -> None:
    counts = []
    for phone in (TYPED, "13900000009"):
        with CaptureQueriesContext(connection) as statements:
            ask(phone, by=Client())
        counts.append(len(statements))

    assert counts[0] == counts[1]


def test_another_clinics_portal_does_not_know_the_phone(
    person: Person, other_clinic: Clinic, ask: Ask
) -> None:
    ask(path="/p/west/sign-in/")

    assert texts() == []


def test_a_code_of_one_clinic_does_not_open_another(
    person: Person, other_clinic: Clinic, client: Client, ask: Ask
) -> None:
    ask()
    client.post("/p/west/sign-in/code/", {"code": code_in(texts()[0])})

    assert not is_signed_in(client)


def test_a_clinic_that_does_not_exist_has_no_portal(clinic: Clinic, client: Client) -> None:
    assert client.get("/p/nowhere/sign-in/").status_code == 404


def test_a_number_in_the_place_of_a_clinic_is_looked_up_nowhere(clinic: Clinic, client: Client) -> None:
    """Statements stand in the server's view of what runs: a phone typed into an address would be seen there."""
    with CaptureQueriesContext(connection) as seen:
        assert client.get("/p/13800004321/").status_code == 404
        assert client.post("/p/13800004321/sign-in/", {"phone": "13800004321"}).status_code == 404
    assert not any("13800004321" in query["sql"] for query in seen)


def test_a_closed_account_gets_no_code(person: Person, ask: Ask) -> None:
    User.objects.filter(pk=person.user.pk).update(is_active=False)
    ask()

    assert texts() == []


def test_asking_again_within_a_minute_sends_nothing_new(person: Person, ask: Ask) -> None:
    ask()
    ask()

    assert len(texts()) == 1


def test_asking_again_within_a_minute_in_another_browser_is_a_code_of_its_own(
    person: Person, ask: Ask
) -> None:
    hers, strangers = Client(), Client()
    ask(by=hers)
    ask(by=strangers)

    code = code_in(texts()[0])
    assert len(texts()) == 2
    type_wrong(strangers, but=code_in(texts()[1]))
    strangers.post(CODE, {"code": code})
    hers.post(CODE, {"code": code})
    assert is_signed_in(hers)
    assert not is_signed_in(strangers)


def test_a_stranger_who_keeps_asking_shuts_their_own_door_and_not_the_owners(
    person: Person, ask: Ask
) -> None:
    for minutes in range(MOST_PER_DOOR):
        with time_machine.travel(MORNING + timedelta(minutes=minutes), tick=False):
            assert ask(by=Client(), address=ELSEWHERE).status_code == 302  # type: ignore[attr-defined]
    with time_machine.travel(MORNING + timedelta(minutes=9), tick=False):
        assert ask(by=Client(), address=ELSEWHERE).status_code == 429  # type: ignore[attr-defined]
        assert ask(by=Client()).status_code == 302  # type: ignore[attr-defined]


def test_many_networks_are_no_way_to_send_text_after_text_and_a_browser_that_is_known_still_opens(
    person: Person, ask: Ask
) -> None:
    known = signed_in_before(ask)
    sent = len(texts())
    with time_machine.travel(MORNING + timedelta(hours=1), tick=False):
        answers = [ask(by=Client(), address=f"203.0.{network}.7") for network in range(MOST_BY_STRANGERS + 2)]
        refused = [answer.status_code for answer in answers].count(429)  # type: ignore[attr-defined]
        assert (refused, len(texts()) - sent) == (2, MOST_BY_STRANGERS)
        ask(by=known)
        known.post(CODE, {"code": code_in(texts()[-1])})
        assert is_signed_in(known)


def test_a_full_waiting_room_keeps_out_no_browser_that_is_known(
    person: Person, ask: Ask, clinic: Clinic
) -> None:
    known = signed_in_before(ask)
    with time_machine.travel(MORNING + timedelta(hours=1), tick=False):
        address_hash = hash_of_address(clinic, Asker(HERE))
        now = timezone.now()
        asked = {"clinic": clinic, "address_hash": address_hash, "sent_at": now, "expires_at": now}
        with acting(system(clinic)):
            SignInCode.objects.bulk_create(SignInCode(**asked) for _ in range(MOST_PER_ADDRESS))
        assert ask(by=Client()).status_code == 429  # type: ignore[attr-defined]
        assert ask(by=known).status_code == 302  # type: ignore[attr-defined]


def test_a_browser_that_is_known_has_a_limit_of_its_own_too(person: Person, ask: Ask) -> None:
    known = signed_in_before(ask)
    with time_machine.travel(MORNING + timedelta(hours=2), tick=False):
        for _ in range(MOST_PER_DOOR):
            known.cookies.pop("sessionid", None)  # each time as if for the first time today
            assert ask(by=known).status_code == 302  # type: ignore[attr-defined]
        known.cookies.pop("sessionid", None)
        assert ask(by=known).status_code == 429  # type: ignore[attr-defined]


def test_a_browser_known_to_one_account_is_a_strangers_to_another(
    person: Person, ask: Ask, clinic: Clinic, register: Register
) -> None:
    register(clinic, phone="+8613800000077", name="周一鸣")
    known = signed_in_before(ask)
    ask("13800000077", by=known)

    with acting(system(clinic)):
        assert SignInCode.objects.get(sent_at__gt=MORNING + timedelta(hours=1)).from_known is False


def test_two_accounts_in_one_browser_show_it_in_no_table(
    person: Person, ask: Ask, clinic: Clinic, register: Register
) -> None:
    register(clinic, phone="+8613800000077", name="周一鸣")
    browser = signed_in_before(ask)
    ask("13800000077", by=browser)
    browser.post(CODE, {"code": code_in(texts()[-1])})

    marks = list(KnownDevice.objects.values_list("token_hash", flat=True))
    assert len(set(marks)) == len(marks) == 2


def signed_in_before(ask: Ask) -> Client:
    """A browser on which the person was signed in that morning."""
    known = Client()
    with time_machine.travel(MORNING, tick=False):
        ask(by=known)
        known.post(CODE, {"code": code_in(texts()[-1])})
        assert is_signed_in(known)
        known.post("/p/east/sign-out/")
    return known


def type_wrong(client: Client, *, but: str) -> None:
    """Three codes that are not the one that was sent."""
    for _ in range(MOST_TRIES):
        client.post(CODE, {"code": next(code for code in WRONG_CODES if code != but)})


def test_after_five_codes_in_an_hour_no_more_are_sent_to_one_door(
    person: Person, client: Client, ask: Ask
) -> None:
    for minutes in range(5):
        with time_machine.travel(MORNING + timedelta(minutes=2 * minutes), tick=False):
            ask()
    with time_machine.travel(MORNING + timedelta(minutes=12), tick=False):
        answer = ask()

    assert answer.status_code == 429  # type: ignore[attr-defined]
    assert len(texts()) == 5


def test_the_limit_says_nothing_of_whether_somebody_has_the_phone(person: Person, ask: Ask) -> None:
    def answers(phone: str) -> list[int]:
        return [ask(phone, by=Client()).status_code for _ in range(MOST_PER_DOOR + 1)]  # type: ignore[attr-defined]

    assert answers(TYPED) == answers("13900000009") == [302] * MOST_PER_DOOR + [429]


def test_after_ten_codes_in_a_day_no_more_are_sent_to_one_door_until_the_next(
    person: Person, ask: Ask
) -> None:
    for hours in range(10):
        with time_machine.travel(MORNING + timedelta(hours=hours), tick=False):
            ask()
    with time_machine.travel(MORNING + timedelta(hours=11), tick=False):
        assert ask().status_code == 429  # type: ignore[attr-defined]
    with time_machine.travel(MORNING + timedelta(hours=25), tick=False):
        assert ask().status_code == 302  # type: ignore[attr-defined]
    assert len(texts()) == 11


def test_neither_phone_nor_code_is_kept_in_clear(
    person: Person, client: Client, ask: Ask, clinic: Clinic
) -> None:
    ask()
    code = code_in(texts()[0])

    with acting(system(clinic)):
        row = SignInCode.objects.get()
    kept = " ".join(
        [row.phone_hash, row.address_hash, row.door_hash, row.code_hash, *map(str, client.session.values())]
    )
    assert "13800000001" not in kept
    assert code not in row.code_hash


def test_a_text_that_the_carrier_refuses_breaks_nothing(
    person: Person, client: Client, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        raise OSError("no route")

    monkeypatch.setattr(mail.EmailMessage, "send", refuse)
    answer = ask()

    assert answer.headers["Location"] == CODE  # type: ignore[attr-defined]


@pytest.mark.parametrize(("phone", "told"), [("+8613800000099", 1), (PHONE, 0), (None, 1)])
def test_the_phone_of_before_hears_that_codes_go_elsewhere(
    person: Person, clinic: Clinic, phone: str | None, told: int, django_capture_on_commit_callbacks: Capture
) -> None:
    """Whoever writes their own number on a card gets the person's codes: the person hears of it at once."""
    by = system(clinic)
    with django_capture_on_commit_callbacks(execute=True), acting(by):
        change_contact(person.patient, {"phone": phone}, phone_owner=None, by=by)
    assert len(texts()) == told
    assert all(clinic.phone in text and "99" not in text for text in texts())
    assert [to for letter in mail.outbox for to in letter.to] == [
        f"{PHONE.lstrip('+')}@sms.mailbox.invalid"
    ] * told


def test_who_has_no_pages_is_told_nothing_of_a_new_phone(
    clinic: Clinic, django_capture_on_commit_callbacks: Capture
) -> None:
    by = system(clinic)
    with django_capture_on_commit_callbacks(execute=True), acting(by):
        patient = PatientFactory(clinic=clinic, phone=PHONE)
        change_contact(patient, {"phone": "+8613800000099"}, phone_owner=None, by=by)
    assert texts() == []


def test_an_incomplete_phone_is_told_beside_the_field(clinic: Clinic, client: Client) -> None:
    answer = client.post(SIGN_IN, {"phone": "138"})

    assert answer.status_code == 200
    assert answer.context["form"].errors["phone"]


def test_the_code_page_without_a_code_leads_back(clinic: Clinic, client: Client) -> None:
    assert client.get(CODE).headers["Location"] == SIGN_IN


def test_signing_out_ends_the_session(person: Person, phone_client: Client) -> None:
    phone_client.post("/p/east/sign-out/")

    assert not is_signed_in(phone_client)


def test_signing_out_everywhere_ends_a_phone_that_was_lost(
    person: Person, clinic: Clinic, phone_client: Client
) -> None:
    lost = Client()
    lost.force_login(person.user)
    assert lost.get("/p/east/data/").status_code == 200
    phone_client.post("/p/east/sign-out/", {"everywhere": "yes"})
    for phone in (lost, phone_client):
        assert phone.get("/p/east/data/").status_code == 302
    with acting(system(clinic)):
        assert AuditEvent.objects.get(action="account.sessions_ended").reason == "own"


def test_a_password_never_opens_a_patients_account(person: Person, client: Client) -> None:
    person.user.set_password("a long enough sentence")
    person.user.save()
    client.post("/accounts/login/", {"login": person.user.username, "password": "a long enough sentence"})

    assert not is_signed_in(client)


def test_a_staff_phone_opens_nothing(clinic: Clinic, ask: Ask) -> None:
    StaffFactory()
    ask("13700000007")

    assert texts() == []


def without_csrf(page: bytes) -> bytes:
    return re.sub(rb'(csrfmiddlewaretoken" value="|X-CSRFToken": "|nonce-)[^"]+', b"", page)


@pytest.mark.django_db(transaction=True)
def test_codes_asked_for_at_the_same_moment_are_all_counted() -> None:
    clinic = ClinicFactory("east")
    started = Barrier(PHONES_AT_ONCE)

    def asked(_phone: int) -> bool:
        started.wait()
        try:
            with acting(system(clinic)):
                send_code(clinic, TYPED, asker=Asker("192.0.2.1", "192.0.2.0/24"), at=MORNING)
        except TooManyCodes:
            return False
        finally:
            connections.close_all()
        return True

    with ThreadPoolExecutor(PHONES_AT_ONCE) as phones:
        assert sum(phones.map(asked, range(PHONES_AT_ONCE))) == MOST_PER_DOOR
