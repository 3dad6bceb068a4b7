"""What stands around every staff page: the rail, the clinic, the person. `{% frame as frame %}` in base.html only."""

import re
from collections.abc import Hashable
from dataclasses import dataclass
from functools import cache, lru_cache
from secrets import token_hex
from typing import Any, Final, NamedTuple
from uuid import UUID

from django import template
from django.conf import settings
from django.template import RequestContext
from django.template.loader import get_template
from django.urls import reverse
from django.utils.html import conditional_escape
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from audit.alarms import alarm_count
from clinics.accounts.notices import UNSEEN
from clinics.guards import ClinicRequest
from clinics.page_clinic import FIELD, page_clinic
from clinics.roles import Permission, Role
from followups.queries import open_count

register = template.Library()
_GAP: Final = token_hex()  # nobody's name can be it
_IN_GAPS: Final = re.compile(f"{_GAP}([a-z_]+);")
BELONG = {
    "patients:list": (
        "patients:search", "desk:chart", "followups:panel", "patients:responsible", "patients:watch", "patients:open_portal",
        "patients:panels", "patients:emergency",
    ),
    "desk:staff": ("desk:leave",),
    "clinics:teams": ("clinics:team",),
    "clinics:integrations": ("clinics:integration", "clinics:new_integration_token"),
    "consent:requests": ("consent:request",),
    "consent:purposes": (
        "consent:purpose", "consent:version", "consent:publish", "consent:assessments", "consent:assessment",
    ),
    "consent:recipients": ("consent:new_recipient", "consent:recipient", "consent:cut_off"),
    "desk:privacy": ("desk:log", "desk:log_find", "desk:log_entry", "desk:seals", "desk:names_told", "desk:evidence", "desk:kept"),
}  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)  # `_stops` keeps them: which it is says what it says
class Stop:
    """One way to go from the rail, or from the tab bar on a phone."""

    url: str
    icon: str
    words: str
    current: bool


class Workplace(NamedTuple):
    """A clinic as the frame says it."""

    pk: UUID
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    language: str = ""
    name: str = ""
    username: str = ""
    roles: tuple[str, ...] = ()
    clinic: Workplace | None = None
    other_clinics: tuple[Workplace, ...] = ()
    stops: tuple[Stop, ...] = ()
    search_url: str = ""
    switch_url: str = ""
    idle_seconds: int = 0
    todo_count: int | None = None
    alarm_count: int | None = None
    notice_count: int = 0

    @property
    def initial(self) -> str:
        """The sign of the person in the corner: the first character of the name."""
        return self.name[:1].upper()


@register.simple_tag(takes_context=True)
def frame(context: RequestContext) -> Frame:
    """The frame of the person at work; of somebody who works in no clinic, only the name, the lock and the way out."""
    request, language = context.request, get_language() or ""
    person = request.user
    if not person.is_authenticated:
        return Frame(language=_tag(language))
    own: dict[str, Any] = {
        "language": _tag(language),
        "name": person.get_full_name(),
        "username": person.username,
        "notice_count": request.session.get(UNSEEN, 0),
        "idle_seconds": settings.SESSION_IDLE_SECONDS,
    }
    if getattr(request, "clinic", None) is not None:
        own |= _at_work(request, language)  # type: ignore[arg-type]  # the middleware has made it a ClinicRequest
    return Frame(**own)


def _at_work(request: ClinicRequest, language: str) -> dict[str, Any]:
    """What the frame has of a clinic, and of what one may do in it."""
    may = request.permissions
    here = request.clinic
    match = request.resolver_match
    others = {role.clinic_id: role.clinic for role in request.roles if role.clinic_id != here.pk}
    return {
        "roles": tuple(str(Role(role.role).label) for role in request.roles if role.clinic_id == here.pk),
        "clinic": Workplace(here.pk, here.name),
        "other_clinics": tuple(Workplace(clinic.pk, clinic.name) for clinic in others.values()),
        "stops": _stops(may, match.view_name if match else "", language),
        "search_url": _address("patients:search") if Permission.SEE_PATIENTS in may else "",
        "switch_url": _address("clinics:switch"),
        "todo_count": open_count(request.actor, here.pk) if Permission.WORK_FOLLOWUPS in may else None,
        "alarm_count": alarm_count(request.actor, here.pk) if Permission.DECIDE_ALARMS in may else None,
    }


def _tag(language: str) -> str:
    """The language as HTML names it."""
    return "zh-Hans" if language == "zh-hans" else language


@register.simple_tag(takes_context=True)
def piece(context: RequestContext, template: str, **takes: Any) -> SafeString:
    """A part of a page that depends on the language and on what it takes: rendered once, and kept in this process.

    What is the page's own is given as `own_NAME`: the template is rendered without it and kept so, and `{{ NAME }}` is put in each
    time, as are the hidden fields of forms. Whatever says something of a patient comes in no other way.
    """
    own = {name[4:]: takes.pop(name) for name in [*takes] if name.startswith("own_")}
    first, *rest = _piece(template, get_language() or "", tuple(name for name in own if own[name]), **takes)
    if not rest:
        return SafeString(first)
    values: dict[str, str] = {name: conditional_escape(value) for name, value in own.items()}
    if "csrf_token" in rest:
        values["csrf_token"] = str(context["csrf_token"])
        values[FIELD] = page_clinic(context.request)
    filled = [values[part] if place % 2 == 0 else part for place, part in enumerate(rest)]
    return mark_safe("".join((first, *filled)))  # noqa: S308  # rendered by a template, and what was put in is escaped


@lru_cache(maxsize=4096)
def _piece(template: str, language: str, own: tuple[str, ...], **takes: Hashable) -> tuple[str, ...]:
    """The template in the active language, cut where something is put in: text, name, text, name, text …"""
    gaps = {name: f"{_GAP}{name};" for name in (*own, "csrf_token", FIELD)}
    return tuple(_IN_GAPS.split(get_template(template).render({**takes, **gaps})))


@lru_cache(maxsize=1024)
def _stops(may: frozenset[Permission], here: str, language: str) -> tuple[Stop, ...]:
    """The ways of somebody who may so much, on the page `here`, in the active language."""
    ways = (
        ("desk:workbench", "desk", _("Workbench"), None),
        ("patients:list", "people", _("Patients"), Permission.SEE_PATIENTS),
        ("patients:new", "card", _("Open a card"), Permission.OPEN_CARD),
        ("consent:requests", "msg", _("Requests"), Permission.ANSWER_REQUESTS),
        ("exchange:import", "import", _("Import"), Permission.IMPORT_REPORTS),
        ("desk:alarms", "bell", _("Alarms"), Permission.DECIDE_ALARMS),
        ("patients:review_glass", "clock", _("Emergencies"), Permission.REVIEW_GLASS),
        ("consent:complaints", "msg", _("Complaints"), Permission.ANSWER_COMPLAINTS),
        ("desk:staff", "people", _("Staff"), Permission.MANAGE_STAFF),
        ("clinics:teams", "people", _("Care teams"), Permission.MANAGE_TEAMS),
        ("desk:privacy", "shield", _("Privacy"), Permission.SEE_LOG),
        ("consent:purposes", "todo", _("Notices"), Permission.MANAGE_NOTICES),
        ("consent:recipients", "send", _("Recipients"), Permission.MANAGE_RECIPIENTS),
        ("clinics:accounts", "shield", _("Accounts"), Permission.MANAGE_ACCOUNTS),
        ("clinics:integrations", "right", _("Integrations"), Permission.MANAGE_INTEGRATIONS),
    )
    own = here in {view for view, *_rest in ways}
    return tuple(
        Stop(_address(view), icon, words, current=view == here if own else _leads_to(view, here))
        for view, icon, words, permission in ways
        if permission is None or permission in may
    )


@cache
def _address(view: str) -> str:
    """Every page asks for these addresses, and they stay the same."""
    return reverse(view)


def _leads_to(view: str, here: str) -> bool:
    """Whether the page on the screen belongs to this way: a chart and its panels belong to the patients."""
    if here == view or here in BELONG.get(view, ()):
        return True
    if view == "patients:list" and here.startswith(("consent:", "records:")):
        return not any(here in pages for pages in BELONG.values())
    return False
