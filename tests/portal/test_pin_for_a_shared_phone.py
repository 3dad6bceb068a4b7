"""Several people use one phone: after the code each says who they are by name and PIN, and learns nothing of the others."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import pytest
from django.contrib.auth.hashers import make_password
from django.test import Client

from audit.acting import acting
from audit.models import AuditEvent
from clinics.models import Clinic
from patients.choices import PhoneOwner
from patients.models import Patient
from portal.models import MOST_WRONG_PINS, Pin, SignInCode
from portal.pins import KnownAtHome, is_easy
from tests.factories.patients import OPENED_AT
from tests.laid_out import laid_out
from tests.portal.conftest import TYPED, Person, Register, code_in, system, texts

SIGN_IN, CODE, WHO = "/p/east/sign-in/", "/p/east/sign-in/code/", "/p/east/sign-in/who/"
HERS, HIS = "582914", "730285"


@dataclass(frozen=True)
class Family:
    """She and her grandson share a phone; each has a PIN."""

    she: Person
    he: Person


@laid_out
def family(clinic: Clinic, register: Register) -> Family:
    family = Family(register(clinic, name="邓淑英"), register(clinic, name="邓小雨"))
    for person, pin in ((family.she, HERS), (family.he, HIS)):
        give_pin(person, pin)
    return family


hashed = cache(make_password)  # slow on purpose, so each PIN is hashed once


def give_pin(person: Person, pin: str) -> None:
    clinic = person.patient.clinic
    with acting(system(clinic)):
        Pin.objects.create(user=person.user, clinic=clinic, pin_hash=hashed(pin), set_at=OPENED_AT)


@pytest.fixture
def visitor(django_capture_on_commit_callbacks: Callable[..., object]) -> Callable[[], Client]:
    """A phone on which the right code was just typed."""

    def visitor() -> Client:
        client = Client()
        SignInCode.objects.all().delete()  # so that no limit is reached
        with django_capture_on_commit_callbacks(execute=True):  # type: ignore[attr-defined]
            client.post(SIGN_IN, {"phone": TYPED})
        answer = client.post(CODE, {"code": code_in(texts()[-1])})
        assert answer.headers["Location"] == WHO
        return client

    return visitor


Visitor = Callable[[], Client]


def who(client: Client) -> str | None:
    return client.session.get("_auth_user_id")


@pytest.mark.requirement("HIPAA-312d")
def test_code_name_and_pin_open_each_ones_own_pages(family: Family, visitor: Visitor) -> None:
    for person, name, pin in ((family.she, "邓淑英", HERS), (family.he, " 邓小雨 ", f"{HIS[:3]} {HIS[3:]}")):
        client = visitor()
        assert client.post(WHO, {"name": name, "pin": pin}).headers["Location"] == "/p/east/"
        assert who(client) == str(person.user.pk)
        assert client.post(WHO, {"name": name, "pin": pin}).headers["Location"] == SIGN_IN, "once"


def test_name_and_pin_open_nothing_where_the_code_was_not_typed(
    family: Family, django_capture_on_commit_callbacks: Callable[..., object]
) -> None:
    """Whoever asks for a code within the same minute waits for one of their own."""
    hers, strangers = Client(), Client()
    with django_capture_on_commit_callbacks(execute=True):  # type: ignore[attr-defined]
        for client in (hers, strangers):
            client.post(SIGN_IN, {"phone": TYPED})
    assert hers.post(CODE, {"code": code_in(texts()[0])}).headers["Location"] == WHO

    assert strangers.post(WHO, {"name": "邓淑英", "pin": HERS}).headers["Location"] == CODE
    assert who(strangers) is None
    assert hers.post(WHO, {"name": "邓淑英", "pin": HERS}).headers["Location"] == "/p/east/"


def test_the_code_alone_opens_nobody_and_names_nobody(family: Family, visitor: Visitor) -> None:
    page = visitor().get(WHO)

    assert who(page.client) is None
    assert not {name for name in ("邓淑英", "邓小雨", "邓*") if name in page.content.decode()}


def test_every_wrong_answer_is_told_alike_counted_and_on_the_log(
    family: Family, visitor: Visitor, clinic: Clinic, register: Register
) -> None:
    register(clinic, name="邓大山")  # shares the phone too, and has no PIN
    strangers_phone = register(clinic, phone="+8613800000077", name="周一鸣")
    give_pin(strangers_phone, "914037")
    client, told = visitor(), []
    for name, pin in (("邓小雨", HERS), ("邓大山", "582914")):
        told.append(client.post(WHO, {"name": name, "pin": pin}).context["form"].errors["pin"][0])
    ended = client.post(WHO, {"name": "周一鸣", "pin": "914037"})

    assert [words.split("还")[0].split(".")[0] for words in told] == [
        told[0].split("还")[0].split(".")[0]
    ] * 2
    assert "portal/code_ended.html" in [template.name for template in ended.templates]
    assert who(client) is None
    with acting(system(clinic)):
        failed = AuditEvent.objects.filter(action="account.sign_in_failed", reason="pin").order_by("uid")
        assert [event.object_pk for event in failed] == [str(family.he.user.pk), "unknown", "unknown"]


def test_five_wrong_ones_in_a_row_shut_a_pin_until_a_new_one_is_set(
    family: Family, visitor: Visitor, clinic: Clinic
) -> None:
    with acting(system(clinic)):
        Pin.objects.filter(pk=family.she.user.pk).update(tries=MOST_WRONG_PINS - 1)
    client = visitor()
    client.post(WHO, {"name": "邓淑英", "pin": "111222"})
    client.post(WHO, {"name": "邓淑英", "pin": HERS})
    assert who(client) is None

    with_link = Client()
    with_link.force_login(family.she.user)
    assert with_link.get("/p/east/pin/").context["pin"].is_shut
    with_link.post("/p/east/pin/", {"pin": "406183", "again": "406183"})
    client = visitor()
    client.post(WHO, {"name": "邓淑英", "pin": "406183"})
    assert who(client) == str(family.she.user.pk)


def test_a_pin_without_the_code_opens_nothing(family: Family, client: Client) -> None:
    assert client.get(WHO).headers["Location"] == SIGN_IN
    client.post(SIGN_IN, {"phone": TYPED})

    assert client.post(WHO, {"name": "邓淑英", "pin": HERS}).headers["Location"] == CODE
    assert who(client) is None


def test_a_phone_that_is_somebody_elses_opens_nothing_by_code_alone(person: Person, visitor: Visitor) -> None:
    """The daughter's number stands on the card: the text comes to her."""
    with acting(system(person.patient.clinic)):
        Patient.objects.filter(pk=person.patient.pk).update(phone_owner=PhoneOwner.CHILD)

    assert who(visitor()) is None


def test_a_pin_is_set_by_its_owner_alone_and_taken_away_again(
    person: Person, phone_client: Client, clinic: Clinic
) -> None:
    for pin, again in ((HERS, HIS), ("12345", "12345"), ("123456", "123456"), ("600229", "600229")):
        assert phone_client.post("/p/east/pin/", {"pin": pin, "again": again}).context["form"].errors
    phone_client.post("/p/east/pin/", {"pin": HERS, "again": HERS})
    with acting(system(clinic)):
        kept = Pin.objects.get()
        assert kept.pin_hash.startswith("argon2")
        assert HERS not in kept.pin_hash
    phone_client.post("/p/east/pin/end/")
    with acting(system(clinic)):
        assert not Pin.objects.exists()
        said = AuditEvent.objects.filter(action__startswith="account.pin").order_by("uid")
        assert [event.action for event in said] == ["account.pin_set", "account.pin_removed"]


@pytest.mark.parametrize(
    "pin",
    [
        "111111",
        "121212",
        "123123",
        "112211",
        "345678",
        "987654",
        "600229",
        "022960",
        "290260",
        "196002",
        "000001",
    ],
)
def test_what_whoever_shares_the_phone_would_try_is_no_pin(pin: str) -> None:
    assert is_easy(pin, KnownAtHome(born="19600229", phone="+8613800000001"))
    assert not is_easy("582914", KnownAtHome(born="", phone=""))
