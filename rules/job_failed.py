"""Tell when a job failed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from watcher.api import (
    Context,
    Event,
    Facts,
    Intent,
    JobFailed,
    JobSnapshot,
    JobStatusChanged,
    NoOptions,
    Notify,
    Phase,
    PodPhase,
    Severity,
    Silence,
    spell_duration,
)

_MOST_PODS = 3


class JobFailedRule:
    """Tell when a job failed.

    When:
        The job ended badly, or its failure is decided while its pods are still kept (`FailedReserving`). A job fails once: the
        final `Failed` after the reservation is not told again.

    Why you want to know:
        Nothing goes on by itself from here. DLC has used up its restarts, and machines that wait for this job's result stand
        idle. With a reservation, the pods can be looked into for a limited time only.

    What it says:
        How long the job lived and DLC's reason code; as facts the restarts, how long it ran, the pods that failed and their
        nodes, how long the pods are kept; DLC's reason message in full.

    Options:
        None. To leave out some failures, use `when`, for example `when: 'job.reason_code != "JobStoppedByUser"'`.
    """

    name: ClassVar[str] = "job-failed"
    on: ClassVar[tuple[type[Event], ...]] = (JobFailed, JobStatusChanged)
    severity: ClassVar[Severity] = Severity.CRITICAL
    Options: ClassVar[type[NoOptions]] = NoOptions

    def __init__(self, options: NoOptions | None = None) -> None:
        self.options = options or NoOptions()

    def consider(self, event: Event, context: Context) -> Iterator[Intent]:
        """Speak about a failure, decided or final."""
        match event:
            case JobFailed():
                headline = "Failed" if event.lived is None else f"Failed after {spell_duration(event.lived)}"
            case JobStatusChanged(new_phase=Phase.RESERVED_FAILED):
                headline = "Failed, pods are kept for now"
            case _:
                yield Silence("not a failure")
                return
        if code := event.reason_code.strip():
            headline += f": {code}"
        facts = () if context.job is None else _facts(context.job)
        yield Notify(headline=headline, facts=facts, detail=event.reason_message, dedup_key="failed")


def _facts(job: JobSnapshot) -> Facts:
    ended = job.failed_at or job.finished_at
    ran = spell_duration(ended - job.running_at) if ended and job.running_at else ""
    failed = [pod for pod in job.pods or () if pod.phase is PodPhase.FAILED]
    pods = [f"{pod.pod_id} on {pod.node}" if pod.node else pod.pod_id for pod in failed[:_MOST_PODS]]
    more = [f"{len(failed) - _MOST_PODS} more"] if len(failed) > _MOST_PODS else []
    kept = job.settings.reserved_minutes if job.phase is Phase.RESERVED_FAILED else None
    found = (
        ("Ran for", ran),
        ("Restarts", str(job.restarts)),
        ("Failed pods", ", ".join(pods + more)),
        ("Pods are kept for", f"{kept} min" if kept else ""),
    )
    return tuple((label, value) for label, value in found if value)
