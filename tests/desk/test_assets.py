"""The front-end files: exactly those we know, and nothing when one is not."""

import hashlib
import json
from pathlib import Path

import pytest

from tools import assets

LOCK = json.loads((assets.ROOT / "package-lock.json").read_text())


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small house: one package in node_modules, and an empty place to copy to."""
    data = b"body{color:red}\n/*# sourceMappingURL=small.css.map */"
    package = tmp_path / "node_modules" / "small"
    package.mkdir(parents=True)
    (package / "small.css").write_bytes(data)
    (package / "package.json").write_text('{"version": "1.0.0"}')
    asset = assets.Asset("small", "1.0.0", "small.css", "small.css", hashlib.sha256(data).hexdigest())
    monkeypatch.setattr(assets, "MODULES", tmp_path / "node_modules")
    monkeypatch.setattr(assets, "VENDOR", tmp_path / "vendor")
    monkeypatch.setattr(assets, "STAMP", tmp_path / "vendor" / ".stamp")
    monkeypatch.setattr(assets, "ROOT", tmp_path)
    monkeypatch.setattr(assets, "ASSETS", (asset,))
    monkeypatch.setattr(assets, "install", lambda: None)
    return tmp_path


def test_a_file_is_copied_without_its_source_map_line(place: Path) -> None:
    assert assets.main() == 0
    assert (place / "vendor" / "small.css").read_bytes() == b"body{color:red}\n"


def test_a_second_run_does_nothing(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assets.main()
    assets.main()

    assert capsys.readouterr().out.endswith("assets: in place\n")


def test_a_changed_file_is_refused(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (place / "node_modules" / "small" / "small.css").write_bytes(b"body{color:blue}")

    assert assets.main() == 1
    assert "SHA-256" in capsys.readouterr().err
    assert not (place / "vendor" / ".stamp").exists()


def test_another_version_is_refused(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (place / "node_modules" / "small" / "package.json").write_text('{"version": "1.0.1"}')

    assert assets.main() == 1
    assert "1.0.1" in capsys.readouterr().err


def test_the_lock_names_no_host_and_has_the_versions_we_copy() -> None:
    packages = LOCK["packages"]

    assert all("resolved" not in package for package in packages.values())
    for asset in assets.ASSETS:
        assert packages[f"node_modules/{asset.package}"]["version"] == asset.version


def test_the_copied_files_point_at_nothing_outside() -> None:
    for asset in assets.ASSETS:
        if asset.target.exists():
            text = asset.target.read_bytes()
            assert b"sourceMappingURL" not in text
            assert b"url(http" not in text
            assert b"url(//" not in text
