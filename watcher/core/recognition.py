"""When an answer need not be read, because it says what the one before it said.

Theory. What follows from an answer is a function of it and of what is held. So if one look at an answer changed nothing (no event,
no difference, no doubt before or after), then what is held is where that answer leads, and an equal one leads there again. That
is the only reason to skip a look: the answer after a change is always read in full once more, and what rests on seeing something
twice (a job that lives again, a pod left out, an older answer, a job not found) never meets a skipped look, since each of these
is a doubt. Equal is the whole of what is looked at: the answer, and what lists add to it.

A skipped look still counts as a look: what is held was true then (`confirmed`).

Of a list item only what is ever compared with, or lent to, an answer is kept (`Listed`): most jobs share it with many others.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import lru_cache

from watcher.core.model import Doubts, JobSummary, Listed, Watch
from watcher.core.observation import Observed

Lent = tuple[str, str, str, timedelta | None]


@dataclass(frozen=True, slots=True)
class Known:
    """An answer that leads to what is held.

    Attributes:
        digest: as its source made it.
        lent: what a list added to it.
    """

    digest: bytes
    lent: Lent


def known_by(
    before: Watch | None, observed: Observed, digest: bytes, summary: JobSummary | Listed | None
) -> Known | None:
    """What to recognise the answer by that was just looked at, or None when an equal one must be looked at, too.

    Args:
        before: what was held before the look.
        observed: what followed from it.
        digest: the answer's; b"" when its source cannot tell equal ones.
        summary: the list item it was completed from.
    """
    quiet = (
        before is not None
        and not before.vanished
        and before.doubts == Doubts() == observed.watch.doubts
        and not (observed.stale or observed.changed or observed.events)
    )
    return Known(digest, _same(lent(summary))) if quiet and digest else None


def digest_to_ask_with(known: Known | None, summary: JobSummary | Listed | None) -> bytes:
    """The digest by which an answer counts as seen before; b"" when it must be looked at whatever it says."""
    return known.digest if known is not None and known.lent == lent(summary) else b""


def lent(summary: JobSummary | Listed | None) -> Lent:
    """What `observation.merge_summary` may take from a list item."""
    if summary is None:
        return ("", "", "", None)
    return (summary.user_name, summary.quota_name, summary.template_id, summary.max_running_time)


@lru_cache(maxsize=4096)
def _same(lent_: Lent) -> Lent:
    """One for all jobs that are lent the same."""
    return lent_


def confirmed(watch: Watch, seen_at: datetime | None) -> Watch:
    """What is held, last seen to be so at that time.

    Durations stay as they were at the last look in full; they are shown nowhere before the next one.
    """
    if seen_at is None or seen_at <= watch.snapshot.observed_at:
        return watch
    return replace(watch, snapshot=replace(watch.snapshot, observed_at=seen_at))
