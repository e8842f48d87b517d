"""Tell when a job has its machines and does not come to run."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import ClassVar

from watcher.api import (
    Context,
    Deadline,
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
    Member,
    Notify,
    Patience,
    Phase,
    PodPhase,
    Severity,
    Silence,
    TooFew,
    begun,
    known,
    number_of,
    passed_over,
    restarts,
    say,
)

_KEY = "starting"
_MOST_NODES = 4


class SlowStartOptions(Patience):
    """Options of `slow-start`."""

    after: Duration = timedelta(minutes=15)
    """How long a job may prepare before it is told. The default leaves room for a large image and a check of the machines. With
    `beyond`, it holds only where it is given, and for jobs of which too few are known."""


class SlowStartRule:
    """Tell when a job has its machines and does not come to run.

    When:
        The job has been starting (EnvPreparing, SanityChecking) for longer than `after`; or, with `beyond`, for longer than such
        jobs usually take from the queue to running. The clock starts anew when a restart makes the job start again.

    Why you want to know:
        The machines are taken and nothing is computed. An image that cannot be pulled, storage that cannot be mounted or a bad
        node look like this, and do not always become a failure.

    What it says:
        In which state it is, and how long it has been starting and, with `beyond`, how long how many others were; as
        facts the pods that do not run yet, the nodes, the GPUs held,
        and DLC's reason code; DLC's reason message in full.

    Options:
        `after` (15m, none with `beyond`): how long is too long. `beyond` (none): a part of such jobs, for example p95, whose
        starting it must exceed; `factor` (1) times as long, and `at_least` (5m). It needs `least_jobs` (20): where fewer are
        known, first those of any priority and then all of the quota are taken, and at last `after` holds where it is given.
    """

    name: ClassVar[str] = "slow-start"
    on: ClassVar[tuple[type[Event], ...]] = (JobAppeared, JobResumed, JobReappeared, JobStatusChanged)
    severity: ClassVar[Severity] = Severity.WARNING
    Options: ClassVar[type[SlowStartOptions]] = SlowStartOptions

    def __init__(self, options: SlowStartOptions | None = None) -> None:
        self.options = options or SlowStartOptions()

    def consider(self, event: Event, context: Context) -> Iterator[Intent]:
        """Set a deadline when starting begins; when it passes, look again."""
        stay = begun(event, context, {Phase.STARTING}, "starting")
        if isinstance(stay, Silence):
            yield stay
            return
        job, since = stay
        limit = self.options.limit(job, context, _prepared, say("prepared", zh="启动"))
        if isinstance(limit, TooFew):
            yield from passed_over(limit, _KEY, context.now)
            return
        found = Dwell(key=_KEY, since=since, limit=limit.length).look(event, context.now)
        if isinstance(found, Deadline):
            yield found
            return
        yield Notify(
            headline=say(
                "Starting for {lasted}, now {status}{because}",
                zh="已启动 {lasted}仍未运行，当前为 {status}{because}",
                lasted=found.lasted,
                status=job.status,
                because=limit.because,
            ),
            facts=_facts(job) + limit.facts,
            detail=job.reason_message,
            dedup_key=found.dedup_key,
        )


def _prepared(job: Member) -> timedelta | None:
    return job.prepared


def _facts(job: JobSnapshot) -> Facts:
    pods = job.pods or ()
    waiting = [pod for pod in pods if pod.phase is not PodPhase.RUNNING]
    nodes = sorted({pod.node for pod in waiting if pod.node})
    return known(
        ("Pods not running", number_of(len(waiting), len(pods)) if pods else ""),
        ("On nodes", ", ".join(nodes) if len(nodes) <= _MOST_NODES else f"{len(nodes)}"),
        ("GPUs", f"{job.gpus:g}" if job.gpus else ""),
        ("Reason", job.reason_code.strip()),
        ("Restarts", restarts(job.restarts) if job.restarts.used else ""),
    )
