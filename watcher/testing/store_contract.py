"""The contract of `watcher.ports.store.Store`, as tests: each sentence of the Protocol's docstrings is one.

An adapter runs them by naming how it is made:

    class TestMyStore(StoreContract):
        @pytest.fixture
        def make_store(self, tmp_path):
            return lambda: MyStore(tmp_path / "kept")

Every call of what `make_store` gives returns a new, unopened Store over the same place. `durable = False` says that nothing
outlives the object. The functions that make sample values are public, too.

Longer than other modules because a contract is best read in one piece.
"""
# ruff: noqa: D102, PLR2004, S101 - these are tests: their names are the sentences, they assert, and they name literal values

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

import anyio
import pytest

from watcher.core.backlog import Backlog
from watcher.core.breaker import Breaker, heard
from watcher.core.delivery import (
    Delivery,
    DeliveryId,
    DeliveryReason,
    DeliveryState,
    Failure,
    FlushId,
    Outcome,
    Receipt,
    Settlement,
    settle,
)
from watcher.core.ends import owed_end
from watcher.core.events import CauseId, Event, EventId, JobStatusChanged, WatchBlind, When
from watcher.core.fleet import brief_of
from watcher.core.inhibition import Inhibit, Inhibiting
from watcher.core.interventions import Action, Intervention
from watcher.core.living import CardLoss, LivingCard
from watcher.core.matching import Matcher
from watcher.core.model import Doubts, JobId, JobRef, JobSnapshot, PodSnapshot, SourceName, Watch
from watcher.core.ongoing import Ongoing
from watcher.core.phases import Phase, phase_of
from watcher.core.recipients import Acceptance, RecipientOutcome
from watcher.core.rule import Absorption, Decision, Notification, NotificationId, RuleDeadline, RuleReason, Severity
from watcher.core.sight import Sight
from watcher.core.silencing import Silencing, SilencingId
from watcher.core.trouble import Trouble, TroubleEnd
from watcher.core.withholding import withheld
from watcher.errors import StaleObservation
from watcher.ports.store import Lease, Observation, Store

T0 = datetime(2026, 3, 1, 8, 0, 0, 123456, tzinfo=UTC)
"""When every sample begins. Has microseconds, so that a store that drops them is found out."""
MOMENT = timedelta(seconds=1)
CAUSE = CauseId("cause-1")
JOB = JobRef(SourceName("hangzhou"), JobId("dlc-1"))
OTHER_JOB = JobRef(SourceName("hangzhou"), JobId("dlc-2"))
FAR_JOB = JobRef(SourceName("beijing"), JobId("dlc-1"))
NOBODY: frozenset[JobRef] = frozenset()
ACCEPTED = Receipt(reference="m1", thread_reference="root", place="#ml-jobs", note="")
PARTLY = Receipt(
    reference="m1",
    thread_reference="root-1",
    place="has@example.com",
    note="accepted by 1 of 3",
    recipients=(
        RecipientOutcome("has@example.com", Acceptance.ACCEPTED),
        RecipientOutcome("gone@example.com", Acceptance.REFUSED, "550 no such user"),
        RecipientOutcome("late@example.com", Acceptance.DEFERRED, "451 greylisted"),
    ),
)


def a_watch(
    job: JobRef = JOB, *, version: int = 1, status: str = "Running", at: datetime = T0, name: str = ""
) -> Watch:
    """What is held about a job, with members of every kind filled."""
    snapshot = JobSnapshot(
        ref=job,
        observed_at=at,
        status=status,
        name=name or "zug <b>&\u00fc\u4e2d\U0001f680",
        created_at=T0 - timedelta(hours=1),
        duration=timedelta(seconds=90),
        pods=(
            PodSnapshot("pod-0", uid="u1", status=status, history=(PodSnapshot("pod-0", uid="u0", status="Failed"),)),
        ),
    )
    return Watch(snapshot, version, T0, T0, doubts=Doubts(not_found_since=T0, not_found_count=1))


def an_event(
    number: int = 1, *, job: JobRef = JOB, at: datetime = T0, old: str = "Queuing", new: str = "Running"
) -> Event:
    """A change of a job's status; the number makes its id."""
    return JobStatusChanged(
        id=EventId(f"event-{number}"),
        when=When(observed_at=at),
        cause=CAUSE,
        job=job,
        old_status=old,
        new_status=new,
        old_phase=phase_of(old),
        new_phase=phase_of(new),
    )


def a_notification(number: int = 1, *, job: JobRef | None = JOB, at: datetime = T0) -> Notification:
    """What a rule said; the number makes its id."""
    return Notification(
        id=NotificationId(f"notification-{number}"),
        rule="job-failed",
        severity=Severity.CRITICAL,
        headline=f"news {number} \u2713",
        facts=(("Reason", "OOM"),),
        detail="",
        event_id=EventId(f"event-{number}"),
        kind="job.failed",
        at=at,
        observed_at=at,
        job=job,
        cause=CAUSE,
        labels=(("job", (str(job or ""),)), ("tag", ("a", "b"))),
    )


def a_delivery(
    number: int = 1,
    *,
    receiver: str = "team",
    job: JobRef | None = JOB,
    at: datetime = T0,
    wait: timedelta = timedelta(0),
    apart: timedelta = timedelta(0),
    group: str | None = None,
    thread: str | None = None,
) -> Delivery:
    """What is owed for that notification: by default grouped and threaded by the job, due at once."""
    return Delivery(
        id=DeliveryId(f"delivery-{number}-{receiver}"),
        receiver=receiver,
        notification=a_notification(number, job=job, at=at),
        group_key=group if group is not None else f"route{{job={str(job or '')!r}}}",
        thread_key=thread if thread is not None else (f"job:{job}" if job else "group:route{}"),
        not_before=at + wait,
        apart=apart,
        created_at=at,
    )


def a_card() -> LivingCard:
    """A job's card with members of every kind filled."""
    return LivingCard(
        receiver="team",
        job=JOB,
        target="#ml-jobs",
        generation=2,
        reference="171.2",
        place="C0ML0JOBS",
        posted_at=T0 - MOMENT,
        attempt=3,
        first_attempt_at=T0 - 2 * MOMENT,
        replies=2,
        shown="f1",
        news=7,
        seen=3,
        next_at=T0,
        failures=1,
        lost=CardLoss.DELETED,
        previous="171.1",
        previous_place="C0OLD0000",
        why=CardLoss.FULL,
    )


def a_silence(number: int = 1) -> Silencing:
    """A silence of an hour, with tests of every sort; the number makes its id."""
    match = Matcher.of(
        {"name": ["prod-*", "caf\u00e9"], "user": {"not": "bob", "regex": "svc-[0-9]+", "not_regex": "x"}}
    )
    return Silencing(
        id=SilencingId(f"silence-{number}"),
        match=match,
        created_at=T0,
        until=T0 + timedelta(hours=1),
        author="ann \u2713",
        comment="maintenance",
    )


def an_absorption(job: JobRef = JOB) -> Absorption:
    """Larger news that begins, and takes in what is said about that job."""
    return Absorption(into=NotificationId("storm-1"), rules=frozenset({"job-failed"}), jobs=frozenset({job}), since=T0)


def an_observation(*owed: Delivery, watch: Watch | None = None, at: datetime = T0) -> Observation:
    """An observation that owes these deliveries; the watch's predecessor is expected."""
    return Observation(
        cause=CAUSE,
        at=at,
        expected_version=watch.version - 1 if watch else 0,
        watch=watch,
        snapshot_changed=watch is not None,
        notifications=tuple(delivery.notification for delivery in owed),
        deliveries=owed,
    )


def settlement_for(lease: Lease, outcome: Outcome, now: datetime) -> Settlement:
    """What the core makes of an attempt's outcome, without luck in the wait."""
    return settle(outcome, attempt=lease.attempt, first_attempt_at=lease.first_attempt_at, now=now, jitter=1.0)


async def leased(store: Store, now: datetime = T0, receiver: str = "team") -> Lease:
    """A lease that must be there."""
    lease = await store.lease(receiver, now)
    assert lease is not None
    return lease


async def send(store: Store, outcome: Outcome = ACCEPTED, now: datetime = T0, receiver: str = "team") -> Lease:
    """Lease, and settle with this outcome."""
    lease = await leased(store, now, receiver)
    receipt = outcome if isinstance(outcome, Receipt) else None
    await store.settle(lease, settlement_for(lease, outcome, now), receipt, now)
    return lease


def a_trouble(
    number: int = 1, *, job: JobRef | None = JOB, ongoing: Ongoing = Ongoing.FAILED, at: datetime = T0
) -> Trouble:
    """What a notification opened; the number makes its id."""
    said = replace(a_notification(number, job=job, at=at), ongoing=ongoing)
    return Trouble(notification=said, ongoing=ongoing, opened_at=at)


class StoreContract:
    """Derive, and give the fixture `make_store`."""

    pytestmark = pytest.mark.anyio
    durable: ClassVar[bool] = True
    """Whether a second Store over the same place finds what the first one kept."""

    @pytest.fixture
    def make_store(self) -> Callable[[], Store]:
        raise TypeError(
            "a contract is kept by a subclass: give it a fixture make_store that returns a function making a Store"
        )

    @pytest.fixture
    async def store(self, make_store: Callable[[], Store]) -> AsyncIterator[Store]:
        store = make_store()
        await store.open()
        yield store
        await store.aclose()

    # --- opening and closing ---------------------------------------------------------------------------------------------------

    async def test_a_new_store_is_empty(self, store: Store) -> None:
        assert await store.watches(live_only=False) == ()
        assert await store.events() == ()
        assert await store.deliveries() == ()
        assert await store.sights() == ()
        assert await store.story(JOB) == ()
        assert await store.next_due() is None
        assert await store.next_due(receiver="team") is None
        assert await store.lease("team", T0) is None
        assert set((await store.counts()).values()) == {0}

    async def test_it_may_be_opened_and_closed_twice(self, make_store: Callable[[], Store]) -> None:
        store = make_store()
        await store.open()
        await store.open()
        await store.aclose()
        await store.aclose()

    async def test_what_was_kept_is_there_after_opening_again_where_the_store_is_durable(
        self, make_store: Callable[[], Store]
    ) -> None:
        store, again = make_store(), make_store()
        await store.open()
        await store.commit(replace(an_observation(a_delivery(), watch=a_watch()), events=(an_event(),)))
        lease = await send(store)
        kept = (
            await store.watches(),
            await store.events(),
            await store.deliveries(),
            await store.story(JOB),
            await store.counts(),
        )
        await store.aclose()
        assert kept[2][0].flush_id == lease.flush_id
        await again.open()
        try:
            found = (
                await again.watches(),
                await again.events(),
                await again.deliveries(),
                await again.story(JOB),
                await again.counts(),
            )
            assert (found == kept) is self.durable
            assert (found[0] == ()) is not self.durable
        finally:
            await again.aclose()

    # --- committing ------------------------------------------------------------------------------------------------------------

    async def test_what_is_held_about_a_job_comes_back_as_it_was(self, store: Store) -> None:
        await store.commit(an_observation(watch=a_watch()))
        assert await store.watch(JOB) == a_watch()
        assert await store.watch(OTHER_JOB) is None
        assert await store.watch(FAR_JOB) is None, "the same id in another source is another job"

    async def test_live_jobs_are_told_from_ended_and_vanished_ones(self, store: Store) -> None:
        live, ended = a_watch(JOB), a_watch(OTHER_JOB, status="Failed")
        gone, strange = (
            replace(a_watch(FAR_JOB), vanished=True),
            a_watch(JobRef(SourceName("x"), JobId("y")), status="New!"),
        )
        for watch in (live, ended, gone, strange):
            await store.commit(an_observation(watch=watch))
        assert set(await store.watches()) == {live, strange}
        assert set(await store.watches(live_only=False)) == {live, ended, gone, strange}
        assert set(await store.watches(live_only=False, source=SourceName("hangzhou"))) == {live, ended}
        assert set(await store.watches(source=SourceName("beijing"))) == set()

    async def test_of_many_that_commit_at_once_each_keeps_its_own_and_a_stale_one_takes_no_other_with_it(
        self, store: Store
    ) -> None:
        refs = [JobRef(SourceName("many"), JobId(f"dlc{number}")) for number in range(30)]
        stale: list[JobRef] = []

        async def commit(ref: JobRef, status: str) -> None:
            news = replace(an_event(job=ref), id=EventId(f"{ref.job_id} {status}"))
            try:
                await store.commit(replace(an_observation(watch=a_watch(ref, status=status)), events=(news,)))
            except StaleObservation:
                stale.append(ref)

        async with anyio.create_task_group() as tasks:
            for ref in refs:
                tasks.start_soon(commit, ref, "Running")
                tasks.start_soon(commit, ref, "Queuing")
        assert sorted(stale) == sorted(refs), "one of two looks at one version is the first"
        kept = {watch.snapshot.ref: watch.snapshot.status for watch in await store.watches()}
        assert set(kept) == set(refs)
        told = {event.id for event in await store.events()}
        assert told == {f"{ref.job_id} {status}" for ref, status in kept.items()}

    async def test_a_brief_says_of_each_job_what_a_start_needs(self, store: Store) -> None:
        here, there = a_watch(JOB, version=1), a_watch(FAR_JOB, status="Failed")
        for watch in (here, there):
            await store.commit(an_observation(watch=watch))
        assert set(await store.briefs()) == {brief_of(here), brief_of(there)}
        moved_on = a_watch(JOB, version=2, status="Stopping", name="renamed")
        await store.commit(an_observation(watch=moved_on))
        assert await store.briefs(source=JOB.source) == (brief_of(moved_on),)
        assert await store.briefs(source=SourceName("nowhere")) == ()

    async def test_jobs_are_read_a_few_at_a_time_in_order(self, store: Store) -> None:
        refs = sorted(JobRef(SourceName(source), JobId(f"dlc{number}")) for source in "ab" for number in range(4))
        for ref in refs:
            await store.commit(
                an_observation(watch=a_watch(ref, status="Failed" if ref.job_id == "dlc2" else "Running"))
            )
        found, after = [], None
        while some := await store.watches(after=after, limit=2):
            assert len(some) <= 2
            found += [watch.snapshot.ref for watch in some]
            after = found[-1]
        assert found == [ref for ref in refs if ref.job_id != "dlc2"]
        assert len(await store.watches(live_only=False, after=refs[2])) == 5
        assert len(await store.watches(after=refs[1], source=SourceName("a"))) == 1

    async def test_the_second_of_two_looks_at_one_version_is_stale_and_writes_nothing(self, store: Store) -> None:
        await store.commit(an_observation(watch=a_watch()))
        late = replace(
            an_observation(a_delivery(), watch=a_watch(status="Failed")),
            events=(an_event(),),
            decisions=(Decision(EventId("event-1"), "job-failed", RuleReason.NOTIFIED),),
            deadlines=(RuleDeadline(rule="r", job=JOB, key="k", at=T0, cause=CAUSE),),
            sight=Sight(source=SourceName("hangzhou"), watching_since=T0),
        )
        before = await store.counts()
        for expected in (0, 2, 7):
            watch = replace(late.watch or a_watch(), version=expected + 1)
            with pytest.raises(StaleObservation):
                await store.commit(replace(late, expected_version=expected, watch=watch))
        assert await store.counts() == before
        assert await store.watch(JOB) == a_watch()
        assert await store.events() == ()
        assert await store.sights() == ()

    async def test_an_unknown_job_cannot_be_at_a_version(self, store: Store) -> None:
        with pytest.raises(StaleObservation):
            await store.commit(an_observation(watch=a_watch(version=5)))
        assert await store.watch(JOB) is None

    async def test_versions_follow_one_another(self, store: Store) -> None:
        for version, status in enumerate(("Queuing", "Running", "Succeeded"), start=1):
            await store.commit(an_observation(watch=a_watch(version=version, status=status)))
        assert await store.watch(JOB) == a_watch(version=3, status="Succeeded")

    async def test_a_version_that_does_not_follow_is_a_mistake_of_the_caller(self, store: Store) -> None:
        with pytest.raises(ValueError, match="does not follow"):
            await store.commit(replace(an_observation(watch=a_watch(version=2)), expected_version=0))
        assert await store.watch(JOB) is None

    async def test_a_look_at_no_job_needs_no_version(self, store: Store) -> None:
        blind = WatchBlind(
            id=EventId("b"),
            when=When(observed_at=T0),
            cause=CAUSE,
            source=SourceName("hangzhou"),
            since=T0,
            permanent=True,
            error="the key was refused",
        )
        sight = Sight(
            source=SourceName("hangzhou"),
            watching_since=T0,
            failing_since=T0,
            blind_since=T0,
            error="refused",
            seen_at=T0,
        )
        owed = a_delivery(job=None)
        await store.commit(replace(an_observation(owed), events=(blind,), sight=sight))
        await store.commit(replace(an_observation(), sight=replace(sight, source=SourceName("beijing"))))
        assert await store.events() == (blind,)
        assert set(await store.sights()) == {sight, replace(sight, source=SourceName("beijing"))}
        assert await store.deliveries() == (owed,)

    async def test_a_sight_is_replaced_by_a_newer_one(self, store: Store) -> None:
        old = Sight(source=SourceName("hangzhou"), watching_since=T0, failing_since=T0, error="no answer")
        new = replace(old, failing_since=None, error="")
        await store.commit(replace(an_observation(), sight=old))
        await store.commit(replace(an_observation(), sight=new))
        assert await store.sights() == (new,)

    async def test_events_notifications_and_deliveries_already_there_are_left_as_they_are(self, store: Store) -> None:
        first = replace(an_observation(a_delivery(), watch=a_watch()), events=(an_event(),))
        await store.commit(first)
        await send(store)
        held = await store.deliveries(), await store.events(), await store.counts()
        loud = replace(a_notification(), headline="changed")
        again = replace(
            first,
            watch=None,
            events=(an_event(new="Failed"),),
            notifications=(loud,),
            deliveries=(replace(a_delivery(at=T0 + MOMENT), notification=loud),),
        )
        await store.commit(again)
        assert (await store.deliveries(), await store.events(), await store.counts()) == held
        assert await store.lease("team", T0 + timedelta(days=9)) is None, "what was told is not told again"

    async def test_one_notification_can_be_owed_to_several_receivers(self, store: Store) -> None:
        await store.commit(an_observation(a_delivery(), a_delivery(receiver="oncall")))
        assert (await store.counts())["notifications"] == 1
        assert (await leased(store)).deliveries[0].notification == a_notification()
        assert (await leased(store, receiver="oncall")).deliveries[0].notification == a_notification()

    # --- deadlines -------------------------------------------------------------------------------------------------------------

    @staticmethod
    def _deadline(key: str = "k", at: datetime = T0, job: JobRef = JOB) -> RuleDeadline:
        return RuleDeadline(rule="stuck-pending", job=job, key=key, at=at, cause=CAUSE)

    async def test_due_deadlines_come_earliest_first_and_stay_until_they_are_named(self, store: Store) -> None:
        early, late, future = (self._deadline(key, T0 + n * MOMENT) for n, key in enumerate(("c", "b", "a")))
        await store.commit(replace(an_observation(), deadlines=(late, future, early)))
        assert await store.due_deadlines(T0 + MOMENT) == (early, late)
        assert await store.due_deadlines(T0 + MOMENT) == (early, late)
        assert await store.due_deadlines(T0 + MOMENT, limit=1) == (early,)
        assert await store.next_due() == T0
        await store.commit(replace(an_observation(), deadlines_passed=(early,)))
        assert await store.due_deadlines(T0 + MOMENT) == (late,)
        assert await store.next_due() == T0 + MOMENT

    async def test_the_deadlines_of_one_owner_are_told_whether_they_have_come_or_not(self, store: Store) -> None:
        mine = replace(self._deadline(), rule="@minder", at=T0 + 9 * MOMENT)
        sooner = replace(mine, key="another", at=T0)
        await store.commit(replace(an_observation(), deadlines=(self._deadline(), mine, sooner)))
        assert await store.deadlines("@minder") == (sooner, mine)
        assert await store.deadlines("nobody") == ()

    async def test_a_deadline_under_a_known_rule_job_and_key_is_moved(self, store: Store) -> None:
        other = self._deadline(job=OTHER_JOB, at=T0 + 9 * MOMENT)
        await store.commit(replace(an_observation(), deadlines=(self._deadline(), other)))
        moved = self._deadline(at=T0 + 5 * MOMENT)
        await store.commit(replace(an_observation(), deadlines=(self._deadline(at=T0 + MOMENT), moved)))
        assert await store.due_deadlines(T0 + 9 * MOMENT) == (moved, other)

    async def test_a_deadline_that_passes_can_be_set_again_in_the_same_observation(self, store: Store) -> None:
        await store.commit(replace(an_observation(), deadlines=(self._deadline(),)))
        again = self._deadline(at=T0 + MOMENT)
        await store.commit(replace(an_observation(), deadlines=(again,), deadlines_passed=(self._deadline(),)))
        assert await store.due_deadlines(T0 + MOMENT) == (again,)

    async def test_a_deadline_moved_meanwhile_does_not_end_with_the_old_one(self, store: Store) -> None:
        moved = self._deadline(at=T0 + MOMENT)
        await store.commit(replace(an_observation(), deadlines=(self._deadline(),)))
        await store.commit(replace(an_observation(), deadlines=(moved,)))
        await store.commit(replace(an_observation(), deadlines_passed=(self._deadline(),)))
        assert await store.due_deadlines(T0 + MOMENT) == (moved,)

    # --- leasing ---------------------------------------------------------------------------------------------------------------

    async def test_a_lease_marks_its_deliveries_as_sending_before_anything_is_sent(self, store: Store) -> None:
        await store.commit(an_observation(a_delivery()))
        lease = await leased(store, T0 + MOMENT)
        assert (lease.receiver, lease.attempt, lease.first_attempt_at) == ("team", 1, T0 + MOMENT)
        assert lease.thread_reference == ""
        assert lease.deliveries == await store.deliveries()
        (row,) = lease.deliveries
        assert (row.state, row.reason, row.attempt) == (DeliveryState.SENDING, DeliveryReason.LEASED, 1)
        assert (row.flush_id, row.first_attempt_at) == (lease.flush_id, T0 + MOMENT)
        assert row == replace(
            a_delivery(),
            state=row.state,
            reason=row.reason,
            attempt=1,
            flush_id=row.flush_id,
            first_attempt_at=T0 + MOMENT,
        )

    async def test_nothing_is_leased_before_its_time(self, store: Store) -> None:
        await store.commit(an_observation(a_delivery(wait=MOMENT)))
        assert await store.lease("team", T0 + MOMENT - timedelta(microseconds=1)) is None
        assert await store.next_due(receiver="team") == T0 + MOMENT
        assert (await leased(store, T0 + MOMENT)).attempt == 1

    async def test_all_that_waits_in_a_group_leaves_together(self, store: Store) -> None:
        first, second = a_delivery(1, wait=MOMENT), a_delivery(2, at=T0 + MOMENT, wait=MOMENT)
        await store.commit(an_observation(first))
        await store.commit(an_observation(second, a_delivery(3, job=OTHER_JOB, at=T0 + 2 * MOMENT)))
        lease = await leased(store, T0 + MOMENT)
        assert [delivery.id for delivery in lease.deliveries] == [first.id, second.id]

    async def test_the_group_with_the_oldest_news_goes_first(self, store: Store) -> None:
        await store.commit(an_observation(a_delivery(1, wait=MOMENT), a_delivery(2, job=OTHER_JOB)))
        assert (await leased(store, T0 + MOMENT)).deliveries[0].id == a_delivery(1).id
        assert (await leased(store, T0 + MOMENT)).deliveries[0].id == a_delivery(2).id

    async def test_a_group_whose_time_has_not_come_does_not_hold_up_others(self, store: Store) -> None:
        await store.commit(an_observation(a_delivery(1, wait=MOMENT), a_delivery(2, job=OTHER_JOB)))
        assert (await leased(store)).deliveries[0].id == a_delivery(2).id

    async def test_receivers_do_not_wait_for_each_other(self, store: Store) -> None:
        await store.commit(an_observation(a_delivery(1), a_delivery(1, receiver="oncall")))
        await leased(store)
        assert (await leased(store, receiver="oncall")).receiver == "oncall"
        assert await store.lease("nobody", T0) is None

    async def test_a_group_with_a_flush_on_its_way_gives_nothing_newer(self, store: Store) -> None:
        await store.commit(an_observation(a_delivery(1)))
        await leased(store)
        await store.commit(an_observation(a_delivery(2), a_delivery(3, thread="another thread")))
        assert await store.lease("team", T0) is None
        assert await store.next_due(receiver="team") is None, "the settling is what it waits for, not a time"

    async def test_a_thread_with_a_flush_on_its_way_gives_nothing_newer(self, store: Store) -> None:
        await store.commit(an_observation(a_delivery(1, group="g1")))
        lease = await leased(store)
        await store.commit(an_observation(a_delivery(2, group="g2")))
        assert await store.lease("team", T0) is None
        await store.settle(lease, settlement_for(lease, ACCEPTED, T0), ACCEPTED, T0)
        assert (await leased(store)).deliveries[0].id == a_delivery(2).id

    async def test_a_thread_keeps_its_order_across_groups(self, store: Store) -> None:
        slow, quick = a_delivery(1, group="slow", wait=timedelta(minutes=5)), a_delivery(2, group="quick", wait=MOMENT)
        await store.commit(an_observation(slow))
        await store.commit(an_observation(quick))
        assert await store.lease("team", T0) is None
        assert await store.next_due(receiver="team") == T0 + MOMENT, "what waits behind it makes it due"
        assert (await send(store, now=T0 + MOMENT)).deliveries[0].id == slow.id
        assert (await send(store, now=T0 + MOMENT)).deliveries[0].id == quick.id

    async def test_a_group_that_has_spoken_waits_before_it_speaks_of_further_news(self, store: Store) -> None:
        await store.commit(an_observation(a_delivery(1, apart=9 * MOMENT)))
        assert await store.next_due(receiver="team") == T0, "a group that has not spoken waits for nothing"
        await send(store, now=T0 + MOMENT)
        await store.commit(an_observation(a_delivery(2, at=T0 + 2 * MOMENT, apart=9 * MOMENT)))
        await store.commit(an_observation(a_delivery(3, job=OTHER_JOB, at=T0 + 2 * MOMENT, apart=9 * MOMENT)))
        assert (await send(store, now=T0 + 2 * MOMENT)).deliveries[0].id == a_delivery(3).id, "another group"
        assert await store.lease("team", T0 + 9 * MOMENT) is None
        assert await store.next_due(receiver="team") == T0 + 10 * MOMENT
        await store.commit(an_observation(a_delivery(4, at=T0 + 3 * MOMENT, apart=9 * MOMENT)))
        both = await send(store, now=T0 + 10 * MOMENT)
        assert [delivery.id for delivery in both.deliveries] == [a_delivery(2).id, a_delivery(4).id]

    async def test_news_that_keeps_less_apart_takes_along_what_waits_in_its_group(self, store: Store) -> None:
        await store.commit(an_observation(a_delivery(1)))
        await send(store)
        await store.commit(an_observation(a_delivery(2, apart=9 * MOMENT)))
        assert await store.lease("team", T0 + MOMENT) is None
        await store.commit(an_observation(a_delivery(3, at=T0 + MOMENT, apart=MOMENT)))
        both = await leased(store, T0 + MOMENT)
        assert [delivery.id for delivery in both.deliveries] == [a_delivery(2).id, a_delivery(3).id]

    async def test_a_message_that_did_not_arrive_was_not_spoken_and_its_repeat_keeps_no_distance(
        self, store: Store
    ) -> None:
        await store.commit(an_observation(a_delivery(1, apart=9 * MOMENT)))
        await send(store)
        await store.commit(an_observation(a_delivery(2, apart=MOMENT)))
        await send(store, Failure(error="no answer"), T0 + MOMENT)
        assert await store.next_due(receiver="team") == T0 + 2 * MOMENT
        await send(store, Failure(error="no such channel", permanent=True), T0 + 2 * MOMENT)
        await store.commit(an_observation(a_delivery(3, apart=MOMENT)))
        assert await store.next_due(receiver="team") == T0 + MOMENT, "as it last spoke"
        await store.prune(T0 + MOMENT)
        assert await store.next_due(receiver="team") == T0, "when it spoke is forgotten in time"

    async def test_a_repeat_takes_exactly_what_left_together(self, store: Store) -> None:
        await store.commit(an_observation(a_delivery(1), a_delivery(2)))
        first = await send(store, Failure(error="no answer"))
        await store.commit(an_observation(a_delivery(3)))
        due = await store.next_due(receiver="team")
        assert due == T0 + MOMENT
        assert await store.lease("team", T0) is None, (
            "neither the repeat before its time, nor the newer news before the repeat"
        )
        second = await leased(store, due)
        assert second.flush_id == first.flush_id
        assert (second.attempt, second.first_attempt_at) == (2, T0)
        assert [delivery.id for delivery in second.deliveries] == [delivery.id for delivery in first.deliveries]

    async def test_a_flush_that_waits_to_be_repeated_does_not_hold_up_other_threads(self, store: Store) -> None:
        await store.commit(an_observation(a_delivery(1)))
        await send(store, Failure(error="no answer"))
        await store.commit(an_observation(a_delivery(2, job=OTHER_JOB)))
        assert (await leased(store)).deliveries[0].id == a_delivery(2).id

    # --- settling --------------------------------------------------------------------------------------------------------------

    async def test_what_was_accepted_is_delivered(self, store: Store) -> None:
        await store.commit(an_observation(a_delivery()))
        await send(store, replace(ACCEPTED, note="refused: b@example.com"), T0 + MOMENT)
        (row,) = await store.deliveries()
        assert (row.state, row.reason) == (DeliveryState.DELIVERED, DeliveryReason.ACCEPTED)
        assert (row.settled_at, row.error) == (T0 + MOMENT, "refused: b@example.com")
        assert await store.next_due(receiver="team") is None

    @pytest.mark.parametrize(
        ("failure", "state", "reason"),
        [
            (Failure(error="no answer"), DeliveryState.RETRYING, DeliveryReason.TRANSIENT),
            (Failure(error="reset", ambiguous=True), DeliveryState.RETRYING, DeliveryReason.UNKNOWN_OUTCOME),
            (Failure(error="no channel", permanent=True), DeliveryState.DEAD, DeliveryReason.PERMANENT),
        ],
        ids=["transient", "ambiguous", "permanent"],
    )
    async def test_a_failed_attempt_is_written_with_its_reason(
        self, store: Store, failure: Failure, state: DeliveryState, reason: DeliveryReason
    ) -> None:
        await store.commit(an_observation(a_delivery()))
        await send(store, failure)
        (row,) = await store.deliveries()
        assert (row.state, row.reason, row.error) == (state, reason, failure.error)
        assert (row.settled_at is None) == (state is DeliveryState.RETRYING)

    async def test_what_became_of_each_recipient_is_kept_and_only_the_last_word_counts(self, store: Store) -> None:
        await store.commit(an_observation(a_delivery()))
        first = await send(store, PARTLY)
        assert (first.recipients, first.refused_before) == ((), frozenset())
        (row,) = await store.deliveries()
        assert (row.state, row.reason, row.error) == (DeliveryState.RETRYING, DeliveryReason.TRANSIENT, PARTLY.note)
        later = T0 + timedelta(hours=1)
        second = await leased(store, later)
        assert set(second.recipients) == set(PARTLY.recipients)
        assert second.thread_reference == "root-1", "those who have it have the thread's root"
        everybody = replace(
            ACCEPTED, recipients=(*PARTLY.recipients[:2], RecipientOutcome("late@example.com", Acceptance.ACCEPTED))
        )
        await store.settle(second, settlement_for(second, everybody, later), everybody, later)
        (row,) = await store.deliveries()
        assert row.state is DeliveryState.DELIVERED
        line = (await store.story(JOB))[-1]
        assert {one["recipient"]: one["acceptance"] for one in line.data["recipients"]} == {
            "has@example.com": "accepted",
            "gone@example.com": "refused",
            "late@example.com": "accepted",
        }

    async def test_a_refusal_is_known_to_later_messages_of_the_same_receiver(self, store: Store) -> None:
        await store.commit(an_observation(a_delivery(1)))
        await send(store, replace(PARTLY, recipients=PARTLY.recipients[:2]))
        await store.commit(an_observation(a_delivery(2), a_delivery(3, receiver="oncall")))
        assert (await leased(store)).refused_before == {"gone@example.com"}
        assert (await leased(store, receiver="oncall")).refused_before == frozenset()

    async def test_a_settled_delivery_is_never_touched_again(self, store: Store) -> None:
        await store.commit(an_observation(a_delivery()))
        lease = await send(store)
        held, told = await store.deliveries(), await store.story(JOB)
        failed = settlement_for(lease, Failure(error="late", permanent=True), T0)
        await store.settle(lease, failed, replace(ACCEPTED, thread_reference="wrong"), T0 + MOMENT)
        assert await store.release(T0) == 0
        assert (await store.deliveries(), await store.story(JOB)) == (held, told)

    async def test_the_word_of_an_attempt_that_is_over_counts_for_nothing(self, store: Store) -> None:
        await store.commit(an_observation(a_delivery()))
        old = await leased(store)
        await store.release(T0)
        new = await leased(store)
        await store.settle(old, settlement_for(old, ACCEPTED, T0), ACCEPTED, T0)
        assert await store.deliveries() == new.deliveries

    async def test_no_delivery_goes_from_sending_to_pending(self, store: Store) -> None:
        await store.commit(an_observation(a_delivery()))
        lease = await leased(store)
        with pytest.raises(ValueError, match="pending"):
            await store.settle(lease, Settlement(state=DeliveryState.PENDING, reason=DeliveryReason.OWED), None, T0)
        assert await store.deliveries() == lease.deliveries

    async def test_later_leases_of_a_thread_know_its_root(self, store: Store) -> None:
        await store.commit(
            an_observation(a_delivery(1), a_delivery(1, receiver="oncall"), a_delivery(2, job=OTHER_JOB))
        )
        await send(store, replace(ACCEPTED, reference="1", thread_reference="root-1"))
        await store.commit(an_observation(a_delivery(3), a_delivery(3, receiver="oncall")))
        assert (await send(store, Receipt(reference="2"))).thread_reference == "", "another job"
        assert (await send(store, Receipt(reference="3"))).thread_reference == "root-1"
        assert (await send(store, receiver="oncall")).thread_reference == "", "another receiver"
        await store.commit(an_observation(a_delivery(4)))
        assert (await leased(store)).thread_reference == "root-1", "a receipt without a root does not forget it"

    # --- after a crash ---------------------------------------------------------------------------------------------------------

    async def test_what_a_dead_process_left_on_its_way_is_due_again_under_its_own_flush_id(self, store: Store) -> None:
        await store.commit(an_observation(a_delivery(1), a_delivery(2), a_delivery(3, job=OTHER_JOB)))
        before = await leased(store)
        assert await store.release(T0 + MOMENT) == 2
        assert await store.release(T0 + MOMENT) == 0
        after = await leased(store, T0 + MOMENT)
        assert (after.flush_id, after.attempt, after.first_attempt_at) == (before.flush_id, 2, T0)
        assert [delivery.id for delivery in after.deliveries] == [delivery.id for delivery in before.deliveries]

    # --- reading ---------------------------------------------------------------------------------------------------------------

    async def test_events_come_newest_last_and_at_most_as_many_as_asked(self, store: Store) -> None:
        stored = tuple(an_event(n, at=T0 + n * MOMENT) for n in range(5))
        await store.commit(replace(an_observation(), events=stored))
        assert await store.events() == stored
        assert await store.events(limit=2) == stored[3:]
        assert await store.events(limit=0) == ()

    async def test_events_can_be_asked_for_by_job_and_kind(self, store: Store) -> None:
        mine, others = an_event(1), an_event(2, job=OTHER_JOB)
        await store.commit(replace(an_observation(), events=(mine, others)))
        assert await store.events(job=JOB) == (mine,)
        assert await store.events(kinds=frozenset({"job.status_changed", "job.failed"})) == (mine, others)
        assert await store.events(kinds=frozenset({"job.failed"})) == ()

    async def test_deliveries_can_be_asked_for_by_receiver_and_state(self, store: Store) -> None:
        await store.commit(
            an_observation(a_delivery(1), a_delivery(2, job=OTHER_JOB), a_delivery(1, receiver="oncall"))
        )
        await send(store)
        ids = [delivery.id for delivery in await store.deliveries()]
        assert ids == [a_delivery(1).id, a_delivery(2).id, a_delivery(1, receiver="oncall").id]
        assert [delivery.id for delivery in await store.deliveries(limit=1)] == ids[2:]
        assert [delivery.id for delivery in await store.deliveries(receiver="team")] == ids[:2]
        done = await store.deliveries(states=frozenset({DeliveryState.DELIVERED, DeliveryState.DEAD}))
        assert [delivery.id for delivery in done] == ids[:1]

    async def test_a_backlog_is_told_in_one_message_in_a_thread_of_its_own(self, store: Store) -> None:
        jobs = [JobRef(SourceName("hangzhou"), JobId(f"dlc-{n}")) for n in range(6)]
        await store.commit(an_observation(*(a_delivery(n, job=ref) for n, ref in enumerate(jobs))))
        await send(store, Failure(error="503"))
        held_back = a_delivery(8, job=FAR_JOB, wait=timedelta(days=9))
        await store.commit(an_observation(a_delivery(7, job=jobs[0]), held_back))
        later = T0 + timedelta(hours=2)
        backlog = Backlog(after=timedelta(hours=1), over=4)
        again = await store.lease("team", later, backlog=backlog)
        assert again is not None
        assert [one.notification.job for one in again.deliveries] == [jobs[0]], "what left before goes first, as it was"
        assert again.attempt == 2
        one = await store.lease("team", later, backlog=backlog)
        assert one is not None
        assert {delivery.notification.job for delivery in one.deliveries} == set(jobs[1:])
        (thread,) = {delivery.thread_key for delivery in one.deliveries}
        assert thread == "group:waiting since 2026-03-01T08:00+00:00"
        assert await store.lease("team", later, backlog=backlog) is None, "news of the first job waits for its flush"
        await store.settle(again, settlement_for(again, ACCEPTED, later), ACCEPTED, later)
        last = await store.lease("team", later, backlog=backlog)
        assert last is not None
        assert [delivery.notification.job for delivery in last.deliveries] == [jobs[0]]
        (waits,) = [row for row in await store.deliveries() if row.state is DeliveryState.PENDING]
        assert (waits.notification.job, waits.group_key) == (FAR_JOB, held_back.group_key)

    async def test_what_is_newer_waits_for_the_backlog_that_its_job_is_told_in(self, store: Store) -> None:
        jobs = [JobRef(SourceName("hangzhou"), JobId(f"dlc-{n}")) for n in range(3)]
        await store.commit(an_observation(*(a_delivery(n, job=ref) for n, ref in enumerate(jobs))))
        later = T0 + timedelta(hours=2)
        backlog = Backlog(after=timedelta(hours=1), over=2)
        one = await store.lease("team", later, backlog=backlog)
        assert one is not None
        assert len(one.deliveries) == 3
        await store.settle(one, settlement_for(one, Failure(error="503"), later), None, later)
        await store.commit(an_observation(a_delivery(7, job=jobs[0], at=later), a_delivery(8, job=FAR_JOB, at=later)))
        other = await store.lease("team", later, backlog=backlog)
        assert other is not None
        assert [delivery.notification.job for delivery in other.deliveries] == [FAR_JOB]
        assert await store.lease("team", later, backlog=backlog) is None

    async def test_few_or_young_groups_speak_each_for_itself(self, store: Store) -> None:
        jobs = [JobRef(SourceName("hangzhou"), JobId(f"dlc-{n}")) for n in range(3)]
        await store.commit(an_observation(*(a_delivery(n, job=ref) for n, ref in enumerate(jobs))))
        later = T0 + timedelta(hours=2)
        for backlog in (Backlog(timedelta(hours=1), over=3), Backlog(timedelta(hours=3), over=1), None):
            lease = await store.lease("team", later, backlog=backlog)
            assert lease is not None
            assert len(lease.deliveries) == 1

    async def test_what_others_are_owed_and_the_breaker_are_written_with_a_settlement(self, store: Store) -> None:
        await store.commit(an_observation(a_delivery(1), a_delivery(2, receiver="mail")))
        lease = await leased(store)
        failure = Failure(error="gone", permanent=True, disables=True)
        breaker = heard(Breaker(receiver="team", target="t"), lease.flush_id, failure, T0)
        instead = (a_delivery(2, receiver="mail", wait=MOMENT), a_delivery(3, receiver="mail", wait=MOMENT))
        settlement = settlement_for(lease, failure, T0)
        await store.settle(lease, settlement, None, T0, owed=instead, breaker=breaker)
        assert await store.breakers() == (breaker,)
        rows = {(row.receiver, row.notification.id): row for row in await store.deliveries()}
        assert rows["team", a_delivery(1).notification.id].state is DeliveryState.DEAD
        assert rows["mail", a_delivery(2).notification.id].not_before == T0, "what was owed already stays as it was"
        assert rows["mail", a_delivery(3).notification.id].not_before == T0 + MOMENT
        await store.settle(lease, settlement, None, T0, owed=(a_delivery(4),), breaker=replace(breaker, error="x"))
        assert (await store.breakers(), len(await store.deliveries())) == ((breaker,), 3), "that attempt is over"

    async def test_breakers_are_kept_by_receiver(self, store: Store) -> None:
        assert await store.breakers() == ()
        held_off = Failure(error="429: wait", pauses=True, retry_after=timedelta(hours=1))
        team = heard(Breaker(receiver="team", target="t1"), FlushId("f1"), held_off, T0)
        mail = replace(Breaker(receiver="mail"), since=T0, failed=(FlushId("f2"),), error="503", told_at=T0 + MOMENT)
        for breaker in (team, mail):
            await store.keep_breaker(breaker)
        assert await store.breakers() == (mail, team)
        await store.keep_breaker(replace(team, error="401"))
        assert await store.breakers() == (mail, replace(team, error="401"))

    async def test_dead_letters_are_counted_by_receiver(self, store: Store) -> None:
        await store.commit(an_observation(a_delivery(1), a_delivery(2, job=OTHER_JOB), a_delivery(3, receiver="mail")))
        assert await store.dead_letters() == {}
        for _ in range(2):
            await send(store, Failure(error="no channel", permanent=True))
        assert await store.dead_letters() == {"team": 2}

    async def test_a_dead_letter_is_taken_up_again_and_leaves_in_its_turn(self, store: Store) -> None:
        await store.commit(an_observation(a_delivery(1), a_delivery(2, job=OTHER_JOB)))
        dead = await send(store, Failure(error="no channel", permanent=True))
        (row, other) = await store.deliveries()
        later = T0 + timedelta(days=2)
        word = Intervention(
            at=later,
            action=Action.RETRY,
            subjects=(row.id, other.id, "no-such-delivery"),
            author="ann",
            comment="invited",
        )
        assert await store.interventions_made() == 0
        assert await store.intervene(word) == (row.id,), "only what is dead"
        (again, _) = await store.deliveries()
        assert (again.id, again.state, again.reason) == (row.id, DeliveryState.PENDING, DeliveryReason.RETRIED)
        assert (again.attempt, again.first_attempt_at, again.settled_at, again.flush_id) == (0, None, None, None)
        assert (again.not_before, again.created_at) == (later, row.created_at)
        assert again.error == "taken up again by ann: invited (before: no channel)"
        lease = await leased(store, later)
        assert (lease.deliveries[0].id, lease.attempt, lease.first_attempt_at) == (row.id, 1, later)
        assert lease.flush_id == dead.flush_id, "the far side can tell a copy"
        await store.settle(lease, settlement_for(lease, ACCEPTED, later), ACCEPTED, later)
        assert await store.intervene(word) == ()
        assert await store.interventions() == (replace(word, subjects=(row.id,)),)
        assert await store.interventions_made() > 0

    async def test_what_is_not_told_yet_is_dropped_and_what_is_on_its_way_is_not(self, store: Store) -> None:
        await store.commit(an_observation(a_delivery(1), a_delivery(2, job=OTHER_JOB), a_delivery(3, job=FAR_JOB)))
        await send(store, Failure(error="no channel", permanent=True))
        await leased(store)
        word = Intervention(
            at=T0 + MOMENT,
            action=Action.DROP,
            subjects=tuple(row.id for row in await store.deliveries()),
            author="ann",
            comment="",
        )
        dropped = await store.intervene(word)
        rows = {row.id: row for row in await store.deliveries()}
        assert {rows[DeliveryId(one)].reason for one in dropped} == {DeliveryReason.DROPPED}
        assert sorted(row.state.value for row in rows.values()) == ["sending", "withheld", "withheld"]
        assert {row.settled_at for row in rows.values() if row.state is DeliveryState.WITHHELD} == {T0 + MOMENT}
        assert len(await store.interventions()) == len(await store.interventions(1)) + 1

    async def test_a_receiver_is_enabled_by_a_person_where_something_keeps_it(self, store: Store) -> None:
        gone = Failure(error="410", permanent=True, disables=True)
        await store.keep_breaker(heard(Breaker(receiver="team", target="t"), FlushId("f"), gone, T0))
        word = Intervention(at=T0, action=Action.ENABLE, subjects=("mail", "team"), author="ann")
        assert await store.intervene(word) == ("team",)
        assert await store.breakers() == (Breaker(receiver="team", target="t"),)
        assert await store.intervene(word) == ()

    async def test_what_people_did_is_forgotten_in_time(self, store: Store) -> None:
        gone = Failure(error="410", permanent=True, disables=True)
        made = []
        for n in (0, 2):
            await store.keep_breaker(heard(Breaker(receiver="team"), FlushId("f"), gone, T0))
            word = Intervention(at=T0 + n * MOMENT, action=Action.ENABLE, subjects=("team",), author="ann")
            await store.intervene(word)
            made.append(await store.interventions_made())
        assert len(set(made)) == 2
        await store.prune(T0 + MOMENT)
        assert [one.at for one in await store.interventions()] == [T0 + 2 * MOMENT]
        assert await store.interventions_made() == made[-1]

    async def test_a_story_has_everything_about_one_job_in_order(self, store: Store) -> None:
        await store.commit(replace(an_observation(watch=a_watch(status="Queuing")), events=(an_event(1),)))
        seen = replace(
            an_observation(a_delivery(2, at=T0 + MOMENT), watch=a_watch(version=2, at=T0 + MOMENT), at=T0 + MOMENT),
            events=(an_event(2, at=T0 + MOMENT),),
            decisions=(Decision(EventId("event-2"), "job-failed", RuleReason.CONDITION_FALSE, "not \u00fcber"),),
        )
        await store.commit(seen)
        await store.commit(
            replace(an_observation(watch=a_watch(version=3, at=T0 + 2 * MOMENT)), snapshot_changed=False)
        )
        await store.commit(replace(an_observation(a_delivery(9, job=OTHER_JOB)), events=(an_event(9, job=OTHER_JOB),)))
        await send(store, now=T0)
        await send(store, now=T0 + 3 * MOMENT)
        story = await store.story(JOB)
        assert [(line.kind, line.at - T0) for line in story] == [
            ("snapshot", timedelta(0)),
            ("event", timedelta(0)),
            ("snapshot", MOMENT),
            ("event", MOMENT),
            ("decision", MOMENT),
            ("delivery", MOMENT),
            ("receipt", 3 * MOMENT),
        ]
        assert [line.data["status"] for line in story if line.kind == "snapshot"] == ["Queuing", "Running"]
        assert story[3].data["id"] == "event-2"
        decision = {"event_id": "event-2", "rule": "job-failed", "reason": "condition-false", "note": "not \u00fcber"}
        assert story[4].data == decision
        assert (story[5].data["state"], story[5].data["receiver"]) == ("delivered", "team")
        assert (story[6].data["reference"], story[6].data["place"]) == ("m1", "#ml-jobs")

    async def test_an_account_has_everything_about_one_event_and_nothing_of_others(self, store: Store) -> None:
        one = a_delivery(1)
        mine = replace(one, notification=replace(one.notification, event_id=EventId("event-1")))
        spoke = Decision(EventId("event-1"), "job-failed", RuleReason.NOTIFIED, "Failed")
        other = Decision(EventId("event-2"), "job-failed", RuleReason.NOT_CONCERNED)
        await store.commit(
            replace(an_observation(mine, watch=a_watch()), events=(an_event(1), an_event(2)), decisions=(spoke, other))
        )
        await store.commit(an_observation(a_delivery(7)))
        await send(store, now=T0 + MOMENT)
        account = await store.account(EventId("event-1"))
        assert [line.kind for line in account] == ["event", "decision", "delivery", "receipt"]
        assert account[1].data == {"event_id": "event-1", "rule": "job-failed", "reason": "notified", "note": "Failed"}
        assert account[2].data["id"] == mine.id
        unconcerned = await store.account(EventId("event-2"))
        assert [line.kind for line in unconcerned] == ["event", "decision"]
        assert unconcerned[1].data["reason"] == "not-concerned"
        assert await store.account(EventId("event-9")) == ()

    async def test_an_account_of_an_event_about_no_job_holds_its_decisions(self, store: Store) -> None:
        blind = WatchBlind(
            id=EventId("blind-1"),
            when=When(observed_at=T0),
            cause=CAUSE,
            source=JOB.source,
            since=T0,
            permanent=False,
            error="no answer",
        )
        said = a_delivery(3, job=None)
        told = replace(said, notification=replace(said.notification, event_id=blind.id))
        decided = Decision(blind.id, "watch-blind", RuleReason.NOTIFIED, "Blind")
        await store.commit(replace(an_observation(told), events=(blind,), decisions=(decided,)))
        account = await store.account(blind.id)
        assert [line.kind for line in account] == ["event", "decision", "delivery"]
        assert account[0].data["error"] == "no answer"

    async def test_rows_are_counted_by_kind_and_state(self, store: Store) -> None:
        await store.commit(
            replace(
                an_observation(
                    a_delivery(1), a_delivery(2, job=OTHER_JOB), a_delivery(3, job=FAR_JOB), watch=a_watch()
                ),
                events=(an_event(),),
                deadlines=(self._deadline(),),
                decisions=(Decision(EventId("event-1"), "r", RuleReason.NOTIFIED),),
            )
        )
        await store.commit(an_observation(watch=a_watch(OTHER_JOB, status="Stopped")))
        await send(store)
        await send(store, Failure(error="no", permanent=True))
        assert await store.counts() == {
            "jobs.live": 1,
            "jobs.ended": 1,
            "snapshots": 2,
            "events": 1,
            "decisions": 1,
            "notifications": 3,
            "deliveries.pending": 1,
            "deliveries.sending": 0,
            "deliveries.retrying": 0,
            "deliveries.delivered": 1,
            "deliveries.dead": 1,
            "deliveries.folded": 0,
            "deliveries.withheld": 0,
            "receipts": 1,
            "deadlines": 1,
            "troubles.open": 0,
            "troubles.acknowledged": 0,
        }

    # --- part of larger news ---------------------------------------------------------------------------------------------------

    async def test_what_waits_is_folded_into_larger_news_and_what_left_is_not(self, store: Store) -> None:
        calm = replace(a_notification(2), severity=Severity.WARNING)
        owed = replace(a_delivery(2, wait=MOMENT), notification=calm)
        left = replace(a_delivery(1, receiver="oncall"), notification=replace(calm, id=NotificationId("left")))
        loud, other = a_delivery(3, wait=MOMENT), a_delivery(4, job=OTHER_JOB, wait=MOMENT)
        await store.commit(an_observation(owed, left, loud, other))
        assert await store.lease("oncall", T0)
        news = an_absorption()
        await store.commit(replace(an_observation(at=T0 + MOMENT), absorptions=(news, news)))
        states = {row.id: row.state for row in await store.deliveries()}
        assert states == {
            owed.id: DeliveryState.FOLDED,
            left.id: DeliveryState.SENDING,
            loud.id: DeliveryState.PENDING,
            other.id: DeliveryState.PENDING,
        }
        (folded,) = await store.deliveries(states=frozenset({DeliveryState.FOLDED}))
        assert (folded.reason, folded.settled_at) == (DeliveryReason.PART_OF_STORM, T0 + MOMENT)
        assert folded.error == "told as part of notification storm-1"
        assert (await store.counts())["deliveries.folded"] == 1
        assert [delivery.id for delivery in (await leased(store, now=T0 + MOMENT)).deliveries] == [loud.id]

    async def test_a_folded_delivery_is_never_owed_again_and_no_reason_to_keep_a_job(self, store: Store) -> None:
        owed = replace(a_delivery(), notification=replace(a_notification(), severity=Severity.INFO))
        await store.commit(an_observation(owed, watch=a_watch(status="Failed")))
        await store.commit(replace(an_observation(at=T0 + MOMENT), absorptions=(an_absorption(),)))
        await store.commit(an_observation(owed))
        assert await store.lease("team", T0 + timedelta(days=1)) is None
        assert await store.next_due(receiver="team") is None
        assert await store.prune(T0 + MOMENT) == NOBODY
        assert await store.prune(T0 + 2 * MOMENT) == {JOB}

    async def test_what_is_withheld_is_kept_with_its_reason_and_is_never_owed(self, store: Store) -> None:
        kept = withheld(a_delivery(2), DeliveryReason.SHADOW, "rule r is in shadow", T0)
        await store.commit(replace(an_observation(kept, a_delivery(1)), watch=a_watch(status="Failed")))
        assert [delivery.id for delivery in (await leased(store)).deliveries] == [a_delivery(1).id]
        assert await store.release(T0) == 1
        assert await store.deliveries(states=frozenset({DeliveryState.WITHHELD})) == (kept,)
        assert (await store.counts())["deliveries.withheld"] == 1
        assert [line.data["error"] for line in await store.story(JOB) if line.data.get("state") == "withheld"] == [
            "rule r is in shadow"
        ]

    async def test_silences_are_kept_oldest_first_until_time_or_a_person_ends_them(self, store: Store) -> None:
        timed = replace(a_silence(2), created_at=T0 + MOMENT)
        with_job = replace(a_silence(1), until=None, job=JOB)
        for one in (timed, with_job, replace(timed, comment="another")):
            await store.add_silence(one)
        assert await store.silences() == (with_job, timed)
        assert await store.silences(T0 + timedelta(hours=1) - MOMENT) == (with_job, timed)
        assert await store.silences(T0 + timedelta(hours=1)) == (with_job,)
        assert await store.end_silence(with_job.id, T0 + MOMENT, "bob")
        assert not await store.end_silence(with_job.id, T0 + 2 * MOMENT, "eve")
        assert not await store.end_silence(SilencingId("nothing"), T0, "eve")
        assert await store.silences(T0 + timedelta(hours=1)) == ()
        assert await store.silences() == (replace(with_job, ended_at=T0 + MOMENT, ended_by="bob"), timed)

    async def test_silences_that_are_over_are_dropped_in_time_and_those_of_a_job_with_it(self, store: Store) -> None:
        await store.commit(an_observation(watch=a_watch(status="Failed")))
        timed, cut, own, other = (a_silence(number) for number in range(1, 5))
        for one in (timed, cut, replace(own, until=None, job=JOB), replace(other, until=None, job=OTHER_JOB)):
            await store.add_silence(one)
        await store.end_silence(cut.id, T0, "bob")
        await store.prune(T0)
        assert [one.id for one in await store.silences()] == [timed.id, cut.id, own.id, other.id]
        await store.prune(T0 + MOMENT)
        assert [one.id for one in await store.silences()] == [timed.id, other.id]
        await store.prune(T0 + timedelta(hours=2))
        assert [one.id for one in await store.silences()] == [other.id]

    async def test_what_waits_is_withheld_by_news_that_makes_it_superfluous_and_what_left_is_not(
        self, store: Store
    ) -> None:
        small = [a_delivery(number, job=job, at=T0) for number, job in ((1, JOB), (2, OTHER_JOB), (3, JOB))]
        small = [
            replace(
                one, notification=replace(one.notification, kind="pod.evicted"), group_key=f"g{number}", thread_key=""
            )
            for number, one in enumerate(small)
        ]
        elsewhere = replace(a_delivery(4, receiver="oncall"), notification=small[0].notification)
        await store.commit(an_observation(*small[:2], elsewhere))
        gone = await leased(store)
        await store.commit(an_observation(replace(small[2], thread_key="other")))
        cause = a_delivery(5, at=T0 + MOMENT)
        everything = Inhibit(
            name="all", source=Matcher(), target=Matcher.of({"tag": "a"}), equal=("job",), lasts=timedelta(hours=1)
        )
        begins = replace(an_observation(cause, at=T0 + MOMENT), inhibitions=(Inhibiting(everything, cause),))
        await store.commit(begins)
        rows = {row.id: row for row in await store.deliveries()}
        assert rows[gone.deliveries[0].id].state is DeliveryState.SENDING
        assert {rows[one.id].reason for one in (small[1], elsewhere, cause)} == {DeliveryReason.OWED}
        row = rows[small[2].id]
        assert (row.state, row.reason, row.settled_at) == (
            DeliveryState.WITHHELD,
            DeliveryReason.INHIBITED,
            T0 + MOMENT,
        )
        assert "notification-5" in row.error

    async def test_deliveries_can_be_asked_for_by_when_they_came_to_be_owed(self, store: Store) -> None:
        early, late = a_delivery(1), a_delivery(2, at=T0 + MOMENT)
        await store.commit(an_observation(early, late))
        assert await store.deliveries(since=T0) == (late,)

    # --- what was held ----------------------------------------------------------------------------------------------------------

    async def test_what_was_held_is_compacted_as_it_is_leased_and_what_is_left_out_says_why(self, store: Store) -> None:
        later = T0 + timedelta(hours=8)
        owed = [a_delivery(number, at=T0 + number * MOMENT) for number in (1, 2, 3)]
        other = a_delivery(4, job=OTHER_JOB, group=owed[0].group_key, thread=owed[0].thread_key)
        await store.commit(an_observation(*owed, other))
        lease = await leased(store, later)
        assert [one.id for one in lease.deliveries] == [owed[2].id, other.id]
        assert [one.id for one in lease.folded] == [owed[0].id, owed[1].id]
        for row in lease.folded:
            assert (row.state, row.reason) == (DeliveryState.FOLDED, DeliveryReason.OVERTAKEN)
            assert (row.settled_at, row.flush_id) == (later, lease.flush_id)
            assert f"(notification notification-3, message {lease.flush_id})" in row.error
        assert await store.deliveries() == (*lease.folded, *lease.deliveries)

    async def test_a_repeat_of_what_was_held_is_the_same_whatever_came_meanwhile(self, store: Store) -> None:
        later = T0 + timedelta(hours=8)
        await store.commit(an_observation(a_delivery(1), a_delivery(2, at=T0 + MOMENT)))
        first = await send(store, Failure(error="no answer"), later)
        await store.commit(an_observation(a_delivery(3, at=later)))
        assert await store.release(later) == 0
        second = await leased(store, later + timedelta(minutes=1))
        assert (second.flush_id, second.folded) == (first.flush_id, first.folded)
        assert [one.id for one in second.deliveries] == [one.id for one in first.deliveries] == [a_delivery(2).id]

    async def test_what_a_dead_process_had_compacted_stays_compacted(self, store: Store) -> None:
        later = T0 + timedelta(hours=8)
        await store.commit(an_observation(a_delivery(1), a_delivery(2, at=T0 + MOMENT)))
        first = await leased(store, later)
        assert await store.release(later) == 1
        again = await leased(store, later)
        assert (again.flush_id, again.folded, again.attempt) == (first.flush_id, first.folded, 2)

    async def test_muted_news_is_compacted_however_short_it_was_held_and_other_fresh_news_is_not(
        self, store: Store
    ) -> None:
        fresh = [a_delivery(number, at=T0 + number * MOMENT) for number in (1, 2)]
        muted = [
            replace(a_delivery(number, receiver="oncall", at=T0 + number * MOMENT), reason=DeliveryReason.MUTED)
            for number in (1, 2)
        ]
        await store.commit(an_observation(*fresh, *muted))
        soon = T0 + timedelta(minutes=1)
        assert len((await leased(store, soon)).deliveries) == 2
        assert [one.id for one in (await leased(store, soon, "oncall")).folded] == [muted[0].id]

    async def test_what_the_receiver_was_told_meanwhile_is_not_told_again_and_others_get_their_turn(
        self, store: Store
    ) -> None:
        later = T0 + timedelta(hours=8)
        held = a_delivery(1, wait=timedelta(hours=8), group="held", thread="group:held")
        await store.commit(an_observation(held))
        await store.commit(an_observation(a_delivery(2, at=T0 + MOMENT)))
        told = await send(store, now=T0 + MOMENT)
        await store.commit(an_observation(a_delivery(3, job=OTHER_JOB, at=later)))
        assert [one.id for one in (await leased(store, later)).deliveries] == [a_delivery(3, job=OTHER_JOB).id]
        (row, *_) = await store.deliveries()
        assert (row.id, row.reason, row.flush_id) == (held.id, DeliveryReason.OVERTAKEN, told.flush_id)
        assert await store.lease("team", later) is None

    async def test_a_job_that_has_got_over_it_by_now_counts_as_told_last(self, store: Store) -> None:
        later = T0 + timedelta(hours=8)
        failed, note = a_delivery(1), a_delivery(2, at=T0 + MOMENT)
        said = replace(note.notification, severity=Severity.WARNING, kind="pod.evicted", rule="pod-evicted")
        for about, status in ((JOB, "Succeeded"), (OTHER_JOB, "Failed")):
            mine = [
                replace(one, notification=replace(words, job=about), id=DeliveryId(f"{one.id}-{about.job_id}"))
                for one, words in ((failed, failed.notification), (note, said))
            ]
            mine = [replace(one, group_key=str(about), thread_key=f"job:{about}") for one in mine]
            mine = [
                replace(one, notification=replace(one.notification, id=NotificationId(f"{one.id}"))) for one in mine
            ]
            await store.commit(an_observation(*mine, watch=a_watch(about, status=status)))
        assert [len((await leased(store, later)).deliveries) for _ in range(2)] == [1, 2]

    # --- troubles --------------------------------------------------------------------------------------------------------------

    async def test_a_trouble_is_kept_oldest_first_until_it_ends_and_is_never_opened_again(self, store: Store) -> None:
        later, first = a_trouble(1, at=T0 + MOMENT), a_trouble(2, job=OTHER_JOB, ongoing=Ongoing.WAITING)
        await store.commit(replace(an_observation(), troubles=(later, first)))
        assert await store.troubles() == (first, later)
        assert await store.troubles(job=JOB) == (later,)
        assert await store.troubles(trouble_id=first.id) == (first,)
        over = later.ended(TroubleEnd.OVER, T0 + 2 * MOMENT)
        await store.commit(replace(an_observation(), troubles=(over,)))
        await store.commit(replace(an_observation(), troubles=(later.ended(TroubleEnd.GONE, T0 + 9 * MOMENT), later)))
        assert await store.troubles() == (first,)
        assert await store.troubles(open_only=False) == (first, over)
        assert await store.troubles(open_only=False, since=T0 + 2 * MOMENT) == (first, over)
        assert await store.troubles(open_only=False, since=T0 + 3 * MOMENT) == (first,)

    async def test_who_takes_on_a_trouble_takes_on_all_about_the_same_matter_and_only_the_first_counts(
        self, store: Store
    ) -> None:
        one, same, other, apart = (
            a_trouble(1, ongoing=Ongoing.WAITING),
            a_trouble(2, ongoing=Ongoing.WAITING),
            a_trouble(3, ongoing=Ongoing.HELD),
            a_trouble(4, job=FAR_JOB, ongoing=Ongoing.WAITING),
        )
        await store.commit(replace(an_observation(), troubles=(one, same, other, apart)))
        assert await store.acknowledge(same.id, T0 + MOMENT, "ann", "on it")
        assert not await store.acknowledge(one.id, T0 + 2 * MOMENT, "bob")
        assert await store.troubles() == (
            replace(one, acknowledged_at=T0 + MOMENT, acknowledged_by="ann", comment="on it"),
            replace(same, acknowledged_at=T0 + MOMENT, acknowledged_by="ann", comment="on it"),
            other,
            apart,
        )
        assert await store.open_troubles() == (4, 2)
        assert not await store.acknowledge(NotificationId("nothing"), T0, "bob")

    async def test_an_answer_ends_what_nothing_else_would_end_and_comes_too_late_for_what_has_ended(
        self, store: Store
    ) -> None:
        blind, failed = a_trouble(1, job=None, ongoing=Ongoing.UNANSWERED), a_trouble(2)
        over = a_trouble(3, ongoing=Ongoing.DOWN).ended(TroubleEnd.OVER, T0)
        await store.commit(replace(an_observation(), troubles=(blind, failed, over)))
        assert await store.acknowledge(failed.id, T0 + MOMENT, "ann")
        assert not await store.acknowledge(over.id, T0 + MOMENT, "ann")
        assert await store.troubles() == (blind,), "which is about no job"
        assert await store.open_troubles() == (1, 0)
        answered = replace(failed, acknowledged_at=T0 + MOMENT, acknowledged_by="ann")
        assert await store.troubles(open_only=False, job=JOB) == (
            answered.ended(TroubleEnd.ANSWERED, T0 + MOMENT),
            over,
        )

    async def test_who_was_told_of_a_trouble_is_known_while_it_goes_on_and_until_its_end_is_owed(
        self, store: Store
    ) -> None:
        said = [a_delivery(n, job=job) for n, job in ((1, JOB), (2, OTHER_JOB), (3, FAR_JOB))]
        elsewhere = a_delivery(1, receiver="mail")
        open_ones = [replace(a_trouble(n), notification=one.notification) for n, one in enumerate(said, 1)]
        await store.commit(replace(an_observation(*said, elsewhere), troubles=tuple(open_ones)))
        assert await store.told_troubles("team") == (), "nobody has been told yet"
        for outcome in (ACCEPTED, ACCEPTED, Failure(error="no channel", permanent=True)):
            await send(store, outcome)
        told = {one.trouble.id: one for one in await store.told_troubles("team")}
        assert set(told) == {open_ones[0].id, open_ones[1].id}
        assert told[open_ones[0].id].delivery.state is DeliveryState.DELIVERED
        assert await store.told_troubles("mail") == ()
        over = open_ones[0].ended(TroubleEnd.OVER, T0 + MOMENT)
        await store.commit(replace(an_observation(), troubles=(over,)))
        found = {one.trouble.id: one for one in await store.told_troubles("team")}
        assert found[over.id].trouble == over
        end = owed_end(found[over.id], T0 + MOMENT)
        assert end is not None
        await store.commit(an_observation(end))
        assert [one.trouble.id for one in await store.told_troubles("team")] == [open_ones[1].id]

    async def test_a_story_tells_of_troubles_their_answers_and_ends(self, store: Store) -> None:
        owed = a_delivery()
        await store.commit(
            replace(an_observation(owed, watch=a_watch()), events=(an_event(),), troubles=(a_trouble(),))
        )
        await store.acknowledge(owed.notification.id, T0 + MOMENT, "ann", "on it")
        for lines in (await store.story(JOB), await store.account(EventId("event-1"))):
            told = [line for line in lines if line.kind == "trouble"]
            assert [line.at for line in told] == [T0, T0 + MOMENT, T0 + MOMENT]
            assert [line.data["step"] for line in told] == ["opened", "acknowledged", "ended"]
            assert (told[1].data["by"], told[1].data["comment"], told[2].data["end"]) == ("ann", "on it", "answered")
        numbers = await store.counts()
        assert (numbers["troubles.open"], numbers["troubles.acknowledged"]) == (0, 0)

    async def test_troubles_are_dropped_with_their_job_and_those_of_no_job_some_time_after_their_end(
        self, store: Store
    ) -> None:
        await store.commit(an_observation(watch=a_watch(status="Failed")))
        blind = a_trouble(3, job=None, ongoing=Ongoing.BLIND)
        gone, stays = a_trouble(1), a_trouble(2, job=OTHER_JOB)
        ended = a_trouble(4, job=None).ended(TroubleEnd.OVER, T0)
        await store.commit(replace(an_observation(), troubles=(gone, stays, blind, ended)))
        numbers = await store.counts()
        assert (numbers["troubles.open"], numbers["troubles.acknowledged"]) == (3, 0)
        assert await store.prune(T0 + MOMENT) == {JOB}
        assert await store.troubles(open_only=False) == (stays, blind)

    async def test_an_absorption_covers_what_is_owed_with_it_and_survives_nothing_being_owed(
        self, store: Store
    ) -> None:
        await store.commit(replace(an_observation(), absorptions=(an_absorption(),)))
        owed = replace(a_delivery(), notification=replace(a_notification(), severity=Severity.INFO))
        await store.commit(replace(an_observation(owed), absorptions=(an_absorption(),)))
        assert [row.state for row in await store.deliveries()] == [DeliveryState.FOLDED]

    async def test_events_are_found_by_when_they_happened(self, store: Store) -> None:
        early, late = an_event(1), an_event(2, at=T0 + MOMENT)
        await store.commit(replace(an_observation(), events=(early, late)))
        assert await store.events(since=T0 - MOMENT) == (early, late)
        assert await store.events(since=T0) == (late,)
        assert await store.events(since=T0 + MOMENT) == ()

    # --- living cards ----------------------------------------------------------------------------------------------------------

    async def test_a_card_comes_back_as_it_was_kept(self, store: Store) -> None:
        assert await store.card("team", JOB) is None
        for card in (
            a_card(),
            replace(a_card(), lost=None, why=None, posted_at=None, first_attempt_at=None, replies=9),
        ):
            await store.keep_card(card)
            assert await store.card("team", JOB) == card
        assert await store.card("oncall", JOB) is None
        assert await store.card("team", FAR_JOB) is None

    async def test_every_commit_about_a_job_is_news_for_its_cards_and_keeping_one_forgets_none(
        self, store: Store
    ) -> None:
        await store.commit(an_observation(watch=a_watch()))
        for receiver, job in (("team", JOB), ("oncall", JOB), ("team", OTHER_JOB)):
            await store.keep_card(replace(a_card(), receiver=receiver, job=job))
        read = await store.card("team", JOB)
        assert read is not None
        await store.commit(an_observation(watch=a_watch(version=2)))
        await store.commit(an_observation(a_delivery()))
        await store.keep_card(replace(read, seen=read.news, replies=12))
        told = [
            await store.card(receiver, job) for receiver, job in (("team", JOB), ("oncall", JOB), ("team", OTHER_JOB))
        ]
        assert [card and (card.news, card.seen, card.replies) for card in told] == [(8, 7, 12), (8, 3, 2), (7, 3, 2)]

    async def test_cards_that_are_behind_are_found_the_earliest_first(self, store: Store) -> None:
        def card(number: int, **members: Any) -> LivingCard:
            job = JobRef(JOB.source, JobId(f"dlc-{number}"))
            return replace(a_card(), **{"job": job, "lost": None, "next_at": T0 - number * MOMENT, **members})

        late, early = card(1), card(2)
        others = (
            card(3, seen=7),
            card(4, reference=""),
            card(5, lost=CardLoss.FROZEN),
            card(6, receiver="oncall"),
        )
        for one in (late, early, *others):
            await store.keep_card(one)
        assert await store.cards_behind("team", 10) == (early, late)
        assert await store.cards_behind("team") == (early,)
        assert await store.cards_behind("team", 0) == ()
        assert await store.cards_behind("nobody") == ()

    async def test_a_card_that_stands_is_the_root_of_its_jobs_thread(self, store: Store) -> None:
        await store.commit(
            an_observation(a_delivery(1), a_delivery(2, job=OTHER_JOB), a_delivery(3, receiver="oncall"))
        )
        await store.keep_card(replace(a_card(), job=OTHER_JOB, reference=""))
        await store.keep_card(a_card())
        assert (await send(store, Receipt(reference="2"))).thread_reference == "171.2"
        assert (await send(store, Receipt(reference="3"))).thread_reference == "", "its root is not posted yet"
        assert (await send(store, receiver="oncall")).thread_reference == "", "another receiver"
        await store.keep_card(replace(a_card(), reference="171.9"))
        await store.commit(an_observation(a_delivery(4)))
        assert (await leased(store)).thread_reference == "171.9"

    # --- forgetting ------------------------------------------------------------------------------------------------------------

    async def test_ended_and_told_jobs_are_dropped_with_all_that_belongs_to_them(self, store: Store) -> None:
        decision = Decision(EventId("event-1"), "r", RuleReason.NOTIFIED)
        ended = replace(
            an_observation(a_delivery(), watch=a_watch(status="Failed")),
            events=(an_event(),),
            decisions=(decision,),
            deadlines=(self._deadline(),),
        )
        await store.commit(ended)
        await store.commit(an_observation(watch=a_watch(OTHER_JOB)))
        await store.keep_card(a_card())
        await store.keep_card(replace(a_card(), job=OTHER_JOB))
        before = await store.counts()
        assert await store.prune(T0 + MOMENT) == NOBODY, "it was not told yet"
        await send(store, now=T0 + MOMENT)
        assert await store.prune(T0 + MOMENT) == NOBODY, "it was told at that time, not before it"
        assert await store.prune(T0) == NOBODY
        assert await store.prune(T0 + 2 * MOMENT) == {JOB}
        assert await store.watches(live_only=False) == (a_watch(OTHER_JOB),)
        assert await store.story(JOB) == ()
        left = {name: number for name, number in (await store.counts()).items() if number}
        assert left == {"jobs.live": 1, "snapshots": 1}
        assert before["events"] == 1
        assert await store.card("team", JOB) is None
        assert await store.card("team", OTHER_JOB) is not None
        await store.commit(an_observation(a_delivery(5)))
        assert (await leased(store)).thread_reference == ""

    async def test_a_job_ended_when_that_was_first_seen(self, store: Store) -> None:
        for version, status in enumerate(("Running", "Failed", "Failed"), start=1):
            seen = T0 + version * MOMENT
            await store.commit(an_observation(watch=a_watch(version=version, status=status, at=seen), at=seen))
        assert await store.prune(T0 + 2 * MOMENT) == NOBODY
        assert await store.prune(T0 + 2 * MOMENT + timedelta(microseconds=1)) == {JOB}

    async def test_a_live_job_is_kept_however_old(self, store: Store) -> None:
        await store.commit(an_observation(watch=a_watch()))
        await store.commit(an_observation(watch=a_watch(OTHER_JOB, status="Failed")))
        back = replace(a_watch(OTHER_JOB, version=2), phase_since=T0)
        await store.commit(an_observation(watch=back))
        assert phase_of(back.snapshot.status) is Phase.RUNNING
        assert await store.prune(T0 + timedelta(days=999)) == NOBODY

    async def test_a_receipt_shared_with_a_job_that_stays_is_kept(self, store: Store) -> None:
        shared = [a_delivery(n, job=job, group="g", thread="group:g") for n, job in enumerate((JOB, OTHER_JOB))]
        await store.commit(an_observation(*shared, watch=a_watch(status="Failed")))
        await store.commit(an_observation(watch=a_watch(OTHER_JOB)))
        await send(store)
        assert await store.prune(T0 + MOMENT) == {JOB}
        assert [line.kind for line in await store.story(OTHER_JOB)] == ["snapshot", "delivery", "receipt"]
