"""How somebody likes to read: the elder mode, with larger type and fewer things on a page. Off until chosen, kept with the account."""

from django.contrib.sessions.backends.base import SessionBase
from django.utils import timezone

from audit.services import record
from clinics.models import User
from patients.models import Patient
from portal.models import ReadingMode

SESSION_ELDER = "portal_elder"
OFFERED_FROM = 65  # years


def begin_reading(session: SessionBase, user: User) -> None:
    """At sign-in: as the account last chose; a choice made before signing in is kept where it never did."""
    chosen = ReadingMode.objects.filter(pk=user.pk).first()
    if chosen is not None:
        session[SESSION_ELDER] = chosen.elder


def choose_reading(session: SessionBase, user: User | None, *, elder: bool) -> None:
    """Remembered for the account, or for this visit where nobody has signed in."""
    session[SESSION_ELDER] = elder
    if user is not None:
        mode, _made = ReadingMode.objects.update_or_create(user=user, defaults={"elder": elder})
        record("account.reading_chosen", object=mode)


def reads_large(session: SessionBase) -> bool:
    return bool(session.get(SESSION_ELDER, False))


def is_offered(session: SessionBase, patient: Patient) -> bool:
    """Whether the page should mention it: to somebody of 65 who has never chosen."""
    old_enough = (
        patient.birth_year is not None and timezone.localdate().year - patient.birth_year >= OFFERED_FROM
    )
    return old_enough and SESSION_ELDER not in session
