"""One source's request budget: every request waits here for its turn."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

import anyio

from watcher.core import pacing
from watcher.ports import Clock
from watcher.service.telemetry import Metrics

SHARE: Final = 5
"""Of so many requests, at most one is an aside."""

PATIENCE: Final = timedelta(seconds=10)
"""How long an aside stands back for what the polls leave over, before it takes a place in the queue."""


class RequestBudget:
    """The shell around `core.pacing`: keeps its value and does the waiting. Places in the queue are given in order of asking."""

    def __init__(self, requests_per_second: float, clock: Clock, metrics: Metrics, source: str) -> None:
        self._clock = clock
        self._pace = pacing.full_pace(requests_per_second, clock.now())
        self._aside = anyio.Lock()
        self._aside_at: datetime | None = None
        self._gauge = metrics.rate.labels(source)
        self._gauge.set(requests_per_second)

    @property
    def rate(self) -> float:
        """Requests per second allowed now."""
        return self._pace.rate

    @property
    def held(self) -> bool:
        """Whether nothing at all may be asked at the moment."""
        until = self._pace.blocked_until
        return until is not None and until > self._clock.now()

    async def permit(self) -> None:
        """Wait for the right to send one request. What was held back while somebody waited holds that one back, too.

        A place in the queue is drawn after a hold, not during it: places drawn meanwhile would all fall due at its end.
        """
        while True:
            await self._sit_out_hold()
            self._pace, wait = pacing.permit(self._pace, self._clock.now())
            if wait > timedelta(0):
                await self._clock.sleep(wait)
            if not self.held:
                return

    async def permit_aside(self) -> None:
        """Wait for the right to send one request that is not urgent: behind the polls, and never more than one in `SHARE`."""
        async with self._aside:
            if self._aside_at is not None:
                await self._clock.sleep(self._aside_at + timedelta(seconds=SHARE / self.rate) - self._clock.now())
            patient_until = self._clock.now() + PATIENCE
            while (left := patient_until - self._clock.now()) > timedelta(0):
                wait = pacing.spare(self._pace, self._clock.now())
                if not wait:
                    break
                await self._clock.sleep(min(wait, left))
            await self.permit()
            self._aside_at = self._clock.now()

    async def _sit_out_hold(self) -> None:
        while (until := self._pace.blocked_until) is not None and (wait := until - self._clock.now()) > timedelta(0):
            await self._clock.sleep(wait)

    def answered(self) -> None:
        """A request was answered: speed up a little."""
        self._set(pacing.answered(self._pace, self._clock.now()))

    def throttled(self, retry_after: timedelta | None) -> None:
        """The account asks too often: slow down all of it."""
        self._set(pacing.throttled(self._pace, self._clock.now(), retry_after))

    def hold(self, length: timedelta) -> None:
        """Ask nothing for so long."""
        self._set(pacing.hold(self._pace, self._clock.now(), length))

    def _set(self, pace: pacing.Pace) -> None:
        self._pace = pace
        self._gauge.set(pace.rate)
