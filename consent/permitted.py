"""What a function that uses a patient's data rests on, said where it stands."""

from collections.abc import Callable
from datetime import datetime
from functools import wraps
from typing import ParamSpec, TypeVar
from uuid import UUID

from audit.purposes import Purpose
from consent.choices import ANY_CHANNEL, SELF_RECIPIENT, Operation
from consent.gate import gate

P = ParamSpec("P")
R = TypeVar("R")


def requires_consent(
    purpose: Purpose,
    *,
    patient: Callable[P, UUID],
    at: Callable[P, datetime],
    data: frozenset[str] = frozenset(),
    recipient: str = SELF_RECIPIENT,
    op: str = Operation.USE,
    channel: str = ANY_CHANNEL,
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """The function runs behind the gate as it is called, whenever it was asked for.

    `patient` and `at` find in its arguments whose data it uses, and when.

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
                at=at(*args, **kwargs),
            ):
                return function(*args, **kwargs)

        return permitted

    return decorate
