"""Tell when a job waits too long for its machines."""

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
    RuleOptions,
    Severity,
    Silence,
    spell_duration,
)

_KEY = "pending"


class StuckPendingOptions(RuleOptions):
    """Options of `stuck-pending`."""

    after: Duration = timedelta(minutes=30)
    """How long a job may be pending before it is told. The default is above the time in which a free quota gives its machines."""
    repeat_every: Duration | None = None
    """Tell again each time this much more has passed, at least 1m. None: once for each period of waiting."""

    def model_post_init(self, _: object, /) -> None:
        """Refuse what would be a flood."""
        if self.repeat_every is not None and self.repeat_every < timedelta(minutes=1):
            raise ValueError("repeat_every is at least 1m; leave it out to be told once")


class StuckPendingRule:
    """Tell when a job waits too long for its machines.

    When:
        The job has been pending (Creating, Queuing, Bidding) for longer than `after`. The clock starts anew when a restart puts
        the job back into the queue.

    Why you want to know:
        Waiting does not always end by itself. The quota may be full for days, the job may ask for more than any node has, or a
        spot price may never be met; and nobody looks at a job that they believe to be running.

    What it says:
        How long it has waited; as facts what it asks for, of which quota, at what priority, how many pods are queuing, and DLC's
        reason code; DLC's reason message in full.

    Options:
        `after` (30m): how long is too long. `repeat_every` (none): tell again each time this much more has passed.
    """

    name: ClassVar[str] = "stuck-pending"
    on: ClassVar[tuple[type[Event], ...]] = (JobAppeared, JobResumed, JobReappeared, JobStatusChanged)
    severity: ClassVar[Severity] = Severity.WARNING
    Options: ClassVar[type[StuckPendingOptions]] = StuckPendingOptions

    def __init__(self, options: StuckPendingOptions | None = None) -> None:
        self.options = options or StuckPendingOptions()

    def consider(self, event: Event, context: Context) -> Iterator[Intent]:
        """Set a deadline when waiting begins; when it passes, look again."""
        job = context.job
        if job is None or job.phase is not Phase.PENDING:
            yield Silence("not pending")
            return
        if isinstance(event, JobStatusChanged) and event.old_phase is event.new_phase:
            yield Silence("still pending, the deadline stands")
            return
        since = context.phase_since or event.when.at
        waited = context.now - since
        if not isinstance(event, DeadlinePassed) or waited < self.options.after:
            yield Deadline(_KEY, since + self.options.after)
            return
        repeats = 0
        if self.options.repeat_every:
            repeats = (waited - self.options.after) // self.options.repeat_every
            yield Deadline(_KEY, since + self.options.after + (repeats + 1) * self.options.repeat_every)
        yield Notify(
            headline=f"Pending for {spell_duration(waited)}",
            facts=_facts(job),
            detail=job.reason_message,
            dedup_key=f"{since.isoformat()}/{repeats}",
        )


def _facts(job: JobSnapshot) -> Facts:
    queuing = sum(replica.queuing or 0 for replica in job.replicas)
    found = (
        ("Status", job.status),
        ("Reason", job.reason_code),
        ("Quota", job.quota_name or job.quota_id or "none (public resources)"),
        ("Asks for", ", ".join(f"{role.count} x {role.role}" for role in job.roles)),
        ("GPUs", f"{job.gpus:g}" if job.gpus else ""),
        ("Priority", "" if job.priority is None else str(job.priority)),
        ("Queuing pods", str(queuing) if queuing else ""),
        ("Spot", "yes" if any(role.spot for role in job.roles) else ""),
        ("Restarts", str(job.restarts) if job.restarts.used else ""),
    )
    return tuple((label, value) for label, value in found if value)
