"""Asks DLC: one poller for each source finds jobs through ListJobs and looks at each with GetJob.

What to ask next, how long to wait and what an answer means is decided by the core (`pacing`, `selection`, `observation`); here the
questions are sent, under one budget and one limit on concurrency, and what follows from the answers is committed.

Two kinds of failure are kept apart. A job that cannot be read is asked again later. A source that cannot be read makes us blind:
that is told once, and says nothing about its jobs.
"""

from __future__ import annotations

import heapq
import itertools
import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final
from uuid import uuid4

import anyio

from watcher.core import observation as reading
from watcher.core import pacing, sight
from watcher.core.consequence import consequences
from watcher.core.events import CauseId, WatchBlind, WatchRecovered
from watcher.core.model import JobId, JobRef, JobSnapshot, JobSummary, Listing, Watch
from watcher.core.phases import TERMINAL
from watcher.core.rule import Context
from watcher.core.selection import Selection
from watcher.core.sight import Sight
from watcher.errors import (
    Forbidden,
    GarbledAnswer,
    InvalidRequest,
    JobNotFound,
    SourceError,
    StaleObservation,
    StoreError,
    Throttled,
)
from watcher.ports import JobSource
from watcher.service.budget import RequestBudget
from watcher.service.ledger import Bell, Ledger, observation
from watcher.service.telemetry import log
from watcher.service.waiting import sleep_or
from watcher.settings import Select, SourceSettings

_PERMANENT_PAUSE: Final = timedelta(minutes=5)
"""Between two probes of a source whose failure only a person can mend."""

_STORE_PATIENCE: Final = timedelta(seconds=5)

_JOB_SCOPED: Final = (Forbidden, GarbledAnswer, InvalidRequest)
"""Failures of GetJob that may concern one job only: a private job, an odd record. Several jobs in a row make it the source's."""

_ROW_OF_FAILURES: Final = 20
"""Large enough for a colleague's sweep of private jobs, which are listed one after the other."""

_TRIES: Final = 3
"""Of one pass (`once`), where a failure may pass by itself."""


@dataclass(slots=True)
class _Entry:
    """One job on the roster."""

    due_at: datetime
    watch: Watch | None = None
    summary: JobSummary | None = None
    failures: int = 0
    error: SourceError | None = None
    asking: bool = False

    @property
    def may_answer_now(self) -> bool:
        """Whether its last question failed in a way that may have passed already."""
        return self.error is not None and not isinstance(self.error, _JOB_SCOPED)


class Poller:
    """Watches the jobs of one source.

    Args:
        source: where to ask.
        settings: how often, how much, which jobs.
        ledger: where observations go.
        jitter: draws from 0 to 1.
        retention: how long ended jobs are kept; a job that ended before is old news, as it may have been told and forgotten.
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
        self._retention = retention
        self.name = source.name
        self._selection = selection_of(settings.select)
        self._budget = RequestBudget(settings.budget.requests_per_second, ledger.clock, ledger.metrics, self.name)
        self._roster: dict[JobRef, _Entry] = {}
        self._ended: set[JobRef] = set()
        self._heap: list[tuple[datetime, int, JobRef]] = []
        self._order = itertools.count()
        self._bell = Bell()
        self._slots = anyio.Semaphore(settings.budget.concurrency)
        self._sight = Sight(source=self.name)
        self._sight_lock = anyio.Lock()
        self._failing: dict[str, SourceError] = {}
        self._failures = 0
        self._failed_looks = 0
        self._refused = anyio.Event()
        self._last_listing: tuple[datetime, frozenset[JobRef]] | None = None

    @property
    def sight(self) -> Sight:
        """Whether we can see this source."""
        return self._sight

    @property
    def live_jobs(self) -> int:
        """How many jobs are on the roster."""
        return len(self._roster)

    async def load(self) -> None:
        """Take up where the last run stopped."""
        for state in await self._ledger.store.sights():
            if state.source == self.name:
                self._sight = state
        now = self._ledger.clock.now()
        for watch in await self._ledger.store.watches(live_only=False, source=self.name):
            if watch.live:
                self._enrol(watch.snapshot.ref, now, watch=watch)
            else:
                self._ended.add(watch.snapshot.ref)
        for job_id in self._selection.jobs:
            ref = JobRef(self.name, JobId(job_id))
            if ref not in self._roster and ref not in self._ended:
                self._enrol(ref, now)
        if self._sight.blind_since is not None:
            # Which action failed is not kept: people are told that we see again when both have been answered.
            before = SourceError("not answered since the start")
            self._failing = {} if self._selection.only_ids else {"ListJobs": before}
            if self._roster:
                self._failing["GetJob"] = before
        self._count()

    async def poll(self) -> None:
        """Run until cancelled."""
        async with anyio.create_task_group() as tasks:
            if not self._selection.only_ids:
                tasks.start_soon(self._discover)
            tasks.start_soon(self._look_at_all)

    async def pass_once(self) -> bool:
        """List, then look at every job once; what fails in passing is tried again. Returns whether the source could be seen."""
        if not self._selection.only_ids:
            for _ in range(_TRIES):
                await self.list_once()
                if "ListJobs" not in self._failing or self._refused.is_set():
                    break
            if "ListJobs" in self._failing:
                return False
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._cancel_when_refused, tasks.cancel_scope)
            waiting = tuple(self._roster)
            for _ in range(_TRIES):
                async with anyio.create_task_group() as looks:
                    for ref in waiting:
                        await self._slots.acquire()
                        looks.start_soon(self._look, ref)
                waiting = tuple(ref for ref in waiting if ref in self._roster and self._roster[ref].may_answer_now)
            tasks.cancel_scope.cancel()
        return not self._failing

    async def _cancel_when_refused(self, scope: anyio.CancelScope) -> None:
        """One pass does not sit out the pause after a failure that only a person can mend."""
        await self._refused.wait()
        scope.cancel()

    # --- finding jobs ----------------------------------------------------------------------------------------------------------

    async def _discover(self) -> None:
        while True:
            await self.list_once()
            pause = self._settings.discover_every * (0.9 + 0.2 * self._jitter())
            await self._ledger.clock.sleep(pause)

    async def list_once(self) -> None:
        """One pass over ListJobs."""
        clock, metrics = self._ledger.clock, self._ledger.metrics
        began = clock.now()
        try:
            with metrics.request_seconds.labels(self.name, "ListJobs").time():
                listing = await self._source.list_jobs(self._budget.permit)
        except SourceError as exc:
            metrics.requests.labels(self.name, "ListJobs", type(exc).__name__).inc()
            await self._failed("ListJobs", exc)
            return
        metrics.requests.labels(self.name, "ListJobs", "ok").inc()
        await self._saw("ListJobs")
        try:
            await self._take_in(listing, began)
        except StoreError as exc:
            log.error("listing_put_off", source=self.name, error=str(exc))

    async def _take_in(self, listing: Listing, began: datetime) -> None:
        now = self._ledger.clock.now()
        if listing.complete:
            self._last_listing = (began, frozenset(summary.ref for summary in listing.jobs))
        for summary in listing.jobs:
            entry = self._roster.get(summary.ref)
            if entry is not None:
                entry.summary = summary
                changed = entry.watch is not None and reading.summary_differs(entry.watch, summary)
                if changed and not entry.asking:
                    self._schedule(summary.ref, entry, now)
            elif summary.ref in self._ended:
                if summary.phase not in TERMINAL and (held := await self._ledger.store.watch(summary.ref)) is not None:
                    self._ended.discard(summary.ref)
                    self._enrol(summary.ref, now, watch=held, summary=summary)
            elif self._selection.chooses(summary) and self._is_news(summary):
                self._enrol(summary.ref, now, summary=summary)
        self._count()

    def _is_news(self, summary: JobSummary) -> bool:
        """Whether a job that is not known is worth a look: it lives, or it ended after we began to watch."""
        if summary.phase not in TERMINAL:
            return True
        since = self._news_since
        ended = summary.finished_at or summary.modified_at or summary.created_at
        return since is not None and ended is not None and ended >= since

    @property
    def _news_since(self) -> datetime | None:
        """What ended before this is old news: from before we began to watch, or so old that it may have been told and pruned."""
        since = self._sight.watching_since
        if since is None or self._retention is None:
            return since
        return max(since, self._ledger.clock.now() - self._retention)

    # --- looking at jobs -------------------------------------------------------------------------------------------------------

    async def _look_at_all(self) -> None:
        clock = self._ledger.clock
        async with anyio.create_task_group() as tasks:
            while True:
                rung = self._bell.listen()
                ref = self._take_due(clock.now())
                if ref is None:
                    wait = self._heap[0][0] - clock.now() if self._heap else timedelta(days=1)
                    await sleep_or(clock.sleep, wait, rung)
                    continue
                await self._slots.acquire()
                tasks.start_soon(self._look, ref)

    def _take_due(self, now: datetime) -> JobRef | None:
        """The job that is due first, if one is. Heap entries whose time was changed meanwhile are passed over."""
        while self._heap and self._heap[0][0] <= now:
            due_at, _, ref = heapq.heappop(self._heap)
            entry = self._roster.get(ref)
            if entry is not None and entry.due_at == due_at:
                return ref
        return None

    async def _look(self, ref: JobRef) -> None:
        """Ask for one job and commit what follows. Owns one slot, and gives it back."""
        try:
            await self._budget.permit()
            entry = self._roster.get(ref)
            if entry is not None and not entry.asking:
                entry.asking = True
                try:
                    await self._ask(ref, entry)
                finally:
                    entry.asking = False
        finally:
            self._slots.release()

    async def _ask(self, ref: JobRef, entry: _Entry) -> None:
        metrics = self._ledger.metrics
        cause = CauseId(str(uuid4()))
        try:
            with metrics.request_seconds.labels(self.name, "GetJob").time():
                answer = await self._source.fetch(ref.job_id)
        except JobNotFound:
            metrics.requests.labels(self.name, "GetJob", "JobNotFound").inc()
            entry.error = None
            await self._looked()
            await self._record(ref, entry, lambda watch: self._missed(watch, ref, cause), cause)
        except SourceError as exc:
            metrics.requests.labels(self.name, "GetJob", type(exc).__name__).inc()
            entry.failures += 1
            entry.error = exc
            await self._look_failed(ref, exc)
            self._schedule(ref, entry, self._ledger.clock.now() + pacing.backoff(entry.failures, self._jitter()))
        else:
            metrics.requests.labels(self.name, "GetJob", "ok").inc()
            entry.error = None
            await self._looked()
            # Stamped here, so that all of this program's times are read off one clock (the demo's runs faster).
            answer = replace(reading.merge_summary(answer, entry.summary), observed_at=self._ledger.clock.now())
            await self._record(ref, entry, lambda watch: self._seen(watch, answer, cause), cause)

    def _seen(self, watch: Watch | None, answer: JobSnapshot, cause: CauseId) -> reading.Observed:
        now = self._ledger.clock.now()
        if watch is None:
            return reading.first_sight(answer, now=now, cause=cause, watching_since=self._news_since)
        return reading.look(watch, answer, now=now, cause=cause)

    def _missed(self, watch: Watch | None, ref: JobRef, cause: CauseId) -> reading.Observed | None:
        if watch is None:
            return None
        return reading.not_found(
            watch, now=self._ledger.clock.now(), cause=cause, absent_from_list=self._absent_from_list(watch, ref)
        )

    def _absent_from_list(self, watch: Watch, ref: JobRef) -> bool:
        """Whether a full pass that began after the doubt did not show the job. Where nothing is listed, GetJob alone decides."""
        if self._selection.only_ids:
            return True
        since = watch.doubts.not_found_since
        if self._last_listing is None or since is None:
            return False
        began, listed = self._last_listing
        return began >= since and ref not in listed

    async def _record(
        self, ref: JobRef, entry: _Entry, conclude: Callable[[Watch | None], reading.Observed | None], cause: CauseId
    ) -> None:
        """Commit what follows from a look; when another writer was first, look at what it wrote and conclude again."""
        while True:
            observed = conclude(entry.watch)
            if observed is None:
                if not entry.failures:
                    log.warning("job_unknown_to_dlc", job=str(ref))
                entry.failures += 1
                pause = max(self._settings.poll_every, pacing.backoff(entry.failures, self._jitter()))
                self._schedule(ref, entry, self._ledger.clock.now() + pause)
                return
            try:
                try:
                    await self._commit(entry, observed, cause)
                except StaleObservation:
                    entry.watch = await self._ledger.store.watch(ref)
                    continue
            except StoreError as exc:
                log.error("observation_put_off", job=str(ref), error=str(exc))
                self._schedule(ref, entry, self._ledger.clock.now() + _STORE_PATIENCE)
                return
            break
        entry.failures = 0
        if observed.watch.live or observed.watch.doubts.live_again:
            self._again(ref, entry)
        else:
            self._roster.pop(ref, None)
            self._ended.add(ref)
            self._count()

    async def _commit(self, entry: _Entry, observed: reading.Observed, cause: CauseId) -> None:
        if observed.stale:
            self._ledger.metrics.stale_reads.labels(self.name).inc()
            return
        before, after = entry.watch, observed.watch
        if before is not None and not observed.events and not observed.changed and before.doubts == after.doubts:
            entry.watch = replace(after, version=before.version)  # no news: nothing to write
            return
        now = self._ledger.clock.now()
        context = Context(
            now=now,
            job=after.snapshot,
            previous=None if before is None else before.snapshot,
            phase_since=after.phase_since,
            console_url=self._source.console_url(after.snapshot),
        )
        follows = consequences(observed.events, context, self._ledger.book, now)
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

    # --- the roster ------------------------------------------------------------------------------------------------------------

    def _enrol(
        self, ref: JobRef, now: datetime, *, watch: Watch | None = None, summary: JobSummary | None = None
    ) -> None:
        entry = self._roster[ref] = _Entry(due_at=now, watch=watch, summary=summary)
        self._schedule(ref, entry, now)

    def _again(self, ref: JobRef, entry: _Entry) -> None:
        self._schedule(
            ref,
            entry,
            pacing.next_poll(
                self._ledger.clock.now(),
                poll_every=self._settings.poll_every,
                live_jobs=len(self._roster),
                rate=self._budget.rate,
                jitter=self._jitter(),
            ),
        )

    def _schedule(self, ref: JobRef, entry: _Entry, due_at: datetime) -> None:
        entry.due_at = due_at
        heapq.heappush(self._heap, (due_at, next(self._order), ref))
        self._bell.ring()

    def _count(self) -> None:
        self._ledger.metrics.jobs_watched.labels(self.name).set(len(self._roster))

    # --- our own sight ---------------------------------------------------------------------------------------------------------

    async def _looked(self) -> None:
        self._failed_looks = 0
        await self._saw("GetJob")

    async def _look_failed(self, ref: JobRef, exc: SourceError) -> None:
        if isinstance(exc, _JOB_SCOPED):
            self._failed_looks += 1
            if self._failed_looks < min(_ROW_OF_FAILURES, len(self._roster)):
                log.warning("look_failed", job=str(ref), error=str(exc))
                return
        await self._failed("GetJob", exc)

    async def _saw(self, action: str) -> None:
        self._budget.answered()
        self._failing.pop(action, None)
        self._ledger.metrics.last_answer.labels(self.name).set(self._ledger.clock.now().timestamp())
        if not self._failing:
            self._failures = 0
            if self._sight.watching_since is None or self._sight.failing_since is not None:
                await self._update_sight(None)

    async def _failed(self, action: str, exc: SourceError) -> None:
        known = self._failing.get(action)
        self._failing[action] = exc
        if isinstance(exc, Throttled):
            self._budget.throttled(exc.retry_after)
            log.warning("throttled", source=self.name, action=action, rate=round(self._budget.rate, 3))
            await self._update_sight(exc)
            return
        if not self._budget.held:  # questions that were under way together fail together: that is one failure, not many
            self._failures += 1
            pause = _PERMANENT_PAUSE if exc.permanent else self._pause()
            self._budget.hold(max(pause, exc.retry_after or pause))
        if known is None or str(known) != str(exc):
            log.error("source_failed", source=self.name, action=action, permanent=exc.permanent, error=str(exc))
        await self._update_sight(exc)
        if exc.permanent:
            self._refused.set()

    def _pause(self) -> timedelta:
        return pacing.backoff(self._failures, self._jitter(), longest=pacing.LONGEST_SOURCE_BACKOFF)

    async def _update_sight(self, exc: SourceError | None) -> None:
        async with self._sight_lock:
            now, cause = self._ledger.clock.now(), CauseId(str(uuid4()))
            events: tuple[WatchBlind | WatchRecovered, ...]
            if exc is None:
                state, events = sight.saw(self._sight, now=now, cause=cause)
            else:
                state, events = sight.failed(
                    self._sight,
                    error=str(exc),
                    permanent=exc.permanent,
                    blind_after=self._settings.blind_after,
                    now=now,
                    cause=cause,
                )
            if events or state.watching_since != self._sight.watching_since:
                follows = consequences(events, Context(now=now), self._ledger.book, now)
                try:
                    await self._ledger.commit(observation(cause, now, follows, sight=state))
                except StoreError as error:
                    log.error("sight_put_off", source=self.name, error=str(error))
                    return
            self._sight = state
            self._ledger.metrics.blind.labels(self.name).set(0 if state.blind_since is None else 1)


def selection_of(select: Select) -> Selection:
    """The settings as the core's value."""
    return Selection(
        name=select.name,
        user=select.user,
        status=select.status,
        quota=select.quota,
        type=select.type,
        tags=dict(select.tags),
        jobs=select.jobs,
    )
