"""How far a command is, in one line that renews itself; silent where nobody watches."""

from django.core.management.base import OutputWrapper


class Progress:
    def __init__(self, out: OutputWrapper) -> None:
        self._out = out

    def told(self, done: int, total: int) -> None:
        if self._out.isatty():
            self._out.write(f"\r{done:,} of {total:,}", ending="")

    def end(self) -> None:
        if self._out.isatty():
            self._out.write("")
