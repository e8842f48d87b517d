"""Time that moves only when the test says so, for a real service that asks a real server."""

from __future__ import annotations

import heapq
import itertools
from datetime import UTC, datetime, timedelta

import anyio
import anyio.lowlevel

from watcher.service.app import Service

_PAUSE = timedelta(seconds=1)
"""Waits shorter than this keep to a pace; they move the time themselves, or nobody would."""

_PATIENCE_S = 180
"""Real seconds for real work, on a machine however busy: what takes longer hangs."""


START = (datetime.now(UTC) - timedelta(days=1)).replace(hour=8, minute=0, second=0, microsecond=0)
"""Yesterday morning: lists are asked for by the real date."""


class SteppedClock:
    """A `Clock` for the service, and by calling it the simulator's, too."""

    def __init__(self, start: datetime = START) -> None:
        self._now = start
        self._sleepers: list[tuple[datetime, int, anyio.Event]] = []
        self._order = itertools.count()

    def __call__(self) -> datetime:
        return self._now

    def now(self) -> datetime:
        return self._now

    async def sleep(self, length: timedelta) -> None:
        if length < _PAUSE:
            self._now += max(length, timedelta(0))
            await anyio.lowlevel.checkpoint()
            return
        woken = anyio.Event()
        heapq.heappush(self._sleepers, (self._now + length, next(self._order), woken))
        await woken.wait()

    def step(self, length: timedelta) -> None:
        """Let so much time pass, at once."""
        self._now += length
        while self._sleepers and self._sleepers[0][0] <= self._now:
            heapq.heappop(self._sleepers)[2].set()


async def until_looked(service: Service, since: datetime) -> None:
    """Wait until the source has answered since then, each live job was asked about, and what followed is on record."""
    with anyio.fail_after(_PATIENCE_S):
        for poller in service.pollers:
            while poller.sight.seen_at is None or poller.sight.seen_at < since:
                await anyio.sleep(0.002)
            while any(entry.asked_at is None or entry.asked_at < since for entry in poller._roster.entries()):
                await anyio.sleep(0.002)


async def until_listed(service: Service, jobs: int) -> None:
    """Wait until so many jobs have been seen for the first time."""
    with anyio.fail_after(_PATIENCE_S):
        while len(await service.store.watches(live_only=False)) < jobs:
            await anyio.sleep(0.002)


async def until_told(service: Service) -> None:
    """Wait until nothing that is due remains unsent."""
    with anyio.fail_after(_PATIENCE_S):
        while (counts := await service.store.counts())["deliveries.pending"] + counts["deliveries.sending"]:
            await anyio.sleep(0.002)
