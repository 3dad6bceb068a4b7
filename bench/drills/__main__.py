"""`python -m bench.drills NAME [--scale small|full] [--seed N]`: the last line counts, the exit status says the same."""

import argparse
import os
import subprocess
import sys
import time
from importlib import import_module
from pathlib import Path

from bench.drills.tally import Drill, Scale, Tally

DRILLS = (
    "alarms",
    "canary",
    "completeness",
    "damage",
    "rotation",
    "erasure",
    "fold",
    "revoke",
    "worlds",
    "denials",
    "tamper",
    "sealstorm",
    "withdraw",
)
HERE = Path(__file__).resolve().parent
SEED = 20261121


def main() -> int:
    options = _options()
    if not options.inside:
        return _with_own_services()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings.test")
    import django

    django.setup()
    drill: Drill = import_module(f"bench.drills.{options.name}").run
    tally, began = Tally(), time.monotonic()
    drill(Scale(options.scale), tally, seed=options.seed)
    print(f"{time.monotonic() - began:.0f} s, seed {options.seed}")
    print(f"{tally.passed} passed, {tally.failed} failed")
    return 1 if tally.failed or not tally.passed else 0


def _with_own_services() -> int:
    services = [sys.executable, "-m", "config.embedded", "--ephemeral", "--"]
    command = [sys.executable, "-m", "bench.drills", *sys.argv[1:], "--inside"]
    return subprocess.run([*services, *command], check=False, cwd=HERE.parents[1]).returncode


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.drills", description=__doc__)
    parser.add_argument("name", choices=DRILLS)
    parser.add_argument("--scale", choices=[scale.value for scale in Scale], default=Scale.FULL)
    parser.add_argument("--seed", type=int, default=SEED, help="the same seed repeats the same drill")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
