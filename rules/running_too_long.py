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


class RunningTooLongOptions(RuleOptions):
    """Options of `running-too-long`."""

    after: Duration = timedelta(hours=24)
    """How long a job may run before it is told. Set it from your own jobs, for some of them only with `match`."""


class RunningTooLongRule:
    """Tell when a job runs for longer than jobs should.

    When:
        The job is in `Running` and began longer than `after` ago, as DLC tells the beginning (its running time), else as we saw
        it. A job that restarts is looked at again when it runs again.

    Why you want to know:
        A job that hangs looks exactly like a job that works, and costs as much.

    What it says:
        How long it has run; as facts its size, its restarts, and its own time limit with what is left of it.

    Options:
        `after` (24h): how long is too long.
    """

    name: ClassVar[str] = "running-too-long"
    on: ClassVar[tuple[type[Event], ...]] = (JobAppeared, JobResumed, JobReappeared, JobStatusChanged)
    severity: ClassVar[Severity] = Severity.WARNING
    Options: ClassVar[type[RunningTooLongOptions]] = RunningTooLongOptions

    def __init__(self, options: RunningTooLongOptions | None = None) -> None:
        self.options = options or RunningTooLongOptions()

    def consider(self, event: Event, context: Context) -> Iterator[Intent]:
        """Set a deadline when running begins; when it passes, look again."""
        job = context.job
        if job is None or job.phase is not Phase.RUNNING:
            yield Silence("not running")
            return
        since = job.running_at or context.phase_since or event.when.at
        ran = context.now - since
        if not isinstance(event, DeadlinePassed) or ran < self.options.after:
            yield Deadline(_KEY, since + self.options.after)
            return
        yield Notify(
            headline=f"Running for {spell_duration(ran)}",
            facts=_facts(job, since, context.now),
            dedup_key=since.isoformat(),
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
