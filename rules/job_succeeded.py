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
    known,
    restarts,
    revivals,
    say,
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
                headline = (
                    say("Succeeded", zh="成功")
                    if event.lived is None
                    else say("Succeeded after {lived}", zh="成功，历时 {lived}", lived=event.lived)
                )
            case JobStatusChanged(new_phase=Phase.RESERVED_SUCCEEDED):
                if context.job is not None and context.job.phase is not Phase.RESERVED_SUCCEEDED:
                    yield Silence("it is past that")
                    return
                headline = say("Succeeded, pods are kept for now", zh="成功，实例暂时保留")
            case _:
                yield Silence("not a success")
                return
        facts = () if context.job is None else _facts(context.job)
        times = revivals(context.course)
        yield Notify(headline=headline, facts=facts, dedup_key=f"succeeded-{times}" if times else "succeeded")


def _facts(job: JobSnapshot) -> Facts:
    ended = job.succeeded_at or job.finished_at
    kept = job.settings.reserved_minutes if job.phase is Phase.RESERVED_SUCCEEDED else None
    return known(
        ("Ran for", ended - job.running_at if ended and job.running_at else None),
        ("Restarts", restarts(job.restarts) if job.restarts.used else ""),
        ("Pods are kept for", say("{n} min", zh="{n} 分钟", n=kept) if kept else ""),
    )
