"""A stay that may become too long: when to look at it, whether it is overdue, and which telling of it this would be.

The pattern behind every rule of the sort "in this phase for longer than that": set a deadline when the stay begins, look again when
it passes, speak only if the stay still lasts, and perhaps again later. A rule makes a `Dwell` of it and asks one question:

    match Dwell(key="pending", since=since, limit=limit).look(event, context.now):
        case Deadline() as later:
            yield later
        case Overdue() as over:
            yield from over.later
            yield Notify(headline=say("Pending for {lasted}", lasted=over.lasted), dedup_key=over.dedup_key)

`begun` says since when it lasts, or why there is nothing to do. The limit may be another one at each look (it was learnt anew, or
somebody raised it): a deadline that passes before the limit of that moment only sets the next one.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from watcher.core.events import DeadlinePassed, Event, JobStatusChanged
from watcher.core.model import JobSnapshot
from watcher.core.phases import Phase
from watcher.core.rule import Context, Deadline, Silence


def begun(
    event: Event, context: Context, phases: Collection[Phase], called: str
) -> tuple[JobSnapshot, datetime] | Silence:
    """The job and since when it is in the phase it is in, or a silence.

    Args:
        event: what the rule is asked about.
        context: likewise.
        phases: the phases that the stay is made of; each is a stay of its own.
        called: what people call the stay, for the silences: "pending".

    Returns:
        The job and the beginning of the stay. A silence where the job is in none of the phases, and where only its raw status
        changed: the deadline that was set when the stay began stands then.
    """
    if context.job is None or context.job.phase not in phases:
        return Silence(f"not {called}")
    if isinstance(event, JobStatusChanged) and event.old_phase is event.new_phase:
        return Silence(f"still {called}, the deadline stands")
    return context.job, context.phase_since or event.when.at


@dataclass(frozen=True, slots=True)
class Overdue:
    """A stay that has lasted too long.

    Attributes:
        lasted: how long it lasts by now.
        beyond: by how much that is too long.
        repeat: the how-manieth telling is due: 0 for the first.
        dedup_key: names this stay and this telling of it, for `Notify`.
        later: the deadline of the next telling; empty when there is to be none.
    """

    lasted: timedelta
    beyond: timedelta
    repeat: int
    dedup_key: str
    later: tuple[Deadline, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Dwell:
    """A stay and its limit.

    Attributes:
        key: the deadline's key; a rule that keeps several clocks for one job has several keys.
        since: when the stay began.
        limit: how long is too long.
        every: told again each time this much more has passed; None for once. Greater than zero.
    """

    key: str
    since: datetime
    limit: timedelta
    every: timedelta | None = None

    @property
    def deadline(self) -> Deadline:
        """The moment from which on it is too long."""
        return Deadline(self.key, self.since + self.limit)

    def look(self, event: Event, now: datetime) -> Deadline | Overdue:
        """Whether it is overdue: only a passed deadline can say so, and only when it did not come early.

        Whatever else happens asks for the deadline, also where it lies in the past; it comes back at once then.
        """
        lasted = now - self.since
        beyond = lasted - self.limit
        if not isinstance(event, DeadlinePassed) or beyond < timedelta(0):
            return self.deadline
        began = self.since.isoformat()
        if self.every is None:
            return Overdue(lasted, beyond, 0, began)
        repeat = beyond // self.every
        later = Deadline(self.key, self.deadline.at + (repeat + 1) * self.every)
        return Overdue(lasted, beyond, repeat, f"{began}/{repeat}" if repeat else began, (later,))
