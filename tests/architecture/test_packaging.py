"""What is installed is what is meant: two top-level names, all package data, entry points that match the files."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from importlib.metadata import entry_points
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    folder = tmp_path_factory.mktemp("wheel")
    done = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return zipfile.ZipFile(next(folder.glob("*.whl")))


def test_the_wheel_brings_exactly_two_top_level_names(wheel: zipfile.ZipFile) -> None:
    tops = {name.split("/")[0] for name in wheel.namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"watcher", "rules"}


@pytest.mark.parametrize("pattern", ["*.yaml", "*.j2", "*.mako", "py.typed", "*.py"])
def test_the_wheel_holds_every_file_of_the_packages(wheel: zipfile.ZipFile, pattern: str) -> None:
    held = set(wheel.namelist())
    files = [path.relative_to(ROOT) for top in ("watcher", "rules") for path in (ROOT / top).rglob(pattern)]
    assert files
    assert {str(path) for path in files} - held == set()


def test_every_rule_file_is_registered_and_every_registered_rule_has_a_file() -> None:
    registered = {entry.name: entry.module for entry in entry_points(group="dlc_watcher.rules")}
    files = {path.stem for path in (ROOT / "rules").glob("*.py")} - {"__init__"}
    assert {module.removeprefix("rules.") for module in registered.values()} == files
    assert {name.replace("-", "_") for name in registered} == files
