"""Tell when a job runs for longer than jobs should."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import ClassVar, TypeGuard

from watcher.api import (
    Context,
    Deadline,
    DeadlinePassed,
    Duration,
    Event,
    Facts,
    Intent,
    JobAppeared,
    JobReappeared,
    JobResumed,
    JobSnapshot,
    JobStatusChanged,
    Notify,
    Phase,
    RuleOptions,
    Severity,
    Silence,
    spell_duration,
)

_KEY = "running"
_LIMIT_KEY = "limit"


class RunningTooLongOptions(RuleOptions):
    """Options of `running-too-long`."""

    after: Duration = timedelta(hours=24)
    """How long a job may run before it is told. Set it from your own jobs, for some of them only with `match`."""
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
        `after` (24h): how long is too long. `warn_before` (30m): how long before its own limit strikes.
    """

    name: ClassVar[str] = "running-too-long"
    on: ClassVar[tuple[type[Event], ...]] = (JobAppeared, JobResumed, JobReappeared, JobStatusChanged)
    severity: ClassVar[Severity] = Severity.WARNING
    Options: ClassVar[type[RunningTooLongOptions]] = RunningTooLongOptions

    def __init__(self, options: RunningTooLongOptions | None = None) -> None:
        self.options = options or RunningTooLongOptions()

    def consider(self, event: Event, context: Context) -> Iterator[Intent]:
        """Set two deadlines when running begins; when one passes, look again."""
        job = context.job
        if job is None or job.phase is not Phase.RUNNING:
            yield Silence("not running")
            return
        since = job.running_at or context.phase_since or event.when.at
        if isinstance(event, DeadlinePassed):
            yield (
                self._near_limit(job, since, context)
                if event.key == _LIMIT_KEY
                else self._too_long(job, since, context)
            )
            return
        yield Deadline(_KEY, since + self.options.after)
        if self._warns(job.max_running_time):
            yield Deadline(_LIMIT_KEY, since + job.max_running_time - self.options.warn_before)

    def _warns(self, limit: timedelta | None) -> TypeGuard[timedelta]:
        return limit is not None and timedelta(0) < self.options.warn_before < limit

    def _too_long(self, job: JobSnapshot, since: datetime, context: Context) -> Intent:
        ran = context.now - since
        if ran < self.options.after:
            return Deadline(_KEY, since + self.options.after)
        headline = f"Running for {spell_duration(ran)}"
        return Notify(headline=headline, facts=_facts(job, since, context.now), dedup_key=since.isoformat())

    def _near_limit(self, job: JobSnapshot, since: datetime, context: Context) -> Intent:
        limit = job.max_running_time
        if not self._warns(limit):
            return Silence("no time limit to warn of")
        left = since + limit - context.now
        if left > self.options.warn_before:
            return Deadline(_LIMIT_KEY, since + limit - self.options.warn_before)
        if left <= timedelta(0):
            return Silence("its time limit has passed")
        return Notify(
            headline=f"Its time limit of {spell_duration(limit)} ends it in {spell_duration(left)}",
            facts=_facts(job, since, context.now),
            dedup_key=f"{since.isoformat()}/limit/{limit}",
        )


def _facts(job: JobSnapshot, since: datetime, now: datetime) -> Facts:
    limit = ""
    if job.max_running_time:
        left = since + job.max_running_time - now
        limit = f"{spell_duration(job.max_running_time)}, " + (
            f"{spell_duration(left)} left" if left > timedelta(0) else f"passed {spell_duration(-left)} ago"
        )
    found = (
        ("Running since", f"{since:%Y-%m-%d %H:%M} UTC"),
        ("Time limit", limit or "none known"),
        ("GPUs", f"{job.gpus:g}" if job.gpus else ""),
        ("Restarts", str(job.restarts) if job.restarts.used else ""),
    )
    return tuple((label, value) for label, value in found if value)
