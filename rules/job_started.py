"""Tell when a job begins to run."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import ClassVar

from watcher.api import (
    Context,
    Duration,
    Event,
    Facts,
    Intent,
    JobAppeared,
    JobStatusChanged,
    Notify,
    Phase,
    RuleOptions,
    Severity,
    Silence,
    known,
    say,
)


class JobStartedOptions(RuleOptions):
    """Options of `job-started`."""

    recent: Duration = timedelta(minutes=5)
    """A job that was already running when it was first seen is told of only if it began at most this long ago, so that a first
    start of the watcher does not announce every running job. `0s`: never."""


class JobStartedRule:
    """Tell when a job begins to run, once per job.

    When:
        The job enters `Running` for the first time, or is found running shortly after it began. Running again after a restart
        is not a start: `job-restarted` tells that.

    Why you want to know:
        The wait is over: the quota gave its machines, and the first minutes are when wrong paths and settings show.

    What it says:
        How long the job waited; as facts the size it runs at and the nodes.

    Options:
        `recent` (5m): how long ago a job first seen running may have begun to be told of.
    """

    name: ClassVar[str] = "job-started"
    on: ClassVar[tuple[type[Event], ...]] = (JobStatusChanged, JobAppeared)
    severity: ClassVar[Severity] = Severity.INFO
    Options: ClassVar[type[JobStartedOptions]] = JobStartedOptions

    def __init__(self, options: JobStartedOptions | None = None) -> None:
        self.options = options or JobStartedOptions()

    def consider(self, event: Event, context: Context) -> Iterator[Intent]:
        """Speak once, at the first `Running`."""
        match event:
            case JobStatusChanged(filled_in=True):
                yield Silence("it came to light late, the job is past it")
                return
            case JobStatusChanged(new_phase=Phase.RUNNING):
                ran_before = context.previous is not None and context.previous.running_at is not None
                if ran_before or event.old_phase in {Phase.RUNNING, Phase.RESTARTING}:
                    yield Silence("it ran before")
                    return
                began = event.when.at
            case JobAppeared(phase=Phase.RUNNING):
                running_at = None if context.job is None else context.job.running_at
                if running_at is None or context.now - running_at > self.options.recent:
                    yield Silence("it was running when first seen")
                    return
                began = running_at
            case _:
                yield Silence("not running")
                return
        waited = _waited(context, began)
        headline = (
            say("Started running after {waited} of waiting", zh="开始运行，等待了 {waited}", waited=waited)
            if waited
            else say("Started running", zh="开始运行")
        )
        yield Notify(headline=headline, facts=_facts(context), dedup_key="started")


def _waited(context: Context, began: datetime) -> timedelta | None:
    submitted = None if context.job is None else context.job.submitted_at or context.job.created_at
    return began - submitted if submitted and began - submitted >= timedelta(seconds=1) else None


def _facts(context: Context) -> Facts:
    job = context.job
    if job is None:
        return ()
    roles = ", ".join(f"{role.count} x {role.role}" for role in job.roles)
    nodes = sorted({pod.node for pod in job.pods or () if pod.node})
    return known(
        ("Pods", roles),
        ("GPUs", f"{job.gpus:g}" if job.gpus else ""),
        ("Nodes", ", ".join(nodes) if len(nodes) <= 4 else f"{len(nodes)}"),  # noqa: PLR2004 - more do not fit a line
        ("Time limit", job.max_running_time or ""),
    )
