"""Where the keys stand: `crypto_status [--clinic CODE]`."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone
from django.utils.translation import gettext as _

from clinics.models import Clinic
from crypto.core.suites import Suite
from crypto.models import KeyJob
from exchange.key_status import Keys, KeyStatus, Values, key_status
from exchange.management.clinics import clinics_named
from exchange.management.progress import time_left


class Command(BaseCommand):
    help = "Show each clinic's keys, what they seal, and how far a change of keys has come. Changes nothing."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--clinic", metavar="CODE", help="this clinic alone")

    def handle(self, *args: Any, **options: Any) -> None:
        for clinic in clinics_named(options["clinic"]):
            for line in _lines(clinic, key_status(clinic)):
                self.stdout.write(line)


def _lines(clinic: Clinic, status: KeyStatus) -> list[str]:
    ends = timezone.localtime(status.epoch_ends).strftime("%Y-%m-%d %H:%M") if status.epoch_ends else "-"
    versions = ", ".join(str(version) for version in status.index_versions) or "-"
    return [
        f"{clinic.code}  {clinic.name}",
        "  " + _("the epoch ends: %(time)s") % {"time": ends},
        *(
            "  "
            + _("key-encryption key %(id)s (%(suite)s, %(provider)s): %(state)s, wraps %(count)s keys")
            % {
                "id": kek.pk,
                "suite": Suite(kek.suite).name,
                "provider": kek.provider,
                "state": kek.get_state_display(),
                "count": status.under[kek.pk],
            }
            for kek in status.keks
        ),
        "  " + _("data keys") + ": " + _of(status.data_keys),
        "  " + _("file keys") + ": " + _of(status.file_keys),
        "  " + _("data keys of an older suite: %(count)s") % {"count": status.older},
        "  " + _("versions of the index secret: %(versions)s") % {"versions": versions},
        *(f"  {_job(job)}" for job in status.jobs),
        *(f"  {_values(values)}" for values in status.values),
    ]


def _of(keys: Keys) -> str:
    return _("%(living)s living, %(held)s under a legal hold, %(destroyed)s destroyed") % {
        "living": keys.living,
        "held": keys.held,
        "destroyed": keys.destroyed,
    }


def _job(job: KeyJob) -> str:
    percent = int(100 * job.done / job.total) if job.total else 100
    counts = _("%(done)s of %(total)s, %(percent)s %%") % {
        "done": job.done,
        "total": job.total,
        "percent": percent,
    }
    seconds = (job.updated_at - job.started_at).total_seconds()
    left = f", {time_left(round(seconds * (job.total - job.done) / job.done))}" if job.done else ""
    return f"{job.get_kind_display()} ({job.target}): {counts}{left}"


def _values(values: Values) -> str:
    counts = ", ".join(f"{suite.name} {count}" for suite, count in sorted(values.by_suite.items())) or "0"
    note = _("only added to: keeps its seals and their keys") if values.stays else ""
    return f"{values.name}: {counts}" + (f" ({note})" if note else "")
