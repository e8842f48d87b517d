"""Tell when DLC no longer knows a job."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from watcher.api import (
    Context,
    Event,
    Intent,
    JobVanished,
    Moment,
    NoOptions,
    Notify,
    Severity,
    Silence,
    known,
    say,
)


class JobVanishedRule:
    """Tell when DLC no longer knows a job that had not ended.

    When:
        A watched job was not found twice, some time apart, and a complete list did not have it either.

    Why you want to know:
        Somebody deleted the job while it lived, or the watcher's account lost sight of its workspace. How it would have ended
        cannot be known any more.

    What it says:
        The last status; as facts when it was last seen and who owned it.

    Options:
        None.
    """

    name: ClassVar[str] = "job-vanished"
    on: ClassVar[tuple[type[Event], ...]] = (JobVanished,)
    severity: ClassVar[Severity] = Severity.WARNING
    Options: ClassVar[type[NoOptions]] = NoOptions

    def __init__(self, options: NoOptions | None = None) -> None:
        self.options = options or NoOptions()

    def consider(self, event: Event, context: Context) -> Iterator[Intent]:
        """Speak about a job that is gone."""
        if not isinstance(event, JobVanished):
            yield Silence("not gone")
            return
        job = context.job
        found = (
            ()
            if job is None
            else (
                ("Last seen", Moment(job.observed_at, seconds=True)),
                ("Owner", job.user_name or job.user_id),
                ("Workspace", job.workspace_name or job.workspace_id),
            )
        )
        yield Notify(
            headline=say(
                "DLC no longer knows this job; it was {status} when last seen",
                zh="DLC 已查不到该作业，最后可见时状态为 {status}",
                status=event.last_status or say("without a status", zh="空"),
            ),
            facts=known(*found),
            detail=say(
                "It was deleted, or this account may no longer see its workspace.",
                zh="作业已被删除，或当前账号已无权查看其所在的工作空间。",
            ),
        )
