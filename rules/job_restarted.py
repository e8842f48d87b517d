"""Tell when DLC restarted a job."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import ClassVar

from watcher.api import (
    AttemptCause,
    Context,
    Duration,
    Event,
    Facts,
    Intent,
    JobAttempt,
    JobRestarted,
    JobSnapshot,
    Notify,
    PodKey,
    RestartRecord,
    RuleOptions,
    Severity,
    Silence,
    Text,
    cause_of_end,
    known,
    number_of,
    outage,
    say,
)

_RELATED = timedelta(minutes=10)
"""An eviction this long before a restart is taken for its cause."""


class JobRestartedOptions(RuleOptions):
    """Options of `job-restarted`."""

    loud_at: float = 0.8
    """Which part of the restarts that DLC allows may be used before it is critical, above 0 and at most 1."""
    loop_count: int = 3
    """How many restarts within `loop_within` are a loop, which is critical; at least 2."""
    loop_within: Duration = timedelta(hours=1)
    """See `loop_count`. Only restarts that DLC or our looks date count."""

    def model_post_init(self, _: object, /) -> None:
        """Refuse what could never be meant."""
        if not 0 < self.loud_at <= 1:
            raise ValueError("loud_at is a part of the restarts allowed: above 0 and at most 1, for example 0.8")
        if self.loop_count < 2:  # noqa: PLR2004 - one is no loop
            raise ValueError("loop_count is at least 2")


class JobRestartedRule:
    """Tell when DLC restarted a job: quietly, unless it is the first time, the budget runs out, or it goes in a loop.

    When:
        DLC's count of restarts grew. Each restart is told once, with its number. The first one is a warning; it is critical when
        the part `loud_at` of the restarts allowed is used, and when a loop begins: when `loop_count` of them fell within
        `loop_within`. While it goes on in the loop each is a warning; else info.

    Why you want to know:
        Every restart throws away the work since the last checkpoint, and the number of them is limited: when it is used up, the
        next fault is the end of the job. The same node in several restarts is a node to avoid.

    What it says:
        Which restart it is, of how many; after what (an eviction, a node fault ...), how long the job was down and what that cost
        in GPU-hours, as far as it is known by then; as facts the reason, what was restarted, and the nodes at fault; DLC's message
        in full. When the job runs again only later, `job-recovered` says how long it was down.

    Options:
        `loud_at` (0.8): the part of the restarts allowed from which on it is critical. `loop_count` (3) and `loop_within` (1h):
        how many restarts in which time are a loop.
        The rule `flapping` takes in what follows, as far as it is not critical.
    """

    name: ClassVar[str] = "job-restarted"
    on: ClassVar[tuple[type[Event], ...]] = (JobRestarted,)
    severity: ClassVar[Severity] = Severity.INFO
    Options: ClassVar[type[JobRestartedOptions]] = JobRestartedOptions

    def __init__(self, options: JobRestartedOptions | None = None) -> None:
        self.options = options or JobRestartedOptions()

    def consider(self, event: Event, context: Context) -> Iterator[Intent]:
        """Speak about one restart."""
        if not isinstance(event, JobRestarted):
            yield Silence("not a restart")
            return
        job, record = context.job, None if context.job is None else _record(event, context.job)
        within = self._within(event, context, record)
        looping = within >= self.options.loop_count
        headline = say(
            "{restart}{after}{cost}{loop}{spent}",
            zh="{restart}{after}{cost}{loop}{spent}",
            restart=_restart(event),
            after="" if job is None else _after(event, job, context),
            cost="" if job is None else _cost(job, record, context.attempt(event.used + 1)),
            loop=self._loop(within) if looping else "",
            spent=_SPENT if event.limit is not None and event.used >= event.limit else "",
        )
        code = (("Reason", event.reason_code),) if event.reason_code else ()
        yield Notify(
            headline=headline,
            facts=code + _causes(record),
            detail=event.reason_message or _error(record) or ("" if record is None else record.reason),
            severity=self._severity(event, within),
        )

    def _loop(self, within: int) -> Text:
        return say(", {n} within {time}", zh="，{time}内共重启 {n} 次", n=within, time=self.options.loop_within)

    def _severity(self, event: JobRestarted, within: int) -> Severity:
        limit = event.limit
        spent = limit is not None and (limit <= max(0, event.used) or event.used / limit >= self.options.loud_at)
        looping = within >= self.options.loop_count
        begins = looping and within - event.count < self.options.loop_count
        if spent or begins:
            return Severity.CRITICAL
        return Severity.WARNING if looping or event.used <= event.count else Severity.INFO

    def _within(self, event: JobRestarted, context: Context, record: RestartRecord | None) -> int:
        """How many restarts there were in the time up to this one, itself included, as far as they are dated."""
        ended = {one.number: one.ended_at for one in context.attempts}
        until: datetime = ended.get(event.used) or (None if record is None else record.occurred_at) or event.when.at
        earlier = [
            number
            for number, at in ended.items()
            if number < event.used and at is not None and timedelta(0) <= until - at <= self.options.loop_within
        ]
        return len(earlier) + 1


_AFTER = {
    AttemptCause.EVICTED: say(" after eviction", zh="（被驱逐）"),
    AttemptCause.PREEMPTED: say(" after preemption", zh="（被抢占）"),
    AttemptCause.SPOT_RECLAIMED: say(" after its spot instance was reclaimed", zh="（抢占式实例被回收）"),
    AttemptCause.NODE_FAULT: say(" after a node fault", zh="（节点故障）"),
    AttemptCause.PROCESS_FAILURE: say(" after a process failure", zh="（进程失败）"),
    AttemptCause.USER: say(" by a user", zh="（用户操作）"),
}
_SPENT = say(", no more are left", zh="，重启次数已用尽")


def _restart(event: JobRestarted) -> Text:
    number = number_of(event.used, event.limit)
    if event.count == 1:
        return say("Restart {number}", zh="第 {number} 次重启", number=number)
    return say(
        "{n} restarts at once, now {number}", zh="连续 {n} 次重启，累计 {number} 次", n=event.count, number=number
    )


def _record(event: JobRestarted, job: JobSnapshot) -> RestartRecord | None:
    """DLC's own record of this restart, where there is one: only AIMaster and self-healing write them."""
    return next((record for record in job.restart_records if record.job_restart_count == event.used), None)


def _after(event: JobRestarted, job: JobSnapshot, context: Context) -> Text:
    """What put an end to the attempt before."""
    ended = context.attempt(event.used)
    cause = AttemptCause.UNKNOWN if ended is None or ended.cause is None else ended.cause
    if cause is AttemptCause.UNKNOWN:
        cause = _just_seen(event, job, context.previous)
    return _AFTER.get(cause, "")


def _just_seen(event: JobRestarted, job: JobSnapshot, previous: JobSnapshot | None) -> AttemptCause:
    """What came to light with the restart: an eviction, or a reason. Of several restarts in one look, only the last can be told."""
    if job.restarts.used not in (None, event.used):
        return AttemptCause.UNKNOWN
    told = (event.reason_code, event.reason_message)
    news = previous is None or told != (previous.reason_code, previous.reason_message)
    known = frozenset() if previous is None else frozenset(_evicted(previous))
    evicted = False
    for key, ended in _evicted(job).items():
        new = previous is not None and key not in known
        evicted = evicted or new or (ended is not None and timedelta(0) <= event.when.at - ended <= _RELATED)
    return cause_of_end(texts=told if news else (), evicted=evicted)


def _evicted(job: JobSnapshot) -> dict[PodKey, datetime | None]:
    lives = [life for pod in job.pods or () for life in (*pod.history, pod)]
    return {life.key: life.finished_at for life in lives if life.evicted}


def _cost(job: JobSnapshot, record: RestartRecord | None, attempt: JobAttempt | None) -> Text:
    """How long it was down and what that cost, as far as it is known by now."""
    down, lost = (None, None) if attempt is None else (attempt.down, attempt.gpu_hours_down)
    if down is None and record is not None and record.duration:
        down = record.duration
        whole = "pod" not in record.level.lower()  # of a restart of single pods nobody knows who waited
        lost = (job.gpus or 0) * (down / timedelta(hours=1)) if whole else None
    return outage(down, lost)


def _error(record: RestartRecord | None) -> str:
    """What the first error says; the one that caused the restart goes before others."""
    causes = () if record is None else sorted(record.causes, key=lambda cause: cause.triggered_restart is not True)
    return next((cause.error_message for cause in causes if cause.error_message), "")


def _causes(record: RestartRecord | None) -> Facts:
    if record is None:
        return ()
    nodes = sorted({cause.node for cause in record.causes if cause.node})
    pods = sorted({cause.pod for cause in record.causes if cause.pod})
    avoided = sorted({cause.node for cause in record.causes if cause.node and cause.node_blacklisted})
    errors = sorted({cause.error_code for cause in record.causes if cause.error_code})
    return known(
        ("Restarted", record.level),
        ("Phase", record.occurred_phase),
        ("Errors", ", ".join(errors)),
        ("Pods at fault", ", ".join(pods)),
        ("Nodes at fault", ", ".join(nodes)),
        ("Nodes now avoided", ", ".join(avoided)),
    )
