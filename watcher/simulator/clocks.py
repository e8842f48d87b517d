"""Scenario time."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta


class SpeedUp:
    """A clock that runs `speed` times as fast as the real one from the moment it is made, or from its `go` on.

    Args:
        speed: 300 makes five minutes of a second.
        origin: the time it starts at; default: the real time.
        held: it stands at `origin` until `go`.
    """

    def __init__(self, speed: float = 1.0, origin: datetime | None = None, *, held: bool = False) -> None:
        self.origin = origin or datetime.now(UTC)
        self.speed = speed
        self._started = None if held else time.monotonic()

    def go(self) -> None:
        """Let it run from now on. One that runs already is left alone."""
        if self._started is None:
            self._started = time.monotonic()

    def __call__(self) -> datetime:
        """Now on this clock, aware, in UTC."""
        if self._started is None:
            return self.origin
        return self.origin + timedelta(seconds=(time.monotonic() - self._started) * self.speed)


def real_time() -> datetime:
    """Now, aware, in UTC."""
    return datetime.now(UTC)
