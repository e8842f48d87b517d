"""Whether we can see a source's jobs. A job that *we* cannot see does not change; our blindness is an event of its own."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from watcher.core.events import (
    CauseId,
    EventId,
    WatchBehind,
    WatchBlind,
    WatchCaughtUp,
    WatchRecovered,
    When,
    deterministic_id,
)
from watcher.core.model import SourceName


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """What we know of our own sight of one source; kept in the store, so that a restart neither repeats nor forgets.

    Attributes:
        watching_since: when this source first answered at all. Jobs that ended before it are old news.
        failing_since: first of an unbroken row of failures, or None.
        blind_since: set while people have been told that we are blind.
        error: the last failure's sentence.
        seen_at: when all that was asked was last answered; None when that is not on record.
        behind_since: set while people have been told that the budget does not suffice.
    """

    source: SourceName
    watching_since: datetime | None = None
    failing_since: datetime | None = None
    blind_since: datetime | None = None
    error: str = ""
    seen_at: datetime | None = None
    behind_since: datetime | None = None


def saw(sight: Sight, *, now: datetime, cause: CauseId) -> tuple[Sight, tuple[WatchRecovered, ...]]:
    """A question was answered."""
    clear = replace(
        sight, watching_since=sight.watching_since or now, failing_since=None, blind_since=None, error="", seen_at=now
    )
    if sight.blind_since is None:
        return clear, ()
    event = WatchRecovered(
        id=EventId(deterministic_id("watch.recovered", sight.source, sight.blind_since.isoformat())),
        when=When(observed_at=now),
        cause=cause,
        source=sight.source,
        blind_since=sight.blind_since,
    )
    return clear, (event,)


def failed(
    sight: Sight, *, error: str, permanent: bool, blind_after: timedelta, now: datetime, cause: CauseId
) -> tuple[Sight, tuple[WatchBlind, ...]]:
    """A question was not answered. Permanent failures make us blind at once, passing ones after `blind_after`."""
    since = sight.failing_since or now
    failing = replace(sight, failing_since=since, error=error)
    if sight.blind_since is not None or not (permanent or now - since >= blind_after):
        return failing, ()
    event = WatchBlind(
        id=EventId(deterministic_id("watch.blind", sight.source, since.isoformat())),
        when=When(observed_at=now, occurred_at=since),
        cause=cause,
        source=sight.source,
        since=since,
        permanent=permanent,
        error=error,
    )
    return replace(failing, blind_since=since), (event,)


GRACE: Final = 1.25
"""A last look may be older than `stale_after` by so much before it is told: the bound is kept by and large, not to the second."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """What is promised of a source's jobs, and how it stands with it.

    Attributes:
        oldest_at: when the job was looked at that was looked at longest ago; None when there are no jobs.
        stale_after: no look shall be older.
        live_jobs: how many jobs there are.
        rate: requests per second there are.
        needed: requests per second that would suffice.
    """

    oldest_at: datetime | None
    stale_after: timedelta
    live_jobs: int
    rate: float
    needed: float


def kept(
    sight: Sight, promise: Promise, *, now: datetime, cause: CauseId
) -> tuple[Sight, tuple[WatchBehind | WatchCaughtUp, ...]]:
    """Whether the promise is kept. While we are blind nothing is said of it: that is another trouble, and told already."""
    if sight.blind_since is not None:
        return sight, ()
    age = timedelta(0) if promise.oldest_at is None else now - promise.oldest_at
    if sight.behind_since is None and promise.oldest_at is not None and age > promise.stale_after * GRACE:
        behind = WatchBehind(
            id=EventId(deterministic_id("watch.behind", sight.source, now.isoformat())),
            when=When(observed_at=now, occurred_at=promise.oldest_at + promise.stale_after),
            cause=cause,
            source=sight.source,
            oldest_at=promise.oldest_at,
            stale_after=promise.stale_after,
            live_jobs=promise.live_jobs,
            rate=promise.rate,
            needed=promise.needed,
        )
        return replace(sight, behind_since=now), (behind,)
    if sight.behind_since is not None and age <= promise.stale_after:
        event = WatchCaughtUp(
            id=EventId(deterministic_id("watch.caught_up", sight.source, sight.behind_since.isoformat())),
            when=When(observed_at=now),
            cause=cause,
            source=sight.source,
            behind_since=sight.behind_since,
        )
        return replace(sight, behind_since=None), (event,)
    return sight, ()
