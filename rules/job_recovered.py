"""Tell when a job runs again after a restart."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from watcher.api import (
    CAUSES,
    RESERVED,
    TERMINAL,
    AttemptCause,
    Context,
    Event,
    Facts,
    Intent,
    JobAttempt,
    JobSnapshot,
    JobStatusChanged,
    NoOptions,
    Notify,
    Phase,
    Severity,
    Silence,
    broken_off,
    number_of,
    outage,
    say,
)


class JobRecoveredRule:
    """Tell when a job runs again after a restart that was told.

    When:
        A restarted job is running again, or a job whose result had been decided came alive and runs. Once for each attempt. Silent
        when the restart came to light in the same look: then `job-restarted` has said everything.

    Why you want to know:
        It closes what a restart opened: nobody needs to look after the job any more. Only now is it known how long it was down.

    What it says:
        After which restart, of how many, how long the job was down and what that cost in GPU-hours, as far as DLC dates it; as
        facts which attempt this is and why the one before ended.

    Options:
        None.
    """

    name: ClassVar[str] = "job-recovered"
    on: ClassVar[tuple[type[Event], ...]] = (JobStatusChanged,)
    severity: ClassVar[Severity] = Severity.INFO
    Options: ClassVar[type[NoOptions]] = NoOptions

    def __init__(self, options: NoOptions | None = None) -> None:
        self.options = options or NoOptions()

    def consider(self, event: Event, context: Context) -> Iterator[Intent]:
        """Speak when it runs again."""
        job = context.job
        if not isinstance(event, JobStatusChanged) or event.new_phase is not Phase.RUNNING or job is None:
            yield Silence("it did not begin to run")
            return
        if event.filled_in or job.phase is not Phase.RUNNING:
            yield Silence("it runs no more")
            return
        broken = broken_off(context.course)
        attempt = context.attempts[-1]
        facts = (("Attempt", number_of(attempt.number, attempt.of)), *_why(context.attempt(attempt.number - 1)))
        cost = outage(attempt.down, attempt.gpu_hours_down)
        if broken is not None and broken.phase in TERMINAL | RESERVED:
            headline = say(
                "Running again, though it was {status}{cost}",
                zh="恢复运行，此前状态为 {status}{cost}",
                status=broken.status,
                cost=cost,
            )
            yield Notify(headline=headline, facts=facts, dedup_key=f"alive-{broken.key}")
        elif attempt.number == 1 or broken is None:
            yield Silence("no restart came before")
        elif not broken.told:
            yield Silence("it was restarted before we looked")
        elif not _counted(job):
            yield Silence("DLC counted no restart")
        elif _restarts(context.previous) < attempt.number - 1:
            yield Silence("the restart was told in the same look")
        else:
            headline = say(
                "Running again after restart {number}{cost}",
                zh="第 {number} 次重启后恢复运行{cost}",
                number=number_of(attempt.number - 1, job.restarts.limit),
                cost=cost,
            )
            yield Notify(headline=headline, facts=facts, dedup_key=f"attempt-{attempt.number}")


def _counted(job: JobSnapshot) -> bool:
    """Whether there is a count of restarts: without one none is told."""
    return job.restarts.used is not None or any(record.job_restart_count for record in job.restart_records)


def _restarts(job: JobSnapshot | None) -> int:
    """How many restarts were counted by then."""
    if job is None or job.restarts.used is not None:
        return 0 if job is None else job.restarts.used or 0
    return max((record.job_restart_count or 0 for record in job.restart_records), default=0)


def _why(former: JobAttempt | None) -> Facts:
    if former is None or former.cause is None or former.cause is AttemptCause.UNKNOWN:
        return ()
    return (("Restarted after", CAUSES[former.cause]),)
