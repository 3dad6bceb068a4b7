"""The first page and the home page reach a slow phone in at most 150 kB, everything they load counted, compressed."""

import gzip
import re
from pathlib import Path

from django.contrib.staticfiles import finders
from django.test import Client

from tests.portal.conftest import Person

MOST = 150_000


def weight(page: bytes) -> int:
    """Bytes of a page and of the styles and scripts it names, each compressed as a server does."""
    names = set(re.findall(r'(?:href|src)="/static/([^"]+\.(?:css|js|svg))"', page.decode()))
    files = [found for name in names if isinstance(found := finders.find(name), str)]
    assert len(files) == len(names) >= 5
    parts = [page, *(Path(file).read_bytes() for file in files)]
    return sum(len(gzip.compress(part)) for part in parts)


def test_the_first_page_is_light(person: Person, client: Client) -> None:
    assert weight(client.get("/p/east/sign-in/").content) <= MOST


def test_the_home_page_is_light(person: Person, phone_client: Client) -> None:
    assert weight(phone_client.get("/p/east/").content) <= MOST
