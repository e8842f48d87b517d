"""Tell when a job runs and nothing is heard of it any more."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import ClassVar

from watcher.api import (
    Context,
    Deadline,
    DeadlinePassed,
    Duration,
    Event,
    Facts,
    Intent,
    Investigate,
    JobActivityChecked,
    JobAppeared,
    JobReappeared,
    JobResumed,
    JobSnapshot,
    JobStatusChanged,
    Moment,
    Notify,
    Phase,
    RuleOptions,
    Severity,
    Silence,
    Topic,
    begun,
    known,
    say,
)

_LOOK = "look"
_QUIET = "quiet since "


class HangSuspectedOptions(RuleOptions):
    """Options of `hang-suspected`."""

    silent_for: Duration = timedelta(hours=1)
    """How long there may be no event and no line in the log, at least 5m. Above the longest step that your jobs do in silence."""
    every: Duration = timedelta(minutes=15)
    """How often is looked, at least 1m. Each look at a job costs up to three requests."""

    def model_post_init(self, _: object, /) -> None:
        """Refuse what would be a flood."""
        if self.silent_for < timedelta(minutes=5):
            raise ValueError("silent_for is at least 5m")
        if self.every < timedelta(minutes=1):
            raise ValueError("every is at least 1m")


class HangSuspectedRule:
    """Tell when a job runs and nothing is heard of it any more.

    When:
        The job is in `Running`, and for `silent_for` neither its events nor the logs of its first and last running pod had a line.
        Told once for each silence; when it is heard of again, the next silence is told anew. Where the logs cannot be read it says
        nothing, since a job that runs well has no events either. Off by default: it asks DLC for events and logs of every running
        job, and needs the rights for both.

    Why you want to know:
        A job that waits for ever for a lost peer or for storage looks to DLC like one that works, and holds its machines.

    What it says:
        How long nothing was heard; as facts the last line where it told its time, the GPUs held, how long it runs, and what could
        not be read.

    Options:
        `silent_for` (1h): how long a silence is suspect. `every` (15m): how often is looked.
    """

    name: ClassVar[str] = "hang-suspected"
    on: ClassVar[tuple[type[Event], ...]] = (
        JobAppeared,
        JobResumed,
        JobReappeared,
        JobStatusChanged,
        JobActivityChecked,
    )
    severity: ClassVar[Severity] = Severity.WARNING
    Options: ClassVar[type[HangSuspectedOptions]] = HangSuspectedOptions

    def __init__(self, options: HangSuspectedOptions | None = None) -> None:
        self.options = options or HangSuspectedOptions()

    def consider(self, event: Event, context: Context) -> Iterator[Intent]:
        """Look now and then, and judge by what the look found.

        There is one clock for each job, and it is wound by the answers. Its key holds what a pure rule cannot remember: since when
        it is silent that was told to be. Such a silence goes on being asked about by its beginning, so that it is one.
        """
        stay = begun(event, context, {Phase.RUNNING}, "running")
        if isinstance(stay, Silence):
            yield stay
            return
        job, since = stay
        match event:
            case DeadlinePassed():
                yield self._look(event.key, since, context.now)
            case JobActivityChecked():
                yield from self._judge(event, job, since, context.now)
            case JobResumed() if context.now - since > self.options.silent_for:
                yield Silence("the clock goes on as it was wound before")
            case _:
                yield Deadline(_LOOK, since + self.options.silent_for)

    def _look(self, key: str, running_since: datetime, now: datetime) -> Intent:
        suspected = _beginning(key)
        if suspected is None and now - running_since < self.options.silent_for:
            return Deadline(_LOOK, running_since + self.options.silent_for)
        since = now - self.options.silent_for if suspected is None else max(suspected, running_since)
        return Investigate(topic=Topic.ACTIVITY, key=f"{self.name}/{now.isoformat()}", since=since)

    def _judge(
        self, event: JobActivityChecked, job: JobSnapshot, running_since: datetime, now: datetime
    ) -> Iterator[Intent]:
        since, again = event.since, now + self.options.every
        if since is None or event.events_seen or event.logs_seen:
            yield Silence("it was heard of")
            yield Deadline(_LOOK, again)
            return
        if not event.logs_read:
            yield Silence(f"its logs were not read{f': {event.unread}' if event.unread else ''}")
            yield Deadline(_LOOK, again)
            return
        yield Deadline(f"{_QUIET}{since.isoformat()}", again)
        yield Notify(
            headline=say(
                "Running, but nothing was heard of it for {silent}",
                zh="运行中，但 {silent}内没有任何事件和日志",
                silent=now - since,
            ),
            facts=_facts(event, job, running_since, now),
            dedup_key=since.isoformat(),
        )


def _beginning(key: str) -> datetime | None:
    """The beginning of the silence that a deadline's key tells of; None for a key that tells of none."""
    try:
        return datetime.fromisoformat(key.removeprefix(_QUIET)) if key.startswith(_QUIET) else None
    except ValueError:
        return None


def _facts(event: JobActivityChecked, job: JobSnapshot, running_since: datetime, now: datetime) -> Facts:
    return known(
        ("Last event", event.last_event_at and Moment(event.last_event_at, seconds=True)),
        ("Last line of the log", event.last_log_at and Moment(event.last_log_at, seconds=True)),
        ("Running for", now - running_since),
        ("GPUs", f"{job.gpus:g}" if job.gpus else ""),
        ("Not read", event.unread),
    )
