"""Finds jobs: passes over ListJobs, which put new jobs on the roster and say of known ones that they changed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from types import MappingProxyType

from watcher.core.capabilities import Capabilities, compared
from watcher.core.docket import Rank
from watcher.core.model import JobId, JobRef, JobSummary, Listed, Listing, Watch
from watcher.core.observation import ListPass, absent, summary_differs
from watcher.core.phases import TERMINAL
from watcher.core.schedule import PAGE, PASS_SHARE
from watcher.core.selection import is_news, news_since
from watcher.errors import SourceError, StoreUnavailable
from watcher.ports.source import JobSource, ListReader
from watcher.service.asking import Asking
from watcher.service.budget import RequestBudget
from watcher.service.ledger import Ledger
from watcher.service.outlook import Outlook
from watcher.service.roster import Entry, Roster
from watcher.service.selecting import selection_of
from watcher.service.telemetry import log
from watcher.settings import SourceSettings


class Finder:
    """Finds the jobs of one source.

    Args:
        source: where to ask.
        settings: how often, which jobs.
        ledger: clock, metrics, and what is stored about jobs that ended.
        roster: where found jobs go.
        outlook: what a failed or a good pass means.
        budget: waited for before each request.
        jitter: draws from 0 to 1.
        retention: see `Poller`.
        ahead: the first pass, if it is under way already.

    Attributes:
        selection: which jobs are watched.
        reader: the source, if its lists can be asked single questions.
        learnt: what its lists can do.
    """

    def __init__(
        self,
        *,
        source: JobSource,
        settings: SourceSettings,
        ledger: Ledger,
        roster: Roster,
        outlook: Outlook,
        budget: RequestBudget,
        jitter: Callable[[], float],
        retention: timedelta | None,
        ahead: Asking | None = None,
    ) -> None:
        self.selection = selection_of(settings.select)
        self._source, self._every, self._ledger, self._roster = source, settings.discover_every, ledger, roster
        self._outlook, self._budget, self._jitter, self._retention = outlook, budget, jitter, retention
        self._last_pass: ListPass | None = None
        self._ahead = ahead
        self.reader = source if isinstance(source, ListReader) and not self.selection.only_ids else None
        self.learnt = Capabilities()

    async def discover(self) -> None:
        """Pass after pass, until cancelled."""
        while True:
            await self.list_once()
            await self._ledger.clock.sleep(self._pause() * (0.9 + 0.2 * self._jitter()))

    def _pause(self) -> timedelta:
        """Between two passes. Where feeds find what is new and what ended, passes may be rare enough to leave them the budget."""
        if self.reader is None or self._last_pass is None:
            return self._every
        pages = len(self._last_pass.jobs) / PAGE + self.reader.scopes
        return max(self._every, timedelta(seconds=pages / (PASS_SHARE * self._budget.rate)))

    async def list_once(self) -> None:
        """One pass over ListJobs."""
        asking, self._ahead = self._ahead, None
        if asking is None:
            asking = Asking(self._source, self._budget, self._ledger.metrics, self._ledger.clock.now())
            await asking.ask(self._roster.digests)
        outcome = await asking.outcome()
        if isinstance(outcome, SourceError):
            await self._outlook.failed("ListJobs", outcome)
            return
        await self._outlook.answered("ListJobs")
        try:
            await self._take_in(outcome, asking.began)
        except StoreUnavailable as exc:
            log.error("listing_put_off", source=self._source.name, error=str(exc))

    async def _take_in(self, listing: Listing, began: datetime) -> None:
        if listing.complete:
            named = frozenset(summary.ref for summary in listing.jobs)
            named = named.union(JobRef(self._source.name, job_id) for job_id in listing.unchanged)
            self._last_pass = ListPass(began, named)
            self._roster.keep_named(named)
        await self.take(listing.jobs, listing.unchanged, listing.digests)

    async def take(
        self,
        shown: Iterable[JobSummary],
        unchanged: Iterable[JobId] = (),
        digests: Mapping[JobId, bytes] = MappingProxyType({}),
        scope: int | None = None,
    ) -> None:
        """Take in items of a list: put new jobs on the roster, and say of known ones that they changed.

        Args:
            shown: items that were read.
            unchanged: jobs whose item said what it said before.
            digests: by what the items in `shown` are recognised next time.
            scope: the list they stand in; None to go by the workspace that they name.

        Raises:
            StoreUnavailable: the store could not be asked about a job that had ended; what was taken in so far stays.
        """
        now, calm, stirred = self._ledger.clock.now(), 0, 0
        for job_id in unchanged:
            entry = self._roster.get(JobRef(self._source.name, job_id))
            if entry is not None and entry.listed is not None:
                calm += 1
                self._compare(entry, now, scope)
        for summary in shown:
            job_id = summary.ref.job_id
            entry = self._roster.get(summary.ref)
            if entry is not None:
                seen_before = job_id in self._roster.digests and entry.listed is not None
                self._shown(entry, summary, now)
                if self._compare(entry, now, self._scope(summary, scope)) and seen_before:
                    stirred += 1
                    if self.learnt.telling:
                        self._roster.news(entry, Rank.CHANGE, now)
            elif summary.ref in self._roster.ended:
                if summary.phase not in TERMINAL and (held := await self._ledger.store.watch(summary.ref)) is not None:
                    self._enrol(summary, now, scope, version=held.version)
            elif self.selection.chooses(summary) and is_news(summary, self.news_since):
                self._enrol(summary, now, scope)
            # Only now: an item that was not taken in must be read again.
            self._roster.take_digest(job_id, digests.get(job_id))
        self.learnt = compared(self.learnt, calm=calm, stirred=stirred)

    def _enrol(self, summary: JobSummary, now: datetime, scope: int | None, *, version: int = 0) -> None:
        self._roster.enrol(summary.ref, now, version=version, summary=summary, scope=self._scope(summary, scope))

    def _shown(self, entry: Entry, summary: JobSummary, now: datetime) -> None:
        """Keep what the list shows of it. One that ended before its first look is looked at now."""
        lived = entry.listed is not None and entry.listed.phase not in TERMINAL
        entry.listed, entry.agreed = self._roster.shared(Listed.of(summary)), None
        if lived and not entry.version and summary.phase in TERMINAL:
            self._roster.news(entry, Rank.END, now)

    def _scope(self, summary: JobSummary, scope: int | None) -> int:
        if scope is not None or self.reader is None:
            return -1 if scope is None else scope
        return self.reader.scope_of(summary.workspace_id)

    def _compare(self, entry: Entry, now: datetime, scope: int | None) -> bool:
        """Ask about a job now when its list item and what is held do not agree. Compared once, while neither changes.

        Returns whether they agree.
        """
        turn = self._roster.turn(entry)
        if turn is not None and scope is not None and scope >= 0:
            self._roster.docket.stands_in(turn, scope, now.timestamp())
        held = self._ledger.fleet.members.get(entry.ref)
        if held is None or not entry.version or entry.listed is None:
            return False
        if entry.agreed != entry.version:
            if summary_differs(held, entry.listed):
                self._roster.news(entry, Rank.END if entry.listed.phase in TERMINAL else Rank.CHANGE, now)
                return False
            entry.agreed = entry.version
        return True

    @property
    def news_since(self) -> datetime | None:
        """What ended before this is old news."""
        return news_since(self._outlook.sight.watching_since, self._retention, self._ledger.clock.now())

    def absent(self, watch: Watch) -> bool:
        """Whether the list left out a job that GetJob did not find. Where nothing is listed, GetJob alone decides."""
        return self.selection.only_ids or absent(watch, self._last_pass)
