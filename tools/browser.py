"""Make sure that a Chromium is here: found, else installed by apt when root, else a plain sentence and failure.

Its shell without windows goes first: the same engine, at two thirds of the work, because it never draws for a screen.
"""

import os
import shutil
import subprocess
import sys

NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def find_browser() -> str | None:
    """The path of a Chromium, or None."""
    return os.environ.get("CHROMIUM") or next((path for name in NAMES if (path := shutil.which(name))), None)


def main() -> int:
    if find_browser():
        return 0
    if os.geteuid() == 0 and shutil.which("apt-get"):
        print("setup: Chromium for the browser tests …", flush=True)
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for command in (
            ["update"],
            ["install", "-y", "chromium-headless-shell", "fonts-noto-cjk"],
            ["install", "-y", "chromium", "fonts-noto-cjk"],  # where a system has no shell of its own
        ):
            if not find_browser():
                subprocess.run(
                    ["apt-get", "-qq", *command], check=False, env=environment, stdout=subprocess.DEVNULL
                )
    if find_browser():
        return 0
    print(
        "The browser tests need Chromium. Install it (Debian: `apt-get install chromium-headless-shell fonts-noto-cjk`), "
        "or name it in the variable CHROMIUM.",
        file=sys.stderr,
    )
    return 1


if __name__ == "__main__":
    sys.exit(main())
