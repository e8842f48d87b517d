"""Puts on record what follows from a look at a job: its events, what rules say of them, and the job's new state, in one commit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from uuid import uuid4

from anyio import to_thread

from watcher.core.absence import Absence, mark_late
from watcher.core.consequence import concluding
from watcher.core.events import CauseId
from watcher.core.model import Watch
from watcher.core.observation import Observed, first_sight, look, merge_summary, not_found
from watcher.core.packing import MANY_PODS, takes_long
from watcher.core.recognition import confirmed, known_by
from watcher.core.rule import Context
from watcher.errors import StaleObservation
from watcher.ports.source import Fetched, JobSource
from watcher.service.finder import Finder
from watcher.service.ledger import Ledger, observation
from watcher.service.roster import Entry
from watcher.service.waiting import in_turns

Conclude = Callable[[Watch | None], Observed | None]
"""What follows from an answer, given what is held; None where nothing is held that it could be about."""


class Recorder:
    """Commits looks at the jobs of one source.

    Args:
        source: whose jobs they are.
        ledger: where it goes.
        finder: knows what is old news, and what the list left out.
        gap: tells our last absence.
    """

    def __init__(self, source: JobSource, ledger: Ledger, finder: Finder, gap: Callable[[], Absence | None]) -> None:
        self._source, self._ledger, self._finder, self._gap = source, ledger, finder, gap

    async def seen(self, entry: Entry, fetched: Fetched, seen_at: datetime) -> Observed | None:
        """Commit what follows from an answer, and keep by what an equal one is recognised.

        Raises:
            StoreUnavailable: nothing was written.
        """
        cause, lent_by = CauseId(str(uuid4())), entry.listed
        answer = replace(merge_summary(fetched.snapshot, lent_by), ref=entry.ref, observed_at=seen_at)

        def conclude(watch: Watch | None) -> Observed:
            now = self._ledger.clock.now()
            if watch is None:
                return first_sight(answer, now=now, cause=cause, watching_since=self._finder.news_since)
            return look(watch, answer, now=now, cause=cause)

        before, observed = await self._record(entry, conclude, cause)
        if observed is not None:
            entry.known = known_by(before, observed, fetched.digest, lent_by)
        return observed

    async def missed(self, entry: Entry) -> Observed | None:
        """Commit what follows from DLC's not knowing the job; None when we do not know it either.

        Raises:
            StoreUnavailable: nothing was written.
        """
        cause = CauseId(str(uuid4()))

        def conclude(watch: Watch | None) -> Observed | None:
            if watch is None:
                return None
            absent = self._finder.absent(watch)
            return not_found(watch, now=self._ledger.clock.now(), cause=cause, absent_from_list=absent)

        _, observed = await self._record(entry, conclude, cause)
        return observed

    async def _record(self, entry: Entry, conclude: Conclude, cause: CauseId) -> tuple[Watch | None, Observed | None]:
        """Commit what follows; when another writer was first, look at what it wrote and conclude again.

        Returns what was held before the look, and what followed from it.
        """
        before = await _unpacked(entry)
        if before is None and entry.version:  # not looked at since the start
            before = await self._ledger.store.watch(entry.ref)
        if before is not None:
            before = confirmed(before, entry.seen_at)
        entry.known = None
        while True:
            observed = await _concluded(conclude, before)
            if observed is None:
                return before, None
            try:
                await self._commit(entry, before, observed, cause)
            except StaleObservation:
                before = await self._ledger.store.watch(entry.ref)
                await _hold(entry, before)
            else:
                entry.seen_s = None
                return before, observed

    async def _commit(self, entry: Entry, before: Watch | None, observed: Observed, cause: CauseId) -> None:
        if observed.stale:  # it may still leave a doubt behind, or show that a job is there again
            self._ledger.metrics.stale_reads.labels(self._source.name).inc()
        after = observed.watch
        if before is not None and not observed.events and not observed.changed and before.doubts == after.doubts:
            await _hold(entry, replace(after, version=before.version))  # no news: nothing to write
            return
        now, gap = self._ledger.clock.now(), self._gap()
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
        follows = await in_turns(concluding(events, context, self._ledger.book, now))
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
        await _hold(entry, after)


async def _unpacked(entry: Entry) -> Watch | None:
    """What is held about a job, as far as it is not in the store only."""
    if takes_long(entry.packed):
        return await to_thread.run_sync(lambda: entry.watch)
    return entry.watch


async def _hold(entry: Entry, watch: Watch | None) -> None:
    """Hold it from now on."""
    if watch is not None and len(watch.snapshot.pods or ()) > MANY_PODS:
        await to_thread.run_sync(entry.hold, watch)
    else:
        entry.hold(watch)


async def _concluded(conclude: Conclude, watch: Watch | None) -> Observed | None:
    """What follows from a look; where very many pods are compared, without holding everybody else up."""
    if watch is not None and len(watch.snapshot.pods or ()) > MANY_PODS:
        return await to_thread.run_sync(conclude, watch)
    return conclude(watch)
