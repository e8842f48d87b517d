"""What is known of all jobs at once: what a rule needs that looks beyond the one job an event is about.

A storm, a cohort and a usual waiting time are facts about many jobs. Rules stay pure: they are shown the fleet as it is at the
moment of their question (`Context.fleet`) and read it. The shell keeps it: filled from the store at the start, then told of each
observation before its rules are asked. Telling it the same twice changes nothing, so a commit that is repeated does no harm.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import takewhile
from types import MappingProxyType
from typing import Final

from watcher.core.events import Event, EventId
from watcher.core.history import dated_periods
from watcher.core.model import JobRef, JobSnapshot, Watch
from watcher.core.phases import Phase, phase_of

KEEP: Final = timedelta(hours=6)
"""How far back happenings are remembered unless rules ask for more."""

MOST_HAPPENINGS: Final = 20_000
"""So many are remembered at most; of a larger storm the latest."""


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


@dataclass(frozen=True, slots=True)
class Happening:
    """An event, and its job as it was after the look that showed it; None for events that are about no job."""

    event: Event
    member: Member | None


def member_of(watch: Watch) -> Member:
    """What the fleet keeps of a watch."""
    job = watch.snapshot
    return Member(
        ref=job.ref,
        title=job.title,
        status=job.status,
        phase=job.phase,
        phase_since=watch.phase_since,
        owner=job.user_name or job.user_id,
        workspace_id=job.workspace_id,
        quota_id=job.quota_id,
        quota_name=job.quota_name,
        resource_type=job.resource_type,
        priority=job.priority,
        gpus=job.gpus,
        pods=sum(role.count for role in job.roles),
        nodes=tuple(sorted({pod.node for pod in job.pods or () if pod.node})),
        tags=job.settings.tags,
        pipeline_id=job.settings.pipeline_id,
        reason_code=job.reason_code,
        created_at=job.created_at,
        running_at=job.running_at,
        ended_at=job.finished_at,
        waited=_waited(job),
        prepared=_prepared(watch),
        vanished=watch.vanished,
    )


def _waited(job: JobSnapshot) -> timedelta | None:
    submitted = job.submitted_at or job.created_at
    if submitted is None or job.running_at is None or job.running_at < submitted or job.restarts.used:
        return None
    return job.running_at - submitted


def _prepared(watch: Watch) -> timedelta | None:
    told = [(phase_of(period.status), period.started_at) for period in dated_periods(watch.snapshot)]
    seen = [
        (entry.phase, entry.started_at or (entry.seen_by if entry.seen_after else None))
        for entry in watch.course.entries
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
    """

    def __init__(self, keep: timedelta = KEEP) -> None:
        self._keep = keep
        self._members: dict[JobRef, Member] = {}
        self._happenings: dict[EventId, Happening] = {}

    @property
    def members(self) -> Mapping[JobRef, Member]:
        """Every job that is held, live or ended."""
        return MappingProxyType(self._members)

    def recent(self, since: datetime, kinds: frozenset[str] = frozenset()) -> Iterator[Happening]:
        """What happened after a time (by `When.at`), in the order in which it was learnt; of these kinds, or of all."""
        for happening in self._happenings.values():
            if happening.event.when.at > since and (not kinds or happening.event.kind in kinds):
                yield happening

    def note(self, watch: Watch | None, events: Iterable[Event], now: datetime) -> None:
        """Take in an observation: the job as it is now, and what happened. What is too old is forgotten."""
        member = None
        if watch is not None:
            member = member_of(watch)
            self._members[member.ref] = member
        for event in events:
            self._happenings.setdefault(event.id, Happening(event, member))
        while self._overdue(now):
            del self._happenings[next(iter(self._happenings))]

    def forget(self, refs: Iterable[JobRef]) -> None:
        """Jobs that were pruned."""
        for ref in refs:
            self._members.pop(ref, None)

    def _overdue(self, now: datetime) -> bool:
        oldest = next(iter(self._happenings.values()), None)
        return oldest is not None and (
            oldest.event.when.observed_at < now - self._keep or len(self._happenings) > MOST_HAPPENINGS
        )


EMPTY: Final = Fleet()
"""No jobs: what a rule sees where nobody keeps a fleet."""
