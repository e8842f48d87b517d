"""Which of the listed jobs to watch, and which are old news."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from fnmatch import fnmatchcase

from watcher.core.model import JobSummary
from watcher.core.phases import TERMINAL


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What a source's configuration says about which jobs to watch.

    All that is given must hold; of several patterns any may. Patterns are shell globs, compared with case, the whole value.

    Attributes:
        name: patterns for the job's name.
        user: for the user id or user name.
        status: for the raw status. It decides at first sight only: a watched job is watched to its end.
        quota: for the quota's id or name.
        type: for the job type.
        tags: tag key -> pattern for its value; every key must be there.
        jobs: job ids that are watched whatever else is said. Given alone, nothing else is watched.
    """

    name: tuple[str, ...] = ()
    user: tuple[str, ...] = ()
    status: tuple[str, ...] = ()
    quota: tuple[str, ...] = ()
    type: tuple[str, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    jobs: tuple[str, ...] = ()

    @property
    def only_ids(self) -> bool:
        """Whether job ids are all that is given: then there is nothing to list."""
        patterns = (self.name, self.user, self.status, self.quota, self.type, self.tags)
        return bool(self.jobs) and not any(patterns)

    def chooses(self, job: JobSummary) -> bool:
        """Whether this job is to be watched."""
        if job.ref.job_id in self.jobs:
            return True
        if self.only_ids:
            return False
        tags = dict(job.tags)
        return (
            _fits(self.name, job.name)
            and _fits(self.user, job.user_id, job.user_name)
            and _fits(self.status, job.status)
            and _fits(self.quota, job.quota_id, job.quota_name)
            and _fits(self.type, job.job_type)
            and all(key in tags and fnmatchcase(tags[key], pattern) for key, pattern in self.tags.items())
        )


def _fits(patterns: Iterable[str], *values: str) -> bool:
    """Whether any value fits any pattern; no pattern asks for nothing."""
    wanted = tuple(patterns)
    return not wanted or any(fnmatchcase(value, pattern) for value in values for pattern in wanted)


def news_since(watching_since: datetime | None, retention: timedelta | None, now: datetime) -> datetime | None:
    """What ended before this is old news: it is from before we began to watch, or so old that it may have been told and pruned.

    Args:
        watching_since: when we began to watch the source; None while we have not begun.
        retention: how long ended jobs are kept; None for ever.
        now: now.
    """
    if watching_since is None or retention is None:
        return watching_since
    return max(watching_since, now - retention)


def is_news(job: JobSummary, since: datetime | None) -> bool:
    """Whether a job that is not known is worth a look: it lives, or it ended no earlier than `news_since`."""
    if job.phase not in TERMINAL:
        return True
    ended = job.finished_at or job.modified_at or job.created_at
    return since is not None and ended is not None and ended >= since
