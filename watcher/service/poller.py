"""Asks DLC: one poller for each source looks at each of its jobs with GetJob; `finder` finds them.

What to ask next, how long to wait and what an answer means is decided by the core (`pacing`, `selection`, `observation`); here the
questions are sent, under one budget and one limit on concurrency. What follows from the answers is committed by `recorder`.

Two kinds of failure are kept apart. A job that cannot be read is asked again later. A source that cannot be read makes us blind
(`outlook`): that is told once, and says nothing about its jobs.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

import anyio

from watcher.core import observation as reading
from watcher.core import pacing, recognition
from watcher.core.absence import Absence, may_be_judged
from watcher.core.capabilities import Ability, Belief, Capabilities
from watcher.core.docket import Docket, Rank
from watcher.core.feeds import ENDED
from watcher.core.model import Doubts, JobId, JobRef, Watch
from watcher.core.rates import Rates, Stay, aged, habit_of, stays_in
from watcher.core.schedule import JITTER, Wish
from watcher.core.shares import Use
from watcher.core.sight import Promise, Sight
from watcher.errors import JobNotFound, SourceError, StoreError, StoreUnavailable
from watcher.ports.source import JobSource
from watcher.service.asking import Asking
from watcher.service.budget import Account, RequestBudget
from watcher.service.feeder import Feeder
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
_MOMENT: Final = timedelta(milliseconds=1)
_RECKON_EVERY: Final = timedelta(seconds=15)
_WISH_EVERY_S: Final = 1.0
_HISTORY: Final = timedelta(days=7)
_MOST_EVENTS: Final = 5_000
"""Of the stored past, from which rates are learnt at the start."""

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
        budget: what may be asked; None for a budget of its own.
        ahead: the first pass over the lists, if it is under way already.

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
        *,
        budget: RequestBudget | None = None,
        ahead: Asking | None = None,
    ) -> None:
        self._source, self._settings, self._ledger, self._jitter = source, settings, ledger, jitter
        self.name = source.name
        if budget is None:
            account = Account(settings.budget.requests_per_second, ledger.clock)
            budget = RequestBudget(account, ledger.metrics, self.name)
        self.budget = self._budget = budget
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
        self._wished_s = -_WISH_EVERY_S
        self.docket: Docket[JobRef] = Docket(Rates(), Wish(), self._budget.rate)
        self._roster = Roster(ledger.metrics.jobs_watched.labels(self.name), self.docket)
        self._finder = Finder(
            source=source,
            settings=settings,
            ledger=ledger,
            roster=self._roster,
            outlook=self._outlook,
            budget=self._budget,
            jitter=jitter,
            retention=retention,
            ahead=ahead,
        )
        self._recorder = Recorder(source, ledger, self._finder, lambda: self.gap)
        reader = self._finder.reader
        self._feeder = (
            None
            if reader is None
            else Feeder(
                reader=reader,
                ledger=ledger,
                roster=self._roster,
                finder=self._finder,
                outlook=self._outlook,
                budget=self._budget,
            )
        )
        self.docket.plan(ledger.clock.now().timestamp(), self._budget.rate, wish=self._wish())

    @property
    def sight(self) -> Sight:
        """Whether we can see this source."""
        return self._outlook.sight

    @property
    def live_jobs(self) -> int:
        """How many jobs are on the roster."""
        return len(self._roster)

    @property
    def learnt(self) -> Capabilities:
        """What the source's lists can do, as far as that is known."""
        return self._finder.learnt

    async def load(self) -> None:
        """Take up where the last run stopped."""
        now = self._ledger.clock.now()
        reader = self._finder.reader
        stored = await self._ledger.stored(self.name)
        for brief in stored:
            if brief.member.live:
                member = brief.member
                scope = -1 if reader is None else reader.scope_of(member.workspace_id)
                self._roster.enrol(member.ref, now, version=brief.version, phase=member.phase, scope=scope)
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
            if self._feeder is not None:
                tasks.start_soon(self._feeder.feed)
            tasks.start_soon(self._learn)
            tasks.start_soon(self._reckon)
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
                if entry is not None:
                    await self._look(entry)

        async with anyio.create_task_group() as tasks:
            for _ in range(self._settings.budget.concurrency):
                tasks.start_soon(work)

    async def _look_at(self, entries: Sequence[Entry]) -> None:
        """Look at each of them once."""
        waiting = iter(entries)

        async def work() -> None:
            for entry in waiting:
                await self._budget.permit()
                await self._look(entry)

        async with anyio.create_task_group() as tasks:
            for _ in range(min(self._settings.budget.concurrency, len(entries))):
                tasks.start_soon(work)

    async def _next_due(self) -> Entry | None:
        """Wait until somebody is due, then for a request; who is first by then is looked at, if anybody is."""
        clock = self._ledger.clock
        while True:
            rung = self._roster.bell.listen()
            rank = self.docket.next_rank(clock.now().timestamp())
            if rank is not None:
                await self._budget.permit(Use.ROUND if rank is Rank.ROUND else Use.NEWS)
                return self._roster.take_due(clock.now())
            due_at = self._roster.next_due
            # A moment at least: the docket reckons in floats, and what is due in less than a microsecond would never come.
            wait = max(due_at - clock.now(), _MOMENT) if due_at else timedelta(days=1)
            await sleep_or(clock.sleep, wait, rung)

    async def _look(self, entry: Entry) -> None:
        """Ask for one job and commit what follows; the request was permitted."""
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
                entry.failures = 0
                self._again(entry, None)
                self._asked(entry)
                entry.seen_s = entry.asked_s
            else:
                await self._record(entry, self._recorder.seen(entry, fetched, seen_at))
                self._asked(entry)

    def _asked(self, entry: Entry) -> None:
        """Note it, and let the deadlines go on that waited for it."""
        waited = not self.may_judge(entry.ref)
        entry.asked_s = self._ledger.clock.now().timestamp()
        turn = self._roster.turn(entry)
        if turn is not None:  # a refusal that concerns the job alone is no sign of a budget that is too small
            turn.looked_s = entry.asked_s
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
        self._note(entry, observed)
        if observed.watch.live or observed.watch.doubts.live_again:
            self._again(entry, observed.watch)
        else:
            self._roster.retire(entry)

    def _again(self, entry: Entry, watch: Watch | None) -> None:
        """Say when to look again.

        Args:
            entry: the job.
            watch: what is held of it; None when that is what it was.
        """
        turn, now = self._roster.turn(entry), self._ledger.clock.now()
        if turn is None:
            return
        now_s = now.timestamp()
        self._plan(now_s)
        keen = entry.ref.job_id in self._finder.selection.jobs or self._ledger.book.troubles.awaited(entry.ref)
        if watch is None:
            habit = aged(turn.habit._replace(keen=keen), now_s - turn.phase_s, now_s - turn.changed_s)
        else:
            turn.phase_s = watch.phase_since.timestamp()
            turn.changed_s = max(turn.changed_s, turn.phase_s)
            changed_at = datetime.fromtimestamp(turn.changed_s, UTC)
            habit = habit_of(watch, changed_at, now, keen=keen)
        self.docket.looked(turn, habit, now_s, self._jitter())
        if watch is not None and watch.doubts != Doubts():  # what may be alarming is seen again soon
            soon = min(self.docket.due_s(turn), (now + self._settings.poll_every).timestamp())
            self.docket.put_off(turn, soon, rank=Rank.END)
        self._roster.bell.ring()

    def _plan(self, now_s: float) -> None:
        """Divide the budget anew if it is time to. What is wished changes seldom, and is put together once a second at most."""
        wish = None
        if not self._wished_s <= now_s < self._wished_s + _WISH_EVERY_S:
            wish, self._wished_s = self._wish(), now_s
        self.docket.plan(now_s, self._budget.rate, wish=wish)

    def _note(self, entry: Entry, observed: reading.Observed) -> None:
        """Learn from a look how often jobs change: what it showed happened, if nobody says when, halfway since the last one."""
        turn, now = self._roster.turn(entry), self._ledger.clock.now()
        watch = observed.watch
        if turn is None or not observed.changed:
            return
        dated = max((event.when.occurred_at for event in observed.events if event.when.occurred_at), default=None)
        changed_s = (turn.looked_s + now.timestamp()) / 2 if dated is None else dated.timestamp()
        if turn.changed_s >= 0 and changed_s > turn.changed_s:
            moved = watch.snapshot.phase is not turn.habit.phase
            ended_by = "ends" if not watch.live else "moves" if moved else "details"
            stay = Stay(turn.habit, changed_s - turn.changed_s, ended_by, turn.changed_s - turn.phase_s)
            self.docket.rates.learn([stay])
        turn.changed_s = changed_s
        if self._feeder is not None and not watch.live and turn.rank is not Rank.END and watch.snapshot.finished_at:
            self._feeder.missed(watch.snapshot.finished_at, now)

    async def _reckon(self) -> None:
        """See from time to time that nobody waits longer than need be, and tell whether the oldest knowledge is as promised."""
        clock, age = self._ledger.clock, self._ledger.metrics.oldest_look.labels(self.name)
        while True:
            await clock.sleep(_RECKON_EVERY)
            now, oldest_s = clock.now(), self.docket.oldest_s()
            self.docket.hasten(now.timestamp(), {entry.ref for entry in self._roster.entries() if entry.failures})
            oldest = datetime.fromtimestamp(oldest_s, UTC) if self._roster else None
            age.set(0 if oldest is None else max(0.0, now.timestamp() - oldest_s))
            for ability in Ability:
                self._ledger.metrics.lists(self.name, ability.value, self.learnt.belief(ability).value)
            await self._outlook.promise(
                Promise(
                    oldest_at=oldest,
                    stale_after=max(self._settings.stale_after, self._settings.poll_every * 2),
                    live_jobs=len(self._roster),
                    rate=self._budget.rate,
                    needed=self.docket.allotment.needed,
                )
            )

    async def _learn(self) -> None:
        """Learn from what is stored how often jobs change. It may take a while, so it is done beside the first looks."""
        now = self._ledger.clock.now()
        try:
            events = await self._ledger.store.events(since=now - _HISTORY, limit=_MOST_EVENTS)
        except StoreError as exc:
            log.warning("rates_not_learnt", source=self.name, error=str(exc))
            return
        self.docket.rates.learn(stays_in(events))

    def _wish(self) -> Wish:
        """What is asked of the budget, by the settings and by what lists can do."""
        reader, every = self._finder.reader, self._settings.poll_every
        longest = max(self._settings.stale_after, every * (1 + 2 * JITTER))
        if reader is None:
            return Wish(
                shortest=every,
                longest=longest,
                by_id=False,
                finish_cost=0,
                birth_cost=0,
                statuses=False,
            )
        learnt, now = self._finder.learnt, self._ledger.clock.now()
        windows = learnt.worth_asking(Ability.FINISH_WINDOW, now)
        single = windows or learnt.belief(Ability.STATUSES) is Belief.HONOURED
        return Wish(
            shortest=every,
            longest=longest,
            list_shortest=max(every / 3, self._settings.feed_every),
            feed_shortest=self._settings.feed_every,
            by_id=learnt.worth_asking(Ability.JOB_IDS, now),
            full=learnt.full,
            finish_cost=reader.scopes * (1 if single else len(ENDED)),
            birth_cost=reader.scopes,
        )

    def _back_off(self, entry: Entry, *, least: timedelta = timedelta(0)) -> None:
        pause = max(least, pacing.backoff(entry.failures, self._jitter()))
        self._roster.schedule(entry, self._ledger.clock.now() + pause)
