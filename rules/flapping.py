"""Tell when a job or a pod goes back and forth, once, and once more when it has settled."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import ClassVar, NamedTuple

from watcher.api import (
    RESERVED,
    TERMINAL,
    Absorb,
    Context,
    Deadline,
    DeadlinePassed,
    Duration,
    Event,
    EventId,
    Fleet,
    Intent,
    JobRef,
    JobStatusChanged,
    Moment,
    Notify,
    PodRestarted,
    RuleOptions,
    Severity,
    Silence,
    known,
    say,
)


class FlappingOptions(RuleOptions):
    """Options of `flapping`."""

    count: int = 4
    """How often the same must have happened within `within`; at least 3. The same is one change of a job's status, such as Running
    to Restarting, or a new life of one pod."""
    within: Duration = timedelta(hours=1)
    """In which time."""
    settled_after: Duration = timedelta(minutes=30)
    """How long nothing of it must come again until it has settled."""
    absorbs: tuple[str, ...] = ("job-restarted", "job-recovered", "job-started", "pod-evicted", "pod-stuck")
    """Rules whose news about the job, or about the pod, is not told by itself while it goes back and forth. Critical news stays."""

    def model_post_init(self, _: object, /) -> None:
        """Refuse what could never be meant."""
        if self.count < 3:  # noqa: PLR2004 - twice is once again
            raise ValueError("count is at least 3")
        if not self.within or not self.settled_after:
            raise ValueError("within and settled_after are longer than 0s")


class FlappingRule:
    """Tell when a job or a pod goes back and forth, once, and once more when it has settled.

    When:
        The same change of a job's status, or a new life of the same pod, came for the `count`-th time within `within`. Once for a
        job or pod; and once more when it has been quiet for `settled_after`, unless the job has ended, which says enough. What
        comes back in between (Restarting to Running, say) belongs to it; a change that did not come before does not.

    Why you want to know:
        A job that is restarted over and over makes no way and holds machines, and ten messages that it runs again hide that. Told
        as one thing, with how often and for how long, it is a reason to look; the eleventh message is none.

    What it says:
        What goes back and forth, how often, and in which time. When it has settled, how often it was in all and what it reads now.
        What the rules in `absorbs` say of it meanwhile is not told by itself: it is recorded, and names this news.

    Options:
        `count` (4) and `within` (1h): how often in which time. `settled_after` (30m): how long it must be quiet. `absorbs`
        (job-restarted, job-recovered, job-started, pod-evicted, pod-stuck): whose news it takes in; critical news is always told.
    """

    name: ClassVar[str] = "flapping"
    on: ClassVar[tuple[type[Event], ...]] = (JobStatusChanged, PodRestarted)
    severity: ClassVar[Severity] = Severity.WARNING
    Options: ClassVar[type[FlappingOptions]] = FlappingOptions

    def __init__(self, options: FlappingOptions | None = None) -> None:
        self.options = options or FlappingOptions()
        self.looks_back = 12 * max(self.options.within, self.options.settled_after)
        self._last: _Lives | None = None

    def consider(self, event: Event, context: Context) -> Iterator[Intent]:
        """Begin to call it flapping, take in one more change, or tell that it has settled."""
        if isinstance(event, DeadlinePassed):
            yield from self._due(event, context)
            return
        if not isinstance(event, JobStatusChanged | PodRestarted):
            yield Silence("neither a change of status nor a new life of a pod")
            return
        pod = event.pod.pod_id if isinstance(event, PodRestarted) else ""
        flap = self._flap(event.job, pod, context, until=event.id)
        if flap is None:
            yield Silence(f"{_change(event)} does not come over and over")
            return
        yield Absorb(
            into=f"begun {flap.trip}",
            rules=frozenset(self.options.absorbs),
            jobs=frozenset({event.job}),
            since=flap.tripped_at,
            pods=frozenset({pod}) if pod else frozenset(),
            across_jobs=False,
            flapping=True,
        )
        yield Deadline(f"{flap.trip} {pod}", context.now + self.options.settled_after)
        if flap.trip != event.id:
            yield Silence(f"{flap.change} came {len(flap.times)} times by now")
            return
        yield Notify(
            headline=say(
                "Goes back and forth: {what}, {n} times within {span}",
                zh="反复变化：{what}，{span}内 {n} 次",
                what=flap.change,
                n=len(flap.times),
                span=flap.times[-1] - flap.times[0],
            ),
            facts=known(("Pod", pod), ("Since", Moment(flap.times[0], seconds=True))),
            detail=event.reason_message if isinstance(event, JobStatusChanged) else "",
            dedup_key=f"begun {flap.trip}",
            series=flap.trip,
        )

    def _due(self, event: DeadlinePassed, context: Context) -> Iterator[Intent]:
        trip, _, pod = event.key.partition(" ")
        job = context.job
        if job is None or job.phase in TERMINAL | RESERVED:
            yield Silence("the job has ended, which says enough")
            return
        flap = self._flap(event.job, pod, context)
        if flap is None or flap.trip != trip:
            yield Silence("what went back and forth is remembered no more")
            return
        quiet_at = flap.seen_at + self.options.settled_after
        if context.now < quiet_at:
            yield Deadline(event.key, quiet_at)
            return
        yield Notify(
            headline=say(
                "Settled: {what} came {n} times within {span}, and not again for {quiet}",
                zh="已稳定：{what}，{span}内共 {n} 次，此后 {quiet}未再出现",
                what=flap.change,
                n=len(flap.times),
                span=flap.times[-1] - flap.times[0],
                quiet=context.now - flap.seen_at,
            ),
            facts=known(("Status", job.status), ("Pod", pod)),
            severity=Severity.INFO,
            dedup_key=f"settled {flap.trip}",
            series=flap.trip,
        )

    def _flap(self, job: JobRef, pod: str, context: Context, until: EventId | None = None) -> _Flap | None:
        """What a job, or a pod of it, goes through, as it was with the event `until` or as it is by now.

        None where it does not go back and forth, or where that event is no part of it.
        """
        flap: _Flap | None = None
        recent: list[tuple[datetime, str]] = []
        since = context.now - self.looks_back
        happened = self._lives(job, context.fleet, since).get(pod, ()) if pod else _changes(job, context.fleet, since)
        for event in happened:
            at, seen_at, change = event.when.at, event.when.observed_at, _change(event)
            if flap is not None and seen_at - flap.seen_at >= self.options.settled_after:
                flap, recent = None, []
            part = flap is None or any(change == earlier for _, earlier in recent)
            recent = [one for one in recent if flap is not None or at - one[0] <= self.options.within]
            recent.append((at, change))
            same = tuple(moment for moment, earlier in recent if earlier == change)
            if flap is None and len(same) >= self.options.count:
                flap = _Flap(event.id, change, seen_at, same, seen_at)
            elif flap is not None and part:
                flap = flap._replace(times=(*flap.times, at) if change == flap.change else flap.times, seen_at=seen_at)
            if event.id == until:
                return flap if part else None
        return None if until is not None else flap

    def _lives(self, job: JobRef, fleet: Fleet, since: datetime) -> Mapping[str, Sequence[Event]]:
        """The new lives of each pod of a job, in the order in which they were learnt; sought once for a look at thousands."""
        newest = next((one.event.id for one in fleet.latest(since, job=job)), None)
        last = self._last
        if last is None or last.fleet is not fleet or (last.job, last.since, last.newest) != (job, since, newest):
            by_pod: dict[str, list[Event]] = {}
            for one in fleet.recent(since, frozenset({"pod.restarted"}), job=job):
                if isinstance(one.event, PodRestarted):
                    by_pod.setdefault(one.event.pod.pod_id, []).append(one.event)
            last = self._last = _Lives(job, fleet, since, newest, by_pod)
        return last.by_pod


class _Lives(NamedTuple):
    """The new lives of pods.

    Attributes:
        job: whose they are.
        fleet: in which they were.
        since: after which time.
        newest: what had been learnt last of all.
        by_pod: by pod id.
    """

    job: JobRef
    fleet: Fleet
    since: datetime
    newest: EventId | None
    by_pod: Mapping[str, Sequence[Event]]


class _Flap(NamedTuple):
    """One time of going back and forth.

    Attributes:
        trip: the event that made it one.
        change: what came over and over.
        tripped_at: when that was seen.
        times: when the change happened.
        seen_at: when the last change that belongs to it was seen.
    """

    trip: EventId
    change: str
    tripped_at: datetime
    times: tuple[datetime, ...]
    seen_at: datetime


def _change(event: Event) -> str:
    """What came, in words: what is the same again has the same."""
    match event:
        case JobStatusChanged():
            return f"{event.old_status} > {event.new_status}"
        case PodRestarted():
            return f"new life of {event.pod.pod_id}"
        case _:
            return event.kind


def _changes(job: JobRef, fleet: Fleet, since: datetime) -> list[Event]:
    """The changes of the job, in the order in which they were learnt."""
    happened = (one.event for one in fleet.recent(since, frozenset({"job.status_changed"}), job=job))
    return [event for event in happened if isinstance(event, JobStatusChanged)]
