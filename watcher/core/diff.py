"""What happened between two snapshots of one job, as events.

Laws, each tested as a property:

- `diff(s, s)` is empty, and so it is when nothing but `observed_at`, `modified_at` or durations differ.
- The order in which DLC lists pods, earlier incarnations, tags or history entries means nothing.
- Folding the events over the old snapshot gives the watched fields of the new one (`core.fold`).
- Ids are made from what happened and from the version of what was held, so the same look makes the same ids again.

Both snapshots are believed as they are. Doubt about a reading, and carrying over what an answer did not speak of, come before
(`core.observation`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from operator import attrgetter
from typing import Final, TypedDict

from watcher.core.events import (
    CauseId,
    Event,
    EventId,
    JobFailed,
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
from watcher.core.model import JobRef, JobSnapshot, RestartRecord
from watcher.core.order import Rank, Told, in_order
from watcher.core.phases import Phase
from watcher.core.pod_diff import pod_changes

CLOCK_LEEWAY: Final = timedelta(minutes=2)
"""How far DLC's clock and ours may differ for a time of theirs to lie "between two looks" of ours."""

MOST_RESTARTS: Final = 100
"""One event for each restart up to here; a counter that leaps further is told once, with its count."""

_Times = tuple[Callable[[JobSnapshot], datetime | None], ...]

_ENTERED_AT: Final[Mapping[Phase, _Times]] = {
    # the Gmt time that belongs to a phase, the surest first; DLC has none for the phases that are not here
    Phase.PENDING: (attrgetter("submitted_at"),),
    Phase.RUNNING: (attrgetter("running_at"),),
    Phase.SUCCEEDED: (attrgetter("succeeded_at"), attrgetter("finished_at")),
    Phase.FAILED: (attrgetter("failed_at"), attrgetter("finished_at")),
    Phase.STOPPED: (attrgetter("stopped_at"), attrgetter("finished_at")),
}

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


def diff(old: JobSnapshot, new: JobSnapshot, *, ordinal: int, cause: CauseId) -> tuple[Event, ...]:
    """The events between two snapshots, in the order of `core.order`.

    Args:
        old: what is held.
        new: what was answered, already believed.
        ordinal: version of what is held; it tells two changes between the same two values apart.
        cause: the id that the events carry.
    """
    when = When(observed_at=new.observed_at, not_before=old.observed_at)
    return in_order(
        (
            *_status(old, new, when, ordinal, cause),
            *_fields(old, new, when, ordinal, cause),
            *_restarts(old, new, when, cause),
            *pod_changes(old, new, when=when, ordinal=ordinal, cause=cause),
        )
    )


def entered_phase_at(job: JobSnapshot) -> datetime | None:
    """When the job entered the phase it is in, if DLC has a time for that phase."""
    return next((time for read in _ENTERED_AT.get(job.phase, ()) if (time := read(job)) is not None), None)


def job_end(job: JobSnapshot, *, when: When, cause: CauseId, ordinal: int, old_status: str = "") -> Event | None:
    """The event that says how a job ended; None while it lives."""
    ended = _ENDS.get(job.phase)
    if ended is None:
        return None
    end = when.occurred_at or entered_phase_at(job)
    lived = end - job.created_at if end and job.created_at and end >= job.created_at else None
    return ended(
        **_common(job, when, cause, kind_of(ended), ordinal, old_status, job.status),
        status=job.status,
        reason_code=job.reason_code,
        reason_message=job.reason_message,
        lived=lived,
    )


def _common(job: JobSnapshot, when: When, cause: CauseId, kind: str, *natural: object) -> _Common:
    return {"id": EventId(deterministic_id(kind, job.ref, *natural)), "when": when, "cause": cause, "job": job.ref}


def _status(old: JobSnapshot, new: JobSnapshot, when: When, ordinal: int, cause: CauseId) -> Iterator[Told]:
    if old.status == new.status:
        return
    dated = _dated(old, new, when)
    changed = JobStatusChanged(
        **_common(new, dated, cause, "job.status_changed", ordinal, old.status, new.status),
        old_status=old.status,
        new_status=new.status,
        old_phase=old.phase,
        new_phase=new.phase,
        reason_code=new.reason_code,
        reason_message=new.reason_message,
    )
    yield Told(Rank.JOB_STATUS, changed)
    end = job_end(new, when=dated, cause=cause, ordinal=ordinal, old_status=old.status)
    if end is not None and old.phase is not new.phase:
        yield Told(Rank.JOB_END, end)


def _dated(old: JobSnapshot, new: JobSnapshot, when: When) -> When:
    """When the status changed: DLC's own time where there is one that can be true.

    A time outside the two looks belongs to an earlier stay in the same status, or contradicts itself, as the documentation's
    sample does, whose job succeeded, failed and was stopped at the same second.
    """
    earliest, latest = old.observed_at - CLOCK_LEEWAY, new.observed_at + CLOCK_LEEWAY
    reported = [
        period.started_at
        for period in new.status_history
        if period.status == new.status and period.started_at and earliest <= period.started_at <= latest
    ]
    occurred_at = max(reported) if reported else entered_phase_at(new)
    if occurred_at is None or not earliest <= occurred_at <= latest:
        return when
    return replace(when, occurred_at=occurred_at, provenance=Provenance.REPORTED)


def _fields(old: JobSnapshot, new: JobSnapshot, when: When, ordinal: int, cause: CauseId) -> Iterator[Told]:
    if old.sub_status != new.sub_status:
        kind, change = "job.sub_status_changed", (old.sub_status, new.sub_status)
        sub_status = JobSubStatusChanged(
            **_common(new, when, cause, kind, ordinal, *change), old_sub_status=change[0], new_sub_status=change[1]
        )
        yield Told(Rank.JOB_SUB_STATUS, sub_status)
    was, now = (old.reason_code, old.reason_message), (new.reason_code, new.reason_message)
    if was != now and old.status == new.status:
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
    """One event for each restart that the counter counted. From a text that cannot be read nothing can be counted."""
    absent = old.restarts.used is None and not old.restarts.text
    before = 0 if absent else old.restarts.used
    used = new.restarts.used
    if before is None or used is None or used <= before:
        return
    if absent:  # the restarts may be older than our last look: they must have happened, no more is known
        when = replace(when, not_before=None, provenance=Provenance.INFERRED)
    leap = used - before
    dates = _restart_dates(old, new, leap)
    for step in range(used if leap > MOST_RESTARTS else before + 1, used + 1):
        date = dates.get(step)
        event = JobRestarted(
            **_common(
                new,
                when if date is None else replace(when, occurred_at=date, provenance=Provenance.REPORTED),
                cause,
                "job.restarted",
                step,
            ),
            used=step,
            limit=new.restarts.limit,
            count=leap if leap > MOST_RESTARTS else 1,
            reason_code=new.reason_code,
            reason_message=new.reason_message,
        )
        yield Told(Rank.JOB_RESTART, event, step=step)


def _restart_dates(old: JobSnapshot, new: JobSnapshot, leap: int) -> Mapping[int, datetime]:
    """Number of a restart -> when it happened; empty unless exactly as many new records bear a time as there were restarts."""
    known = {_record_key(record) for record in old.restart_records}
    dated = {(_record_key(record), record.occurred_at) for record in new.restart_records if record.occurred_at}
    times = sorted({key: time for key, time in sorted(dated, key=str) if key not in known}.values())
    used = new.restarts.used or 0
    return dict(zip(range(used - leap + 1, used + 1), times, strict=True)) if len(times) == leap else {}


def _record_key(record: RestartRecord) -> tuple[object, ...]:
    """A record's own id, else its time, level and count."""
    return (record.trigger_id,) if record.trigger_id else (record.occurred_at, record.level, record.job_restart_count)
