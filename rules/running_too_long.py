"""Tell when a job runs for longer than jobs should."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import ClassVar

from watcher.api import (
    Context,
    Deadline,
    DeadlinePassed,
    Duration,
    Dwell,
    Event,
    Facts,
    Intent,
    JobAppeared,
    JobReappeared,
    JobResumed,
    JobSnapshot,
    JobStatusChanged,
    Notify,
    Overdue,
    Phase,
    RuleOptions,
    Severity,
    Silence,
    Text,
    begun,
    known,
    restarts,
    say,
)

_KEY = "running"
_LIMIT_KEY = "limit"


class RunningTooLongOptions(RuleOptions):
    """Options of `running-too-long`."""

    after: Duration | None = timedelta(hours=24)
    """How long a job may run before it is told. Set it from your own jobs, for some of them only with `match`. null: only its own
    time limit counts."""
    warn_before: Duration = timedelta(minutes=30)
    """How long before the job's own time limit ends it this is told. `0s`, or a limit that is no longer: never."""


class RunningTooLongRule:
    """Tell when a job runs for longer than jobs should.

    When:
        The job is in `Running` and began longer than `after` ago, as DLC tells the beginning (its running time), else as we saw
        it. A job that restarts is looked at again when it runs again. And when the job's own time limit
        (`JobMaxRunningTimeMinutes`, where DLC tells it) is `warn_before` away.

    Why you want to know:
        A job that hangs looks exactly like a job that works, and costs as much. A job that runs
        into its own limit is stopped in the middle of its work, unless somebody saves it or lets it run for longer in time.

    What it says:
        How long it has run, or when its limit strikes; as facts its size, its restarts, and its own time limit with what is
        left of it.

    Options:
        `after` (24h): how long is too long; null for only its own limit. `warn_before` (30m): how long before its own limit
        strikes.
    """

    name: ClassVar[str] = "running-too-long"
    on: ClassVar[tuple[type[Event], ...]] = (JobAppeared, JobResumed, JobReappeared, JobStatusChanged)
    severity: ClassVar[Severity] = Severity.WARNING
    Options: ClassVar[type[RunningTooLongOptions]] = RunningTooLongOptions

    def __init__(self, options: RunningTooLongOptions | None = None) -> None:
        self.options = options or RunningTooLongOptions()

    def consider(self, event: Event, context: Context) -> Iterator[Intent]:
        """Set two deadlines when running begins; when one passes, look again."""
        stay = begun(event, context, {Phase.RUNNING}, "running")
        if isinstance(stay, Silence):
            yield stay
            return
        job, entered = stay
        since = job.running_at or entered
        asked = [
            clock
            for clock in self._clocks(job, since)
            if not isinstance(event, DeadlinePassed) or event.key == clock.key
        ]
        if not asked:
            yield Silence("no time limit to warn of")
        for clock in asked:
            found = clock.look(event, context.now)
            yield found if isinstance(found, Deadline) else _said(clock, found, job, since, context.now)

    def _clocks(self, job: JobSnapshot, since: datetime) -> Iterator[Dwell]:
        if self.options.after is not None:
            yield Dwell(key=_KEY, since=since, limit=self.options.after)
        limit = job.max_running_time
        if limit is not None and timedelta(0) < self.options.warn_before < limit:
            yield Dwell(key=_LIMIT_KEY, since=since, limit=limit - self.options.warn_before)


def _said(clock: Dwell, found: Overdue, job: JobSnapshot, since: datetime, now: datetime) -> Notify | Silence:
    limit = job.max_running_time
    if clock.key == _KEY or limit is None:
        headline, news = say("Running for {ran}", zh="已运行 {ran}", ran=found.lasted), found.dedup_key
    elif found.lasted >= limit:
        return Silence("its time limit has passed")
    else:
        headline = say(
            "Its time limit of {limit} ends it in {left}",
            zh="{left}后将因达到运行时限（{limit}）而终止",
            limit=limit,
            left=limit - found.lasted,
        )
        news = f"{found.dedup_key}/limit/{limit}"
    return Notify(headline=headline, facts=_facts(job, since, now), dedup_key=news)


def _facts(job: JobSnapshot, since: datetime, now: datetime) -> Facts:
    return known(
        ("Running since", since),
        ("Time limit", _time_limit(job.max_running_time, now - since)),
        ("GPUs", f"{job.gpus:g}" if job.gpus else ""),
        ("Restarts", restarts(job.restarts) if job.restarts.used else ""),
    )


def _time_limit(limit: timedelta | None, ran: timedelta) -> Text:
    if not limit:
        return say("none known", zh="未知")
    if ran < limit:
        return say("{limit}, {left} left", zh="{limit}，剩余 {left}", limit=limit, left=limit - ran)
    return say("{limit}, passed {ago} ago", zh="{limit}，已超出 {ago}", limit=limit, ago=ran - limit)
