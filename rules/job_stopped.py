"""Tell when a job was stopped."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from watcher.api import (
    Context,
    Event,
    Facts,
    Intent,
    JobSnapshot,
    JobStopped,
    NoOptions,
    Notify,
    Severity,
    Silence,
    known,
    say,
)


class JobStoppedRule:
    """Tell when a job was stopped.

    When:
        The job ended because a person or the system stopped it: neither a success nor a failure.

    Why you want to know:
        If you did it, this is the receipt. If you did not, somebody else did, or the job ran into its own time limit.

    What it says:
        How long the job lived; as facts DLC's reason code, how long it ran, and its time limit where it has one; DLC's reason
        message in full.

    Options:
        None.
    """

    name: ClassVar[str] = "job-stopped"
    on: ClassVar[tuple[type[Event], ...]] = (JobStopped,)
    severity: ClassVar[Severity] = Severity.INFO
    Options: ClassVar[type[NoOptions]] = NoOptions

    def __init__(self, options: NoOptions | None = None) -> None:
        self.options = options or NoOptions()

    def consider(self, event: Event, context: Context) -> Iterator[Intent]:
        """Speak about a job that was stopped."""
        if not isinstance(event, JobStopped):
            yield Silence("not stopped")
            return
        headline = (
            say("Stopped", zh="已停止")
            if event.lived is None
            else say("Stopped after {lived}", zh="已停止，历时 {lived}", lived=event.lived)
        )
        reason = (("Reason", event.reason_code),) if event.reason_code else ()
        facts = reason if context.job is None else reason + _facts(context.job)
        yield Notify(headline=headline, facts=facts, detail=event.reason_message, dedup_key="stopped")


def _facts(job: JobSnapshot) -> Facts:
    ended = job.stopped_at or job.finished_at
    return known(
        ("Ran for", ended - job.running_at if ended and job.running_at else None),
        ("Time limit", job.max_running_time or ""),
    )
