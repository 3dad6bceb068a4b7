"""The clinic a page was made for. The page says it back with all it sends, so nothing typed for one clinic is carried out in another."""

from typing import Any, Final

from django.http import HttpRequest

FIELD: Final = "page_clinic"  # in every form, beside the token against forgery
HEADER: Final = "X-Page-Clinic"  # with whatever a part of a page of the frame asks for
_CHANGES_NOTHING: Final = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})


def page_clinic(request: Any) -> str:
    """The id of the clinic a page of staff is made for; empty where nobody of the staff is at work."""
    return str(request.clinic.pk) if getattr(request, "roles", None) and request.clinic else ""


def sent_from(request: HttpRequest) -> tuple[str, ...]:
    """The clinics that what was sent names as its page's; none for what would change nothing. A form that waited comes last in it."""
    if request.method in _CHANGES_NOTHING:
        return ()
    return tuple(filter(None, (request.POST.get(FIELD), request.headers.get(HEADER))))
