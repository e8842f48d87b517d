"""Inhibition: news that need not be told because larger news, told to the same receiver, says why.

Alertmanager's words: a source, a target, and labels that must be equal. What differs, as ours is news and not a state:

- A source inhibits for a time from when it was owed, or until an event of a named kind shows that it is over.
- It inhibits at the receivers that hear it, and nowhere else: who is not told that the job failed still hears of its pods. What is
  silenced, on trial or itself inhibited is not heard, so it inhibits nothing.
- What still waits when the source comes is withheld, too, if it is not much older: effects are often seen before their cause.

What is inhibited is a row that is withheld from the start and names the source. The state can be read again from the deliveries and
events that are stored (`recalled`), so a restart changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from watcher.core.delivery import Delivery, DeliveryReason, DeliveryState
from watcher.core.events import Event, job_of
from watcher.core.matching import Labels, LabelTest, Matcher, Operator, labels_of
from watcher.core.model import JobRef
from watcher.core.rule import NotificationId

BEFORE: Final = timedelta(minutes=5)
"""So much older may waiting news be that a source withholds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inhibit:
    """One inhibition as configured.

    Attributes:
        name: what it is called.
        source: the news that inhibits.
        target: the news that is inhibited.
        equal: labels that must have a value in common, or be missing on both sides.
        lasts: for how long.
        until: kinds of events that end it, where their labels agree with the source's as `equal` demands.
    """

    name: str
    source: Matcher
    target: Matcher
    equal: tuple[str, ...]
    lasts: timedelta
    until: frozenset[str] = frozenset()

    def agree(self, one: Labels, other: Labels) -> bool:
        """Whether two sets of labels are equal as far as that is asked."""
        return all(_agree(one.get(label, ()), other.get(label, ())) for label in self.equal)


def _agree(one: Sequence[str], other: Sequence[str]) -> bool:
    known, also = ({value for value in values if value} for values in (one, other))
    return bool(known & also) or not (known or also)


@dataclass(frozen=True, slots=True)
class Inhibiting:
    """News that inhibits other news of its receiver."""

    inhibit: Inhibit
    source: Delivery

    @property
    def by(self) -> NotificationId:
        """Which news it is."""
        return self.source.notification.id

    def lasts(self, now: datetime) -> bool:
        """Whether its time is not over."""
        return now < self.source.created_at + self.inhibit.lasts

    def ended_by(self, event: Event) -> bool:
        """Whether this event shows that it is over."""
        if event.kind not in self.inhibit.until or self._of_another_job(job_of(event)):
            return False
        return self.inhibit.agree(dict(self.source.notification.labels), labels_of(event, None))

    def _of_another_job(self, job: JobRef | None) -> bool:
        """Whether the labels cannot agree, seen at once: in a storm of failures there are many sources, each of one job."""
        own = self.source.notification.job
        return "job" in self.inhibit.equal and job is not None and own is not None and job.job_id != own.job_id

    def covers(self, delivery: Delivery, now: datetime) -> bool:
        """Whether this need not be told."""
        said = delivery.notification
        if delivery.receiver != self.source.receiver or self._of_another_job(said.job):
            return False
        labels = dict(said.labels)
        return (
            said.id != self.by
            and not said.across_jobs
            and self.lasts(now)
            and delivery.created_at >= self.source.created_at - BEFORE
            and self.inhibit.target.matches(labels)
            and self.inhibit.agree(dict(self.source.notification.labels), labels)
        )


def begun(inhibits: Iterable[Inhibit], deliveries: Sequence[Delivery]) -> tuple[Inhibiting, ...]:
    """What the news among these deliveries inhibits from now on."""
    return tuple(
        Inhibiting(inhibit, delivery)
        for inhibit in inhibits
        for delivery in deliveries
        if delivery.state is not DeliveryState.WITHHELD
        and not delivery.notification.across_jobs
        and inhibit.source.matches(dict(delivery.notification.labels))
    )


def lasting(inhibiting: Iterable[Inhibiting], events: Sequence[Event], now: datetime) -> tuple[Inhibiting, ...]:
    """Those that are over neither by their time nor by these events."""
    return tuple(one for one in inhibiting if one.lasts(now) and not any(one.ended_by(event) for event in events))


def inhibited(delivery: Delivery, inhibiting: Iterable[Inhibiting], now: datetime) -> Delivery:
    """The delivery as it was, or withheld by the first that covers it. Only what still waits can be."""
    if delivery.state is not DeliveryState.PENDING:
        return delivery
    by = next((one for one in inhibiting if one.covers(delivery, now)), None)
    if by is None:
        return delivery
    return replace(
        delivery,
        state=DeliveryState.WITHHELD,
        reason=DeliveryReason.INHIBITED,
        settled_at=now,
        error=f'inhibited ({by.inhibit.name}) by "{by.source.notification.headline}" (notification {by.by})',
    )


def recalled(
    inhibits: Sequence[Inhibit], deliveries: Iterable[Delivery], events: Sequence[Event], now: datetime
) -> tuple[Inhibiting, ...]:
    """What inhibits at a start, read again from what is stored.

    Args:
        inhibits: as configured.
        deliveries: those that came to be owed within the longest of their times.
        events: those of the kinds that end one, over the same time.
        now: now.
    """
    found = lasting(begun(inhibits, tuple(deliveries)), (), now)
    return tuple(
        one
        for one in found
        if not any(event.when.observed_at > one.source.created_at and one.ended_by(event) for event in events)
    )


def _match(**globs: str) -> Matcher:
    return Matcher(tuple(LabelTest(label, Operator.IS, (glob,)) for label, glob in globs.items()))


_NOT_CRITICAL: Final = LabelTest("severity", Operator.NOT, ("critical",))
_OF_ITS_PODS: Final = Matcher((LabelTest("kind", Operator.IS, ("pod.*",)), _NOT_CRITICAL))
_LIVES: Final = frozenset({"job.restarted", "job.status_changed", "job.reappeared"})

DEFAULTS: Final = (
    Inhibit(
        name="failed-job",
        source=_match(kind="job.failed"),
        target=_OF_ITS_PODS,
        equal=("source", "job"),
        lasts=timedelta(hours=1),
        until=_LIVES,
    ),
    Inhibit(
        name="failed-job-told-late",  # the rule waited whether DLC would try again
        source=_match(rule="job-failed"),
        target=_OF_ITS_PODS,
        equal=("source", "job"),
        lasts=timedelta(hours=1),
        until=_LIVES,
    ),
    Inhibit(
        name="blind-watch",
        source=_match(kind="watch.blind"),
        target=Matcher((LabelTest("kind", Operator.IS, ("deadline.passed",)), _NOT_CRITICAL)),
        equal=("source",),
        lasts=timedelta(days=1),
        until=frozenset({"watch.recovered"}),
    ),
)
"""What a configuration that says nothing has: a failed job inhibits what its pods did, blindness whatever is said for want of news.
Critical news is inhibited by neither. That a storm takes in its members is the work of the rule `storm` (`core.rule.Absorb`)."""
