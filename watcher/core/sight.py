"""Whether we can see a source's jobs. A job that *we* cannot see does not change; our blindness is an event of its own."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from watcher.core.events import CauseId, EventId, WatchBlind, WatchRecovered, When, deterministic_id
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
    """

    source: SourceName
    watching_since: datetime | None = None
    failing_since: datetime | None = None
    blind_since: datetime | None = None
    error: str = ""
    seen_at: datetime | None = None


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
