"""Pages that go on from a place in the list, not from a number: what is added meanwhile shifts nothing."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeVar
from uuid import UUID

from django.db.models import Model, Q, QuerySet
from django.utils.translation import gettext as _
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request

M = TypeVar("M", bound=Model)
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
LIMITS: Final = range(1, 101)
USUAL: Final = 50


@dataclass(frozen=True, slots=True)
class KeysetPage:
    """Rows, and what `cursor` says to go on after them; None at the end."""

    rows: Sequence[Any]
    cursor: str | None


def page_of(request: Request, rows: QuerySet[M], *, by: str | None = None) -> KeysetPage:
    """One page, newest first by the moment `by` and the id; without `by` by the id, which rises with time."""
    limit, place = limit_of(request), place_in(request)
    order = [f"-{by}", "-pk"] if by else ["-pk"]
    if place is not None:
        moment, pk = place
        rows = rows.filter(
            Q(**{f"{by}__lt": moment}) | Q(**{by: moment, "pk__lt": pk}) if by else Q(pk__lt=pk)
        )
    found = list(rows.order_by(*order)[: limit + 1])
    shown = found[:limit]
    last = (getattr(shown[-1], by) if by else EPOCH, shown[-1].pk) if len(found) > limit else None
    return KeysetPage(shown, cursor_of(*last) if last else None)


def limit_of(request: Request) -> int:
    """How many rows were asked for. Raises ValidationError outside 1 to 100."""
    said = request.query_params.get("limit", str(USUAL))
    if not (said.isascii() and said.isdigit() and len(said) < 4 and int(said) in LIMITS):
        raise ValidationError({"limit": [_("A number from 1 to 100.")]})
    return int(said)


def place_in(request: Request) -> tuple[datetime, UUID] | None:
    """Where the page begins. Raises ValidationError for what is no cursor of ours."""
    said = request.query_params.get("cursor")
    if said is None:
        return None
    micros, _dash, pk = said.partition("-")
    try:
        return EPOCH + timedelta(microseconds=int(micros, 16)), UUID(pk)
    except (ValueError, OverflowError):
        raise ValidationError({"cursor": [_("Take it from `next` as it is.")]}) from None


def cursor_of(moment: datetime, pk: UUID) -> str:
    """A moment and an id: nothing of a person."""
    return f"{(moment - EPOCH) // timedelta(microseconds=1):x}-{pk.hex}"


Row = TypeVar("Row")


def told(page: KeysetPage, tell: Callable[[Any], Row]) -> KeysetPage:
    """The same page with each row as it is told."""
    return KeysetPage([tell(row) for row in page.rows], page.cursor)
