"""How far a long job has come: a bar that is drawn again and again on a terminal, a line now and then elsewhere."""

import time
from collections.abc import Iterable
from typing import Final

from django.core.management.base import OutputWrapper
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from clinics.models import Clinic
from crypto.models import KeyJob

WIDTH: Final = 24
SECONDS_BETWEEN_BARS: Final = 0.1
SECONDS_BETWEEN_LINES: Final = 10.0


def follow(out: OutputWrapper, clinic: Clinic, jobs: Iterable[KeyJob]) -> int:
    """Show each job as it moves, until they are done; says how many were finished."""
    shown = _Shown(out, clinic)
    finished = 0
    for job in jobs:
        shown.moved(job)
        finished += bool(job.finished_at)
    return finished


class _Shown:
    def __init__(self, out: OutputWrapper, clinic: Clinic) -> None:
        self._out = out
        self._clinic = clinic
        self._bar = out.isatty()
        self._job: int | None = None
        self._began = (0.0, 0)
        self._latest = 0.0

    def moved(self, job: KeyJob) -> None:
        now = time.monotonic()
        if job.pk != self._job:
            self._job, self._began, self._latest = job.pk, (now, job.done), 0.0
        ended = job.finished_at is not None
        between = SECONDS_BETWEEN_BARS if self._bar else SECONDS_BETWEEN_LINES
        if not ended and now - self._latest < between:
            return
        self._latest = now
        line = self._line(job, now)
        self._out.write(f"\r{line:<78}" if self._bar else line, ending="\n" if ended or not self._bar else "")
        self._out.flush()

    def _line(self, job: KeyJob, now: float) -> str:
        share = 1.0 if job.finished_at or not job.total else min(1.0, job.done / job.total)
        filled = round(share * WIDTH)
        words = [
            f"{self._clinic.code} {job.get_kind_display()} ({job.target}):",
            *([f"[{'#' * filled}{'-' * (WIDTH - filled)}]"] if self._bar else []),
            _("%(done)s of %(total)s, %(percent)s %%")
            % {"done": job.done, "total": job.total, "percent": int(share * 100)},
        ]
        if not job.finished_at and (left := self._seconds_left(job, now)) is not None:
            words.append(time_left(left))
        return " ".join(words)

    def _seconds_left(self, job: KeyJob, now: float) -> int | None:
        began, done = self._began
        pace = (job.done - done) / (now - began) if now > began else 0
        return round((job.total - job.done) / pace) if pace > 0 else None


def time_left(seconds: int) -> str:
    if seconds < 60:
        return ngettext("%(count)s second left", "%(count)s seconds left", seconds) % {"count": seconds}
    minutes = round(seconds / 60)
    return ngettext("%(count)s minute left", "%(count)s minutes left", minutes) % {"count": minutes}
