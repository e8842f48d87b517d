"""The configuration used where none is given: built-in rules, and a terminal that hears everything."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from watcher.config.loading import Loaded

_TEXT = """\
sources:
  replay: {kind: dlc, region: cn-hangzhou}
receivers:
  terminal: {console: {}}
route: {receiver: terminal}
"""


def builtin_configuration(text: str = _TEXT) -> Loaded:
    """Load a configuration that this program brings along."""
    from watcher.config.loading import load
    from watcher.plugins import discover

    return load(text, file="built-in configuration", env={}, kinds=discover(), base_dir=Path.cwd())
