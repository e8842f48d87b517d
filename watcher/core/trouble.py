"""Troubles: what is still wrong, who has taken it on, and how it ended.

A notification that names what goes on (`core.ongoing`) opens a trouble. It is committed with the observation that told it, and so
is its end: the first look, or event, after which that does not hold any more. Its id is the notification's, so that whoever has
the message in front of them can answer it, and so that the same news never opens a second one.

Several notifications may be about the same matter: two rules about one failure, or a rule that repeats itself. They share the
matter (job, what goes on, pod), and an answer to one of them answers all that are open.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from watcher.core.events import (
    Event,
    JobActivityChecked,
    JobReappeared,
    JobVanished,
    WatchRecovered,
    job_of,
)
from watcher.core.model import JobRef, JobSnapshot
from watcher.core.ongoing import AWAITED, UNTIL_ANSWERED, Ongoing, holds
from watcher.core.rule import Notification, NotificationId, Severity

LONGEST: Final = timedelta(days=7)
"""A trouble that only an answer would end is given up after this time."""


_LOUD: Final = {severity: number for number, severity in enumerate(Severity)}


class TroubleEnd(StrEnum):
    """How a trouble ended. Closed: row and text of a story."""

    OVER = "over"
    """It does not go on any more."""
    GONE = "gone"
    """DLC no longer knows the job."""
    ANSWERED = "answered"
    """Somebody took it on, and nothing else would ever end it."""
    AGED = "aged"
    """Nobody took it on for as long as it is kept open."""
    UNWATCHED = "unwatched"
    """Its source is configured no more: nobody will see its end."""


Matter = tuple[JobRef | None, str, Ongoing, str]
"""What a trouble is about: job, source, what goes on, pod."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """Something that is still wrong, or was.

    Attributes:
        notification: the news that opened it.
        ongoing: what goes on.
        opened_at: when it was committed; when it began is `since`.
        ended_at: when it ended, or None.
        end: how it ended, or None.
        acknowledged_at: when somebody took it on, or None.
        acknowledged_by: who did, or "".
        comment: what they said, or "".
    """

    notification: Notification
    ongoing: Ongoing
    opened_at: datetime
    ended_at: datetime | None = None
    end: TroubleEnd | None = None
    acknowledged_at: datetime | None = None
    acknowledged_by: str = ""
    comment: str = ""

    @property
    def id(self) -> NotificationId:
        """The id of the notification that opened it."""
        return self.notification.id

    @property
    def job(self) -> JobRef | None:
        """Whose trouble it is; None for one of the watcher itself, or of many jobs."""
        return None if self.notification.across_jobs else self.notification.job

    @property
    def source(self) -> str:
        """The source it is about, or "" where it is about none."""
        if self.job is not None:
            return self.job.source
        return next(iter(dict(self.notification.labels).get("source", ())), "")

    @property
    def severity(self) -> Severity:
        """How loud the news was."""
        return self.notification.severity

    @property
    def since(self) -> datetime:
        """Since when it is wrong, as well as we know."""
        return self.notification.at

    @property
    def matter(self) -> Matter:
        """What it is about. What only wants an answer is a matter of its own."""
        which = self.id if self.ongoing is Ongoing.UNANSWERED else self.notification.pod_id
        return self.job, self.source, self.ongoing, which

    @property
    def waits_for_answer(self) -> bool:
        """Whether it is open and nobody has taken it on."""
        return self.ended_at is None and self.acknowledged_at is None

    def ended(self, end: TroubleEnd, at: datetime) -> Trouble:
        """The same, ended."""
        return replace(self, ended_at=at, end=end)


MOST_OVER: Final = 10_000
"""So many ended troubles are remembered, the last ones. Of the others the store knows; whoever reads it is put right."""


class Register:
    """The open troubles, as the store holds them: read when consequences are worked out, told of every commit."""

    def __init__(self, troubles: Iterable[Trouble] = ()) -> None:
        self._open: dict[NotificationId, Trouble] = {}
        self._over: dict[NotificationId, None] = {}
        self._about: dict[JobRef | str, dict[NotificationId, None]] = {}
        self.changes = 0
        """Grows with every change: whoever reads the store beside commits can tell whether what was read is still the newest."""
        self.note(troubles)

    def note(self, troubles: Iterable[Trouble]) -> None:
        """Take over troubles that were committed: new ones, ended ones.

        What is known stays as it is until it ends, and what has ended is not opened again, as in the store: a rule that says the
        same once more, after a restart of the job, say, is not heard.
        """
        for one in troubles:
            self.changes += 1
            if one.ended_at is None:
                if one.id not in self._over:
                    self._open.setdefault(one.id, one)
                    self._about.setdefault(_subject(one), {})[one.id] = None
            else:
                self._over[one.id] = None
                if self._open.pop(one.id, None) is not None:
                    about = self._about[_subject(one)]
                    del about[one.id]
                    if not about:
                        del self._about[_subject(one)]
        while len(self._over) > MOST_OVER:
            del self._over[next(iter(self._over))]

    def replace(self, troubles: Iterable[Trouble]) -> bool:
        """Take over all that is open; returns whether that was news."""
        found = {one.id: one for one in troubles}
        if found == self._open:
            return False
        self._open, self._about = {}, {}
        self.note(found.values())
        return True

    def __iter__(self) -> Iterator[Trouble]:
        return iter(tuple(self._open.values()))

    def __len__(self) -> int:
        return len(self._open)

    @property
    def numbers(self) -> tuple[int, int]:
        """How many are open, and how many of them somebody has taken on."""
        return len(self._open), sum(one.acknowledged_at is not None for one in self._open.values())

    def awaited(self, job: JobRef) -> bool:
        """Whether people were told of something about a job that looks will show to be over."""
        return any(self._open[one].ongoing in AWAITED for one in self._about.get(job, ()))

    def about(self, events: Iterable[Event], job: JobSnapshot | None) -> tuple[Trouble, ...]:
        """The open troubles that these events, or the job as it is, could end."""
        subjects: set[JobRef | str] = set() if job is None else {job.ref}
        for event in events:
            ref = job_of(event)
            subjects.add(getattr(event, "source", "") if ref is None else ref)
        return tuple(self._open[one] for subject in subjects for one in self._about.get(subject, ()))


def _subject(trouble: Trouble) -> JobRef | str:
    return trouble.source if trouble.job is None else trouble.job


def opened(notification: Notification, now: datetime, known: Iterable[Trouble] = ()) -> Trouble | None:
    """The trouble that a notification opens; None where nothing goes on, or it is not loud enough to want anybody.

    Args:
        notification: what was said.
        now: now.
        known: open troubles. Somebody who has taken on the same matter has taken on this, too, unless it is louder.
    """
    if notification.ongoing is None or notification.severity is Severity.INFO:
        return None
    new = Trouble(notification=notification, ongoing=notification.ongoing, opened_at=now)
    for one in known:
        if one.acknowledged_at is not None and one.matter == new.matter and _LOUD[one.severity] >= _LOUD[new.severity]:
            return replace(new, acknowledged_at=now, acknowledged_by=one.acknowledged_by, comment=one.comment)
    return new


def ended(
    troubles: Iterable[Trouble], events: Sequence[Event], job: JobSnapshot | None, now: datetime
) -> tuple[Trouble, ...]:
    """Those of the open troubles that are over now.

    Args:
        troubles: open ones.
        events: what has just happened.
        job: the job it happened to, as it is held now.
        now: now.
    """
    found = ((one, _end_of(one, events, job)) for one in troubles)
    return tuple(one.ended(end, now) for one, end in found if end is not None)


def _end_of(trouble: Trouble, events: Sequence[Event], job: JobSnapshot | None) -> TroubleEnd | None:
    for event in events:
        match event:
            case WatchRecovered():
                if trouble.ongoing is Ongoing.BLIND and trouble.source == event.source:
                    return TroubleEnd.OVER
            case JobVanished(job=ref) if ref == trouble.job and trouble.ongoing is not Ongoing.VANISHED:
                return TroubleEnd.GONE
            case JobReappeared(job=ref) if ref == trouble.job and trouble.ongoing is Ongoing.VANISHED:
                return TroubleEnd.OVER
            case JobActivityChecked(job=ref) if ref == trouble.job and trouble.ongoing is Ongoing.SILENT:
                if event.events_seen or event.logs_seen:
                    return TroubleEnd.OVER
            case _:
                pass
    if job is not None and job.ref == trouble.job and not holds(trouble.ongoing, job, trouble.notification.pod_id):
        return TroubleEnd.OVER
    return None


def aged(trouble: Trouble, now: datetime) -> bool:
    """Whether an open trouble has waited too long for an answer that alone would end it."""
    return trouble.ongoing in UNTIL_ANSWERED and now - trouble.opened_at >= LONGEST
