"""Commits observations, counts them, and wakes whoever waits for what they owe."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final

import anyio

from watcher.core.consequence import Book, Consequences
from watcher.core.delivery import TERMINAL_STATES
from watcher.core.events import CauseId, Event, job_of
from watcher.core.fleet import MOST_HAPPENINGS, Brief
from watcher.core.inhibition import recalled
from watcher.core.model import SourceName
from watcher.core.people import Address
from watcher.core.steps import Steps
from watcher.errors import StaleObservation, StoreError
from watcher.ports.clock import Clock
from watcher.ports.store import Observation, Store
from watcher.service.telemetry import Metrics, log
from watcher.service.waiting import in_turns

MOST_RECALLED: Final = 2_000
"""Of what lately came to be owed, so much is looked at for news that inhibits; the latest."""


class Bell:
    """Wakes sleepers. A ring is not lost on somebody who is just about to sleep."""

    def __init__(self) -> None:
        self._event: anyio.Event | None = None

    def ring(self) -> None:
        """Wake everybody who waits."""
        if self._event is not None:
            self._event.set()
            self._event = None

    def listen(self) -> anyio.Event:
        """What to wait for; take it before looking for work."""
        if self._event is None:
            self._event = anyio.Event()
        return self._event


_CHANGES: Final = MappingProxyType(
    {
        "job.succeeded": "end",
        "job.failed": "end",
        "job.stopped": "end",
        "job.status_changed": "status",
        "pod.evicted": "details",
        "pod.restarted": "details",
        "pod.status_changed": "details",
    }
)
"""Classes of changes, by the kind of the event that tells them."""


class Ledger:
    """The one way into the store for everything that happened."""

    def __init__(self, store: Store, book: Book, clock: Clock, metrics: Metrics) -> None:
        self.store, self.book, self.clock, self.metrics = store, book, clock, metrics
        self.fleet = book.new_fleet()
        self.deliveries_bell = Bell()
        self.cards_bell = Bell()
        """For those who keep cards: something is known of a job that was not known before."""
        self.deadlines_bell = Bell()
        self.ends = 0
        """Another number after troubles have ended: some receivers are to be told of that."""
        self.interventions = 0
        """Another number after each word of a person about deliveries or receivers."""
        self._heeded_answers = False
        self._stored: dict[SourceName, list[Brief]] | None = None
        """What `recall` found and nobody has taken yet."""
        self.store_error = ""
        """The store's last refusal, or "" when the last commit went through."""

    async def recall(self) -> None:
        """At the start: fill the fleet with the jobs that are stored, and with what lately happened to them.

        Raises:
            StoreError: the store cannot be read.
        """
        now = self.clock.now()
        self._stored = {}
        for brief in await self.store.briefs():
            self.fleet.know(brief.member)
            self._stored.setdefault(brief.member.ref.source, []).append(brief)
        happened = await self.store.events(since=now - self.fleet.keep, limit=MOST_HAPPENINGS)
        found = [await self.store.watch(ref) for ref in sorted(self.fleet.wants_in_full(happened))]
        await self._recall_inhibitions(now)
        self.fleet.recall(happened, {watch.snapshot.ref: watch.snapshot for watch in found if watch is not None}, now)

    async def _recall_inhibitions(self, now: datetime) -> None:
        if not self.book.inhibits:
            return
        since = now - max(one.lasts for one in self.book.inhibits)
        told = await self.store.deliveries(since=since, limit=MOST_RECALLED)
        kinds = frozenset[str]().union(*(one.until for one in self.book.inhibits))
        over = await self.store.events(since=since, kinds=kinds, limit=MOST_RECALLED) if kinds else ()
        self.book = replace(self.book, inhibiting=recalled(self.book.inhibits, told, over, now))

    async def stored(self, source: SourceName) -> Sequence[Brief]:
        """What is stored of the jobs of a source. What `recall` read is given once, and need not be read again.

        Raises:
            StoreError: the store cannot be read.
        """
        if self._stored is not None:
            return self._stored.pop(source, ())
        found = await self.store.briefs(source=source)
        for brief in found:
            self.fleet.know(brief.member)
        return found

    async def heed_silences(self) -> None:
        """Take over the silences that the store holds now; commands write them there beside us.

        Raises:
            StoreError: the store cannot be read.
        """
        silencings = await self.store.silences(self.clock.now())
        if silencings != self.book.silencings:
            self.book = replace(self.book, silencings=silencings)
            log.info("silences_changed", silences=len(silencings))

    async def heed_answers(self) -> None:
        """Take over the troubles that the store holds open now; commands take them on there beside us.

        Raises:
            StoreError: the store cannot be read.
        """
        register = self.book.troubles
        open_ones, taken = await self.store.open_troubles()
        known, known_taken = register.numbers
        # Nobody else opens troubles: more of them are our own, committed this very moment. Fewer were ended by an answer.
        if self._heeded_answers and open_ones >= known and taken <= known_taken:
            return
        self._heeded_answers = True
        before = register.changes
        found = await self.store.troubles()
        # Something was committed while this was read: it would be forgotten. The next time is soon.
        if register.changes == before and register.replace(found):
            log.info("troubles_changed", open=len(register))
            self._end_some()

    def _end_some(self) -> None:
        self.ends += 1
        self.deliveries_bell.ring()

    async def heed_interventions(self) -> None:
        """Wake the dispatchers when a command said something about deliveries or receivers beside us.

        Raises:
            StoreError: the store cannot be read.
        """
        made = await self.store.interventions_made()
        if made != self.interventions:
            self.interventions = made
            self.deliveries_bell.ring()

    async def commit(self, observation: Observation) -> None:
        """Commit; then, and only then, wake the dispatchers, count and log.

        A commit that has begun is finished even while the service is being stopped.

        Raises:
            StaleObservation: somebody else committed this job first.
            StoreError: nothing was written.
        """
        with anyio.CancelScope(shield=True):
            try:
                await self.store.commit(observation)
            except StaleObservation:
                raise
            except StoreError as exc:
                self.store_error = str(exc)
                self.metrics.store_failures.inc()
                raise
        self.store_error = ""
        self.book.troubles.note(observation.troubles)
        self.book = self.book.after(observation.events, observation.inhibitions, observation.at)
        if any(trouble.ended_at is not None for trouble in observation.troubles):
            self._end_some()
        if observation.deliveries:
            self.deliveries_bell.ring()
        if observation.watch is not None:
            self.cards_bell.ring()
        if observation.deadlines:
            self.deadlines_bell.ring()
        await in_turns(self._accounting(observation))

    def _time(self, event: Event, at: datetime) -> None:
        """How long a change was not seen, where DLC dates it; what happened in our absence says nothing about it."""
        change = _CHANGES.get(event.kind)
        job = job_of(event)
        if change is not None and job is not None and event.when.occurred_at is not None and not event.when.late:
            delay = (at - event.when.occurred_at).total_seconds()
            self.metrics.detection_delay.labels(job.source, change).observe(max(0.0, delay))

    def _accounting(self, observation: Observation) -> Steps[None]:
        for event in observation.events:
            self._time(event, observation.at)
            self.metrics.events.labels(event.kind).inc()
            log.info("event", kind=event.kind, job=str(getattr(event, "job", "") or ""), id=event.id, cause=event.cause)
            yield
        made = Counter((decision.rule, decision.reason.value) for decision in observation.decisions)
        for labels, number in made.items():
            self.metrics.decisions.labels(*labels).inc(number)
        for notification in observation.notifications:
            self.metrics.notifications.labels(notification.rule, notification.severity.value).inc()
        for delivery in observation.deliveries:
            if delivery.address is Address.UNKNOWN:
                self.metrics.unknown_owners.labels(delivery.receiver).inc()
            if delivery.state in TERMINAL_STATES:
                self.metrics.deliveries.labels(delivery.receiver, delivery.reason.value).inc()


def observation(cause: CauseId, at: datetime, consequences: Consequences, **more: Any) -> Observation:
    """An `Observation` that holds these consequences."""
    return Observation(
        cause=cause,
        at=at,
        events=consequences.events,
        decisions=consequences.decisions,
        notifications=consequences.notifications,
        deliveries=consequences.deliveries,
        deadlines=consequences.deadlines,
        absorptions=consequences.absorptions,
        inhibitions=consequences.inhibitions,
        troubles=consequences.troubles,
        **more,
    )
