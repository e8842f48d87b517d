"""What else happened to a job between two snapshots: stages of its life, its size, its queue. Part of `core.diff`.

Stages are read from the steps of the job's course, not from two snapshots, so none is missed that DLC's history shows; each has
the key of the entry that began it, and its date.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise, takewhile
from typing import Final, TypedDict

from watcher.core.events import (
    Event,
    JobBiddingStarted,
    JobPreparationStarted,
    JobQueueChanged,
    JobReservationDecided,
    JobSanityCheckFailed,
    JobSanityCheckStarted,
    JobScaled,
    JobSpotTypeChanged,
    Provenance,
    When,
    kind_of,
)
from watcher.core.history import Step, dated_periods
from watcher.core.identity import Identity, Look
from watcher.core.model import JobSnapshot, ReplicaStatus
from watcher.core.order import Rank, Told
from watcher.core.phases import Phase
from watcher.core.roles import asked_for, present, replicas
from watcher.core.times import dated

_CHECKING: Final = "SanityChecking"
_PLAIN_STAGES: Final[Mapping[str, type[JobBiddingStarted | JobPreparationStarted]]] = {
    "Bidding": JobBiddingStarted,
    "EnvPreparing": JobPreparationStarted,
}
_RESULTS: Final[Mapping[Phase, str]] = {Phase.RESERVED_SUCCEEDED: "succeeded", Phase.RESERVED_FAILED: "failed"}
_CHECK_FAILED: Final = frozenset({Phase.RESTARTING, Phase.FAILED, Phase.RESERVED_FAILED})


class _Said(TypedDict):
    """What every stage says of the entry that began it."""

    status: str
    reason_code: str
    reason_message: str
    filled_in: bool


def stages(look: Look) -> Iterator[Told]:
    """What the new steps of a job's course mean, each in the turn of its step."""
    for turn, step in enumerate(look.progress.steps):
        for place, event in enumerate(_meanings(look, step)):
            yield Told(Rank.JOB_STAGE, event, turn=turn, step=place)


def _meanings(look: Look, step: Step) -> Iterator[Event]:
    entry = step.entry
    then = dated(look.when, entry.started_at)
    said: _Said = {
        "status": entry.status,
        "reason_code": step.reason_code,
        "reason_message": step.reason_message,
        "filled_in": step.filled_in,
    }

    def known_by(kind: str, when: When = then) -> Identity:
        return look.event(kind, entry.status, entry.key, when=when)

    if step.old_status == _CHECKING and entry.phase in _CHECK_FAILED and _came_from_check(step, look.new):
        # where no history lists this entry, the job might have run between two looks
        when = then if entry.listed else replace(then, provenance=Provenance.INFERRED)
        yield JobSanityCheckFailed(**known_by("job.sanity_check_failed", when), **said)
    if entry.status in _PLAIN_STAGES:
        stage = _PLAIN_STAGES[entry.status]
        yield stage(**known_by(kind_of(stage)), **said)
    elif entry.status == _CHECKING:
        after = _follows_restart(look, step)
        yield JobSanityCheckStarted(**known_by("job.sanity_check_started"), **said, restart=after)
    elif entry.phase in _RESULTS:
        yield JobReservationDecided(
            **known_by("job.reservation_decided"),
            **said,
            result=_RESULTS[entry.phase],
            held_until=_held_until(step, look.new),
        )


def _came_from_check(step: Step, new: JobSnapshot) -> bool:
    """Whether nothing lay between the check and this entry; where the history is cut off before the entry, something may have."""
    if not step.entry.listed:
        return True
    periods = dated_periods(new)
    forerunners = (
        before
        for before, after in pairwise(periods)
        if (after.status, after.started_at) == (step.entry.status, step.entry.started_at)
    )
    return any(period.status == _CHECKING for period in forerunners)


def _follows_restart(look: Look, step: Step) -> bool:
    earlier = takewhile(lambda entry: entry != step.entry, look.progress.course.entries)
    if any(entry.phase is Phase.RESTARTING for entry in earlier):
        return True
    return not step.filled_in and bool(look.old.restarts.used)


def _held_until(step: Step, new: JobSnapshot) -> datetime | None:
    minutes, decided = new.settings.reserved_minutes, step.entry.started_at
    return None if minutes is None or decided is None else decided + timedelta(minutes=minutes)


def sizes(look: Look) -> Iterator[Told]:
    """Roles that grew or shrank, queued differently, or run on other spot instances. A role that is new is no change.

    Counters say how many pods there are, and a pod that failed is missing from them. Only of a job that may breathe does that mean
    another size; of others the specification alone tells it.
    """
    before, after = asked_for(look.old), asked_for(look.new)
    scaled = {role for role in before.keys() & after.keys() if before[role] != after[role]}
    for role in scaled:
        yield _scaled(look, role, before[role], after[role], "asked")
    held = replicas(look.old)
    breathes = _elastic(look.new) and look.old.phase is Phase.RUNNING and look.new.phase is Phase.RUNNING
    for role, now in replicas(look.new).items():
        was = held.get(role, ReplicaStatus(role))
        yield from _queue(look, was, now)
        yield from _spot_type(look, was, now)
        counts = (present(was), present(now))
        if (
            breathes
            and role not in scaled
            and counts[0] is not None
            and counts[1] is not None
            and counts[0] != counts[1]
        ):
            yield _scaled(look, role, counts[0], counts[1], "present")


def _elastic(job: JobSnapshot) -> bool:
    return bool(job.elastic.elastic_training) or any(role.max_replicas is not None for role in job.roles)


def _scaled(look: Look, role: str, old: int, new: int, measure: str) -> Told:
    event = JobScaled(
        **look.event("job.scaled", look.ordinal, role, measure),
        role=role,
        old_count=old,
        new_count=new,
        measure=measure,
    )
    return Told(Rank.JOB_SIZE, event, role)


def _queue(look: Look, was: ReplicaStatus, now: ReplicaStatus) -> Iterator[Told]:
    counts = (was.active, now.active, was.queuing, now.queuing, was.dequeued, now.dequeued)
    if counts[::2] != counts[1::2]:
        event = JobQueueChanged(
            **look.event("job.queue_changed", look.ordinal, now.role),
            role=now.role,
            old_active=was.active,
            new_active=now.active,
            old_queuing=was.queuing,
            new_queuing=now.queuing,
            old_dequeued=was.dequeued,
            new_dequeued=now.dequeued,
        )
        yield Told(Rank.JOB_QUEUE, event, now.role)


def _spot_type(look: Look, was: ReplicaStatus, now: ReplicaStatus) -> Iterator[Told]:
    old, new = was.spot_instance_type, now.spot_instance_type
    if old and old != new:
        common = look.event("job.spot_type_changed", look.ordinal, now.role)
        event = JobSpotTypeChanged(**common, role=now.role, old_type=old, new_type=new)
        yield Told(Rank.JOB_SPOT_TYPE, event, now.role)
