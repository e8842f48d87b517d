"""From which state into which: the `from`, `to` and `for` of a declared rule.

A state is named by a raw status (`Queuing`) or by a phase (`pending`), which stands for every status folded into it. `to` is about
entering: a job that goes from one state of the list to another one of it was there already. That is also what makes `for` sound
without any memory: every new entry moves the one deadline, so when it passes and the job is in such a state, it has been since.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from watcher.core.events import Event, JobAppeared, JobReappeared, JobResumed, JobStatusChanged
from watcher.core.phases import JOB_PHASES, Phase
from watcher.core.rule import Context

STATES: Final[frozenset[str]] = frozenset(JOB_PHASES) | frozenset(phase.value for phase in Phase)
"""Every word that `from` and `to` take. A status that DLC adds later is of the phase `unknown`."""

SIGHTS: Final[tuple[type[Event], ...]] = (JobAppeared, JobResumed, JobReappeared)
"""Events of a job that is found in a state. With `for` they count as entering it, as nobody saw the job come."""


def _among(states: tuple[str, ...], status: str, phase: Phase) -> bool:
    return status in states or phase.value in states


@dataclass(frozen=True, slots=True)
class Passage:
    """Which changes of status are meant. Empty origins or goals stand for any.

    Attributes:
        origins: `from`.
        goals: `to`.
        dwell: `for`: how long the job must stay in one of the goals before it is told; None: it is told at once.
    """

    origins: tuple[str, ...] = ()
    goals: tuple[str, ...] = ()
    dwell: timedelta | None = None

    def mismatch(self, event: JobStatusChanged) -> str:
        """Why this change is not meant, or ""."""
        if self.origins and not _among(self.origins, event.old_status, event.old_phase):
            return f"it comes from {event.old_status}"
        if self.goals and not _among(self.goals, event.new_status, event.new_phase):
            return f"it goes to {event.new_status}"
        if self.goals and not self.origins and _among(self.goals, event.old_status, event.old_phase):
            return "it was in such a state already"
        return ""

    def holds(self, context: Context) -> bool:
        """Whether the job is in one of the goals now."""
        return context.job is not None and _among(self.goals, context.job.status, context.job.phase)

    def entered_at(self, event: Event, context: Context) -> datetime | None:
        """When a job that was found in one of the goals entered it; None when only the deadline set before can tell.

        The watch remembers when a phase began, not when a status did.
        """
        if context.job is not None and self.goals == (context.job.phase.value,) and context.phase_since:
            return context.phase_since
        return None if isinstance(event, JobResumed) else event.when.at
