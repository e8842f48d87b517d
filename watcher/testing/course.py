"""The course of a case: a small world of one job, one rule and one clock, driven by steps.

The engine's own `evaluate` asks the rule; deadlines it sets come back when they are due; a notification is kept once per id, as the
store keeps it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from watcher.core.events import (
    CauseId,
    DeadlinePassed,
    Event,
    EventId,
    JobAppeared,
    JobFailed,
    JobStatusChanged,
    JobStopped,
    JobSucceeded,
    When,
)
from watcher.core.fleet import Fleet
from watcher.core.model import JobId, JobRef, JobSnapshot, SourceName, Watch
from watcher.core.phases import Phase
from watcher.core.rule import BoundRule, Context, Notification, evaluate

ZERO: Final = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
"""When every course starts."""

REF: Final = JobRef(SourceName("case"), JobId("dlc1"))
"""The one job of every course."""

READY_JOB: Final = frozenset({"ref", "observed_at", "status"})
"""Members of the job that the course sets."""

READY_EVENT: Final = frozenset({"id", "when", "cause", "kind", "job"})
"""Members of an event that the course sets."""

_ENDS: Final[Mapping[Phase, type[JobSucceeded | JobFailed | JobStopped]]] = {
    Phase.SUCCEEDED: JobSucceeded,
    Phase.FAILED: JobFailed,
    Phase.STOPPED: JobStopped,
}


@dataclass(frozen=True, slots=True)
class Step:
    """One step: at a time, the members of the job that change, and what happens then: a status, an event, or nothing."""

    at: datetime
    changes: Mapping[str, Any]
    status: str | None = None
    event_type: type[Event] | None = None
    members: Mapping[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Course:
    """A course under way: the job as it stands, the deadlines that wait, and what was said.

    Attributes:
        said: notification id -> when it was said, and what; in order.
        asked: every time the rule asked to be woken at, from the start, in order.
        notes: the note of every decision that had one.
    """

    bound: BoundRule
    members: dict[str, Any]
    job: JobSnapshot = JobSnapshot(ref=REF, observed_at=ZERO, status="Creating")
    phase_since: datetime = ZERO
    seen: bool = False
    ticks: int = 0
    fleet: Fleet = field(default_factory=Fleet)
    due: dict[str, datetime] = field(default_factory=dict)
    asked: list[timedelta] = field(default_factory=list)
    said: dict[str, tuple[datetime, Notification]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def take(self, step: Step) -> None:
        """Let time pass up to the step, then let it happen."""
        self._pass_deadlines(step.at)
        before, phase = self.job if self.seen else None, self.job.phase
        self.members |= step.changes
        status = self.job.status if step.status is None else step.status
        self.job = JobSnapshot(ref=REF, observed_at=step.at, status=status, **self.members)
        first_sight = step.status is not None and not self.seen
        if first_sight or phase is not self.job.phase:
            self.phase_since = step.at
        self.seen = (
            self.seen or step.status is not None or "job" in getattr(step.event_type, "__dataclass_fields__", ())
        )
        self._ask(self._events(step, before), step.at, before)

    def _identity(self, now: datetime) -> dict[str, Any]:
        self.ticks += 1
        return {"id": EventId(f"event-{self.ticks}"), "when": When(observed_at=now), "cause": CauseId("case")}

    def _events(self, step: Step, before: JobSnapshot | None) -> tuple[Event, ...]:
        if step.event_type is not None:
            ready = self._identity(step.at)
            if "job" in step.event_type.__dataclass_fields__:
                ready["job"] = REF
            return (step.event_type(**ready, **step.members),)
        if step.status is None:
            return ()
        job = self.job
        if before is None:
            return (JobAppeared(**self._identity(step.at), job=REF, status=job.status, phase=job.phase),)
        if before.status == job.status:
            return ()
        reason: dict[str, Any] = {"reason_code": job.reason_code, "reason_message": job.reason_message}
        changed = JobStatusChanged(
            **self._identity(step.at),
            **reason,
            job=REF,
            old_status=before.status,
            new_status=job.status,
            old_phase=before.phase,
            new_phase=job.phase,
        )
        ending = _ENDS.get(job.phase)
        if ending is None:
            return (changed,)
        lived = step.at - job.created_at if job.created_at else None
        return changed, ending(**self._identity(step.at), **reason, job=REF, status=job.status, lived=lived)

    def _pass_deadlines(self, now: datetime) -> None:
        while self.due and min(self.due.values()) <= now:
            key = min(self.due, key=self.due.__getitem__)
            at = self.due.pop(key)
            passed = DeadlinePassed(**self._identity(at), job=REF, rule=self.bound.name, key=key, due_at=at)
            self._ask((passed,), at, None)

    def _ask(self, events: tuple[Event, ...], now: datetime, previous: JobSnapshot | None) -> None:
        context = Context(now=now)
        if any("job" in event.__dataclass_fields__ for event in events):
            self.fleet.note(Watch(self.job, self.ticks, self.phase_since, ZERO), events, now)
            context = Context(now=now, job=self.job, previous=previous, phase_since=self.phase_since, fleet=self.fleet)
        answer = evaluate([self.bound], events, context)
        if answer.faults:
            raise AssertionError(f"the rule raised {answer.faults[0].error}")
        for deadline in answer.deadlines:
            if deadline.rule != self.bound.name:  # an inquiry: its answer is for the course to give, as an event
                continue
            # A deadline in the past is due at once, and no clock runs backwards.
            self.due[deadline.key] = max(deadline.at, now)
            self.asked.append(deadline.at - ZERO)
        for notification in answer.notifications:
            self.said.setdefault(notification.id, (now, notification))
        self.notes.extend(decision.note for decision in answer.decisions if decision.note)
