"""Finds jobs: passes over ListJobs, which put new jobs on the roster and say of known ones that they changed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from watcher.core.model import JobRef, Listed, Listing, Watch
from watcher.core.observation import ListPass, absent, summary_differs
from watcher.core.phases import TERMINAL
from watcher.core.selection import Selection, is_news, news_since
from watcher.errors import SourceError, StoreUnavailable
from watcher.ports import JobSource
from watcher.service.budget import RequestBudget
from watcher.service.ledger import Ledger
from watcher.service.outlook import Outlook
from watcher.service.questions import put
from watcher.service.roster import Entry, Roster
from watcher.service.telemetry import log
from watcher.settings import Select, SourceSettings


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

    Attributes:
        selection: which jobs are watched.
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
    ) -> None:
        self.selection = selection_of(settings.select)
        self._source, self._every, self._ledger, self._roster = source, settings.discover_every, ledger, roster
        self._outlook, self._budget, self._jitter, self._retention = outlook, budget, jitter, retention
        self._last_pass: ListPass | None = None

    async def discover(self) -> None:
        """Pass after pass, until cancelled."""
        while True:
            await self.list_once()
            await self._ledger.clock.sleep(self._every * (0.9 + 0.2 * self._jitter()))

    async def list_once(self) -> None:
        """One pass over ListJobs."""
        began = self._ledger.clock.now()
        try:
            listing = await put(
                self._ledger.metrics,
                self._source.name,
                "ListJobs",
                lambda: self._source.list_jobs(self._budget.permit, self._roster.digests),
            )
        except SourceError as exc:
            await self._outlook.failed("ListJobs", exc)
            return
        await self._outlook.answered("ListJobs")
        try:
            await self._take_in(listing, began)
        except StoreUnavailable as exc:
            log.error("listing_put_off", source=self._source.name, error=str(exc))

    async def _take_in(self, listing: Listing, began: datetime) -> None:
        now = self._ledger.clock.now()
        unchanged = [JobRef(self._source.name, job_id) for job_id in listing.unchanged]
        if listing.complete:
            named = frozenset(summary.ref for summary in listing.jobs)
            self._last_pass = ListPass(began, named.union(unchanged))
            self._roster.keep_digests(named.union(unchanged))
        for ref in unchanged:
            entry = self._roster.get(ref)
            if entry is not None and entry.listed is not None:
                self._compare(entry, now)
        for summary in listing.jobs:
            entry = self._roster.get(summary.ref)
            if entry is not None:
                entry.listed, entry.agreed = self._roster.shared(Listed.of(summary)), None
                self._compare(entry, now)
            elif summary.ref in self._roster.ended:
                if summary.phase not in TERMINAL and (held := await self._ledger.store.watch(summary.ref)) is not None:
                    self._roster.enrol(summary.ref, now, version=held.version, summary=summary)
            elif self.selection.chooses(summary) and is_news(summary, self.news_since):
                self._roster.enrol(summary.ref, now, summary=summary)
            # Only now: an item that was not taken in must be read again.
            self._roster.take_digest(summary.ref.job_id, listing.digests.get(summary.ref.job_id))

    def _compare(self, entry: Entry, now: datetime) -> None:
        """Ask about a job now when its list item and what is held do not agree. Compared once, while neither changes."""
        held = self._ledger.fleet.members.get(entry.ref)
        if held is None or not entry.version or entry.listed is None or entry.agreed == entry.version:
            return
        if not summary_differs(held, entry.listed):
            entry.agreed = entry.version
        elif not entry.asking:
            self._roster.schedule(entry, now)

    @property
    def news_since(self) -> datetime | None:
        """What ended before this is old news."""
        return news_since(self._outlook.sight.watching_since, self._retention, self._ledger.clock.now())

    def absent(self, watch: Watch) -> bool:
        """Whether the list left out a job that GetJob did not find. Where nothing is listed, GetJob alone decides."""
        return self.selection.only_ids or absent(watch, self._last_pass)


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
