"""Request budgets: every request waits here for its turn.

DLC counts the requests of an account in a region, so that is what has a budget (`Account`); sources that belong to the same one
share it. What only one source suffers from, an outage or a missing right, holds only that one back (`RequestBudget`).
"""

from __future__ import annotations

from collections import deque
from datetime import datetime, timedelta
from typing import Final

import anyio
from prometheus_client import Gauge

from watcher.core import pacing
from watcher.core.shares import Turns, Use, first, served
from watcher.errors import Throttled
from watcher.ports.clock import Clock
from watcher.service.telemetry import Metrics, log

SHARE: Final = 5
"""Of so many requests, at most one is an aside."""

PATIENCE: Final = timedelta(seconds=10)
"""How long an aside stands back for what the polls leave over. Where they leave nothing over in that time, they seldom do: the next
one takes a place in the queue at once, where shares decide."""

PATIENCE_REGAINED: Final = timedelta(seconds=1)
"""... and each time that something is left over, asides stand back so much longer again."""

_NONE: Final = timedelta(0)


class _Ticket:
    """Somebody who waits."""

    __slots__ = ("bell", "given")

    def __init__(self) -> None:
        self.bell, self.given = anyio.Event(), False


class Account:
    """The shell around `core.pacing` and `core.shares`: keeps their values and does the waiting.

    One of those who wait hands out the requests, to himself and to the others, until he has got his own; then another one does. So
    there is no task that has to be started or stopped, and who is cancelled while he waits leaves no hole.

    Attributes:
        pace: how fast may be asked at present.
    """

    def __init__(self, requests_per_second: float, clock: Clock) -> None:
        self.clock = clock
        self.pace = pacing.full_pace(requests_per_second, clock.now())
        self._turns = Turns()
        self._waiting: dict[Use, deque[_Ticket]] = {}
        self._handing_out = False
        self._gauges: list[Gauge] = []

    def tell(self, gauge: Gauge) -> None:
        """Keep a gauge at the present rate."""
        self._gauges.append(gauge)
        gauge.set(self.pace.rate)

    def set_pace(self, pace: pacing.Pace) -> None:
        """The pace from now on."""
        if pace is self.pace:  # as after most answers
            return
        self.pace = pace
        for gauge in self._gauges:
            gauge.set(pace.rate)

    async def permit(self, use: Use) -> None:
        """Wait for the right to send one request. Of one use, who asked first is first; between uses, shares decide."""
        if not self._waiting:
            pace, wait = pacing.permit(self.pace, self.clock.now())
            if not wait:
                self.pace = pace
                return
        ticket = _Ticket()
        self._waiting.setdefault(use, deque()).append(ticket)
        try:
            while not ticket.given:
                if self._handing_out:
                    ticket.bell = anyio.Event()
                    await ticket.bell.wait()
                else:
                    await self._hand_out(ticket)
        finally:
            if not ticket.given:
                self._leave(use, ticket)
            if not self._handing_out:
                self._wake_one()

    async def _hand_out(self, own: _Ticket) -> None:
        self._handing_out = True
        try:
            while not own.given:
                wait = pacing.spare(self.pace, self.clock.now())
                if wait:
                    await self.clock.sleep(wait)
                    continue  # meanwhile the pace may have been changed
                use = first(self._turns, self._waiting)
                ticket = self._waiting[use][0]
                self._leave(use, ticket)
                self.pace, _ = pacing.permit(self.pace, self.clock.now())
                self._turns = served(self._turns, use)
                ticket.given = True
                ticket.bell.set()
        finally:
            self._handing_out = False

    def _leave(self, use: Use, ticket: _Ticket) -> None:
        queue = self._waiting[use]
        queue.remove(ticket)
        if not queue:
            del self._waiting[use]

    def _wake_one(self) -> None:
        if self._waiting:
            self._waiting[first(self._turns, self._waiting)][0].bell.set()


class RequestBudget:
    """What one source may ask, out of its account's budget.

    Args:
        account: the budget.
        metrics: where it is told.
        source: whose part this is.
    """

    def __init__(self, account: Account, metrics: Metrics, source: str) -> None:
        self._account, self._clock, self._metrics, self._source = account, account.clock, metrics, source
        self._held_until: datetime | None = None
        self._aside = anyio.Lock()
        self._aside_at: datetime | None = None
        self._patience = PATIENCE
        account.tell(metrics.rate.labels(source))

    @property
    def rate(self) -> float:
        """Requests per second allowed now."""
        return self._account.pace.rate

    @property
    def held(self) -> bool:
        """Whether nothing at all may be asked at the moment."""
        return self._hold() > _NONE

    def _hold(self) -> timedelta:
        held_until, blocked_until = self._held_until, self._account.pace.blocked_until
        if held_until is None and blocked_until is None:
            return _NONE
        now = self._clock.now()
        return max(held_until or now, blocked_until or now, now) - now

    async def permit(self, use: Use = Use.ROUND) -> None:
        """Wait for the right to send one request. What was held back while somebody waited holds that one back, too.

        A place in the queue is taken after a hold, not during it: places taken meanwhile would all fall due at its end.
        """
        while True:
            while wait := self._hold():
                await self._clock.sleep(wait)
            await self._account.permit(use)
            if not self.held:
                self._metrics.spent(self._source, use.value)
                return

    async def permit_aside(self) -> None:
        """Wait for the right to send one request that is not urgent: behind the polls, and never more than one in `SHARE`."""
        async with self._aside:
            if self._aside_at is not None:
                await self._clock.sleep(self._aside_at + timedelta(seconds=SHARE / self.rate) - self._clock.now())
            await self._stand_back()
            await self.permit(Use.ASIDE)
            self._aside_at = self._clock.now()

    async def _stand_back(self) -> None:
        """Wait for what the polls leave over, as long as it is worth it."""
        patient_until = self._clock.now() + self._patience
        while wait := pacing.spare(self._account.pace, self._clock.now()):
            left = patient_until - self._clock.now()
            if left <= timedelta(0):
                self._patience = timedelta(0)
                return
            await self._clock.sleep(min(wait, left))
        self._patience = min(PATIENCE, self._patience + PATIENCE_REGAINED)

    def answered(self) -> None:
        """A request was answered: speed up a little."""
        self._account.set_pace(pacing.answered(self._account.pace, self._clock.now()))

    def throttled(self, action: str, refused: Throttled) -> None:
        """The account asks too often, as this question showed: slow down all of it."""
        self._account.set_pace(pacing.throttled(self._account.pace, self._clock.now(), refused.retry_after))
        log.warning("throttled", source=self._source, action=action, rate=round(self.rate, 3))

    def hold(self, length: timedelta) -> None:
        """Ask nothing for so long, of this source."""
        until = self._clock.now() + length
        self._held_until = until if self._held_until is None else max(until, self._held_until)
