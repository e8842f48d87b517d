"""Tell when a job failed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import ClassVar

from watcher.api import (
    Context,
    Deadline,
    DeadlinePassed,
    Duration,
    Event,
    Facts,
    Intent,
    JobFailed,
    JobSnapshot,
    JobStatusChanged,
    Notify,
    Phase,
    PodPhase,
    RuleOptions,
    Severity,
    Silence,
    Text,
    joined,
    known,
    restarts,
    revivals,
    say,
)

_MOST_PODS = 3


_FAILED_NOW = say("Failed", zh="失败")
_FAILED = frozenset({Phase.FAILED, Phase.RESERVED_FAILED})
_RESTARTING = "Restarting"
"""The one sub-status that DLC documents: the job is being tried again."""
_AGAIN = "tried-again"


class JobFailedOptions(RuleOptions):
    """Options of `job-failed`."""

    retry_within: Duration = timedelta(minutes=15)
    """How long a job that failed while DLC says that it restarts it may take to live again before its failure is final."""


class JobFailedRule:
    """Tell when a job failed for good.

    When:
        The job ended badly, or its failure is decided while its pods are still kept (`FailedReserving`). A job fails once: the
        final `Failed` after the reservation is not told again; only when it lived again in between, it fails again. `Failed` is
        final by all that DLC documents, with one exception: while the sub-status says Restarting and restarts are left, DLC tries
        again. That is told as a warning, and as the end only when the job has not come alive within `retry_within`.

    Why you want to know:
        Nothing goes on by itself from here. DLC has used up its restarts, and machines that wait for this job's result stand
        idle. With a reservation, the pods can be looked into for a limited time only.

    What it says:
        How long the job lived and DLC's reason code; as facts the restarts, how long it ran, the pods that failed and their
        nodes, how long the pods are kept; DLC's reason message in full.

    Options:
        `retry_within` (15m): how long to wait for a job that DLC says it restarts. To leave out some failures, use `when`, for
        example `when: 'job.reason_code != "JobStoppedByUser"'`.
    """

    name: ClassVar[str] = "job-failed"
    on: ClassVar[tuple[type[Event], ...]] = (JobFailed, JobStatusChanged)
    severity: ClassVar[Severity] = Severity.CRITICAL
    Options: ClassVar[type[JobFailedOptions]] = JobFailedOptions

    def __init__(self, options: JobFailedOptions | None = None) -> None:
        self.options = options or JobFailedOptions()

    def consider(self, event: Event, context: Context) -> Iterator[Intent]:
        """Speak about a failure, decided or final."""
        job = context.job
        match event:
            case JobFailed():
                headline = (
                    _FAILED_NOW
                    if event.lived is None
                    else say("Failed after {lived}", zh="失败，历时 {lived}", lived=event.lived)
                )
            case JobStatusChanged(new_phase=Phase.RESERVED_FAILED):
                if job is not None and job.phase is not Phase.RESERVED_FAILED:
                    yield Silence("it is past that")
                    return
                headline = say("Failed, pods are kept for now", zh="失败，实例暂时保留")
            case DeadlinePassed():
                yield from self._waited(context)
                return
            case _:
                yield Silence("not a failure")
                return
        if job is not None and _tried_again(job):
            yield Notify(
                headline=say(
                    "{failed}, but DLC says that it restarts it{code}",
                    zh="{failed}，但 DLC 表示会重启该作业{code}",
                    failed=headline,
                    code=_code(event.reason_code),
                ),
                facts=_facts(job),
                detail=event.reason_message,
                severity=Severity.WARNING,
                dedup_key=f"{_key(context)}-{_AGAIN}",
            )
            yield Deadline(_AGAIN, context.now + self.options.retry_within)
            return
        facts = () if job is None else _facts(job)
        yield Notify(
            headline=say("{failed}{code}", zh="{failed}{code}", failed=headline, code=_code(event.reason_code)),
            facts=facts,
            detail=event.reason_message,
            dedup_key=_key(context),
        )

    def _waited(self, context: Context) -> Iterator[Intent]:
        """The time in which it should have come alive is over."""
        job = context.job
        if job is None or job.phase not in _FAILED:
            yield Silence("it was tried again")
            return
        yield Notify(
            headline=say(
                "Failed, and not restarted within {waited}{code}",
                zh="失败，{waited}内未见重启{code}",
                waited=self.options.retry_within,
                code=_code(job.reason_code),
            ),
            facts=_facts(job),
            detail=job.reason_message,
            dedup_key=_key(context),
        )


def _tried_again(job: JobSnapshot) -> bool:
    """Whether DLC itself says that this failure is not the end. A sub-status left behind after the last restart says nothing."""
    used, limit = job.restarts.used, job.restarts.limit
    spent = used is not None and limit is not None and used >= limit
    return job.phase in _FAILED and job.sub_status == _RESTARTING and not spent


def _key(context: Context) -> str:
    """One failure for each time the job came alive after its result was decided."""
    times = revivals(context.course)
    return f"failed-{times}" if times else "failed"


def _code(code: str) -> Text:
    return say(": {code}", zh="：{code}", code=code.strip()) if code.strip() else ""


def _facts(job: JobSnapshot) -> Facts:
    ended = job.failed_at or job.finished_at
    failed = [pod for pod in job.pods or () if pod.phase is PodPhase.FAILED]
    pods = [
        say("{pod} on {node}", zh="{pod}（节点 {node}）", pod=pod.pod_id, node=pod.node) if pod.node else pod.pod_id
        for pod in failed
    ]
    kept = job.settings.reserved_minutes if job.phase is Phase.RESERVED_FAILED else None
    return known(
        ("Ran for", ended - job.running_at if ended and job.running_at else None),
        ("Restarts", restarts(job.restarts)),
        ("Failed pods", joined(pods, most=_MOST_PODS)),
        ("Pods are kept for", say("{n} min", zh="{n} 分钟", n=kept) if kept else ""),
    )
