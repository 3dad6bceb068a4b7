"""Whether a password is hard to guess, said in words. Nothing leaves the machine: the lists of common passwords come with zxcvbn."""

from dataclasses import dataclass
from math import prod
from threading import Lock
from typing import Any, Final

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from zxcvbn import zxcvbn  # type: ignore[import-untyped]
from zxcvbn.matching import L33T_TABLE  # type: ignore[import-untyped]

from clinics.models import User

SHORTEST: Final = 8
LONGEST: Final = 256
LOOKED_AT: Final = 72  # what lies beyond makes no password easier to guess
# The package tries every way in which signs may stand for letters (4 or @ for a, $ or 5 for s). Many ways take seconds: a password
# that has them is judged by its beginning.
MOST_WAYS: Final = 16
LOOKED_AT_OF_SIGNS: Final = 16
ENOUGH: Final = 3
_one_at_a_time = Lock()  # the package keeps the names of the account in a table that all threads share
_OUR_WORDS = ("zhizhi", "知止", "clinic", "jiankang", "yisheng", "hushi", "mima")
_STRENGTHS = (
    gettext_lazy("Guessed at once"),
    gettext_lazy("Guessed within minutes"),
    gettext_lazy("Guessed within days"),
    gettext_lazy("Good"),
    gettext_lazy("Very good"),
)
# What the package says, in the words it says it with; its own translations are none.
_WARNINGS = {
    "Straight rows of keys are easy to guess.": gettext_lazy("Rows of keys are easy to guess."),
    "Short keyboard patterns are easy to guess.": gettext_lazy("Patterns on the keyboard are easy to guess."),
    'Repeats like "aaa" are easy to guess.': gettext_lazy("Repeating a character adds little."),
    'Repeats like "abcabcabc" are only slightly harder to guess than "abc".': gettext_lazy(
        "Repeating a word adds little."
    ),
    'Sequences like "abc" or "6543" are easy to guess.': gettext_lazy(
        "Sequences like abc or 6543 are easy to guess."
    ),
    "Recent years are easy to guess.": gettext_lazy("Years are easy to guess."),
    "Dates are often easy to guess.": gettext_lazy("Dates are easy to guess."),
    "This is a top-10 common password.": gettext_lazy("This is one of the ten most common passwords."),
    "This is a top-100 common password.": gettext_lazy("This is one of the hundred most common passwords."),
    "This is a very common password.": gettext_lazy("This is a very common password."),
    "This is similar to a commonly used password.": gettext_lazy("This is close to a common password."),
    "A word by itself is easy to guess.": gettext_lazy("A single word is easy to guess."),
    "Names and surnames by themselves are easy to guess.": gettext_lazy("Names are easy to guess."),
    "Common names and surnames are easy to guess.": gettext_lazy("Names are easy to guess."),
}


@dataclass(frozen=True, slots=True)
class Strength:
    """`score` 0 to 4; `words` for people; `advice` what would help, empty when it is good."""

    score: int
    words: str
    advice: str

    @property
    def enough(self) -> bool:
        return self.score >= ENOUGH


def strength_of(password: str, user: Any = None) -> Strength:
    """How long a guesser would need who knows common passwords, keyboards, dates, and this account's names."""
    known = [user.username, user.display_name] if isinstance(user, User) else []
    looked_at = password[: LOOKED_AT if _ways(password) <= MOST_WAYS else LOOKED_AT_OF_SIGNS]
    with _one_at_a_time:
        found = zxcvbn(looked_at, user_inputs=[*_OUR_WORDS, *filter(None, known)])
    score = 0 if len(password) < SHORTEST else int(found["score"])
    return Strength(
        score, str(_STRENGTHS[score]), "" if score >= ENOUGH else _advice(password, found["feedback"])
    )


def _ways(password: str) -> int:
    """In how many ways its signs may stand for letters."""
    return prod(len(set(signs).intersection(password)) or 1 for signs in L33T_TABLE.values())


def _advice(password: str, feedback: dict[str, Any]) -> str:
    if len(password) < SHORTEST:
        return _("At least %(count)d characters.") % {"count": SHORTEST}
    warning = str(_WARNINGS.get(feedback["warning"], ""))
    help = _("Add a word or two that nobody expects; a sentence you remember is best.")
    return f"{warning} {help}".strip()


class HardToGuess:
    """For AUTH_PASSWORD_VALIDATORS: refuses what a guesser would find, and says what would help."""

    def validate(self, password: str, user: Any = None) -> None:
        if len(password) > LONGEST:
            raise ValidationError(
                _("At most %(count)d characters.") % {"count": LONGEST}, code="password_too_long"
            )
        strength = strength_of(password, user)
        if not strength.enough and len(password) >= SHORTEST:  # its length is said by Django's own validator
            raise ValidationError(
                _("Too easy to guess. %(advice)s") % {"advice": strength.advice}, code="password_too_easy"
            )

    def get_help_text(self) -> str:
        return _("At least 8 characters; a sentence you remember is best.")
