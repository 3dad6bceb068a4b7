"""The garbage collector of a process that serves: what was loaded stays, so it is not looked through again and again."""

import gc
from typing import Final

YOUNG: Final = 10_000  # Python's 700 is less than one page of a list leaves behind while it is made


def settle() -> None:
    """Call once, when models, templates and tables of words are loaded: half a million objects that never become garbage."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, *gc.get_threshold()[1:])
