"""Tell when a job has its machines and does not come to run."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
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
    PodPhase,
    RuleOptions,
    Severity,
    Silence,
    spell_duration,
)

_KEY = "starting"
_MOST_NODES = 4


class SlowStartOptions(RuleOptions):
    """Options of `slow-start`."""

    after: Duration = timedelta(minutes=15)
    """How long a job may prepare before it is told. The default leaves room for a large image and a check of the machines."""


class SlowStartRule:
    """Tell when a job has its machines and does not come to run.

    When:
        The job has been starting (EnvPreparing, SanityChecking) for longer than `after`. The clock starts anew when a restart
        makes the job start again.

    Why you want to know:
        The machines are taken and nothing is computed. An image that cannot be pulled, storage that cannot be mounted or a bad
        node look like this, and do not always become a failure.

    What it says:
        In which state it is, and how long it has been starting; as facts the pods that do not run yet, the nodes, the GPUs held,
        and DLC's reason code; DLC's reason message in full.

    Options:
        `after` (15m): how long is too long.
    """

    name: ClassVar[str] = "slow-start"
    on: ClassVar[tuple[type[Event], ...]] = (JobAppeared, JobResumed, JobReappeared, JobStatusChanged)
    severity: ClassVar[Severity] = Severity.WARNING
    Options: ClassVar[type[SlowStartOptions]] = SlowStartOptions

    def __init__(self, options: SlowStartOptions | None = None) -> None:
        self.options = options or SlowStartOptions()

    def consider(self, event: Event, context: Context) -> Iterator[Intent]:
        """Set a deadline when starting begins; when it passes, look again."""
        job = context.job
        if job is None or job.phase is not Phase.STARTING:
            yield Silence("not starting")
            return
        if isinstance(event, JobStatusChanged) and event.old_phase is event.new_phase:
            yield Silence("still starting, the deadline stands")
            return
        since = context.phase_since or event.when.at
        taken = context.now - since
        if not isinstance(event, DeadlinePassed) or taken < self.options.after:
            yield Deadline(_KEY, since + self.options.after)
            return
        yield Notify(
            headline=f"Starting for {spell_duration(taken)}, now {job.status}",
            facts=_facts(job),
            detail=job.reason_message,
            dedup_key=since.isoformat(),
        )


def _facts(job: JobSnapshot) -> Facts:
    pods = job.pods or ()
    waiting = [pod for pod in pods if pod.phase is not PodPhase.RUNNING]
    nodes = sorted({pod.node for pod in waiting if pod.node})
    found = (
        ("Pods not running", f"{len(waiting)} of {len(pods)}" if pods else ""),
        ("On nodes", ", ".join(nodes) if len(nodes) <= _MOST_NODES else f"{len(nodes)}"),
        ("GPUs", f"{job.gpus:g}" if job.gpus else ""),
        ("Reason", job.reason_code.strip()),
        ("Restarts", str(job.restarts) if job.restarts.used else ""),
    )
    return tuple((label, value) for label, value in found if value)
