"""Tell what a failure most likely came from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from watcher.api import (
    Confidence,
    Context,
    Event,
    Facts,
    FaultClass,
    Intent,
    Investigate,
    JobCauseFound,
    JobFailed,
    JobRestarted,
    JobStatusChanged,
    Notify,
    Phase,
    PodEvicted,
    RuleOptions,
    Severity,
    Silence,
    Text,
    cause_in_words,
    known,
    reason_in_words,
    say,
)


class RootCauseOptions(RuleOptions):
    """Options of `root-cause`."""

    least_confidence: Confidence = Confidence.MEDIUM
    """How sure a cause must be to be told: low, medium or high. One of low confidence is for the record, and told as info."""
    restarts: bool = False
    """Also look for the cause of restarts. Each one costs up to five requests, and `job-restarted` tells DLC's own reason."""
    evictions: bool = False
    """Also look for the cause of the first eviction of an attempt."""


class RootCauseRule:
    """Tell what a failure most likely came from.

    When:
        The job failed, and events and logs were read for the cause. Once for each attempt of a job; not for jobs that were
        stopped. The failure itself is told at once by `job-failed`; this follows in the same thread, mostly within a minute.

    Why you want to know:
        DLC says that a job failed, hardly ever why. The line that decides stands in one log of many: of the pod that died
        first. An out-of-memory error wants another batch size, a broken GPU wants another node, and both look alike from outside.

    What it says:
        The cause in one line: what, which pod, which node, which exit code. As facts its class, the confidence and what that
        rests on, and what could not be read. The lines that decide, without secrets. When DLC refuses to show events or logs,
        which right is missing, once.

    Options:
        `least_confidence` (medium): how sure a cause must be to be told.
        `restarts` (false): also look for the cause of restarts.
        `evictions` (false): also look for the cause of evictions.
    """

    name: ClassVar[str] = "root-cause"
    on: ClassVar[tuple[type[Event], ...]] = (JobFailed, JobStatusChanged, JobRestarted, PodEvicted, JobCauseFound)
    severity: ClassVar[Severity] = Severity.WARNING
    Options: ClassVar[type[RootCauseOptions]] = RootCauseOptions

    def __init__(self, options: RootCauseOptions | None = None) -> None:
        self.options = options or RootCauseOptions()

    def consider(self, event: Event, context: Context) -> Iterator[Intent]:
        """Ask for the cause; when it is found, tell it."""
        match event:
            case JobCauseFound():
                yield from self._told(event)
            case JobFailed() | JobStatusChanged(new_phase=Phase.RESERVED_FAILED):
                yield Investigate(key=_attempt(_restarts(context) + 1))
            case JobRestarted() if self.options.restarts:
                yield Investigate(key=_attempt(event.used))
            case PodEvicted() if self.options.evictions:
                yield Investigate(key=_attempt(_restarts(context, before=True) + 1))
            case _:
                yield Silence("nothing whose cause is looked for")

    def _told(self, found: JobCauseFound) -> Iterator[Intent]:
        if found.missing_permission:
            yield Notify(
                headline=say(
                    "Causes cannot be looked into: {right} is not allowed",
                    zh="无法查找失败原因：没有 {right} 权限",
                    right=found.missing_permission,
                ),
                facts=(
                    ("Allow", found.missing_permission),
                    ("Or set", say("evidence, of this source", zh="该数据源的 evidence")),
                ),
                detail=found.unread,
                severity=Severity.INFO,
                dedup_key=f"not allowed\x1f{found.job.source}\x1f{found.missing_permission}",
                across_jobs=True,
            )
        if found.fault_class is FaultClass.UNKNOWN or not found.confidence.reaches(self.options.least_confidence):
            because = f", {found.because}" if found.because else ""
            missing = f"; could not read: {found.unread}" if found.unread else ""
            yield Silence(
                f"not sure enough ({found.summary or found.fault_class}: {found.confidence}{because}){missing}"
            )
            return
        yield Notify(
            headline=say("Likely cause: {summary}", zh="可能的失败原因：{summary}", summary=cause_in_words(found)),
            facts=_facts(found),
            detail=found.excerpt,
            severity=Severity.INFO if found.confidence is Confidence.LOW else None,
            dedup_key=f"cause\x1f{found.id}",
        )


def _attempt(number: int) -> str:
    return f"attempt {number}"


def _restarts(context: Context, *, before: bool = False) -> int:
    job = (context.previous if before else None) or context.job
    return 0 if job is None else job.restarts.used or 0


_SURE = {
    Confidence.LOW: say("low", zh="低"),
    Confidence.MEDIUM: say("medium", zh="中"),
    Confidence.HIGH: say("high", zh="高"),
}


def _facts(found: JobCauseFound) -> Facts:
    sure: Text = _SURE[found.confidence]
    if found.because:
        sure = say("{sure}: {because}", zh="{sure}：{because}", sure=sure, because=reason_in_words(found.because))
    return known(
        ("Class", str(found.fault_class)),
        ("Confidence", sure),
        ("Exit code", found.exit_code),
        ("Could not read", found.unread),
    )
