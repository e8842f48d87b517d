"""What another configuration would have said about events that are on record, and how that differs from what was said then.

The record is played once more, in order of time: each observation's events with the job as it was kept then, and between them the
deadlines that the rules of the other configuration set. `deadline.passed` and `rule.failed` on record are left out, for they follow
from the rules of then; only, a deadline that passed then under the same rule, job, key and time passes at the same moment again, so
that a stretch in which no watcher ran makes no difference.

Ids are made from what happened (see `core.events`), so the same news has the same id here and there: comparing is comparing ids.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from heapq import heappop, heappush
from itertools import count, groupby
from typing import Final

from watcher.core.calls import MINDER
from watcher.core.consequence import Book, Consequences, consequences
from watcher.core.delivery import Delivery, DeliveryReason, DeliveryState, absorbed
from watcher.core.events import (
    CauseId,
    DeadlinePassed,
    Event,
    EventId,
    RuleFailed,
    When,
    deterministic_id,
    job_of,
)
from watcher.core.fleet import Fleet
from watcher.core.history import baseline, follow
from watcher.core.inhibition import inhibited
from watcher.core.model import Course, JobRef, JobSnapshot
from watcher.core.observation import first_phase_since, phase_since
from watcher.core.rule import Context, Notification, NotificationId, RuleDeadline

TOLERANCE: Final = timedelta(minutes=1)
"""Told this much earlier or later counts as told at the same time: a commit takes place a little after the look."""

_CAUSE: Final = CauseId("rehearsal")


@dataclass(slots=True)
class _Job:
    """One job while its record is played: the snapshots still to come, newest last, and what is held."""

    to_come: list[JobSnapshot]
    held: JobSnapshot | None = None
    phase_since: datetime | None = None
    course: Course = field(default_factory=Course)

    def look(self, at: datetime, events: Sequence[Event], fleet: Fleet) -> Context:
        """Take over what was kept by then, and say what the rules get to see."""
        before = self.held
        while self.to_come and self.to_come[-1].observed_at <= at:
            self._take_over(self.to_come.pop())
            before = self.held if self.held is not None and self.held.observed_at < at else before
        if self.held is None or self.phase_since is None:
            fleet.note(None, events, at)
        else:
            fleet.see(self.held, self.phase_since, events, at, self.course)
        return Context(
            now=at, job=self.held, previous=before, phase_since=self.phase_since, course=self.course, fleet=fleet
        )

    def _take_over(self, kept: JobSnapshot) -> None:
        """Follow its course as the look did that kept it: rules name their news by the time a phase began."""
        if self.held is None or self.phase_since is None:
            self.course = baseline(kept)
            self.phase_since = first_phase_since(kept, self.course)
        else:
            progress = follow(self.course, self.held, kept)
            self.course, self.phase_since = progress.course, phase_since(self.phase_since, progress)
        self.held = kept


@dataclass(slots=True)
class _Agenda:
    """Deadlines that wait: one for each rule, job and key; a later one moves it."""

    passed_then: Mapping[EventId, datetime]
    waiting: dict[tuple[str, JobRef, str], tuple[datetime, int, RuleDeadline]] = field(default_factory=dict)
    order: list[tuple[datetime, int, RuleDeadline]] = field(default_factory=list)
    numbers: Iterator[int] = field(default_factory=count)

    def add(self, deadline: RuleDeadline, now: datetime) -> None:
        """Note a deadline. One in the past is due at once."""
        due = self.passed_then.get(_passed_id(deadline), deadline.at)
        entry = (max(due, now), next(self.numbers), deadline)
        self.waiting[deadline.rule, deadline.job, deadline.key] = entry
        heappush(self.order, entry)

    def due(self, until: datetime) -> Iterator[tuple[datetime, RuleDeadline]]:
        """Take out what is due until then, earliest first; what is added meanwhile takes its place in the row."""
        while self.order and self.order[0][0] <= until:
            entry = heappop(self.order)
            at, _, deadline = entry
            key = (deadline.rule, deadline.job, deadline.key)
            if self.waiting.get(key) is entry:
                del self.waiting[key]
                yield at, deadline


def rehearse(
    events: Iterable[Event], snapshots: Mapping[JobRef, Sequence[JobSnapshot]], book: Book
) -> tuple[Delivery, ...]:
    """What the rules and routes of this configuration make of a record.

    Args:
        events: everything that is on record, in the order of the record.
        snapshots: for each job its kept snapshots, in order of time.
        book: the other configuration.

    Returns:
        What would have come to be owed, each delivery once, in order of time; what larger news absorbed is FOLDED.
    """
    record = sorted(events, key=lambda event: event.when.observed_at)  # stable: the order of the record within a moment
    if not record:
        return ()
    agenda = _Agenda({event.id: event.when.observed_at for event in record if isinstance(event, DeadlinePassed)})
    jobs = {ref: _Job(list(reversed(kept))) for ref, kept in snapshots.items()}
    owed: dict[str, Delivery] = {}
    fleet = book.new_fleet()

    def take(events: Sequence[Event], context: Context, now: datetime) -> None:
        nonlocal book
        follows = consequences(events, context, book, now)
        book = book.after(follows.events, follows.inhibitions, now)
        for delivery in follows.deliveries:
            owed.setdefault(delivery.id, delivery)
        _absorb(owed, follows, now)
        # Calls for reminders are no rule's: whether somebody would have taken a trouble on is not on record.
        for deadline in (one for one in follows.deadlines if one.rule != MINDER):
            agenda.add(deadline, now)

    def pass_deadlines(until: datetime) -> None:
        for at, deadline in agenda.due(until):
            held = jobs.setdefault(deadline.job, _Job([]))
            context = Context(now=at, job=held.held, phase_since=held.phase_since, course=held.course, fleet=fleet)
            take((_passed(deadline, at),), context, at)

    told = (event for event in record if not isinstance(event, DeadlinePassed | RuleFailed))
    for (at, _, job), look in groupby(told, key=lambda event: (event.when.observed_at, event.cause, job_of(event))):
        pass_deadlines(at)
        seen = tuple(look)
        if job is None:
            fleet.note(None, seen, at)
            context = Context(now=at, fleet=fleet)
        else:
            context = jobs.setdefault(job, _Job([])).look(at, seen, fleet)
        take(seen, context, at)
    pass_deadlines(record[-1].when.observed_at)
    return tuple(owed.values())


def _absorb(owed: dict[str, Delivery], follows: Consequences, now: datetime) -> None:
    """Fold what would still have waited. What was due had been sent by then."""
    for absorption in follows.absorptions:
        for one, delivery in owed.items():
            if delivery.not_before > now:
                owed[one] = absorbed(delivery, absorption, now)
    for one, delivery in owed.items() if follows.inhibitions else ():
        if delivery.not_before > now:
            owed[one] = inhibited(delivery, follows.inhibitions, now)


def _passed_id(deadline: RuleDeadline) -> EventId:
    return EventId(
        deterministic_id("deadline.passed", deadline.rule, deadline.job, deadline.key, deadline.at.isoformat())
    )


def _passed(deadline: RuleDeadline, at: datetime) -> DeadlinePassed:
    return DeadlinePassed(
        id=_passed_id(deadline),
        when=When(observed_at=at, occurred_at=deadline.at),
        cause=_CAUSE,
        job=deadline.job,
        rule=deadline.rule,
        key=deadline.key,
        due_at=deadline.at,
    )


@dataclass(frozen=True, slots=True)
class Said:
    """One notification, when it came to be owed, and to whom, by name."""

    notification: Notification
    at: datetime
    receivers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Change:
    """The same news, then and now."""

    then: Said
    now: Said


@dataclass(frozen=True, slots=True)
class Busiest:
    """The minute in which most came to be owed, and how much; the first of several."""

    minute: datetime
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What is different now.

    Attributes:
        added: said now, not then.
        removed: said then, not now.
        rerouted: the same news to other receivers.
        regraded: the same news with another severity.
        moved: the same news more than `TOLERANCE` earlier or later.
        receivers: receiver -> how many notifications then, and now.
        busiest_then, busiest_now: None where nothing was said.
    """

    added: tuple[Said, ...]
    removed: tuple[Said, ...]
    rerouted: tuple[Change, ...]
    regraded: tuple[Change, ...]
    moved: tuple[Change, ...]
    receivers: Mapping[str, tuple[int, int]]
    busiest_then: Busiest | None
    busiest_now: Busiest | None

    @property
    def same(self) -> bool:
        """Whether nothing is different."""
        return not (self.added or self.removed or self.rerouted or self.regraded or self.moved)


def compare(then: Iterable[Delivery], now: Iterable[Delivery], since: datetime | None = None) -> Comparison:
    """Hold two sets of deliveries side by side.

    Args:
        then: what came to be owed.
        now: what would have.
        since: leave out news that came to be owed before this time on both sides; None leaves nothing out.
    """
    before, after = _said(then), _said(now)
    if since is not None:
        fresh = {one for side in (before, after) for one, said in side.items() if said.at >= since}
        before, after = ({one: said for one, said in side.items() if one in fresh} for side in (before, after))
    both = [Change(said, after[one]) for one, said in before.items() if one in after]
    counts_then, counts_now = _per_receiver(before), _per_receiver(after)
    return Comparison(
        added=tuple(said for one, said in after.items() if one not in before),
        removed=tuple(said for one, said in before.items() if one not in after),
        rerouted=tuple(change for change in both if change.then.receivers != change.now.receivers),
        regraded=tuple(
            change for change in both if change.then.notification.severity is not change.now.notification.severity
        ),
        moved=tuple(change for change in both if abs(change.now.at - change.then.at) > TOLERANCE),
        receivers={name: (counts_then[name], counts_now[name]) for name in sorted({*counts_then, *counts_now})},
        busiest_then=_busiest(before),
        busiest_now=_busiest(after),
    )


def _said(deliveries: Iterable[Delivery]) -> dict[NotificationId, Said]:
    grouped: dict[NotificationId, list[Delivery]] = {}
    for delivery in deliveries:
        folded = delivery.state is DeliveryState.FOLDED and delivery.reason is not DeliveryReason.OVERTAKEN
        if folded or delivery.reason is DeliveryReason.INHIBITED:
            continue  # nobody was to hear it by itself
        grouped.setdefault(delivery.notification.id, []).append(delivery)
    said = {
        one: Said(
            owed[0].notification,
            min(delivery.created_at for delivery in owed),
            tuple(sorted({_receiver(delivery) for delivery in owed})),
        )
        for one, owed in grouped.items()
    }
    return dict(sorted(said.items(), key=lambda item: (item[1].at, item[0])))


def _receiver(delivery: Delivery) -> str:
    """Who hears it; what is only recorded counts apart, as nobody hears that."""
    return f"{delivery.receiver} (shadow)" if delivery.reason is DeliveryReason.SHADOW else delivery.receiver


def _per_receiver(said: Mapping[NotificationId, Said]) -> Counter[str]:
    return Counter(receiver for one in said.values() for receiver in one.receivers)


def _busiest(said: Mapping[NotificationId, Said]) -> Busiest | None:
    minutes = Counter(one.at.replace(second=0, microsecond=0) for one in said.values() for _ in one.receivers)
    return Busiest(*max(minutes.items(), key=lambda item: (item[1], -item[0].timestamp()))) if minutes else None
