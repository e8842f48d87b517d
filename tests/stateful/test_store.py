"""SqlStore and MemoryStore do the same whatever happens, and both keep the laws of the outbox.

Laws, checked against what the test itself committed: no delivery is lost or doubled; what a thread tells a receiver leaves in the
order it was owed; a settled delivery never changes again; there is always something to wait for while something is owed.
"""

from __future__ import annotations

import tempfile
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from anyio.from_thread import BlockingPortal, start_blocking_portal
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from watcher.core.delivery import (
    LEGAL,
    TERMINAL_STATES,
    Delivery,
    DeliveryId,
    DeliveryReason,
    DeliveryState,
    Failure,
    Outcome,
    Receipt,
)
from watcher.core.events import EventId
from watcher.core.model import JobRef
from watcher.core.phases import Phase
from watcher.core.rule import Decision, RuleDeadline, RuleReason, Severity
from watcher.errors import StaleObservation
from watcher.ports.store import Lease, Observation, Store
from watcher.store.memory import MemoryStore
from watcher.store.sql import SqlStore
from watcher.testing.store_contract import (
    CAUSE,
    FAR_JOB,
    JOB,
    OTHER_JOB,
    T0,
    a_delivery,
    a_watch,
    an_event,
    settlement_for,
)

JOBS = (JOB, OTHER_JOB, FAR_JOB)
RECEIVERS = ("team", "oncall")
CROWDED_JOBS, CROWDED_RECEIVERS = (JOB, JOB, JOB, OTHER_JOB), ("team", "team", "team", "oncall")  # so that news meet
GROUPS = ("by job", "urgent", "all")
WAITS = (timedelta(0), timedelta(seconds=3), timedelta(minutes=5))
OUTCOMES: tuple[Outcome, ...] = (
    Receipt(reference="r", thread_reference="root"),
    Receipt(reference="r"),
    Failure(error="no answer"),
    Failure(error="slow down", retry_after=timedelta(minutes=20)),
    Failure(error="broken off", ambiguous=True),
    Failure(error="no such channel", permanent=True),
)

owed_news = st.lists(
    st.tuples(
        st.sampled_from(CROWDED_JOBS),
        st.sampled_from(CROWDED_RECEIVERS),
        st.sampled_from(GROUPS),
        st.sampled_from(WAITS),
        st.sampled_from(WAITS),
        st.sampled_from(("job.failed", "job.succeeded", "pod.evicted")),
        st.sampled_from(Severity),
    ),
    max_size=4,
)


class BothStores(RuleBasedStateMachine):
    portal: BlockingPortal  # one event loop for all examples

    def __init__(self) -> None:
        super().__init__()
        self.closing = ExitStack()
        self.path = Path(self.closing.enter_context(tempfile.TemporaryDirectory())) / "watcher.db"
        self.memory = MemoryStore()
        self.sql = self._opened()
        self.now = T0
        self.number = 0
        self.versions: dict[JobRef, int] = {}
        self.owed: dict[DeliveryId, Delivery] = {}
        self.seen: dict[DeliveryId, Delivery] = {}
        self.pruned: set[DeliveryId] = set()
        self.left: dict[tuple[str, str], list[DeliveryId]] = {}
        self.flying: dict[str, Lease] = {}
        self.last: Observation | None = None

    def _opened(self) -> SqlStore:
        store = SqlStore(f"sqlite:///{self.path}")
        self.portal.call(store.open)
        return store

    def both(self, ask: Callable[[Store], Awaitable[Any]]) -> Any:
        """The same of both; what they raise counts as an answer."""
        answers = []
        for store in (self.memory, self.sql):
            try:
                answers.append(self.portal.call(ask, store))
            except StaleObservation as exc:
                answers.append(str(exc))
        assert answers[0] == answers[1]
        return answers[0]

    def teardown(self) -> None:
        self.portal.call(self.sql.aclose)
        self.closing.close()

    # --- what may happen -------------------------------------------------------------------------------------------------------

    @rule(
        job=st.sampled_from(JOBS),
        status=st.sampled_from(["Queuing", "Running", "Failed"]),
        news=owed_news,
        deadline=st.sampled_from([None, *WAITS]),
        changed=st.booleans(),
        late=st.sampled_from([0, 0, 0, 0, 1, -1]),
    )
    def observe(self, *, job: JobRef, status: str, news: Any, deadline: Any, changed: bool, late: int) -> None:
        owed = []
        for about, receiver, group, wait, apart, kind, severity in news:
            self.number += 1
            key = f"{group}:{about}" if group != "all" else group
            thread = f"job:{about}" if group != "all" else "group:all"
            one = a_delivery(
                self.number,
                receiver=receiver,
                job=about,
                at=self.now,
                wait=wait,
                apart=apart,
                group=key,
                thread=thread,
            )
            owed.append(replace(one, notification=replace(one.notification, kind=kind, severity=severity, rule=kind)))
        expected = max(self.versions.get(job, 0) + late, 0)
        watch = a_watch(job, version=expected + 1, status=status, at=self.now)
        event = an_event(self.number, job=job, at=self.now)
        observation = Observation(
            cause=CAUSE,
            at=self.now,
            expected_version=expected,
            watch=watch,
            snapshot_changed=changed,
            events=(event,),
            decisions=(
                Decision(event.id, "r", RuleReason.NOTIFIED, status),
                Decision(EventId("?"), job.job_id, RuleReason.FAILED),
            ),
            notifications=tuple(delivery.notification for delivery in owed),
            deliveries=tuple(owed),
            deadlines=()
            if deadline is None
            else (RuleDeadline(rule="r", job=job, key="k", at=self.now + deadline, cause=CAUSE),),
        )
        answer = self.both(lambda store: store.commit(observation))
        if expected != self.versions.get(job, 0):
            assert "is no longer at version" in answer
            return
        self.versions[job] = watch.version
        self.owed |= {delivery.id: delivery for delivery in owed}
        self.last = observation

    @precondition(lambda self: self.last is not None)
    @rule()
    def observe_the_same_again(self) -> None:
        assert self.last is not None
        known = [d for d in self.last.deliveries if d.id not in self.pruned]
        again = replace(
            self.last, watch=None, deadlines=(), events=(), decisions=(), notifications=(), deliveries=tuple(known)
        )
        self.both(lambda store: store.commit(again))

    @rule(
        length=st.sampled_from([timedelta(seconds=1), timedelta(seconds=40), timedelta(minutes=11), timedelta(hours=9)])
    )
    def time_passes(self, length: timedelta) -> None:
        self.now += length

    @rule(receiver=st.sampled_from(RECEIVERS))
    def lease(self, receiver: str) -> None:
        lease: Lease | None = self.both(lambda store: store.lease(receiver, self.now))
        if lease is None:
            due = self.both(lambda store: store.next_due(receiver=receiver))
            assert due is None or due > self.now, "what is due can be had"
            return
        assert lease.flush_id not in self.flying, "nothing is leased twice"
        self.flying[lease.flush_id] = lease
        together = {delivery.id for delivery in lease.deliveries}
        threads = {delivery.thread_key for delivery in lease.deliveries}
        self._folded_for(lease)
        together |= {row.id for row in lease.folded}
        newest = list(self.owed).index(lease.deliveries[-1].id)
        for older in list(self.owed.values())[:newest]:
            if older.receiver == receiver and older.thread_key in threads and older.id not in together:
                done = older.id in self.pruned or self.seen[older.id].state in TERMINAL_STATES
                assert done or self._newer_than_its_thread_in(lease, older), "nothing overtakes in a thread"
        if lease.attempt == 1:
            for delivery in lease.deliveries:
                self.left.setdefault((receiver, delivery.thread_key), []).append(delivery.id)

    def _folded_for(self, lease: Lease) -> None:
        """What is left out is overtaken by newer news of the same job, which this receiver hears with this message or has heard."""
        order = list(self.owed)
        left_out = [
            row
            for row in self._rows()
            if row.reason is DeliveryReason.OVERTAKEN and self.seen[row.id].state is DeliveryState.PENDING
        ]
        live = self.both(lambda store: store.watches())
        running = {watch.snapshot.ref for watch in live if watch.snapshot.phase is Phase.RUNNING}
        for row in left_out:
            by = next(one for one in self.owed.values() if f"(notification {one.notification.id}, " in row.error)
            held = next(one for one in self._rows() if one.id == by.id)
            assert (by.receiver, by.notification.job) == (row.receiver, row.notification.job)
            assert order.index(by.id) > order.index(row.id)
            assert held.flush_id == row.flush_id
            assert held.state in {DeliveryState.SENDING, DeliveryState.DELIVERED}
            if row.notification.severity is Severity.CRITICAL:
                said = by.notification
                over = said.kind.startswith("job.") or said.severity is Severity.CRITICAL or said.job in running
                assert over, "nothing critical that still holds is left out"
        if lease.attempt == 1:
            assert all(row in left_out for row in lease.folded)

    def _rows(self) -> tuple[Delivery, ...]:
        rows: tuple[Delivery, ...] = self.portal.call(lambda: self.memory.deliveries(limit=10_000))
        return rows

    def _newer_than_its_thread_in(self, lease: Lease, delivery: Delivery) -> bool:
        """Whether what leaves of its thread is all older than it."""
        order = list(self.owed)
        leaving = [order.index(other.id) for other in lease.deliveries if other.thread_key == delivery.thread_key]
        return max(leaving) < order.index(delivery.id)

    @precondition(lambda self: self.flying)
    @rule(pick=st.integers(0, 9), outcome=st.sampled_from(OUTCOMES))
    def settle(self, pick: int, outcome: Outcome) -> None:
        lease = self.flying.pop(sorted(self.flying)[pick % len(self.flying)])
        settlement = settlement_for(lease, outcome, self.now)
        receipt = outcome if isinstance(outcome, Receipt) else None
        self.both(lambda store: store.settle(lease, settlement, receipt, self.now))
        self.both(lambda store: store.settle(lease, settlement, receipt, self.now))  # said twice, it counts once

    @rule()
    def restart(self) -> None:
        self.portal.call(self.sql.aclose)
        self.sql = self._opened()
        released = self.both(lambda store: store.release(self.now))
        assert released == sum(len(lease.deliveries) for lease in self.flying.values())
        self.flying.clear()

    @rule()
    def answer_deadlines(self) -> None:
        due = self.both(lambda store: store.due_deadlines(self.now))
        passed = Observation(cause=CAUSE, at=self.now, deadlines_passed=due)
        self.both(lambda store: store.commit(passed))
        soonest: datetime | None = self.both(lambda store: store.next_due())
        assert soonest is None or soonest > self.now

    @rule(age=st.sampled_from([timedelta(0), timedelta(minutes=10)]))
    def prune(self, age: timedelta) -> None:
        before = {delivery.id: delivery for delivery in self.both(lambda store: store.deliveries(limit=10_000))}
        self.both(lambda store: store.prune(self.now - age))
        after = {delivery.id for delivery in self.both(lambda store: store.deliveries(limit=10_000))}
        dropped = before.keys() - after
        assert all(before[gone].state in TERMINAL_STATES for gone in dropped), "what is owed is never dropped"
        self.pruned |= dropped
        kept = {watch.snapshot.ref for watch in self.both(lambda store: store.watches(live_only=False))}
        self.versions = {job: version for job, version in self.versions.items() if job in kept}

    # --- what always holds -----------------------------------------------------------------------------------------------------

    @invariant()
    def nothing_owed_is_lost_and_nothing_settled_changes(self) -> None:
        rows: tuple[Delivery, ...] = self.both(lambda store: store.deliveries(limit=10_000))
        assert [row.id for row in rows] == [owed for owed in self.owed if owed not in self.pruned]
        for row in rows:
            before = self.seen.get(row.id, self.owed[row.id])
            if before.state in TERMINAL_STATES:
                assert row == before
            elif row.state is not before.state:
                hop = DeliveryState.SENDING  # a rule makes at most two steps
                assert row.state in LEGAL[before.state] or row.state in LEGAL[hop]
            assert row.flush_id == before.flush_id or before.flush_id is None, "a flush stays what it was"
            self.seen[row.id] = row

    @invariant()
    def a_thread_is_told_in_order(self) -> None:
        order = {delivery_id: position for position, delivery_id in enumerate(self.owed)}
        for told in self.left.values():
            assert [order[delivery_id] for delivery_id in told] == sorted(order[delivery_id] for delivery_id in told)

    @invariant()
    def whatever_is_owed_has_a_time_or_is_on_its_way(self) -> None:
        for receiver in RECEIVERS:
            waiting = frozenset(DeliveryState) - TERMINAL_STATES
            rows = self.both(lambda store, r=receiver, w=waiting: store.deliveries(receiver=r, states=w))
            due = self.both(lambda store, r=receiver: store.next_due(receiver=r))
            flying = any(row.state is DeliveryState.SENDING for row in rows)
            assert bool(rows) == (due is not None or flying)

    @invariant()
    def both_tell_the_same(self) -> None:
        for job in JOBS:
            self.both(lambda store, j=job: store.story(j))
            self.both(lambda store, j=job: store.watch(j))
        self.both(lambda store: store.counts())
        self.both(lambda store: store.watches())
        self.both(lambda store: store.events(limit=7))


def test_both_stores_do_the_same_and_keep_the_laws() -> None:
    with start_blocking_portal() as portal:

        class Machine(BothStores):
            pass

        Machine.portal = portal
        run_state_machine_as_test(
            Machine,
            settings=settings(
                max_examples=8,
                stateful_step_count=25,
                deadline=None,
                suppress_health_check=list(HealthCheck),
                print_blob=True,
            ),
        )
