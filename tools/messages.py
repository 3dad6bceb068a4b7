"""Messages of both languages: `compile` the .po files, `extract` new ones, `check` that nothing is missing."""

import subprocess
import sys
from pathlib import Path

import polib

ROOT = Path(__file__).resolve().parents[1]
LOCALES = ("zh_Hans",)  # English is what the code says


def main(task: str) -> int:
    return {"compile": compile_messages, "extract": extract, "check": check}[task]()


def compile_messages() -> int:
    for path in _files():
        polib.pofile(str(path)).save_as_mofile(str(path.with_suffix(".mo")))
    return 0


def extract() -> int:
    """New messages into the .po files. Needs gettext's own programs."""
    locales = [option for locale in LOCALES for option in ("-l", locale)]
    command = [
        sys.executable, "-m", "django", "makemessages", *locales, "--no-wrap", "--no-obsolete", "--add-location", "file",
        "-i", ".venv", "-i", ".venv-uv", "-i", "node_modules", "-i", "tests", "-i", ".zhizhi",
    ]  # fmt: skip
    return subprocess.run(command, check=False, cwd=ROOT).returncode


def check() -> int:
    """1 when a message of the code has no translation, or one is fuzzy."""
    failures = 0
    for path in _files():
        catalogue = polib.pofile(str(path))
        for entry in [*catalogue.untranslated_entries(), *catalogue.fuzzy_entries()]:
            failures += 1
            print(f"{path.relative_to(ROOT)}: not translated: {entry.msgid!r}")
    return 1 if failures else 0


def _files() -> list[Path]:
    return [ROOT / "locale" / locale / "LC_MESSAGES" / "django.po" for locale in LOCALES]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
