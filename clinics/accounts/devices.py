"""Which device is signing in: what it says of itself in two words, and whether this account was here on it before."""

import re
from collections.abc import Callable, Collection
from hashlib import sha256
from ipaddress import IPv4Address, ip_address, ip_network
from secrets import token_urlsafe
from typing import Any, Final
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from clinics.accounts.models import KnownDevice
from clinics.models import User, UserKind

COOKIE: Final = "zz_device"
COOKIE_SECONDS: Final = 400 * 24 * 60 * 60  # the longest that browsers keep one
# The first that fits: every Chrome says that it is a Safari, every Edge that it is a Chrome.
_BROWSERS = (
    ("Edge", r"Edg(?:e|A|iOS)?/"),
    ("WeChat", r"MicroMessenger/"),
    ("QQ", r"QQBrowser/"),
    ("Opera", r"OPR/"),
    ("Firefox", r"Firefox/|FxiOS/"),
    ("Chrome", r"Chrome/|CriOS/|Chromium/"),
    ("Safari", r"Safari/"),
)
_SYSTEMS = (
    ("HarmonyOS", r"HarmonyOS|OpenHarmony"),
    ("Android", r"Android"),
    ("iPad", r"iPad"),
    ("iPhone", r"iPhone"),
    ("Windows", r"Windows"),
    ("macOS", r"Macintosh"),
    ("Linux", r"Linux|X11"),
)
NOBODY: Final = UUID(int=0)
_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")


class DeviceCookie:
    """Gives a browser its token when somebody has signed in on it."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: Any) -> HttpResponse:
        response = self.get_response(request)
        if token := getattr(request, "device_token", ""):
            response.set_cookie(
                COOKIE,
                token,
                max_age=COOKIE_SECONDS,
                secure=settings.SESSION_COOKIE_SECURE,
                httponly=True,
                samesite="Lax",
            )
        return response


def device_of(request: HttpRequest) -> str:
    """Browser and system, such as "Chrome · Windows"; never more of what a browser tells of itself."""
    agent = request.META.get("HTTP_USER_AGENT", "")
    known = [_first(names, agent) for names in (_BROWSERS, _SYSTEMS)]
    return " · ".join(name for name in known if name)


def network_of(request: HttpRequest) -> str:
    """The network somebody comes from, coarse: enough to tell the clinic from elsewhere, too little to find a home."""
    try:
        address = ip_address(request.META.get("REMOTE_ADDR", ""))
    except ValueError:
        return ""
    prefix = 24 if isinstance(address, IPv4Address) else 48
    return str(ip_network(f"{address}/{prefix}", strict=False))


def knows_device(username: str, request: HttpRequest) -> bool:
    """Whether this browser's token belongs to the account. Asks the same for accounts that do not exist."""
    return KnownDevice.objects.filter(
        user__username=username, token_hash=_hash(token_of(request) or "none")
    ).exists()


def is_known_to_any(patients: Collection[UUID], token: str) -> bool:
    """Whether one of these patients' accounts was signed in on the browser of this token. Asks the same where there are none."""
    accounts = list(patients) or [NOBODY]
    marks = [_hash_for(account, token or "none") for account in accounts]
    return KnownDevice.objects.filter(user_id__in=accounts, token_hash__in=marks).exists()


def token_of(request: HttpRequest) -> str:
    """The browser's own token, or nothing where it has none of our form."""
    token = request.COOKIES.get(COOKIE, "")
    return token if _TOKEN.fullmatch(token) else ""


def remember_device(request: HttpRequest, user: User) -> bool:
    """Note that the account is signed in on this browser. Answers whether that is news to somebody who knows others."""
    token = token_of(request) or token_urlsafe(32)
    request.device_token = token  # type: ignore[attr-defined]  # DeviceCookie hands it out
    now = timezone.now()
    knew_others = KnownDevice.objects.filter(user=user).exists()
    patient = user.kind == UserKind.PATIENT
    _device, new = KnownDevice.objects.update_or_create(
        user=user,
        token_hash=_hash_for(user.pk, token) if patient else _hash(token),
        defaults={"last_at": now, "device": device_of(request)},
        create_defaults={"first_at": now, "last_at": now, "device": device_of(request)},
    )
    return new and knew_others


def _hash(token: str) -> str:
    """A token is long and random, so its hash needs no secret."""
    return sha256(f"zhizhi/device/{token}".encode()).hexdigest()


def _hash_for(patient: UUID, token: str) -> str:
    """Another hash for every patient: which accounts share a browser is nobody's business, and no table shows it."""
    return _hash(f"{patient}/{token}")


def _first(names: tuple[tuple[str, str], ...], agent: str) -> str:
    return next((name for name, pattern in names if re.search(pattern, agent)), "")
