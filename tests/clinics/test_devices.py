"""A device says two words of itself, and one that is new to an account is told to its owner."""

import pytest
from django.core.cache import cache
from django.test import Client, RequestFactory

from clinics.accounts.devices import COOKIE, device_of, network_of
from clinics.accounts.models import AccountNotice, KnownDevice, NoticeKind
from clinics.models import User

pytestmark = pytest.mark.django_db
PASSWORD = "a long enough sentence"
EDGE = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/140.0.0.0 Safari/537.36 Edg/140.0.0.0"
IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 Version/18.0 Mobile/15E148 Safari/604.1"


@pytest.fixture
def user() -> User:
    cache.clear()
    return User.objects.create_user("linxiao", PASSWORD)


def sign_in(client: Client) -> None:
    client.post("/accounts/login/", {"login": "linxiao", "password": PASSWORD})


@pytest.mark.parametrize(
    ("agent", "device"),
    [(EDGE, "Edge · Windows"), (IPHONE, "Safari · iPhone"), ("curl/8", ""), ("王小芳的手机", "")],
)
def test_a_device_is_two_words_and_a_network_is_coarse(agent: str, device: str) -> None:
    request = RequestFactory().get("/", HTTP_USER_AGENT=agent, REMOTE_ADDR="203.0.113.77")
    six = RequestFactory().get("/", REMOTE_ADDR="2001:db8:1234:5678::9")

    assert device_of(request) == device
    assert (network_of(request), network_of(six)) == ("203.0.113.0/24", "2001:db8:1234::/48")


def test_the_first_device_is_no_news_and_the_second_one_is(user: User) -> None:
    first, second = Client(headers={"user-agent": EDGE}), Client(headers={"user-agent": IPHONE})
    sign_in(first)
    assert not AccountNotice.objects.exists()

    sign_in(second)
    notice = AccountNotice.objects.get()
    assert (notice.kind, notice.device) == (NoticeKind.NEW_DEVICE, "Safari · iPhone")
    sign_in(Client(headers={"user-agent": IPHONE}, cookies=None))
    assert AccountNotice.objects.count() == 2  # the same kind of phone, and another one


def test_a_browser_is_known_by_its_cookie_alone_and_the_table_does_not_give_it_away(user: User) -> None:
    browser = Client()
    sign_in(browser)
    cookie = browser.cookies[COOKIE]
    assert cookie["httponly"]
    assert cookie.value not in str(KnownDevice.objects.values_list("token_hash"))
    browser.post("/accounts/logout/")
    sign_in(browser)

    assert KnownDevice.objects.count() == 1
    assert not AccountNotice.objects.exists()


def test_a_cookie_that_somebody_chose_is_not_taken(user: User, client: Client) -> None:
    client.cookies[COOKIE] = "short"
    sign_in(client)

    assert client.cookies[COOKIE].value != "short"
