"""`python -m bench NAME [--json] [--scale small|full]`: what is claimed of cost, measured beside a reference in the same run.

One JSON object per line and measure: name, value, unit, reference, ratio, n. The exit status is 1 when a goal is missed. Services are
started for the run; at full scale their data stay in `.zhizhi/bench` for the next one.
"""

import argparse
import os
import signal
import sys
import time
from contextlib import redirect_stdout
from importlib import import_module
from pathlib import Path
from types import FrameType

from config.embedded.__main__ import run_services
from config.embedded.places import REPOSITORY

BENCHES = ("access", "audit", "consent", "seal", "search")
DATA = REPOSITORY / ".zhizhi" / "bench"


def main() -> int:
    options = _options()
    signal.signal(signal.SIGTERM, _stop)
    full = options.scale == "full"
    with redirect_stdout(sys.stderr):  # stdout is for measures alone
        services = run_services(_kept() if full else None)
        variables = services.__enter__()
    try:
        os.environ.update(variables)
        return _run(options.name, full=full, as_json=options.json)
    finally:
        services.__exit__(None, None, None)


def _kept() -> Path:
    DATA.mkdir(parents=True, exist_ok=True)
    return DATA


def _run(name: str, *, full: bool, as_json: bool) -> int:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.test")
    import django

    django.setup()
    from django.core.management import call_command

    from bench.measure import Bench, Report
    from config.heap import settle

    began = time.monotonic()
    with redirect_stdout(sys.stderr):
        call_command("migrate", verbosity=0)
    module = import_module(f"bench.{name}")
    settle()  # as every process of the product does
    bench: Bench = module.run
    report = Report(module.GOALS, as_json=as_json)
    bench(report, full=full)
    missed = report.missed()
    for sentence in missed:
        report.say(f"goal missed: {sentence}")
    report.say(
        f"{len(report.goals) - len(missed)} of {len(report.goals)} goals met, {time.monotonic() - began:.0f} s"
    )
    return 1 if missed else 0


def _stop(signum: int, frame: FrameType | None) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise SystemExit(143)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("name", choices=BENCHES)
    parser.add_argument("--json", action="store_true", help="one JSON object per line and measure")
    parser.add_argument("--scale", choices=("small", "full"), default="full")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
