"""Where to go on to after something else came between: pages of ours alone."""

from urllib.parse import urlsplit

from django.http import HttpRequest
from django.urls import Resolver404, resolve
from django.utils.http import url_has_allowed_host_and_scheme


def where_asked(request: HttpRequest) -> str:
    """The page whose button was pressed. Pages do not repeat their own address: those of what is there and of what is not are equal."""
    page = urlsplit(request.headers.get("referer", ""))
    if page.netloc != request.get_host():
        return "/"
    return own_address(page._replace(scheme="", netloc="", fragment="").geturl())


def own_address(address: str) -> str:
    """An address of ours to go on to; the first page for anything else."""
    if not url_has_allowed_host_and_scheme(address, None) or not address.startswith("/"):
        return "/"
    try:
        resolve(address.partition("?")[0])
    except Resolver404:
        return "/"
    return address
