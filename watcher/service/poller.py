"""Asks DLC: one poller for each source looks at each of its jobs with GetJob; `finder` finds them.

What to ask next, how long to wait and what an answer means is decided by the core (`pacing`, `selection`, `observation`); here the
questions are sent, under one budget and one limit on concurrency, and what follows from the answers is committed.

Two kinds of failure are kept apart. A job that cannot be read is asked again later. A source that cannot be read makes us blind
(`outlook`): that is told once, and says nothing about its jobs.

Longer than most: what an answer means, who else wrote meanwhile and when to ask again are one loop.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final
from uuid import uuid4

import anyio
from anyio import to_thread

from watcher.core import observation as reading
from watcher.core import pacing, recognition
from watcher.core.absence import Absence, mark_late, may_be_judged
from watcher.core.consequence import consequences
from watcher.core.events import CauseId
from watcher.core.model import JobId, JobRef, JobSnapshot, Watch
from watcher.core.rule import Context
from watcher.core.sight import Sight
from watcher.errors import JobNotFound, SourceError, StaleObservation, StoreUnavailable
from watcher.ports import Fetched, JobSource
from watcher.service.budget import RequestBudget
from watcher.service.finder import Finder
from watcher.service.ledger import Ledger, observation
from watcher.service.outlook import JOB_SCOPED, Outlook
from watcher.service.questions import put
from watcher.service.roster import Entry, Roster
from watcher.service.telemetry import log
from watcher.service.waiting import sleep_or
from watcher.settings import SourceSettings

_STORE_PATIENCE: Final = timedelta(seconds=5)

_MANY_PODS: Final = 500
"""More are compared in a thread."""

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
        watches = await self._ledger.store.watches(live_only=False, source=self.name)
        for watch in watches:
            if watch.live:
                self._roster.enrol(watch.snapshot.ref, now, watch=watch)
            else:
                self._roster.ended.add(watch.snapshot.ref)
        for job_id in self._finder.selection.jobs:
            ref = JobRef(self.name, JobId(job_id))
            if not self._roster.knows(ref):
                self._roster.enrol(ref, now)
        listing = () if self._finder.selection.only_ids else ("ListJobs",)
        looked_at = max((watch.snapshot.observed_at for watch in watches), default=None)
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

    def may_judge(self, ref: JobRef) -> bool:
        """Whether enough is known of a job to answer a deadline of it. Nothing better will come of a job off the roster."""
        entry = self._roster.get(ref)
        return entry is None or may_be_judged(
            asked_at=entry.asked_at, gap=self._outlook.gap, blind=self.sight.blind_since is not None
        )

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
        known = recognition.digest_to_ask_with(entry.known, entry.summary)
        try:
            fetched = await put(
                self._ledger.metrics,
                self.name,
                "GetJob",
                lambda: self._source.fetch_if_changed(entry.ref.job_id, known),
            )
        except JobNotFound:
            await self._outlook.answered("GetJob")
            cause = CauseId(str(uuid4()))
            await self._record(entry, lambda watch: self._missed(watch, cause), cause)
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
                await self._take(entry, fetched, seen_at)
            self._asked(entry)

    def _asked(self, entry: Entry) -> None:
        """Note it, and let the deadlines go on that waited for it."""
        waited = not self.may_judge(entry.ref)
        entry.asked_at = self._ledger.clock.now()
        if waited and self.may_judge(entry.ref):
            self._ledger.deadlines_bell.ring()

    async def _take(self, entry: Entry, fetched: Fetched, seen_at: datetime) -> None:
        """Commit what follows from an answer, and keep by what an equal one is recognised."""
        cause, lent_by = CauseId(str(uuid4())), entry.summary
        answer = replace(reading.merge_summary(fetched.snapshot, lent_by), observed_at=seen_at)
        looked = await self._record(entry, lambda watch: self._seen(watch, answer, cause), cause)
        if looked is not None:
            entry.known = recognition.known_by(*looked, fetched.digest, lent_by)

    def _seen(self, watch: Watch | None, answer: JobSnapshot, cause: CauseId) -> reading.Observed:
        now = self._ledger.clock.now()
        if watch is None:
            return reading.first_sight(answer, now=now, cause=cause, watching_since=self._finder.news_since)
        return reading.look(watch, answer, now=now, cause=cause)

    def _missed(self, watch: Watch | None, cause: CauseId) -> reading.Observed | None:
        if watch is None:
            return None
        absent = self._finder.absent(watch)
        return reading.not_found(watch, now=self._ledger.clock.now(), cause=cause, absent_from_list=absent)

    async def _record(
        self, entry: Entry, conclude: Conclude, cause: CauseId
    ) -> tuple[Watch | None, reading.Observed] | None:
        """Commit what follows from a look; when another writer was first, look at what it wrote and conclude again.

        Returns what was held before and what followed, or None when nothing could be concluded or committed.
        """
        if entry.watch is not None:
            entry.watch = recognition.confirmed(entry.watch, entry.seen_at)
        entry.known = entry.seen_at = None
        while True:
            before = entry.watch
            observed = await _concluded(conclude, before)
            if observed is None:
                if not entry.failures:
                    log.warning("job_unknown_to_dlc", job=str(entry.ref))
                entry.failures += 1
                self._back_off(entry, least=self._settings.poll_every)
                return None
            try:
                try:
                    await self._commit(entry, observed, cause)
                except StaleObservation:
                    entry.watch = await self._ledger.store.watch(entry.ref)
                    continue
            except StoreUnavailable as exc:
                log.error("observation_put_off", job=str(entry.ref), error=str(exc))
                self._roster.schedule(entry, self._ledger.clock.now() + _STORE_PATIENCE)
                return None
            break
        entry.failures = 0
        if observed.watch.live or observed.watch.doubts.live_again:
            self._again(entry)
        else:
            self._roster.retire(entry)
        return before, observed

    async def _commit(self, entry: Entry, observed: reading.Observed, cause: CauseId) -> None:
        if observed.stale:  # it may still leave a doubt behind, or show that a job is there again
            self._ledger.metrics.stale_reads.labels(self.name).inc()
        before, after = entry.watch, observed.watch
        if before is not None and not observed.events and not observed.changed and before.doubts == after.doubts:
            entry.watch = replace(after, version=before.version)  # no news: nothing to write
            return
        now, gap = self._ledger.clock.now(), self.gap
        looked_at = None if before is None else before.snapshot.observed_at
        events = mark_late(observed.events, gap, looked_at=looked_at, born=after.snapshot.created_at)
        self._ledger.fleet.note(after, events, now)
        context = Context(
            now=now,
            job=after.snapshot,
            previous=None if before is None else before.snapshot,
            phase_since=after.phase_since,
            console_url=self._source.console_url(after.snapshot),
            fleet=self._ledger.fleet,
            course=after.course,
            away=gap,
        )
        follows = consequences(events, context, self._ledger.book, now)
        await self._ledger.commit(
            observation(
                cause,
                now,
                follows,
                expected_version=0 if before is None else before.version,
                watch=after,
                snapshot_changed=observed.changed,
            )
        )
        entry.watch = after

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


Conclude = Callable[[Watch | None], reading.Observed | None]


async def _concluded(conclude: Conclude, watch: Watch | None) -> reading.Observed | None:
    """What follows from a look; where very many pods are compared, without holding everybody else up."""
    if watch is not None and len(watch.snapshot.pods or ()) > _MANY_PODS:
        return await to_thread.run_sync(conclude, watch)
    return conclude(watch)
