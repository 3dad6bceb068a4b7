"""What a function that uses a patient's data rests on, said where it stands."""

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar
from uuid import UUID

from django.utils import timezone

from audit.purposes import Purpose
from consent.choices import ANY_CHANNEL, SELF_RECIPIENT, Operation
from consent.gate import gate

P = ParamSpec("P")
R = TypeVar("R")


def requires_consent(
    purpose: Purpose,
    *,
    patient: Callable[P, UUID],
    data: frozenset[str] = frozenset(),
    recipient: str = SELF_RECIPIENT,
    op: str = Operation.USE,
    channel: str = ANY_CHANNEL,
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """The function runs behind the gate, now, whenever it was asked for; `patient` finds in its arguments whose data it uses.

    It raises ConsentMissing instead of running, and RuntimeError outside a transaction, where the gate could hold nothing.
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        @wraps(function)
        def permitted(*args: P.args, **kwargs: P.kwargs) -> R:
            with gate(
                patient(*args, **kwargs),
                purpose,
                data=data,
                recipient=recipient,
                op=op,
                channel=channel,
                at=timezone.now(),
            ):
                return function(*args, **kwargs)

        return permitted

    return decorate
