"""Two snapshots that are compared, and what every event about their job has: its id, made from what happened, when, and why."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TypedDict

from watcher.core.events import CauseId, EventId, When, deterministic_id
from watcher.core.history import Progress
from watcher.core.model import JobRef, JobSnapshot


class Identity(TypedDict):
    """The members of every event about a job."""

    id: EventId
    when: When
    cause: CauseId
    job: JobRef


def identity(job: JobSnapshot, when: When, cause: CauseId, kind: str, *natural: object) -> Identity:
    """Those of an event of this kind that is known by these values."""
    return {"id": EventId(deterministic_id(kind, job.ref, *natural)), "when": when, "cause": cause, "job": job.ref}


@dataclass(frozen=True, slots=True)
class Look:
    """Two snapshots of one job, and what goes with comparing them.

    Attributes:
        old: what is held.
        new: what was answered.
        progress: what the answer adds to the job's course.
        when: between the two looks.
        ordinal: version of what is held.
        cause: the id that the events carry.
        since: when the job was first seen; None: all that is known of it was told.
    """

    old: JobSnapshot
    new: JobSnapshot
    progress: Progress
    when: When
    ordinal: int
    cause: CauseId
    since: datetime | None = None

    def event(self, kind: str, *natural: object, when: When | None = None) -> Identity:
        """The members that every event has; `when` only where more is known than that it was between the looks."""
        return identity(self.new, self.when if when is None else when, self.cause, kind, *natural)

    def told_since(self, moment: datetime | None) -> bool:
        """Whether what happened at that moment was told: before the first look nothing was, and only a time can say so."""
        return self.since is None or (moment is not None and moment > self.since)
