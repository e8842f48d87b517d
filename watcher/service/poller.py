"""Asks DLC: one poller for each source looks at each of its jobs with GetJob; `finder` finds them.

What to ask next, how long to wait and what an answer means is decided by the core (`pacing`, `selection`, `observation`); here the
questions are sent, under one budget and one limit on concurrency. What follows from the answers is committed by `recorder`.

Two kinds of failure are kept apart. A job that cannot be read is asked again later. A source that cannot be read makes us blind
(`outlook`): that is told once, and says nothing about its jobs.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import Final

import anyio

from watcher.core import observation as reading
from watcher.core import pacing, recognition
from watcher.core.absence import Absence, may_be_judged
from watcher.core.model import JobId, JobRef
from watcher.core.sight import Sight
from watcher.errors import JobNotFound, SourceError, StoreUnavailable
from watcher.ports import JobSource
from watcher.service.budget import RequestBudget
from watcher.service.finder import Finder
from watcher.service.ledger import Ledger
from watcher.service.outlook import JOB_SCOPED, Outlook
from watcher.service.questions import put
from watcher.service.recorder import Recorder
from watcher.service.roster import Entry, Roster
from watcher.service.telemetry import log
from watcher.service.waiting import sleep_or
from watcher.settings import SourceSettings

_STORE_PATIENCE: Final = timedelta(seconds=5)

_TRIES: Final = 3
"""Of one pass (`once`), where a failure may pass by itself."""


class Poller:
    """Watches the jobs of one source.

    Args:
        source: where to ask.
        settings: how often, how much, which jobs.
        ledger: where observations go.
        jitter: draws from 0 to 1.
        retention: how long ended jobs are kept; a job that ended before is old news, as it may have been told and forgotten.

    Attributes:
        budget: all requests to this source wait for it.
    """

    def __init__(
        self,
        source: JobSource,
        settings: SourceSettings,
        ledger: Ledger,
        jitter: Callable[[], float] = random.random,
        retention: timedelta | None = None,
    ) -> None:
        self._source, self._settings, self._ledger, self._jitter = source, settings, ledger, jitter
        self.name = source.name
        self.budget = self._budget = RequestBudget(
            settings.budget.requests_per_second, ledger.clock, ledger.metrics, self.name
        )
        self._outlook = Outlook(
            self.name,
            settings.blind_after,
            self._budget,
            ledger,
            jitter,
            round_of=max(settings.poll_every, settings.discover_every),
        )
        self._unread = ledger.metrics.unread.labels(self.name)
        self._passing = False
        self._roster = Roster(ledger.metrics.jobs_watched.labels(self.name))
        self._finder = Finder(
            source=source,
            settings=settings,
            ledger=ledger,
            roster=self._roster,
            outlook=self._outlook,
            budget=self._budget,
            jitter=jitter,
            retention=retention,
        )
        self._recorder = Recorder(source, ledger, self._finder, lambda: self.gap)

    @property
    def sight(self) -> Sight:
        """Whether we can see this source."""
        return self._outlook.sight

    @property
    def live_jobs(self) -> int:
        """How many jobs are on the roster."""
        return len(self._roster)

    async def load(self) -> None:
        """Take up where the last run stopped."""
        now = self._ledger.clock.now()
        stored = await self._ledger.stored(self.name)
        for brief in stored:
            if brief.member.live:
                self._roster.enrol(brief.member.ref, now, version=brief.version)
            else:
                self._roster.ended.add(brief.member.ref)
        for job_id in self._finder.selection.jobs:
            ref = JobRef(self.name, JobId(job_id))
            if not self._roster.knows(ref):
                self._roster.enrol(ref, now)
        listing = () if self._finder.selection.only_ids else ("ListJobs",)
        looked_at = max((brief.observed_at for brief in stored), default=None)
        await self._outlook.load((*listing, "GetJob") if self._roster else listing, looked_at)

    async def poll(self) -> None:
        """Run until cancelled."""
        async with anyio.create_task_group() as tasks:
            if not self._finder.selection.only_ids:
                tasks.start_soon(self._finder.discover)
            tasks.start_soon(self._look_at_all)

    async def rest(self) -> None:
        """Put on record when we last saw the source: the last thing of a run."""
        await self._outlook.keep()

    @property
    def gap(self) -> Absence | None:
        """Our last absence since the start. A pass is not an end of an absence: to be away between two passes is the plan."""
        return None if self._passing else self._outlook.gap

    def version_of(self, ref: JobRef) -> int | None:
        """The version of what is held about a job; None when it is not on the roster."""
        entry = self._roster.get(ref)
        return None if entry is None else entry.version

    def may_judge(self, ref: JobRef) -> bool:
        """Whether enough is known of a job to answer a deadline of it. Nothing better will come of a job off the roster."""
        entry = self._roster.get(ref)
        return entry is None or may_be_judged(
            asked_at=entry.asked_at, gap=self._outlook.gap, blind=self.sight.blind_since is not None
        )

    def seen_at(self, ref: JobRef) -> datetime | None:
        """When the job was last seen to be as it is held; None when it is not on the roster, or was not seen yet."""
        entry = self._roster.get(ref)
        if entry is None or entry.watch is None:
            return None
        return entry.seen_at or entry.watch.snapshot.observed_at

    async def pass_once(self) -> bool:
        """List, then look at every job once; what fails in passing is tried again. Returns whether the source could be seen."""
        self._passing = True
        if not self._finder.selection.only_ids:
            for _ in range(_TRIES):
                await self._finder.list_once()
                if not self._outlook.fails("ListJobs") or self._outlook.refused.is_set():
                    break
            if self._outlook.fails("ListJobs"):
                return False
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._cancel_when_refused, tasks.cancel_scope)
            waiting = self._roster.entries()
            for _ in range(_TRIES):
                await self._look_at(waiting)
                waiting = tuple(
                    entry for entry in waiting if entry.error is not None and not isinstance(entry.error, JOB_SCOPED)
                )
            tasks.cancel_scope.cancel()
        return self._outlook.clear

    async def _cancel_when_refused(self, scope: anyio.CancelScope) -> None:
        """One pass does not sit out the pause after a failure that only a person can mend."""
        await self._outlook.refused.wait()
        scope.cancel()

    # --- looking at jobs -------------------------------------------------------------------------------------------------------

    async def _look_at_all(self) -> None:
        """As many workers as questions may be under way. One of them waits for the next job that is due, the others for it."""
        turn = anyio.Lock(fast_acquire=True)

        async def work() -> None:
            while True:
                async with turn:
                    entry = await self._next_due()
                await self._look(entry)

        async with anyio.create_task_group() as tasks:
            for _ in range(self._settings.budget.concurrency):
                tasks.start_soon(work)

    async def _look_at(self, entries: Sequence[Entry]) -> None:
        """Look at each of them once."""
        waiting = iter(entries)

        async def work() -> None:
            for entry in waiting:
                await self._look(entry)

        async with anyio.create_task_group() as tasks:
            for _ in range(min(self._settings.budget.concurrency, len(entries))):
                tasks.start_soon(work)

    async def _next_due(self) -> Entry:
        clock = self._ledger.clock
        while True:
            rung = self._roster.bell.listen()
            entry = self._roster.take_due(clock.now())
            if entry is not None:
                return entry
            due_at = self._roster.next_due
            await sleep_or(clock.sleep, due_at - clock.now() if due_at else timedelta(days=1), rung)

    async def _look(self, entry: Entry) -> None:
        """Ask for one job and commit what follows."""
        await self._budget.permit()
        if self._roster.get(entry.ref) is entry and not entry.asking:
            entry.asking = True
            try:
                await self._ask(entry)
            finally:
                entry.asking = False

    async def _ask(self, entry: Entry) -> None:
        entry.error = None
        known = recognition.digest_to_ask_with(entry.known, entry.listed)
        try:
            fetched = await put(
                self._ledger.metrics,
                self.name,
                "GetJob",
                lambda: self._source.fetch_if_changed(entry.ref.job_id, known),
            )
        except JobNotFound:
            await self._outlook.answered("GetJob")
            await self._record(entry, self._recorder.missed(entry))
            self._asked(entry)
        except SourceError as exc:
            entry.failures += 1
            entry.error = exc
            await self._outlook.look_failed(entry.ref, exc, len(self._roster))
            self._back_off(entry)
            if isinstance(exc, JOB_SCOPED) or self.sight.blind_since is not None:
                self._asked(entry)
        else:
            # Stamped here, so that all of this program's times are read off one clock (the demo's runs faster), and before it is
            # said that we see: what was looked at before an absence was so before the absence began.
            seen_at = self._ledger.clock.now()
            await self._outlook.answered("GetJob")
            if fetched is None:
                self._unread.inc()
                entry.seen_at, entry.failures = seen_at, 0
                self._again(entry)
            else:
                await self._record(entry, self._recorder.seen(entry, fetched, seen_at))
            self._asked(entry)

    def _asked(self, entry: Entry) -> None:
        """Note it, and let the deadlines go on that waited for it."""
        waited = not self.may_judge(entry.ref)
        entry.asked_at = self._ledger.clock.now()
        if waited and self.may_judge(entry.ref):
            self._ledger.deadlines_bell.ring()

    async def _record(self, entry: Entry, recording: Awaitable[reading.Observed | None]) -> None:
        """Put on record what follows from a look, and say when to look again."""
        try:
            observed = await recording
        except StoreUnavailable as exc:
            log.error("observation_put_off", job=str(entry.ref), error=str(exc))
            self._roster.schedule(entry, self._ledger.clock.now() + _STORE_PATIENCE)
            return
        if observed is None:
            if not entry.failures:
                log.warning("job_unknown_to_dlc", job=str(entry.ref))
            entry.failures += 1
            self._back_off(entry, least=self._settings.poll_every)
            return
        entry.failures = 0
        if observed.watch.live or observed.watch.doubts.live_again:
            self._again(entry)
        else:
            self._roster.retire(entry)

    def _again(self, entry: Entry) -> None:
        due_at = pacing.next_poll(
            self._ledger.clock.now(),
            poll_every=self._settings.poll_every,
            live_jobs=len(self._roster),
            rate=self._budget.rate,
            jitter=self._jitter(),
        )
        self._roster.schedule(entry, due_at)

    def _back_off(self, entry: Entry, *, least: timedelta = timedelta(0)) -> None:
        pause = max(least, pacing.backoff(entry.failures, self._jitter()))
        self._roster.schedule(entry, self._ledger.clock.now() + pause)
