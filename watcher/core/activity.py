"""Whether a running job still tells of anything: its events, and the log of the pod that writes most. Pure.

The form of lines is not documented, so what counts is whether there is any line after a time, which DLC itself is asked for; the
time that a line tells, where it tells one, only makes it more exact.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from watcher.core.evidence import Action, Evidence, Question, Reading, newest, time_of
from watcher.core.model import JobSnapshot, PodSnapshot
from watcher.core.phases import PodPhase
from watcher.core.root_cause import Level

_MOST_EVENTS: Final = 50
_MOST_LINES: Final = 50
_LEADERS: Final = ("master", "chief", "launcher")
"""Roles whose first pod writes the progress, where there is such a role; the last pod of all does in some frameworks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Activity:
    """What was found. The members are those of `JobActivityChecked`."""

    events_seen: bool
    logs_seen: bool
    events_read: bool
    logs_read: bool
    last_event_at: datetime | None
    last_log_at: datetime | None


def next_activity_question(
    job: JobSnapshot, since: datetime | None, evidence: Evidence, level: Level
) -> Question | None:
    """What to read next, or None when enough is known or nothing more can be had.

    Args:
        job: the job as it is known now.
        since: the time after which something must have happened.
        evidence: what was read so far.
        level: what may be read.
    """
    if level == "none" or activity(evidence, since).logs_seen:
        return None
    asked = {(reading.question.action, reading.question.pod) for reading in evidence}
    denied = {reading.question.action for reading in evidence if reading.permission}
    for question in _plan(job, since, logs=level == "events+logs"):
        if question.action not in denied and (question.action, question.pod) not in asked:
            return question
    return None


def _plan(job: JobSnapshot, since: datetime | None, *, logs: bool) -> Iterator[Question]:
    yield Question(Action.JOB_EVENTS, since=since, most=_MOST_EVENTS)
    if logs:
        for pod in _speakers(job):
            yield Question(Action.POD_LOGS, pod.key, pod.uid, since, _MOST_LINES)


def _speakers(job: JobSnapshot) -> tuple[PodSnapshot, ...]:
    running = sorted(
        (pod for pod in job.pods or () if pod.phase is PodPhase.RUNNING),
        key=lambda pod: (pod.role not in _LEADERS, pod.pod_id),
    )
    return tuple(running) if len(running) < 2 else (running[0], running[-1])  # noqa: PLR2004 - first and last


def activity(evidence: Evidence, since: datetime | None) -> Activity:
    """What the readings tell of the time after `since`."""
    events = [reading for reading in evidence if reading.question.action is Action.JOB_EVENTS and not reading.error]
    logs = [reading for reading in evidence if reading.question.action is Action.POD_LOGS and not reading.error]
    return Activity(
        events_seen=any(_fresh(reading, since) for reading in events),
        logs_seen=any(_fresh(reading, since) for reading in logs),
        events_read=bool(events),
        logs_read=bool(logs),
        last_event_at=newest(line for reading in events for line in reading.lines),
        last_log_at=newest(line for reading in logs for line in reading.lines),
    )


def _fresh(reading: Reading, since: datetime | None) -> bool:
    """Whether a line is there that does not say itself that it is older."""
    times = [time_of(line) for line in reading.lines]
    return any(at is None or since is None or at >= since for at in times)
