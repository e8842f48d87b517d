"""Tell when DLC no longer knows a job."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from watcher.api import Context, Event, Intent, JobVanished, NoOptions, Notify, Severity, Silence, known


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
                ("Last seen", f"{job.observed_at:%Y-%m-%d %H:%M:%S} UTC"),
                ("Owner", job.user_name or job.user_id),
                ("Workspace", job.workspace_name or job.workspace_id),
            )
        )
        yield Notify(
            headline=f"DLC no longer knows this job; it was {event.last_status or 'without a status'} when last seen",
            facts=known(*found),
            detail="It was deleted, or this account may no longer see its workspace.",
        )
