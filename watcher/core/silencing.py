"""Silences: what people do not want to hear for a while, who said so, and why.

A silence has a matcher over the same labels as routes, and an end: a time, or the end of a job. What it covers is owed as a row
that is withheld from the start and names the silence; so nothing vanishes, and the end of a silence brings nothing old. What was
owed before it began is still sent.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from glob import escape
from typing import Final, NewType

from watcher.core.delivery import Delivery, DeliveryReason, DeliveryState
from watcher.core.events import Event, JobVanished, job_of
from watcher.core.matching import LabelTest, Matcher, Operator
from watcher.core.model import JobRef, JobSnapshot
from watcher.core.phases import TERMINAL
from watcher.core.withholding import withheld

SilencingId = NewType("SilencingId", str)


@dataclass(frozen=True, slots=True, kw_only=True)
class Silencing:
    """One silence.

    Attributes:
        match: which notifications.
        created_at: from when on.
        until: its end, or None where only the job's end, or a person, ends it.
        author: who said so.
        comment: why.
        job: it ends with this job, whose end itself is told; None for no such job.
        ended_at: when a person ended it before its time, or None.
        ended_by: who that was, or "".
    """

    id: SilencingId
    match: Matcher
    created_at: datetime
    until: datetime | None
    author: str
    comment: str = ""
    job: JobRef | None = None
    ended_at: datetime | None = None
    ended_by: str = ""

    def covers(self, now: datetime) -> bool:
        """Whether this is its time, whatever became of the job."""
        ends = [end for end in (self.until, self.ended_at) if end is not None]
        return self.created_at <= now and all(now < end for end in ends)

    def __str__(self) -> str:
        until = [] if self.until is None else [f"until {self.until.isoformat(timespec='minutes')}"]
        if self.job is not None:
            until.append(f"until {self.job} ends")
        return f"silence {self.id} of {self.author}, {' or '.join(until)}" + (
            f": {self.comment}" if self.comment else ""
        )


def about(job: JobRef) -> tuple[LabelTest, ...]:
    """Tests that mean exactly the news of this job."""
    own = (("source", job.source), ("job", job.job_id))
    return tuple(LabelTest(label, Operator.IS, (escape(value),)) for label, value in own)


def silence_of_job(
    silencing_id: SilencingId,
    job: JobRef,
    *,
    now: datetime,
    until: datetime | None,
    author: str,
    comment: str = "",
    match: Matcher = Matcher(),  # noqa: B008 - frozen
) -> Silencing:
    """A silence about one job, for a time or until the job ends, whichever is first; its end is told.

    Args:
        silencing_id: its id.
        job: whose news.
        now: from when on.
        until: its end; None: only the job's end, or a person, ends it.
        author: who says so.
        comment: why.
        match: narrower than all news of the job.
    """
    return Silencing(
        id=silencing_id,
        match=Matcher((*about(job), *match.tests)),
        created_at=now,
        until=until,
        author=author,
        comment=comment,
        job=job,
    )


def standing(silencing: Silencing, now: datetime, *, job_lives: bool) -> str:
    """Where a silence stands, in words; `job_lives`: the job that it ends with is known and has not ended."""
    if not silencing.covers(now):
        return "ended" + (f" by {silencing.ended_by}" if silencing.ended_at else "")
    return IN_FORCE if silencing.job is None or job_lives else "ended with its job"


IN_FORCE: Final = "in force"


def ended_jobs(events: Iterable[Event], job: JobSnapshot | None) -> frozenset[JobRef]:
    """The jobs of which this look shows that they have ended or are gone."""
    gone = {ref for event in events if isinstance(event, JobVanished) and (ref := job_of(event)) is not None}
    return frozenset(gone | ({job.ref} if job is not None and job.phase in TERMINAL else set()))


def silenced(
    delivery: Delivery, silencings: Sequence[Silencing], now: datetime, ended: frozenset[JobRef] = frozenset()
) -> Delivery:
    """The delivery as it was, or withheld by the first silence that covers it.

    Args:
        delivery: as it would be owed; what is settled already stays as it is.
        silencings: the silences there are.
        now: now.
        ended: jobs that have ended: silences that end with them cover nothing more.
    """
    if delivery.state is not DeliveryState.PENDING:
        return delivery
    labels = dict(delivery.notification.labels)
    for silencing in silencings:
        if silencing.covers(now) and silencing.job not in ended and silencing.match.matches(labels):
            return withheld(delivery, DeliveryReason.SILENCED, str(silencing), now)
    return delivery
