"""Clocks: the machine's own, and scenario time for the demo."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import anyio

from watcher.simulator.clocks import SpeedUp


class SystemClock:
    """Real time."""

    def now(self) -> datetime:
        """Now, in UTC."""
        return datetime.now(UTC)

    async def sleep(self, length: timedelta) -> None:
        """Wait."""
        await anyio.sleep(max(0.0, length.total_seconds()))


class SpedUpClock:
    """Scenario time as a `Clock`, for a service that watches simulated jobs."""

    def __init__(self, time: SpeedUp) -> None:
        self._time = time

    def now(self) -> datetime:
        """Now, in scenario time."""
        return self._time()

    async def sleep(self, length: timedelta) -> None:
        """Wait for that long in scenario time."""
        await anyio.sleep(max(0.0, length.total_seconds() / self._time.speed))
