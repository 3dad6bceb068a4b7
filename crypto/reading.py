"""What stands on a page in place of a value that does not open, so that the rest of the page goes on.

For pages alone. Whoever decides, compares or sends reads the field itself and lets the error stop them: the marker is no value.
"""

from collections.abc import Callable
from typing import Any, Final, TypeVar

from django.db import models
from django.utils.functional import Promise
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from crypto.errors import KeyDestroyed, KeyRestricted, SealBroken

T = TypeVar("T")


class Unreadable:
    """A marker with a word and a sentence. It is true, equals nothing but itself, and has none of a text's methods."""

    __slots__ = ("_sentence", "_word")

    def __init__(self, word: Promise, sentence: Promise) -> None:
        self._word = word
        self._sentence = sentence

    def __str__(self) -> str:
        return str(self._word)

    def __html__(self) -> SafeString:
        """The word in its own look, with the sentence for whoever points at it."""
        return format_html(
            '<span class="zz-unread" title="{}">{}</span>', str(self._sentence), str(self._word)
        )


UNREADABLE: Final = Unreadable(
    _("unreadable"), _("This value is damaged and cannot be read. The privacy officer has been told.")
)
ERASED: Final = Unreadable(_("erased"), _("Erased on purpose, and gone for good."))
CLOSED: Final = Unreadable(
    _("closed"), _("Only stored, because the law requires it, and closed to everybody here.")
)


def opens(row: models.Model, name: str) -> bool:
    """Whether a sealed field of a row opens, or is empty. Hands nothing out, so it needs no access scope."""
    field: Any = row._meta.get_field(name)
    held = field.held(row)
    return held is None or not isinstance(shown(lambda: field.open(held, row)), Unreadable)


def shown(read: Callable[[], T]) -> T | Unreadable:
    """What `read` gives, or the marker to show in its place: damaged, erased, or closed by a legal hold.

    Other errors pass: no scope, a role that may not see it, keys that are away.
    """
    try:
        return read()
    except KeyDestroyed:
        return ERASED
    except KeyRestricted:
        return CLOSED
    except SealBroken:
        return UNREADABLE
