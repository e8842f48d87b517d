"""Where a run is, on standard error: lines, no spinner, as that would be a thread whose CPU is charged to whoever is measured."""

from __future__ import annotations

import sys
import time

_BEGAN = time.monotonic()


def say(text: str) -> None:
    """One line, with the minutes and seconds since the run began."""
    minutes, seconds = divmod(int(time.monotonic() - _BEGAN), 60)
    print(f"{minutes:3}:{seconds:02} {text}", file=sys.stderr, flush=True)
