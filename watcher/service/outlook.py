"""Our own sight of one source: holds its budget when it does not answer, says once that we are blind, and once that we see again.

Failures are kept by action, since the right to list and the right to read are two: one good list does not mean that jobs can be
read.

Also remembers when it last saw, on record at most once a minute and at a clean stop, so that the next start knows how long we were
away (`core.absence`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final
from uuid import uuid4

import anyio

from watcher.core import pacing, sight
from watcher.core.absence import Absence, absence
from watcher.core.consequence import Consequences, consequences
from watcher.core.events import CauseId, WatchBlind, WatchRecovered
from watcher.core.model import JobRef, SourceName
from watcher.core.rule import Context
from watcher.core.sight import Sight
from watcher.errors import Forbidden, GarbledAnswer, InvalidRequest, SourceError, StoreUnavailable, Throttled
from watcher.service.budget import RequestBudget
from watcher.service.ledger import Ledger, observation
from watcher.service.telemetry import log

SEEN_EVERY: Final = timedelta(minutes=1)
"""How often it is put on record that we see. After a crash an absence may seem longer by so much."""

PERMANENT_PAUSE: Final = timedelta(minutes=5)
"""Between two probes of a source whose failure only a person can mend."""

JOB_SCOPED: Final = (Forbidden, GarbledAnswer, InvalidRequest)
"""Failures of GetJob that may concern one job only: a private job, an odd record. Several jobs in a row make it the source's."""

ROW_OF_FAILURES: Final = 20
"""Large enough for a colleague's sweep of private jobs, which are listed one after the other."""


class Outlook:
    """Whether we can see one source.

    Args:
        source: its name.
        blind_after: how long nothing may answer before people are told.
        budget: held back while nothing answers.
        ledger: where blindness and recovery are committed.
        jitter: draws from 0 to 1.
        round_of: the usual time between two questions of one sort; a gap of a few of them is no absence.
    """

    def __init__(
        self,
        source: SourceName,
        blind_after: timedelta,
        budget: RequestBudget,
        ledger: Ledger,
        jitter: Callable[[], float],
        *,
        round_of: timedelta = timedelta(0),
    ) -> None:
        self._source, self._blind_after, self._budget = source, blind_after, budget
        self._ledger, self._jitter, self._round_of = ledger, jitter, round_of
        self._kept_at: datetime | None = None
        self._lock = anyio.Lock()
        self._failing: dict[str, SourceError] = {}
        self._answered_at: dict[str, datetime] = {}
        """By action, since the start. All actions were answered at `sight.seen_at`."""
        self._last_answer = ledger.metrics.last_answer.labels(source)
        self._failures = 0
        self._failed_looks = 0
        self.source = source
        self.sight = Sight(source=source)
        self.gap: Absence | None = None
        """Our last absence; None when there was none since the start."""
        self.refused = anyio.Event()
        """Set once a person must act before anything can be seen."""

    async def load(self, actions: tuple[str, ...], looked_at: datetime | None = None) -> None:
        """Take up where the last run stopped.

        Args:
            actions: what will be asked. Which of them failed is not kept, so we see again when all have been answered.
            looked_at: the latest look at any job that is on record; we were here then.
        """
        for state in await self._ledger.store.sights():
            if state.source == self._source:
                self.sight, self._kept_at = state, state.seen_at
        if self.sight.seen_at is not None and looked_at is not None and looked_at > self.sight.seen_at:
            self.sight = replace(self.sight, seen_at=looked_at)
        if self.sight.blind_since is not None:
            self._failing = {action: SourceError("not answered since the start") for action in actions}

    @property
    def clear(self) -> bool:
        """Whether nothing is failing."""
        return not self._failing

    def fails(self, action: str) -> bool:
        """Whether this action failed when it was last tried."""
        return action in self._failing

    async def answered(self, action: str) -> None:
        """A question was answered."""
        if action == "GetJob":
            self._failed_looks = 0
        self._budget.answered()
        self._failing.pop(action, None)
        now = self._ledger.clock.now()
        self._last_answer.set(now.timestamp())
        self._end_absence(action, now)
        if not self._failing:
            self._failures = 0
            self.sight = replace(self.sight, seen_at=now)
            if self.sight.watching_since is None or self.sight.failing_since is not None:
                await self._update(None)
            elif self._kept_at is None or now - self._kept_at >= SEEN_EVERY:
                await self.keep()

    def _end_absence(self, action: str, now: datetime) -> None:
        seen = [at for at in (self.sight.seen_at, self._answered_at.get(action)) if at is not None]
        gap = absence(max(seen, default=None), now, round_of=self._round_of)
        if gap is not None:
            self.gap = gap
            log.info("was_away", source=self._source, since=gap.since.isoformat(), until=gap.until.isoformat())
        self._answered_at[action] = now

    async def keep(self) -> None:
        """Put on record when we last saw, if that is not on record yet. A store that refuses is asked again a minute later."""
        async with self._lock:
            state, now = self.sight, self._ledger.clock.now()
            if state.seen_at is None or state.seen_at == self._kept_at:
                return
            self._kept_at = state.seen_at
            if state.blind_since is None:  # a row of failures that nobody was told of does not outlive the program
                state = replace(state, failing_since=None, error="")
            try:
                await self._ledger.commit(observation(CauseId(str(uuid4())), now, Consequences(), sight=state))
            except StoreUnavailable as error:
                log.error("sight_put_off", source=self._source, error=str(error))

    async def promise(self, promise: sight.Promise) -> None:
        """Say once that the budget does not suffice, and once that it does again."""
        async with self._lock:
            now, cause = self._ledger.clock.now(), CauseId(str(uuid4()))
            state, events = sight.kept(self.sight, promise, now=now, cause=cause)
            if not events:
                return
            follows = consequences(events, Context(now=now), self._ledger.book, now)
            try:
                await self._ledger.commit(observation(cause, now, follows, sight=state))
            except StoreUnavailable as error:
                log.error("sight_put_off", source=self._source, error=str(error))
                return
            self.sight = state

    async def look_failed(self, job: JobRef, exc: SourceError, live_jobs: int) -> None:
        """GetJob failed for one job: the job's own affair, until as many in a row failed so that it must be the source's."""
        if not isinstance(exc, JOB_SCOPED):
            await self.failed("GetJob", exc)
            return
        self._failed_looks += 1
        log.warning("look_failed", job=str(job), error=str(exc))
        if self._failed_looks >= min(ROW_OF_FAILURES, live_jobs):
            # Nothing is held back: each job backs off by itself, and the list goes on finding others that can be read.
            self._failing["GetJob"] = exc
            await self._update(exc)

    async def failed(self, action: str, exc: SourceError) -> None:
        """A question to the source failed."""
        known = self._failing.get(action)
        self._failing[action] = exc
        if isinstance(exc, Throttled):
            self._budget.throttled(action, exc)
            await self._update(exc)
            return
        if not self._budget.held:  # questions that were under way together fail together: that is one failure, not many
            self._failures += 1
            pause = PERMANENT_PAUSE if exc.permanent else self._pause()
            self._budget.hold(max(pause, exc.retry_after or pause))
        if known is None or str(known) != str(exc):
            log.error("source_failed", source=self._source, action=action, permanent=exc.permanent, error=str(exc))
        await self._update(exc)
        if exc.permanent:
            self.refused.set()

    def _pause(self) -> timedelta:
        return pacing.backoff(self._failures, self._jitter(), longest=pacing.LONGEST_SOURCE_BACKOFF)

    async def _update(self, exc: SourceError | None) -> None:
        async with self._lock:
            now, cause = self._ledger.clock.now(), CauseId(str(uuid4()))
            events: tuple[WatchBlind | WatchRecovered, ...]
            if exc is None:
                state, events = sight.saw(self.sight, now=now, cause=cause)
            else:
                state, events = sight.failed(
                    self.sight,
                    error=str(exc),
                    permanent=exc.permanent,
                    blind_after=self._blind_after,
                    now=now,
                    cause=cause,
                )
            if events or state.watching_since != self.sight.watching_since:
                follows = consequences(events, Context(now=now), self._ledger.book, now)
                try:
                    await self._ledger.commit(observation(cause, now, follows, sight=state))
                except StoreUnavailable as error:
                    log.error("sight_put_off", source=self._source, error=str(error))
                    return
                self._kept_at = state.seen_at
            self.sight = state
            self._ledger.metrics.blind.labels(self._source).set(0 if state.blind_since is None else 1)
