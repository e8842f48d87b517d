"""What is known of all jobs at once: what a rule needs that looks beyond the one job an event is about.

A storm, a cohort and a usual waiting time are facts about many jobs. Rules stay pure: they are shown the fleet as it is at the
moment of their question (`Context.fleet`) and read it. The shell keeps it: filled from the store at the start, then told of each
observation before its rules are asked. Telling it the same twice changes nothing, so a commit that is repeated does no harm.

There may be very many jobs. What many of them say in the same words (owner, quota, nodes) is kept once, by interning.

Long, because what is kept and what may be asked of it belong together.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import takewhile
from sys import intern
from types import MappingProxyType
from typing import Final

from watcher.core.events import Event, EventId, job_of
from watcher.core.history import dated_periods
from watcher.core.model import Course, JobRef, JobSnapshot, Watch
from watcher.core.phases import TERMINAL, Phase, phase_of

KEEP: Final = timedelta(hours=6)
"""How far back happenings are remembered unless rules ask for more."""

_UNKNOWN: Final = Course()

MOST_HAPPENINGS: Final = 20_000
"""So many are remembered at most; of a larger storm the latest."""


_DISORDER: Final = timedelta(minutes=5)
"""Looks run beside each other: so much earlier may a happening have been learnt than one that was noted before it."""


@dataclass(frozen=True, slots=True)
class Member:
    """One job of the fleet, as it was last seen.

    Attributes:
        owner: user name, else user id.
        nodes: the nodes its pods are on, or were on when last seen, in alphabetical order.
        waited: from submission to its first run; None while it waits, and where DLC does not tell.
        phase_since: when it entered its phase.
        prepared: from leaving the queue to its first run, by DLC's history, else by what we saw of both; None where either is not
            known.
        vanished: it is gone from DLC, whatever its last status was.
        restarts: how often it was restarted, where DLC tells.
    """

    ref: JobRef
    title: str
    status: str
    phase: Phase
    phase_since: datetime
    owner: str = ""
    workspace_id: str = ""
    quota_id: str = ""
    quota_name: str = ""
    resource_type: str = ""
    priority: int | None = None
    gpus: float | None = None
    pods: int = 0
    nodes: tuple[str, ...] = ()
    tags: tuple[tuple[str, str], ...] = ()
    pipeline_id: str = ""
    reason_code: str = ""
    created_at: datetime | None = None
    running_at: datetime | None = None
    ended_at: datetime | None = None
    waited: timedelta | None = None
    prepared: timedelta | None = None
    vanished: bool = False
    template_id: str = ""
    sub_status: str = ""
    restarts: int | None = None

    @property
    def live(self) -> bool:
        """Whether it is still to be polled."""
        return not self.vanished and self.phase not in TERMINAL


@dataclass(frozen=True, slots=True)
class Brief:
    """What the program must know of a stored job before it has looked at it: a start reads this, and no more, of every job.

    Attributes:
        member: the job as the fleet has it.
        version: of what is held about it.
        observed_at: when it was last seen to be so, as far as that is on record.
    """

    member: Member
    version: int
    observed_at: datetime


def brief_of(watch: Watch) -> Brief:
    """Of what is held about a job."""
    return Brief(member_of(watch), watch.version, watch.snapshot.observed_at)


@dataclass(frozen=True, slots=True)
class Happening:
    """An event, and its job as it was after the look that showed it; None for events that are about no job."""

    event: Event
    member: Member | None
    job: JobSnapshot | None = None
    """The job in full, only for the kinds of events that some rule counts (`Fleet.in_full`)."""


def member_of(watch: Watch) -> Member:
    """What the fleet keeps of a watch."""
    return _member(watch.snapshot, watch.phase_since, watch.course, vanished=watch.vanished)


def _member(job: JobSnapshot, phase_since: datetime, course: Course, *, vanished: bool) -> Member:
    return Member(
        ref=job.ref,
        title=job.title,
        status=intern(job.status),
        phase=job.phase,
        phase_since=phase_since,
        owner=intern(job.user_name or job.user_id),
        workspace_id=intern(job.workspace_id),
        quota_id=intern(job.quota_id),
        quota_name=intern(job.quota_name),
        resource_type=intern(job.resource_type),
        priority=job.priority,
        gpus=_same_number(job.gpus),
        pods=sum(role.count for role in job.roles),
        nodes=tuple(sorted({intern(pod.node) for pod in job.pods or () if pod.node})),
        tags=_shared_tags(job.settings.tags),
        pipeline_id=intern(job.settings.pipeline_id),
        reason_code=intern(job.reason_code),
        created_at=job.created_at,
        running_at=job.running_at,
        ended_at=job.finished_at,
        waited=_same_length(_waited(job)),
        template_id=intern(job.template_id),
        prepared=_same_length(_prepared(job, course)),
        vanished=vanished,
        sub_status=intern(job.sub_status),
        restarts=job.restarts.used,
    )


def _shared(member: Member) -> Member:
    """The same, with one value where many jobs have the same. `_member` makes it so from the beginning.

    Short texts need no care: the reader of JSON keeps those that it met and gives out the same ones again (pydantic's
    `cache_strings`, which is on unless it is switched off). Names of nodes are very many, so they are made sure of.
    """
    # Not `replace`: this is done for each stored job at a start, and the value is not known to anybody else yet.
    keep = object.__setattr__
    keep(member, "nodes", tuple(map(intern, member.nodes)))
    keep(member, "gpus", _same_number(member.gpus))
    keep(member, "waited", _same_length(member.waited))
    keep(member, "prepared", _same_length(member.prepared))
    if member.tags:
        keep(member, "tags", _shared_tags(member.tags))
    if member.running_at == member.phase_since:
        keep(member, "running_at", member.phase_since)
    return member


@lru_cache(maxsize=1024)
def _same_number(number: float | None) -> float | None:
    """One for all jobs that ask for as many."""
    return number


@lru_cache(maxsize=4096)
def _same_length(length: timedelta | None) -> timedelta | None:
    """One for all jobs that took as long: DLC tells whole seconds."""
    return length


def _shared_tags(tags: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    return tuple((intern(name), intern(value)) for name, value in tags)


def _waited(job: JobSnapshot) -> timedelta | None:
    submitted = job.submitted_at or job.created_at
    if submitted is None or job.running_at is None or job.running_at < submitted or job.restarts.used:
        return None
    return job.running_at - submitted


def _prepared(job: JobSnapshot, course: Course) -> timedelta | None:
    told = [(phase_of(period.status), period.started_at) for period in dated_periods(job)]
    seen = [
        (entry.phase, entry.started_at or (entry.seen_by if entry.seen_after else None)) for entry in course.entries
    ]
    return next((length for way in (told, seen) if (length := _preparing(way)) is not None), None)


def _preparing(way: Sequence[tuple[Phase, datetime | None]]) -> timedelta | None:
    """From the first of the starting phases that lie right before the first run, to that run."""
    before = list(takewhile(lambda step: step[0] is not Phase.RUNNING, way))
    starting = list(takewhile(lambda step: step[0] is Phase.STARTING, reversed(before)))
    if len(before) == len(way) or not starting:
        return None
    left, ran = starting[-1][1], way[len(before)][1]
    return ran - left if left is not None and ran is not None and ran >= left else None


class Fleet:
    """All jobs, and what lately happened to them. Rules only read it.

    Args:
        keep: how far back happenings are remembered.
        in_full: kinds of events with which the whole job is remembered.
    """

    def __init__(self, keep: timedelta = KEEP, in_full: frozenset[str] = frozenset()) -> None:
        self.keep, self._in_full = keep, in_full
        self._members: dict[JobRef, Member] = {}
        self._happenings: dict[EventId, Happening] = {}
        self._of_job: dict[JobRef, deque[Happening]] = {}

    @property
    def members(self) -> Mapping[JobRef, Member]:
        """Every job that is held, live or ended."""
        return MappingProxyType(self._members)

    def __contains__(self, event_id: EventId) -> bool:
        """Whether this event is remembered."""
        return event_id in self._happenings

    def recent(
        self, since: datetime, kinds: frozenset[str] = frozenset(), *, job: JobRef | None = None
    ) -> Iterator[Happening]:
        """What happened after a time (by `When.at`), in the order in which it was learnt; of these kinds, or of all.

        With `job`, only what happened to it, found without going through the others.
        """
        return reversed(list(self.latest(since, kinds, job=job)))

    def latest(
        self,
        since: datetime,
        kinds: frozenset[str] = frozenset(),
        *,
        before: EventId | None = None,
        job: JobRef | None = None,
    ) -> Iterator[Happening]:
        """The same, last learnt first, and no further than is asked for; with `before`, only what was learnt before that event."""
        skipping = before is not None and before in self
        for happening in reversed(self._happenings.values() if job is None else self._of_job.get(job, ())):
            event = happening.event
            if skipping:
                skipping = event.id != before
            elif event.when.observed_at <= since - _DISORDER:
                return  # learnt before then, and so it happened before then; and so did everything learnt earlier
            elif event.when.at > since and (not kinds or event.kind in kinds):
                yield happening

    def after(self, event_id: EventId | None) -> Iterator[Happening]:
        """What was learnt after an event, in order; everything when that event is remembered no more."""
        news = takewhile(lambda happening: happening.event.id != event_id, reversed(self._happenings.values()))
        return reversed(list(news))

    def note(self, watch: Watch | None, events: Iterable[Event], now: datetime) -> None:
        """Take in an observation: the job as it is now, and what happened. What is too old is forgotten."""
        if watch is None:
            self._take(((event, None, None) for event in events), now)
            return
        member = self._members[watch.snapshot.ref] = member_of(watch)
        self._take(((event, member, watch.snapshot) for event in events), now)

    def see(
        self, job: JobSnapshot, phase_since: datetime, events: Iterable[Event], now: datetime, course: Course = _UNKNOWN
    ) -> None:
        """The same, of a job of which nobody holds a watch."""
        member = self._members[job.ref] = _member(job, phase_since, course, vanished=False)
        self._take(((event, member, job) for event in events), now)

    def know(self, member: Member) -> None:
        """A job that is stored, as it was last seen."""
        self._members[member.ref] = _shared(member)

    def recall(self, events: Iterable[Event], jobs: Mapping[JobRef, JobSnapshot], now: datetime) -> None:
        """Take in what happened before this program started, in the order in which it was learnt.

        Of the jobs only the present state is known, so they are remembered as they are now. Make the jobs known first.

        Args:
            events: what happened.
            jobs: those in full that `wants_in_full` names.
            now: now.
        """
        refs = ((event, job_of(event)) for event in events)
        self._take(
            ((event, self._members.get(ref) if ref else None, jobs.get(ref) if ref else None) for event, ref in refs),
            now,
        )

    def wants_in_full(self, events: Iterable[Event]) -> frozenset[JobRef]:
        """The jobs of those events with which the whole job is remembered."""
        return frozenset(ref for event in events if event.kind in self._in_full and (ref := job_of(event)) is not None)

    def _take(self, happened: Iterable[tuple[Event, Member | None, JobSnapshot | None]], now: datetime) -> None:
        for event, member, job in happened:
            if event.id in self._happenings:
                continue
            happening = Happening(event, member, job if event.kind in self._in_full else None)
            self._happenings[event.id] = happening
            if (ref := job_of(event)) is None:
                continue
            if (own := self._of_job.get(ref)) is None:
                own = self._of_job[ref] = deque()
            own.append(happening)
        while self._overdue(now):
            self._forget_first()

    def _forget_first(self) -> None:
        """What was learnt first of all was learnt first of its job, too."""
        ref = job_of(self._happenings.pop(next(iter(self._happenings))).event)
        if ref is not None:
            self._of_job[ref].popleft()
            if not self._of_job[ref]:
                del self._of_job[ref]

    def forget(self, refs: Iterable[JobRef]) -> None:
        """Jobs that were pruned."""
        for ref in refs:
            self._members.pop(ref, None)

    def _overdue(self, now: datetime) -> bool:
        oldest = next(iter(self._happenings.values()), None)
        return oldest is not None and (
            oldest.event.when.observed_at < now - self.keep or len(self._happenings) > MOST_HAPPENINGS
        )


EMPTY: Final = Fleet()
"""No jobs: what a rule sees where nobody keeps a fleet."""
