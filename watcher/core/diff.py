"""What happened between two snapshots of one job, as events.

Laws, each tested as a property:

- `diff(s, s)` is empty, and so it is when nothing but `observed_at`, `modified_at` or durations differ.
- The order in which DLC lists pods, earlier incarnations, tags or history entries means nothing.
- Folding the events over the old snapshot gives the watched fields of the new one (`core.fold`).
- Ids are made from what happened, as far as DLC tells; where it does not, from the version of what was held. So the same look
  makes the same ids again. `core.history` has the scheme for changes of status.

Both snapshots are believed as they are. Doubt about a reading, and carrying over what an answer did not speak of, come before
(`core.observation`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

from watcher.core.events import (
    CauseId,
    Event,
    EventId,
    JobFailed,
    JobHistoryCorrected,
    JobPriorityChanged,
    JobReasonChanged,
    JobStatusChanged,
    JobStopped,
    JobSubStatusChanged,
    JobSucceeded,
    When,
    deterministic_id,
    kind_of,
)
from watcher.core.fact_diff import sizes, stages
from watcher.core.history import Progress, Step, entered_phase_at, follow, key_of
from watcher.core.identity import Look, identity
from watcher.core.model import Course, JobSnapshot
from watcher.core.order import Rank, Told, in_order
from watcher.core.phases import Phase, phase_of
from watcher.core.pod_diff import pod_changes
from watcher.core.restart_diff import job_restarts
from watcher.core.times import dated

_ENDS: Final[Mapping[Phase, type[JobSucceeded | JobFailed | JobStopped]]] = {
    Phase.SUCCEEDED: JobSucceeded,
    Phase.FAILED: JobFailed,
    Phase.STOPPED: JobStopped,
}


def diff(
    old: JobSnapshot,
    new: JobSnapshot,
    *,
    ordinal: int,
    cause: CauseId,
    progress: Progress | None = None,
    since: datetime | None = None,
) -> tuple[Event, ...]:
    """The events between two snapshots, in the order of `core.order`.

    Args:
        old: what is held.
        new: what was answered, already believed.
        ordinal: version of what is held; it tells two changes between the same two values apart.
        cause: the id that the events carry.
        progress: what the new answer adds to the job's course; without it the course begins with `old`.
        since: when the job was first seen; restarts before it were never told. None: all were.
    """
    progress = follow(Course(), old, new) if progress is None else progress
    when = When(observed_at=new.observed_at, not_before=old.observed_at)
    look = Look(old, new, progress, when, ordinal, cause, since)
    steps = progress.steps
    told = (
        *_corrections(look),
        *_status(look),
        *stages(look),
        *_fields(look),
        *sizes(look),
        *job_restarts(look),
        *pod_changes(look),
    )
    return in_order(_in_turn(told, steps) if len(steps) > 1 else told)


def _in_turn(told: Iterable[Told], steps: Sequence[Step]) -> Iterator[Told]:
    """What happened between two looks with several changes of status, laid between them.

    A restart belongs before the change to Restarting that shows it, where as many show as restarts; else what has a time goes by
    it. What has none was there before the first new change if it is a cause, and comes after the last one if it is a consequence.
    """
    told = tuple(told)
    first = next((turn for turn, step in enumerate(steps) if not step.filled_in), len(steps) - 1)
    restarting = [turn for turn, step in enumerate(steps) if step.entry.phase is Phase.RESTARTING]
    restarts = sum(each.rank is Rank.JOB_RESTART for each in told)
    turns = iter(restarting if len(restarting) == restarts else ())
    latest = 0
    for each in told:
        if each.rank in (Rank.JOB_STATUS, Rank.JOB_STAGE):
            yield each
        elif each.rank > Rank.JOB_STATUS:
            yield each._replace(turn=len(steps) - 1)
        else:
            date = each.event.when.occurred_at
            by_date = first if date is None else _turn_at(date, steps)
            if each.rank is Rank.JOB_RESTART:  # in the order of their numbers, dated or not
                by_date = latest = max(latest, next(turns, by_date))
            yield each._replace(turn=by_date)


def _turn_at(date: datetime, steps: Sequence[Step]) -> int:
    """The first change that was not before this time, else the last change."""
    later = (turn for turn, step in enumerate(steps) if (step.entry.started_at or date) >= date)
    return next(later, len(steps) - 1)


def job_end(job: JobSnapshot, *, when: When, cause: CauseId, key: str) -> Event | None:
    """The event that says how a job ended; None while it lives.

    Args:
        job: the job as it ended.
        when: when it entered its present status.
        cause: the id that the event carries.
        key: of that entry (`StatusEntry.key`).
    """
    ended = _ENDS.get(job.phase)
    if ended is None:
        return None
    end = when.occurred_at or entered_phase_at(job)
    lived = end - job.created_at if end and job.created_at and end >= job.created_at else None
    return ended(
        **identity(job, when, cause, kind_of(ended), job.status, key),
        status=job.status,
        reason_code=job.reason_code,
        reason_message=job.reason_message,
        lived=lived,
    )


def _status(look: Look) -> Iterator[Told]:
    steps = look.progress.steps
    for turn, step in enumerate(steps):
        entry = step.entry
        then = dated(look.when, entry.started_at)
        changed = JobStatusChanged(
            **look.event("job.status_changed", entry.status, entry.key, when=then),
            old_status=step.old_status,
            new_status=entry.status,
            old_phase=phase_of(step.old_status),
            new_phase=entry.phase,
            reason_code=step.reason_code,
            reason_message=step.reason_message,
            filled_in=step.filled_in,
        )
        yield Told(Rank.JOB_STATUS, changed, turn=turn)
        if turn == len(steps) - 1 and not step.filled_in and phase_of(step.old_status) is not entry.phase:
            end = job_end(look.new, when=then, cause=look.cause, key=entry.key)
            if end is not None:
                yield Told(Rank.JOB_END, end, turn=turn)


def _corrections(look: Look) -> Iterator[Told]:
    ref = look.new.ref
    for step, correction in enumerate(look.progress.corrections):
        told, start = correction.told, correction.began
        ended = _ENDS.get(told.phase)
        corrected = EventId(deterministic_id("job.status_changed", ref, told.status, told.key))
        when = dated(replace(look.when, not_before=told.seen_after), start)
        event = JobHistoryCorrected(
            **look.event("job.history_corrected", corrected, when=when),
            corrected=corrected,
            corrected_end="" if ended is None else deterministic_id(kind_of(ended), ref, told.status, told.key),
            status=told.status,
            occurred_at=start,
            told_at=told.started_at,
            dated_id=EventId(deterministic_id("job.status_changed", ref, told.status, key_of(start))),
        )
        yield Told(Rank.CORRECTION, event, step=step)


def _fields(look: Look) -> Iterator[Told]:
    old, new, ordinal = look.old, look.new, look.ordinal
    if old.sub_status != new.sub_status:
        change = (old.sub_status, new.sub_status)
        common = look.event("job.sub_status_changed", ordinal, *change)
        yield Told(
            Rank.JOB_SUB_STATUS, JobSubStatusChanged(**common, old_sub_status=change[0], new_sub_status=change[1])
        )
    was, now = (old.reason_code, old.reason_message), (new.reason_code, new.reason_message)
    steps = look.progress.steps
    if was != now and (not steps or steps[-1].filled_in):
        reason = JobReasonChanged(
            **look.event("job.reason_changed", ordinal, *was, *now),
            old_code=was[0],
            new_code=now[0],
            old_message=was[1],
            new_message=now[1],
        )
        yield Told(Rank.JOB_REASON, reason)
    if old.priority != new.priority:
        priority = JobPriorityChanged(
            **look.event("job.priority_changed", ordinal, old.priority, new.priority),
            old_priority=old.priority,
            new_priority=new.priority,
        )
        yield Told(Rank.JOB_PRIORITY, priority)
