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
from typing import Final, TypedDict

from watcher.core.events import (
    CauseId,
    Event,
    EventId,
    JobFailed,
    JobHistoryCorrected,
    JobPriorityChanged,
    JobReasonChanged,
    JobRestarted,
    JobStatusChanged,
    JobStopped,
    JobSubStatusChanged,
    JobSucceeded,
    Provenance,
    When,
    deterministic_id,
    kind_of,
)
from watcher.core.history import Progress, Step, entered_phase_at, follow, key_of
from watcher.core.model import Course, JobRef, JobSnapshot, RestartCause, RestartRecord
from watcher.core.order import Rank, Told, in_order
from watcher.core.phases import Phase, phase_of
from watcher.core.pod_diff import pod_changes

MOST_RESTARTS: Final = 100
"""One event for each restart up to here; a counter that leaps further is told once, with its count."""

_ENDS: Final[Mapping[Phase, type[JobSucceeded | JobFailed | JobStopped]]] = {
    Phase.SUCCEEDED: JobSucceeded,
    Phase.FAILED: JobFailed,
    Phase.STOPPED: JobStopped,
}


class _Common(TypedDict):
    id: EventId
    when: When
    cause: CauseId
    job: JobRef


def diff(
    old: JobSnapshot, new: JobSnapshot, *, ordinal: int, cause: CauseId, progress: Progress | None = None
) -> tuple[Event, ...]:
    """The events between two snapshots, in the order of `core.order`.

    Args:
        old: what is held.
        new: what was answered, already believed.
        ordinal: version of what is held; it tells two changes between the same two values apart.
        cause: the id that the events carry.
        progress: what the new answer adds to the job's course; without it the course begins with `old`.
    """
    progress = follow(Course(), old, new) if progress is None else progress
    when = When(observed_at=new.observed_at, not_before=old.observed_at)
    steps = progress.steps
    told = (
        *_corrections(new, progress, when, cause),
        *_status(new, steps, when, cause),
        *_fields(old, new, when, ordinal, cause, moved=bool(steps) and not steps[-1].filled_in),
        *_restarts(old, new, when, cause),
        *pod_changes(old, new, when=when, ordinal=ordinal, cause=cause),
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
    for each in told:
        if each.rank is Rank.JOB_STATUS:
            yield each
        elif each.rank > Rank.JOB_STATUS:
            yield each._replace(turn=len(steps) - 1)
        else:
            date = each.event.when.occurred_at
            by_date = first if date is None else _turn_at(date, steps)
            yield each._replace(turn=next(turns, by_date) if each.rank is Rank.JOB_RESTART else by_date)


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
        **_common(job, when, cause, kind_of(ended), job.status, key),
        status=job.status,
        reason_code=job.reason_code,
        reason_message=job.reason_message,
        lived=lived,
    )


def _common(job: JobSnapshot, when: When, cause: CauseId, kind: str, *natural: object) -> _Common:
    return {"id": EventId(deterministic_id(kind, job.ref, *natural)), "when": when, "cause": cause, "job": job.ref}


def _status(new: JobSnapshot, steps: Sequence[Step], when: When, cause: CauseId) -> Iterator[Told]:
    for turn, step in enumerate(steps):
        entry = step.entry
        dated = when
        if entry.started_at is not None:
            dated = replace(when, occurred_at=entry.started_at, provenance=Provenance.REPORTED)
        changed = JobStatusChanged(
            **_common(new, dated, cause, "job.status_changed", entry.status, entry.key),
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
            end = job_end(new, when=dated, cause=cause, key=entry.key)
            if end is not None:
                yield Told(Rank.JOB_END, end, turn=turn)


def _corrections(new: JobSnapshot, progress: Progress, when: When, cause: CauseId) -> Iterator[Told]:
    for step, correction in enumerate(progress.corrections):
        told, start = correction.told, correction.began
        ended = _ENDS.get(told.phase)
        corrected = EventId(deterministic_id("job.status_changed", new.ref, told.status, told.key))
        event = JobHistoryCorrected(
            **_common(
                new,
                replace(when, occurred_at=start, not_before=told.seen_after, provenance=Provenance.REPORTED),
                cause,
                "job.history_corrected",
                corrected,
            ),
            corrected=corrected,
            corrected_end="" if ended is None else deterministic_id(kind_of(ended), new.ref, told.status, told.key),
            status=told.status,
            occurred_at=start,
            told_at=told.started_at,
            dated_id=EventId(deterministic_id("job.status_changed", new.ref, told.status, key_of(start))),
        )
        yield Told(Rank.CORRECTION, event, step=step)


def _fields(
    old: JobSnapshot, new: JobSnapshot, when: When, ordinal: int, cause: CauseId, *, moved: bool
) -> Iterator[Told]:
    if old.sub_status != new.sub_status:
        kind, change = "job.sub_status_changed", (old.sub_status, new.sub_status)
        sub_status = JobSubStatusChanged(
            **_common(new, when, cause, kind, ordinal, *change), old_sub_status=change[0], new_sub_status=change[1]
        )
        yield Told(Rank.JOB_SUB_STATUS, sub_status)
    was, now = (old.reason_code, old.reason_message), (new.reason_code, new.reason_message)
    if was != now and not moved:
        reason = JobReasonChanged(
            **_common(new, when, cause, "job.reason_changed", ordinal, *was, *now),
            old_code=was[0],
            new_code=now[0],
            old_message=was[1],
            new_message=now[1],
        )
        yield Told(Rank.JOB_REASON, reason)
    if old.priority != new.priority:
        priority = JobPriorityChanged(
            **_common(new, when, cause, "job.priority_changed", ordinal, old.priority, new.priority),
            old_priority=old.priority,
            new_priority=new.priority,
        )
        yield Told(Rank.JOB_PRIORITY, priority)


def _restarts(old: JobSnapshot, new: JobSnapshot, when: When, cause: CauseId) -> Iterator[Told]:
    """One event for each restart that the counter counted, with what its record says of it.

    Where there is no counter at all the records of restarts of the whole job that bear their number count instead. From a text
    that cannot be read nothing can be counted.
    """
    absent = old.restarts.used is None and not old.restarts.text
    before = 0 if absent else old.restarts.used
    used = new.restarts.used
    records = _new_records(old, new)
    if absent and used is None and not new.restarts.text:
        numbers = {record.job_restart_count for record in old.restart_records}
        steps = [(number, record) for number, record in sorted(records.items()) if number not in numbers]
        for number, record in steps:
            yield _restarted(new, number, record, when, cause)
        return
    if before is None or used is None or used <= before:
        return
    if absent:  # the restarts may be older than our last look: they must have happened, no more is known
        when = replace(when, not_before=None, provenance=Provenance.INFERRED)
    leap = used - before
    if leap > MOST_RESTARTS:
        yield _restarted(new, used, None, when, cause, count=leap)
        return
    dated = _in_time(old, new, before, used)
    for step in range(before + 1, used + 1):
        yield _restarted(new, step, records.get(step) or dated.get(step), when, cause)


def _restarted(
    new: JobSnapshot, step: int, record: RestartRecord | None, when: When, cause: CauseId, *, count: int = 1
) -> Told:
    record = record or RestartRecord()
    if record.occurred_at is not None:
        when = replace(when, occurred_at=record.occurred_at, provenance=Provenance.REPORTED)
    # the culprit is the error that caused the restart; those that did not are named only where none did
    causes = sorted(record.causes, key=lambda each: each.triggered_restart is not True)
    culprit = causes[0] if causes else RestartCause()
    event = JobRestarted(
        **_common(new, when, cause, "job.restarted", step),
        used=step,
        limit=new.restarts.limit,
        count=count,
        reason_code=new.reason_code,
        reason_message=new.reason_message,
        level=record.level,
        occurred_phase=record.occurred_phase,
        reason=record.reason,
        result=record.status,
        fail_reason=record.fail_reason,
        took=record.duration,
        culprit_node=culprit.node,
        culprit_pod=culprit.pod,
        error_code=culprit.error_code,
        error_message=culprit.error_message,
    )
    return Told(Rank.JOB_RESTART, event, step=step)


def _new_records(old: JobSnapshot, new: JobSnapshot) -> dict[int, RestartRecord]:
    """Number of a restart -> its record: of the records that are new, bear a number, and are not of a single pod."""
    known = {record.key for record in old.restart_records}
    return {
        record.job_restart_count: record
        for record in sorted(new.restart_records, key=str)
        if record.job_restart_count and record.key not in known and "pod" not in record.level.lower()
    }


def _in_time(old: JobSnapshot, new: JobSnapshot, before: int, used: int) -> Mapping[int, RestartRecord]:
    """Number of a restart -> its record, by time; empty unless exactly as many new records bear one as there were restarts."""
    known = {record.key for record in old.restart_records}
    dated = {
        record.key: (record.occurred_at, record)
        for record in sorted(new.restart_records, key=str)
        if record.occurred_at and record.key not in known
    }
    in_time = [record for _, record in sorted(dated.values(), key=lambda each: (each[0], str(each[1])))]
    return dict(zip(range(before + 1, used + 1), in_time, strict=True)) if len(in_time) == used - before else {}
