"""What is asked of lists, request by request, and which window of time a feed has to ask for.

Theory. A feed asks for what happened since its last answer. Its window begins where the last *answered* turn began, less a margin:
for clocks that differ, for times that DLC rounds down to seconds, and for lists that lag behind. A turn that failed moves nothing,
so the next one covers it. What a window shows twice costs nothing but its place in the answer, as it is known by then.

A feed can say that something happened, never that nothing did: what it left out is found by the sweeps, the rounds and the passes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Literal

from watcher.core.model import JobId, JobSummary

MARGIN: Final = timedelta(minutes=1)
"""How far a window reaches back behind the last answer."""

FIRST: Final = timedelta(hours=1)
"""How far the first window reaches back."""

MOST_PAGES: Final = 10
"""Of one turn. What is beyond waits for the next pass."""

RARE: Final = ("Restarting", "Stopping", "FailedReserving", "SucceededReserving", "SanityChecking")
"""Live statuses that few jobs are in at a time, so that one list shows all of them. Reservations decide a result."""

ENDED: Final = ("Failed", "Succeeded", "Stopped")
"""The terminal statuses, by which to ask for what ended where a window on the finish time is not honoured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListQuestion:
    """One request to ListJobs.

    Attributes:
        scope: which of the source's lists (workspaces), by number.
        since: only jobs whose time is at or after it; None: as far back as the source lists at all.
        window: which time `since` is about.
        order: by which time, the newest first.
        statuses: only jobs in one of them; () for any.
        jobs: only these; () for any.
        page: from 1.
    """

    scope: int = 0
    since: datetime | None = None
    window: Literal["created", "finished"] = "created"
    order: Literal["created", "finished"] = "created"
    statuses: tuple[str, ...] = ()
    jobs: tuple[JobId, ...] = ()
    page: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ListAnswer:
    """What one request to ListJobs told.

    Attributes:
        jobs: what it showed, in its order, but for what is in `unchanged`.
        unchanged: jobs whose item said what the one with the known digest said.
        digests: by what the items in `jobs` can be recognised next time.
        items: how many items it had, of whatever kind.
        more: whether there may be another page.
    """

    jobs: tuple[JobSummary, ...] = ()
    unchanged: tuple[JobId, ...] = ()
    digests: Mapping[JobId, bytes] = field(default_factory=dict)
    items: int = 0
    more: bool = False

    @property
    def named(self) -> frozenset[JobId]:
        """All jobs that it showed."""
        return frozenset(self.unchanged).union(job.ref.job_id for job in self.jobs)


def window_since(answered_at: datetime | None, now: datetime) -> datetime:
    """Where a feed's window begins.

    Args:
        answered_at: when its last answered turn began; None when none was.
        now: now.
    """
    return now - FIRST if answered_at is None else answered_at - MARGIN
