"""Minds what is due without anybody asking DLC: deadlines that rules set, and old rows that may go.

A deadline is a row. When it comes it returns to its rule as a `DeadlinePassed` event, through the same door as everything else; one
that is an inquiry goes to the investigator, one that is a call about a trouble to the minder, and the time of a digest to the
digester. At the start every known live job is shown to the rules once more (`JobResumed`), so that a rule which is new in the
configuration, or whose options changed, sets the deadlines it wants for jobs that were there before.

A deadline asks about the present, so it waits while its job is known from before an absence only (`core.absence`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Final
from uuid import uuid4

import anyio
from anyio.lowlevel import checkpoint

from watcher.core.calls import MINDER
from watcher.core.consequence import Consequences, consequences
from watcher.core.digest import DIGESTER, Schedule
from watcher.core.events import CauseId, DeadlinePassed, EventId, JobResumed, When, deterministic_id
from watcher.core.inquiry import INVESTIGATOR
from watcher.core.model import JobRef, SourceName, Watch
from watcher.core.rule import Context, RuleDeadline
from watcher.errors import StoreUnavailable
from watcher.ports.source import JobSource
from watcher.service.digester import Digester
from watcher.service.investigator import Investigator
from watcher.service.ledger import Ledger, observation
from watcher.service.minder import Minder
from watcher.service.telemetry import log
from watcher.service.waiting import sleep_or

_RESUMED_AT_ONCE: Final = 50
_PRUNE_EVERY: Final = timedelta(hours=1)
_AT_ONCE: Final = 100
HEED_EVERY: Final = timedelta(seconds=5)
"""How soon a silence, an answer to a trouble, or another word that a command wrote beside us is heeded."""
_PATIENCE: Final = timedelta(seconds=5)
"""Wait after the store refused, before trying again."""


class Keeper:
    """Runs deadlines, and prunes.

    Args:
        ledger: where its observations go.
        sources: for links to jobs.
        retention: how long ended jobs are kept; None keeps them for good.
        investigator: who answers inquiries.
        may_judge: whether enough is known of a job to answer its deadlines; by default of every job.
        version_of: the version of what the pollers hold of a job; None or 0 when they hold nothing.
        schedules: receiver -> when it wants its digest.
    """

    def __init__(
        self,
        ledger: Ledger,
        sources: Mapping[SourceName, JobSource],
        retention: timedelta | None,
        investigator: Investigator,
        may_judge: Callable[[JobRef], bool] = lambda _job: True,
        *,
        version_of: Callable[[JobRef], int | None] = lambda _job: None,
        schedules: Mapping[str, Schedule] | None = None,
    ) -> None:
        self._ledger, self._sources, self._retention, self._may_judge = ledger, sources, retention, may_judge
        self._investigator, self._version_of = investigator, version_of
        self._minder = Minder(ledger, sources)
        self._digester = Digester(ledger, schedules or {})
        self._takers = {INVESTIGATOR: investigator.take, MINDER: self._minder.take, DIGESTER: self._digester.take}
        self._resumed: JobRef | None = None
        """The last known job, in order of names, that was shown to the rules since the start."""
        self._held = False
        """Some deadlines that have come wait for a look at their jobs."""

    async def heed(self) -> None:
        """Take over what commands wrote beside us: silences, answers to troubles, words about deliveries and receivers.

        Raises:
            StoreError: the store cannot be read.
        """
        await self._ledger.heed_silences()
        await self._ledger.heed_answers()
        await self._ledger.heed_interventions()

    async def resume(self) -> None:
        """Show every known live job to the rules; only what they want of it is committed.

        A few at a time, in order of their names, so that it can go on beside the polling. A job that moved on meanwhile is shown
        as it is now. Jobs of a source that is configured no more are left out: nobody looks at them, so nothing can be said.

        Raises:
            StoreUnavailable: what was not resumed by then is so at the next call.
        """
        await self.heed()
        await self._minder.resume()
        await self._digester.resume()
        store = self._ledger.store
        while some := await store.watches(after=self._resumed, limit=_RESUMED_AT_ONCE):
            for watch in some:
                ref = watch.snapshot.ref
                if ref.source in self._sources:
                    moved_on = self._version_of(ref) not in {None, 0, watch.version}
                    held = await store.watch(ref) if moved_on else watch
                    if held is not None and held.live:
                        await self._resume(held)
                self._resumed = ref
                await checkpoint()

    async def _resume(self, watch: Watch) -> None:
        now, snapshot, cause = self._ledger.clock.now(), watch.snapshot, CauseId(str(uuid4()))
        event = JobResumed(
            id=EventId(deterministic_id("job.resumed", snapshot.ref, snapshot.status, watch.phase_since.isoformat())),
            when=When(observed_at=now, not_before=snapshot.observed_at),
            cause=cause,
            job=snapshot.ref,
            status=snapshot.status,
            phase=snapshot.phase,
        )
        follows = consequences((event,), self._context(watch), self._ledger.book, now)
        if follows.notifications or follows.deadlines:
            await self._ledger.commit(observation(cause, now, follows))

    async def _resume_all(self) -> None:
        while True:
            try:
                return await self.resume()
            except StoreUnavailable as exc:
                log.error("resuming_put_off", error=str(exc))
                await self._ledger.clock.sleep(_PATIENCE)

    async def keep(self) -> None:
        """Run until cancelled. Known jobs are resumed first of all, unless that was done."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._resume_all)
            tasks.start_soon(self._deadlines)
            tasks.start_soon(self._heed)
            tasks.start_soon(self._investigator.investigate)
            if self._retention is not None:
                tasks.start_soon(self._prune, self._retention)

    async def pass_due(self) -> int:
        """Answer every deadline that has come, and take on every inquiry and call. Returns how many."""
        now, some = self._ledger.clock.now(), _AT_ONCE
        while True:
            due = await self._ledger.store.due_deadlines(now, some)
            ready = [deadline for deadline in due if deadline.rule == INVESTIGATOR or self._may_judge(deadline.job)]
            self._held = len(ready) < len(due)
            if ready or len(due) < some:
                break
            some *= 2  # those that wait must not keep the others behind them from passing
        for deadline in ready:
            await self._takers.get(deadline.rule, self._pass)(deadline)
        return len(ready)

    async def _deadlines(self) -> None:
        clock = self._ledger.clock
        while True:
            rung = self._ledger.deadlines_bell.listen()
            try:
                passed = await self.pass_due()
                due_at = await self._ledger.store.next_due()
            except StoreUnavailable as exc:
                log.error("deadlines_put_off", error=str(exc))
                await clock.sleep(_PATIENCE)
                continue
            if passed:
                continue
            wait = due_at - clock.now() if due_at is not None else timedelta(days=1)
            await sleep_or(clock.sleep, max(wait, _PATIENCE) if self._held else wait, rung)

    async def _pass(self, deadline: RuleDeadline) -> None:
        now = self._ledger.clock.now()
        cause = CauseId(str(uuid4()))
        if deadline.job.source not in self._sources:
            await self._ledger.commit(observation(cause, now, Consequences(), deadlines_passed=(deadline,)))
            return
        watch = await self._ledger.store.watch(deadline.job)
        event = DeadlinePassed(
            id=EventId(
                deterministic_id("deadline.passed", deadline.rule, deadline.job, deadline.key, deadline.at.isoformat())
            ),
            when=When(observed_at=now, occurred_at=deadline.at),
            cause=cause,
            job=deadline.job,
            rule=deadline.rule,
            key=deadline.key,
            due_at=deadline.at,
        )
        follows = consequences((event,), self._context(watch), self._ledger.book, now)
        await self._ledger.commit(observation(cause, now, follows, deadlines_passed=(deadline,)))

    def _context(self, watch: Watch | None) -> Context:
        now = self._ledger.clock.now()
        if watch is None:
            return Context(now=now, fleet=self._ledger.fleet)
        source = self._sources.get(watch.snapshot.ref.source)
        return Context(
            now=now,
            job=watch.snapshot,
            phase_since=watch.phase_since,
            console_url=source.console_url(watch.snapshot) if source else "",
            fleet=self._ledger.fleet,
            course=watch.course,
        )

    async def _heed(self) -> None:
        while True:
            await self._ledger.clock.sleep(HEED_EVERY)
            try:
                await self.heed()
            except StoreUnavailable as exc:
                log.error("heed_put_off", error=str(exc))

    async def _prune(self, retention: timedelta) -> None:
        while True:
            try:
                dropped = await self._ledger.store.prune(self._ledger.clock.now() - retention)
                if dropped:
                    self._ledger.fleet.forget(dropped)
                    log.info("pruned", jobs=len(dropped))
            except StoreUnavailable as exc:
                log.error("prune_put_off", error=str(exc))
            await self._ledger.clock.sleep(_PRUNE_EVERY)
