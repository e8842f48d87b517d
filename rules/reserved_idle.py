"""Tell when a job whose result is decided goes on holding its machines."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import ClassVar

from watcher.api import (
    RESERVED,
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
    Notify,
    Ongoing,
    Phase,
    RuleOptions,
    Severity,
    Silence,
    Text,
    begun,
    known,
    say,
)

_KEY = "reserved"
_SUCCEEDED, _FAILED = say("succeeded", zh="成功"), say("failed", zh="失败")


class ReservedIdleOptions(RuleOptions):
    """Options of `reserved-idle`."""

    after: Duration = timedelta(minutes=10)
    """How long machines may be held after the result is decided before it is told."""


class ReservedIdleRule:
    """Tell when a job whose result is decided goes on holding its machines.

    When:
        The job has been in `SucceededReserving` or `FailedReserving` for longer than `after`. Told once for each reservation.

    Why you want to know:
        The reservation is there so that somebody can look into the pods. When nobody does, the machines stand idle and the quota
        is short of them until it ends by itself.

    What it says:
        How long ago the result was decided, and how many GPUs are still held; as facts the result, how much is left of the
        reservation, and the quota.

    Options:
        `after` (10m): how long is too long.
    """

    name: ClassVar[str] = "reserved-idle"
    on: ClassVar[tuple[type[Event], ...]] = (JobAppeared, JobResumed, JobReappeared, JobStatusChanged)
    severity: ClassVar[Severity] = Severity.WARNING
    Options: ClassVar[type[ReservedIdleOptions]] = ReservedIdleOptions

    def __init__(self, options: ReservedIdleOptions | None = None) -> None:
        self.options = options or ReservedIdleOptions()

    def consider(self, event: Event, context: Context) -> Iterator[Intent]:
        """Set a deadline when the reservation begins; when it passes, look again."""
        stay = begun(event, context, RESERVED, "reserved")
        if isinstance(stay, Silence):
            yield stay
            return
        job, since = stay
        found = Dwell(key=_KEY, since=since, limit=self.options.after).look(event, context.now)
        if isinstance(found, Deadline):
            yield found
            return
        yield Notify(
            headline=say(
                "Result decided {ago} ago, {what} still held",
                zh="结果在 {ago}前已确定，仍占用{what}",
                ago=found.lasted,
                what=_held(job.gpus),
            ),
            facts=_facts(job, since, context.now),
            dedup_key=found.dedup_key,
            ongoing=Ongoing.HELD,
        )


def _held(gpus: float | None) -> Text:
    if not gpus:
        return say("its machines are", zh="机器")
    return say("1 GPU is" if gpus == 1 else "{n} GPUs are", zh=" {n} 个 GPU", n=f"{gpus:g}")


def _facts(job: JobSnapshot, since: datetime, now: datetime) -> Facts:
    minutes = job.settings.reserved_minutes
    left = since + timedelta(minutes=minutes) - now if minutes else None
    return known(
        ("Result", _SUCCEEDED if job.phase is Phase.RESERVED_SUCCEEDED else _FAILED),
        ("Reservation", left and say("{n} min, {left} left", zh="共 {n} 分钟，剩余 {left}", n=minutes or 0, left=left)),
        ("Quota", job.quota_name or job.quota_id),
    )
