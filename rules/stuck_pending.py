"""Tell when a job waits too long for its machines."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import ClassVar

from watcher.api import (
    PUBLIC_RESOURCES,
    YES,
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
    Severity,
    Silence,
    TooFew,
    begun,
    known,
    passed_over,
    restarts,
    say,
)

_KEY = "pending"


class StuckPendingOptions(Patience):
    """Options of `stuck-pending`."""

    after: Duration = timedelta(minutes=30)
    """How long a job may be pending before it is told. The default is above the time in which a free quota gives its machines. With
    `beyond`, it holds only where it is given, and for jobs of which too few are known."""
    repeat_every: Duration | None = None
    """Tell again each time this much more has passed, at least 1m. None: once for each period of waiting."""

    def model_post_init(self, _: object, /) -> None:
        """Refuse what would be a flood."""
        if self.repeat_every is not None and self.repeat_every < timedelta(minutes=1):
            raise ValueError("repeat_every is at least 1m; leave it out to be told once")


class StuckPendingRule:
    """Tell when a job waits too long for its machines.

    When:
        The job has been pending (Creating, Queuing, Bidding) for longer than `after`; or, with `beyond`, for longer than such jobs
        usually wait, learnt from the stored jobs of the same quota, priority and GPUs. The clock starts anew when a restart puts
        the job back into the queue.

    Why you want to know:
        Waiting does not always end by itself. The quota may be full for days, the job may ask for more than any node has, or a
        spot price may never be met; and nobody looks at a job that they believe to be running.

    What it says:
        How long it has waited and, with `beyond`, how long how many others did; as facts what it asks for, of
        which quota, at what priority, how many pods are queuing, and DLC's reason code; DLC's reason message in full.

    Options:
        `after` (30m, none with `beyond`): how long is too long. `beyond` (none): a part of such jobs, for example p95, whose
        waiting it must exceed; `factor` (1) times as long, and `at_least` (5m). It needs `least_jobs` (20): where fewer are
        known, first those of any priority and then all of the quota are taken, and at last `after` holds where it is given.
        `repeat_every` (none): tell again each time this much more has passed.
    """

    name: ClassVar[str] = "stuck-pending"
    on: ClassVar[tuple[type[Event], ...]] = (JobAppeared, JobResumed, JobReappeared, JobStatusChanged)
    severity: ClassVar[Severity] = Severity.WARNING
    Options: ClassVar[type[StuckPendingOptions]] = StuckPendingOptions

    def __init__(self, options: StuckPendingOptions | None = None) -> None:
        self.options = options or StuckPendingOptions()

    def consider(self, event: Event, context: Context) -> Iterator[Intent]:
        """Set a deadline when waiting begins; when it passes, look again."""
        stay = begun(event, context, {Phase.PENDING}, "pending")
        if isinstance(stay, Silence):
            yield stay
            return
        job, since = stay
        limit = self.options.limit(job, context, _waited, say("waited", zh="等待"))
        if isinstance(limit, TooFew):
            yield from passed_over(limit, _KEY, context.now)
            return
        found = Dwell(key=_KEY, since=since, limit=limit.length, every=self.options.repeat_every).look(
            event, context.now
        )
        if isinstance(found, Deadline):
            yield found
            return
        yield from found.later
        yield Notify(
            headline=say(
                "Pending for {lasted}{because}",
                zh="已排队 {lasted}{because}",
                lasted=found.lasted,
                because=limit.because,
            ),
            facts=_facts(job) + limit.facts,
            detail=job.reason_message,
            dedup_key=found.dedup_key,
        )


def _waited(job: Member) -> timedelta | None:
    return job.waited


def _facts(job: JobSnapshot) -> Facts:
    queuing = sum(replica.queuing or 0 for replica in job.replicas)
    return known(
        ("Status", job.status),
        ("Reason", job.reason_code),
        ("Quota", job.quota_name or job.quota_id or PUBLIC_RESOURCES),
        ("Asks for", ", ".join(f"{role.count} x {role.role}" for role in job.roles)),
        ("GPUs", f"{job.gpus:g}" if job.gpus else ""),
        ("Priority", "" if job.priority is None else str(job.priority)),
        ("Queuing pods", str(queuing) if queuing else ""),
        ("Spot", YES if any(role.spot for role in job.roles) else ""),
        ("Restarts", restarts(job.restarts) if job.restarts.used else ""),
    )
