"""Tell when a job succeeded."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from watcher.api import (
    Context,
    Event,
    Facts,
    Intent,
    JobSnapshot,
    JobStatusChanged,
    JobSucceeded,
    NoOptions,
    Notify,
    Phase,
    Severity,
    Silence,
    revivals,
    spell_duration,
)


class JobSucceededRule:
    """Tell when a job succeeded.

    When:
        The job ended well, or its success is decided while its pods are still kept (`SucceededReserving`). A job succeeds once:
        the final `Succeeded` after the reservation is not told again; only a job that lived again in between succeeds again.

    Why you want to know:
        The result can be used, and the next step can begin. Pods that are kept after success still occupy the quota.

    What it says:
        How long the job lived; as facts how long it ran, its restarts, and how long the pods are kept.

    Options:
        None.
    """

    name: ClassVar[str] = "job-succeeded"
    on: ClassVar[tuple[type[Event], ...]] = (JobSucceeded, JobStatusChanged)
    severity: ClassVar[Severity] = Severity.INFO
    Options: ClassVar[type[NoOptions]] = NoOptions

    def __init__(self, options: NoOptions | None = None) -> None:
        self.options = options or NoOptions()

    def consider(self, event: Event, context: Context) -> Iterator[Intent]:
        """Speak about a success, decided or final."""
        match event:
            case JobSucceeded():
                headline = "Succeeded" if event.lived is None else f"Succeeded after {spell_duration(event.lived)}"
            case JobStatusChanged(new_phase=Phase.RESERVED_SUCCEEDED):
                if context.job is not None and context.job.phase is not Phase.RESERVED_SUCCEEDED:
                    yield Silence("it is past that")
                    return
                headline = "Succeeded, pods are kept for now"
            case _:
                yield Silence("not a success")
                return
        facts = () if context.job is None else _facts(context.job)
        times = revivals(context.course)
        yield Notify(headline=headline, facts=facts, dedup_key=f"succeeded-{times}" if times else "succeeded")


def _facts(job: JobSnapshot) -> Facts:
    ended = job.succeeded_at or job.finished_at
    ran = spell_duration(ended - job.running_at) if ended and job.running_at else ""
    kept = job.settings.reserved_minutes if job.phase is Phase.RESERVED_SUCCEEDED else None
    found = (
        ("Ran for", ran),
        ("Restarts", str(job.restarts) if job.restarts.used else ""),
        ("Pods are kept for", f"{kept} min" if kept else ""),
    )
    return tuple((label, value) for label, value in found if value)
