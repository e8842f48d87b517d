"""Scripted jobs through the core in virtual time: what the service would commit, without a server, a clock or a store."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from watcher.core import observation as reading
from watcher.core.consequence import Book, consequences
from watcher.core.delivery import DeliveryReason, DeliveryState, Receipt, Settlement
from watcher.core.events import CauseId, DeadlinePassed, EventId, When, deterministic_id
from watcher.core.inquiry import INVESTIGATOR
from watcher.core.message import JobCard, Message, compose, job_card
from watcher.core.model import JobId, JobRef, SourceName, Watch
from watcher.core.rule import Context, RuleDeadline
from watcher.ports.store import Observation
from watcher.service.ledger import observation
from watcher.simulator.answers import Moment, get_job
from watcher.simulator.life import state_at, states
from watcher.simulator.scenario import ScriptedJob
from watcher.sources.dlc.wire import snapshot_from_json
from watcher.store.memory import MemoryStore

SOURCE = SourceName("sim")
START = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
AGAIN = timedelta(seconds=30)
"""A deleted job is asked after a second time so much later."""


class Drive:
    """A course of jobs: looked at whenever their scripts say that something happened, or so often."""

    def __init__(self, jobs: Sequence[ScriptedJob], book: Book, *, every: timedelta | None = None) -> None:
        self.jobs, self.book, self.every = jobs, book, every
        self.watches: dict[JobRef, Watch] = {}
        self.deadlines: dict[tuple[str, JobRef, str], RuleDeadline] = {}
        self.fleet = book.new_fleet()
        self.causes = 0

    def run(self, until: timedelta) -> Iterator[Observation]:
        """What is to be committed, in order of time."""
        lives = [states(job) for job in self.jobs]
        looks = [
            (at, index)
            for index, life in enumerate(lives)
            for state in life
            for at in ((state.at, state.at + AGAIN) if state.deleted else (state.at,))
            if at <= until
        ]
        if self.every is not None:
            looks = [(self.every * n, index) for n in range(until // self.every + 1) for index in range(len(lives))]
        for at, index in sorted(dict.fromkeys(looks)):
            yield from self._pass_deadlines(START + at)
            job, now = self.jobs[index], START + at
            ref = JobRef(SOURCE, JobId(job.id))
            held, state = self.watches.get(ref), state_at(lives[index], at)
            cause = self._cause()
            if state is None:
                if held is None:
                    continue
                seen = reading.not_found(held, now=now, cause=cause, absent_from_list=True)
            else:
                answer = json.dumps(get_job(job, state, Moment(START, at))).encode()
                snapshot = snapshot_from_json(answer, source=SOURCE, observed_at=now)
                seen = (
                    reading.first_sight(snapshot, now=now, cause=cause, watching_since=None)
                    if held is None
                    else reading.look(held, snapshot, now=now, cause=cause)
                )
            yield self._commit(held, seen, cause, now)
        yield from self._pass_deadlines(START + until)

    def _cause(self) -> CauseId:
        self.causes += 1
        return CauseId(f"look-{self.causes}")

    def _commit(self, held: Watch | None, seen: reading.Observed, cause: CauseId, now: datetime) -> Observation:
        watch = seen.watch
        self.watches[watch.snapshot.ref] = watch
        self.fleet.note(watch, seen.events, now)
        context = Context(
            now=now,
            job=watch.snapshot,
            previous=None if held is None else held.snapshot,
            phase_since=watch.phase_since,
            course=watch.course,
            fleet=self.fleet,
        )
        follows = consequences(seen.events, context, self.book, now)
        self.book.troubles.note(follows.troubles)
        self._note(follows.deadlines)
        return observation(
            cause,
            now,
            follows,
            expected_version=0 if held is None else held.version,
            watch=watch,
            snapshot_changed=seen.changed,
        )

    def _note(self, deadlines: Sequence[RuleDeadline]) -> None:
        for one in deadlines:
            if one.rule == INVESTIGATOR:  # nobody is there who could answer
                continue
            self.deadlines[one.rule, one.job, one.key] = one

    def _pass_deadlines(self, until: datetime) -> Iterator[Observation]:
        while self.deadlines and min(one.at for one in self.deadlines.values()) <= until:
            key = min(self.deadlines, key=lambda key: (self.deadlines[key].at, key))
            due = self.deadlines.pop(key)
            cause, watch = self._cause(), self.watches[due.job]
            now = max(due.at, watch.snapshot.observed_at)
            passed = DeadlinePassed(
                id=EventId(deterministic_id("deadline.passed", due.rule, due.job, due.key, due.at.isoformat())),
                when=When(observed_at=now, occurred_at=due.at),
                cause=cause,
                job=due.job,
                rule=due.rule,
                key=due.key,
                due_at=due.at,
            )
            context = Context(
                now=now, job=watch.snapshot, phase_since=watch.phase_since, course=watch.course, fleet=self.fleet
            )
            follows = consequences((passed,), context, self.book, now)
            self.book.troubles.note(follows.troubles)
            self._note(follows.deadlines)
            yield observation(cause, now, follows, deadlines_passed=(due,))


@dataclass(frozen=True, slots=True)
class Sent:
    """A message as a receiver got it."""

    at: datetime
    message: Message


@dataclass(slots=True)
class Stage:
    """A drive with a store in memory and receivers that take everything: all that people would see of it."""

    store: MemoryStore = field(default_factory=MemoryStore)
    sent: list[Sent] = field(default_factory=list)

    async def play(self, drive: Drive, until: timedelta) -> None:
        """Commit what is seen; send what is due between two looks at its time."""
        receivers: set[str] = set()
        for seen in drive.run(until):
            await self._send(receivers, seen.at)
            await self.store.commit(seen)
            receivers |= {delivery.receiver for delivery in seen.deliveries}
        await self._send(receivers, START + until)

    async def _send(self, receivers: set[str], until: datetime) -> None:
        while True:
            due = [(at, name) for name in sorted(receivers) if (at := await self.store.next_due(receiver=name))]
            if not due or min(due)[0] >= until:
                return
            at, name = min(due)
            lease = await self.store.lease(name, at)
            assert lease is not None
            cards: dict[JobRef, JobCard] = {}
            for delivery in lease.deliveries:
                ref = delivery.notification.job
                if ref is not None and (watch := await self.store.watch(ref)) is not None:
                    cards[ref] = job_card(watch.snapshot)
            message = compose(
                lease.deliveries,
                cards,
                flush_id=lease.flush_id,
                attempt=lease.attempt,
                thread_reference=lease.thread_reference,
                folded=lease.folded,
            )
            self.sent.append(Sent(at, message))
            thread = lease.thread_reference or f"message {len(self.sent)}"
            receipt = Receipt(reference=f"message {len(self.sent)}", thread_reference=thread)
            await self.store.settle(
                lease, Settlement(state=DeliveryState.DELIVERED, reason=DeliveryReason.ACCEPTED), receipt, at
            )
