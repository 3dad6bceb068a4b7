"""Behind the proxy the visitor has their own address; without it nobody can claim another's."""

from ipaddress import ip_network

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory
from pytest_django import Settings

from config.proxy import VisitorAddress

PROXY, STRANGER, VISITOR = "172.30.91.2", "203.0.113.9", "198.51.100.7"


@pytest.fixture(autouse=True)
def trusted(settings: Settings) -> None:
    settings.TRUSTED_PROXIES = [ip_network("172.30.91.0/24")]


def seen(peer: str, forwarded: str | None = None) -> str:
    """The address the application sees."""
    headers = {"X-Forwarded-For": forwarded} if forwarded is not None else {}
    request = RequestFactory().get("/", headers=headers, REMOTE_ADDR=peer)
    addresses = []

    def view(request: HttpRequest) -> HttpResponse:
        addresses.append(request.META["REMOTE_ADDR"])
        return HttpResponse()

    VisitorAddress(view)(request)
    return str(addresses[0])


def test_our_proxy_is_believed() -> None:
    assert seen(PROXY, VISITOR) == VISITOR


def test_only_the_entry_our_proxy_added_is_believed() -> None:
    assert seen(PROXY, f"10.0.0.1, {VISITOR}") == VISITOR


def test_a_stranger_cannot_claim_an_address() -> None:
    assert seen(STRANGER, VISITOR) == STRANGER


@pytest.mark.parametrize("forwarded", [None, "", "unknown", "<script>", "1.2.3.4:5678"])
def test_what_is_not_an_address_is_left_alone(forwarded: str | None) -> None:
    assert seen(PROXY, forwarded) == PROXY


def test_the_newer_kind_of_address_works_too() -> None:
    assert seen(PROXY, "2001:db8::7") == "2001:db8::7"
