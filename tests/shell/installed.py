"""What is installed according to pyproject.toml, so that a stale installation does not change what tests say."""

from __future__ import annotations

import tomllib
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path

from watcher.kinds import Kinds
from watcher.plugins import discover

ROOT = Path(__file__).parents[2]


def declared_entry_points() -> EntryPoints:
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["entry-points"]
    return EntryPoints(
        EntryPoint(name, value, group) for group, entries in groups.items() for name, value in entries.items()
    )


def installed_kinds() -> Kinds:
    return discover(declared_entry_points)
