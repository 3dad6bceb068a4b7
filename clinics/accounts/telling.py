"""Writing to the log what happens to an account, in the account's own name also where nobody is signed in yet."""

from django.http import HttpRequest

from audit.acting import acting
from audit.actors import Actor, ActorKind
from audit.services import record
from clinics.models import User, UserKind


def tell(action: str, request: HttpRequest, user: User, *, reason: str = "") -> None:
    """The event belongs to the account that signs in or out, not to the anonymous visitor the request began as."""
    clinic = getattr(request, "clinic", None)
    clinic_id = clinic.pk if clinic else None
    kind: ActorKind = "patient" if user.kind == UserKind.PATIENT else "staff"
    actor = Actor(
        ref=f"user:{user.pk}", kind=kind, clinic_id=clinic_id, field_sets=frozenset(), user_id=user.pk
    )
    address = request.META.get("REMOTE_ADDR", "")
    with acting(actor, *([clinic_id] if clinic_id else []), address=address):
        record(action, object=user, reason=reason)


def tell_of_refusal(username: str, reason: str) -> None:
    """What was typed is not kept: a mistyped user name may be a password. A known account is named by its id."""
    known = User.objects.filter(username=username).values_list("pk", flat=True).first()
    record(
        "account.sign_in_failed",
        object=("clinics.user", str(known or "unknown")),
        result="refused",
        reason=reason,
    )
