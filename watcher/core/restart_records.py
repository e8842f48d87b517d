"""`RestartRecord`: which restart a record is about, and what of it reaches the event.

A record of a restart of the whole job names its number (`JobRestartCount`). Without numbers, records that all bear a time and are
as many as the counter counts are taken in their order. A record of one pod's restart names the pod in its causes; it belongs to the
first life of that pod that was created at its time or after it, provided that the life before it was over by then, or soon after.
A record that cannot be placed in one of these ways explains nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final, TypedDict

from watcher.core.model import JobSnapshot, PodSnapshot, RestartCause, RestartRecord

SETTLING: Final = timedelta(minutes=10)
"""How long after its fault was recorded a pod may take to end: it may be given time to save its work."""


class Explanation(TypedDict):
    """What a record says, under the names that events give it."""

    level: str
    occurred_phase: str
    reason: str
    result: str
    fail_reason: str
    took: timedelta | None
    culprit_node: str
    error_code: str
    error_message: str


def explanation(record: RestartRecord) -> Explanation:
    """What a record says; its culprit is the one that caused the restart, and of several the first by name."""
    cause = culprit(record)
    return {
        "level": record.level,
        "occurred_phase": record.occurred_phase,
        "reason": record.reason,
        "result": record.status,
        "fail_reason": record.fail_reason,
        "took": record.duration,
        "culprit_node": cause.node,
        "error_code": cause.error_code,
        "error_message": cause.error_message,
    }


def culprit(record: RestartRecord) -> RestartCause:
    """The error that caused the restart; those that did not are named only where none did."""
    causes = sorted(record.causes, key=lambda cause: (cause.triggered_restart is not True, str(cause)))
    return causes[0] if causes else RestartCause()


def of_pod(record: RestartRecord) -> bool:
    """Whether it is about single pods, not the whole job."""
    return "pod" in record.level.lower()


def job_records(job: JobSnapshot) -> tuple[RestartRecord, ...]:
    """Those of the whole job, each once, oldest first."""
    return _each_once(record for record in job.restart_records if not of_pod(record))


def pod_records(job: JobSnapshot) -> Mapping[str, tuple[RestartRecord, ...]]:
    """Those of single pods, by the pod ids that their causes name; only those with a time."""
    found: dict[str, list[RestartRecord]] = {}
    for record in _each_once(record for record in job.restart_records if of_pod(record)):
        pods = {cause.pod for cause in record.causes if cause.pod and cause.triggered_restart is not False}
        for pod_id in sorted(pods) if record.occurred_at else ():
            found.setdefault(pod_id, []).append(record)
    return {pod_id: tuple(records) for pod_id, records in found.items()}


def _each_once(records: Iterable[RestartRecord]) -> tuple[RestartRecord, ...]:
    known = {record.key: record for record in sorted(records, key=str)}
    return tuple(sorted(known.values(), key=lambda record: (str(record.occurred_at or ""), str(record))))


def by_number(job: JobSnapshot) -> Mapping[int, RestartRecord]:
    """Number of a restart of the whole job -> its record; of several the latest."""
    records = job_records(job)
    numbered = {record.job_restart_count: record for record in records if record.job_restart_count}
    if not numbered and len(records) == job.restarts.used and all(record.occurred_at for record in records):
        return dict(enumerate(records, start=1))
    return numbered


def counts_no_restarts(job: JobSnapshot) -> bool:
    """Whether neither a counter nor a numbered record tells of restarts."""
    return job.restarts.used is None and not job.restarts.text and not by_number(job)


def by_life(chain: Sequence[PodSnapshot], records: Iterable[RestartRecord]) -> Mapping[int, RestartRecord]:
    """Place of a life in its pod's chain -> the record of the restart that brought it; of several the latest."""
    found: dict[int, RestartRecord] = {}
    for record in records:
        time = record.occurred_at
        place = next((place for place, life in enumerate(chain) if _born_by(life, time)), None)
        if place is not None and time is not None and _over_by(chain[place - 1] if place else None, time + SETTLING):
            found[place] = record
    return found


def _born_by(life: PodSnapshot, time: datetime | None) -> bool:
    return life.created_at is not None and time is not None and life.created_at >= time


def _over_by(former: PodSnapshot | None, time: datetime) -> bool:
    return former is None or former.finished_at is None or former.finished_at <= time
