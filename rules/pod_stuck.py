"""Tell when a pod waits while the rest of its job runs."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import ClassVar, NamedTuple

from watcher.api import (
    PUBLIC_RESOURCES,
    YES,
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
    Ongoing,
    Phase,
    PodAppeared,
    PodPhase,
    PodRestarted,
    PodSnapshot,
    PodStatusChanged,
    RuleOptions,
    Severity,
    Silence,
    Text,
    known,
    say,
)

_KEY = "stuck"
_MOST_NAMED = 4


class PodStuckOptions(RuleOptions):
    """Options of `pod-stuck`."""

    after: Duration = timedelta(minutes=15)
    """How long a pod may be Pending while its job runs. The default leaves room for a large image on a new node."""


class _Waiting(NamedTuple):
    """Which pods of a job wait.

    Attributes:
        job: as it was looked at.
        seen: since when it has been in its phase, and when it was asked about.
        due: until when each of them may wait.
        first: the first of these moments; None when no pod waits.
    """

    job: JobSnapshot
    seen: tuple[datetime | None, datetime]
    due: list[tuple[datetime, PodSnapshot]]
    first: datetime | None


class PodStuckRule:
    """Tell when a pod waits while the rest of its job runs.

    When:
        The job is running, and a pod of it has been Pending for longer than `after`, counted from the pod's creation or from the
        moment the job began to run, whichever is later. Each life of a pod is told once; pods that are due at the same moment are
        told together.

    Why you want to know:
        A job can read Running though one of its pods got no machine, and synchronous training then waits for that pod: all the
        other machines are held and do nothing. After an eviction this may last until somebody frees room.

    What it says:
        How many pods are stuck, for how long, and out of how many; as facts their names, their roles, the GPUs of the job, its
        quota and its priority, and DLC's reason code; DLC's reason message in full.

    Options:
        `after` (15m): how long is too long.
    """

    name: ClassVar[str] = "pod-stuck"
    on: ClassVar[tuple[type[Event], ...]] = (
        JobAppeared,
        JobResumed,
        JobReappeared,
        JobStatusChanged,
        PodAppeared,
        PodRestarted,
        PodStatusChanged,
    )
    severity: ClassVar[Severity] = Severity.WARNING
    Options: ClassVar[type[PodStuckOptions]] = PodStuckOptions

    def __init__(self, options: PodStuckOptions | None = None) -> None:
        self.options = options or PodStuckOptions()
        self._last: _Waiting | None = None

    def consider(self, event: Event, context: Context) -> Iterator[Intent]:
        """Set a deadline for the pod that is due first; when it passes, tell those that are due, and wait for the next."""
        job = context.job
        if job is None or job.phase is not Phase.RUNNING:
            yield Silence("the job does not run")
            return
        waiting = self._waiting(job, context)
        if waiting.first is None:
            yield Silence("no pod waits")
            return
        if not isinstance(event, DeadlinePassed):
            # what was due before now only came to light, or has been told, and is not told again (the same moment, the same key)
            yield Deadline(_KEY, waiting.first)
            return
        due = waiting.due
        later = [moment for moment, _ in due if moment > context.now]
        if later:
            yield Deadline(_KEY, min(later))
        for moment in sorted({moment for moment, _ in due if moment <= context.now}):
            yield self._told([pod for when, pod in due if when == moment], moment, job, context)

    def _waiting(self, job: JobSnapshot, context: Context) -> _Waiting:
        """The pods that wait, sought once for all events of a look: there may be thousands of both."""
        last = self._last
        if last is None or last.job is not job or last.seen != (context.phase_since, context.now):
            due = [(self._due(pod, context), pod) for pod in job.pods or () if pod.phase is PodPhase.PENDING]
            first = min((moment for moment, _ in due), default=None)
            last = self._last = _Waiting(job, (context.phase_since, context.now), due, first)
        return last

    def _due(self, pod: PodSnapshot, context: Context) -> datetime:
        known = [moment for moment in (pod.created_at, context.phase_since) if moment is not None]
        return max(known, default=context.now) + self.options.after

    def _told(self, stuck: list[PodSnapshot], due: datetime, job: JobSnapshot, context: Context) -> Notify:
        names = sorted(pod.pod_id for pod in stuck)
        who = (
            say("Pod {name}", zh="实例 {name} ", name=names[0])
            if len(names) == 1
            else say("{n} of {all} pods", zh="{all} 个实例中有 {n} 个", n=len(names), all=len(job.pods or ()))
        )
        return Notify(
            headline=say(
                "{who} Pending for {waited} while the job runs",
                zh="作业运行中，但{who}已 Pending {waited}",
                who=who,
                waited=context.now - due + self.options.after,
            ),
            facts=_facts(stuck, names, job),
            detail=job.reason_message,
            dedup_key=due.isoformat(),
            ongoing=Ongoing.PODS_WAITING,
        )


def _facts(stuck: list[PodSnapshot], names: list[str], job: JobSnapshot) -> Facts:
    shown: Text = ", ".join(names[:_MOST_NAMED])
    if len(names) > _MOST_NAMED:
        more = len(names) - _MOST_NAMED
        shown = say("{names} and {n} more", zh="{names}，另有 {n} 个", names=shown, n=more)
    return known(
        ("Pods", shown),
        ("Role", ", ".join(sorted({pod.role for pod in stuck if pod.role}))),
        ("Reason", job.reason_code),
        ("GPUs held", f"{job.gpus:g}" if job.gpus else ""),
        ("Quota", job.quota_name or job.quota_id or PUBLIC_RESOURCES),
        ("Priority", "" if job.priority is None else str(job.priority)),
        ("Spot", YES if any(role.spot for role in job.roles) else ""),
    )
