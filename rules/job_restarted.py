"""Tell when DLC restarted a job."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from watcher.api import (
    Context,
    Event,
    Facts,
    Intent,
    JobRestarted,
    JobSnapshot,
    NoOptions,
    Notify,
    Severity,
    Silence,
)


class JobRestartedRule:
    """Tell when DLC restarted a job.

    When:
        DLC's count of restarts grew. Each restart is told once, with its number.

    Why you want to know:
        Every restart throws away the work since the last checkpoint, and the number of them is limited: when it is used up, the
        next fault is the end of the job. The same node in several restarts is a node to avoid.

    What it says:
        Which restart it is, of how many; as facts the reason, what was restarted, and the nodes at fault, where DLC tells them;
        DLC's message in full.

    Options:
        None.
    """

    name: ClassVar[str] = "job-restarted"
    on: ClassVar[tuple[type[Event], ...]] = (JobRestarted,)
    severity: ClassVar[Severity] = Severity.WARNING
    Options: ClassVar[type[NoOptions]] = NoOptions

    def __init__(self, options: NoOptions | None = None) -> None:
        self.options = options or NoOptions()

    def consider(self, event: Event, context: Context) -> Iterator[Intent]:
        """Speak about one restart."""
        if not isinstance(event, JobRestarted):
            yield Silence("not a restart")
            return
        number = str(event.used) if event.limit is None else f"{event.used} of {event.limit}"
        headline = f"Restart {number}" if event.count == 1 else f"{event.count} restarts at once, now {number}"
        if event.limit is not None and event.used >= event.limit:
            headline += ", no more are left"
        reason, causes = (event.reason_message, ()) if context.job is None else _causes(event, context.job)
        code = (("Reason", event.reason_code),) if event.reason_code else ()
        yield Notify(headline=headline, facts=code + causes, detail=event.reason_message or reason)


def _causes(event: JobRestarted, job: JobSnapshot) -> tuple[str, Facts]:
    """What DLC's own record of this restart says, where there is one: only AIMaster and self-healing write them."""
    record = next((record for record in job.restart_records if record.job_restart_count == event.used), None)
    if record is None:
        return "", ()
    nodes = sorted({cause.node for cause in record.causes if cause.node})
    avoided = sorted({cause.node for cause in record.causes if cause.node and cause.node_blacklisted})
    errors = sorted({cause.error_code for cause in record.causes if cause.error_code})
    found = (
        ("Restarted", record.level),
        ("Phase", record.occurred_phase),
        ("Errors", ", ".join(errors)),
        ("Nodes at fault", ", ".join(nodes)),
        ("Nodes now avoided", ", ".join(avoided)),
    )
    return record.reason, tuple((label, value) for label, value in found if value)
