"""The dispatcher: order, patience, pauses, and what it makes of a stranger's faults."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import AsyncIterator
from datetime import timedelta
from itertools import pairwise
from typing import Any

import anyio
import pytest

from tests.shell.service_world import FakeNotifier, FlakyStore, World, job, passing, refused, seconds, slow_down
from watcher.core.consequence import consequences
from watcher.core.delivery import Delivery, DeliveryReason, DeliveryState
from watcher.core.events import CauseId, JobStatusChanged, When
from watcher.core.message import Message
from watcher.core.rule import Context
from watcher.errors import NotifierError, StoreUnavailable
from watcher.service.dispatcher import Dispatcher
from watcher.service.ledger import observation

pytestmark = pytest.mark.anyio

TELL_EVERYTHING = (
    "  - {name: changed, on: [job.status_changed], summary: '{{ event.old_status }} to {{ event.new_status }}'}\n"
)


class Desk:
    """A world in which news can be owed by hand, and one dispatcher that tells it."""

    def __init__(self, notifier: FakeNotifier | None = None, world: World | None = None) -> None:
        self.world = world or World(rules=TELL_EVERYTHING)
        self.clock = self.world.clock
        self.notifier = notifier or FakeNotifier(self.clock)
        self.notifier.clock = self.clock
        self.dispatcher = Dispatcher("team", self.notifier, self.world.ledger, {}, jitter=lambda: 1.0)
        self._count = 0

    async def owe(self, job_id: str, *names: str) -> None:
        """One notification about this job for each name, in order, each committed by itself."""
        for name in names:
            self._count += 1
            now, cause = self.clock.now(), CauseId(f"cause-{self._count}")
            event = JobStatusChanged(
                id=f"event-{self._count}",  # type: ignore[arg-type]
                when=When(observed_at=now),
                cause=cause,
                job=job(job_id).ref,
                old_status="before",
                new_status=name,
                old_phase=job(job_id).phase,
                new_phase=job(job_id).phase,
            )
            book = self.world.ledger.book
            follows = consequences((event,), Context(now=now, job=job(job_id)), book, now)
            assert len(follows.deliveries) == 1
            await self.world.ledger.commit(observation(cause, now, follows))

    @contextlib.asynccontextmanager
    async def dispatching(self) -> AsyncIterator[None]:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self.dispatcher.dispatch)
            await self.clock.settle()
            yield
            self.dispatcher.hurry(seconds(0))
            tasks.cancel_scope.cancel()

    async def deliveries(self) -> dict[str, Delivery]:
        found = await self.world.store.deliveries(limit=1000)
        return {one.notification.headline.removeprefix("before to "): one for one in found}

    @property
    def names(self) -> list[str]:
        return [headline.removeprefix("before to ") for headline in self.notifier.headlines]


async def test_news_is_told_in_order_and_written_down_with_its_receipt() -> None:
    desk = Desk()
    async with desk.dispatching():
        for name in ("a", "b", "c"):
            await desk.owe("dlc1", name)
            await desk.clock.advance(seconds(1))
    assert desk.names == ["a", "b", "c"]
    assert {one.state for one in (await desk.deliveries()).values()} == {DeliveryState.DELIVERED}
    roots = [message.thread_reference for message in desk.notifier.taken]
    assert roots[0] == ""
    assert roots[1] == roots[2] == f"root-{desk.notifier.taken[0].id}"


async def test_a_failing_first_message_keeps_later_news_of_the_job_waiting_and_no_other_job() -> None:
    desk = Desk(FakeNotifier(World().clock))
    desk.notifier.about["dlc1"] = passing()
    async with desk.dispatching():
        await desk.owe("dlc1", "first")
        await desk.clock.settle()
        await desk.owe("dlc1", "second")
        await desk.owe("dlc2", "other")
        await desk.clock.advance(seconds(20))
        assert desk.names == ["other"]
        del desk.notifier.about["dlc1"]
        await desk.clock.advance(timedelta(minutes=5))
    assert desk.names == ["other", "first", "second"]


async def test_a_permanent_refusal_is_a_dead_letter_at_once_and_says_how_to_mend_it() -> None:
    desk = Desk(FakeNotifier(World().clock, refused()))
    async with desk.dispatching():
        await desk.owe("dlc1", "first")
        await desk.owe("dlc2", "other")
        await desk.clock.advance(seconds(1))
    dead = (await desk.deliveries())["first"]
    assert (dead.state, dead.reason, dead.attempt) == (DeliveryState.DEAD, DeliveryReason.PERMANENT, 1)
    assert "channel_not_found" in dead.error
    assert "Invite the bot" in dead.error
    assert desk.names == ["other"]


async def test_what_fails_in_passing_is_tried_again_by_the_schedule_and_given_up_after_a_day() -> None:
    desk = Desk(FakeNotifier(World().clock))
    desk.notifier.about["dlc1"] = passing()
    async with desk.dispatching():
        await desk.owe("dlc1", "first")
        await desk.clock.advance(timedelta(days=3))
    gaps = [(after - before).total_seconds() for (before, _), (after, _) in pairwise(desk.notifier.tried)]
    assert gaps[:8] == [1, 5, 30, 120, 600, 1800, 3600, 3600]
    dead = (await desk.deliveries())["first"]
    assert (dead.state, dead.reason) == (DeliveryState.DEAD, DeliveryReason.EXPIRED)
    assert desk.notifier.tried[-1][0] - desk.notifier.tried[0][0] <= timedelta(days=1)


async def test_slow_down_pauses_the_receiver_with_everything_it_is_owed() -> None:
    desk = Desk(FakeNotifier(World().clock, slow_down(45)))
    async with desk.dispatching():
        await desk.owe("dlc1", "first")
        await desk.owe("dlc2", "other")
        await desk.clock.advance(seconds(44))
        assert len(desk.notifier.tried) == 1
        assert "slow down" in desk.dispatcher.breaker.error
        await desk.clock.advance(seconds(5))
    assert sorted(desk.names) == ["first", "other"]
    assert desk.dispatcher.breaker.error == ""


async def test_a_pause_is_as_short_after_a_success_as_the_first_one_was() -> None:
    desk = Desk(FakeNotifier(World().clock, *(slow_down() for _ in range(6))))
    async with desk.dispatching():
        await desk.owe("dlc1", "first")
        await desk.clock.advance(timedelta(hours=6))
        assert desk.names == ["first"]
        desk.notifier.script.append(slow_down())
        await desk.owe("dlc1", "second")
        await desk.clock.advance(timedelta(minutes=1))
    assert desk.names == ["first", "second"]


async def test_a_far_side_cannot_silence_us_for_longer_than_an_hour() -> None:
    desk = Desk(FakeNotifier(World().clock, slow_down(10_000_000)))
    async with desk.dispatching():
        await desk.owe("dlc1", "first")
        await desk.clock.advance(timedelta(minutes=61))
    assert desk.names == ["first"]


async def test_after_an_unknown_outcome_the_same_message_goes_out_under_the_same_id() -> None:
    desk = Desk(FakeNotifier(World().clock, passing(ambiguous=True)))
    async with desk.dispatching():
        await desk.owe("dlc1", "first")
        await desk.clock.settle()
        waiting = (await desk.deliveries())["first"]
        assert waiting.reason is DeliveryReason.UNKNOWN_OUTCOME
        await desk.owe("dlc1", "second")
        await desk.clock.advance(seconds(30))
    tried = [message for _, message in desk.notifier.tried]
    assert [message.id for message in tried[:2]] == [tried[0].id] * 2
    assert [len(message.items) for message in tried] == [1, 1, 1]
    assert [message.attempt for message in tried] == [1, 2, 1]


@pytest.mark.parametrize(
    "raised",
    [
        ZeroDivisionError("1/0"),
        KeyError("x"),
        TimeoutError(),
        OSError("gone"),
        ExceptionGroup("several", [ValueError("x")]),
    ],
    ids=lambda exc: type(exc).__name__,
)
async def test_whatever_a_notifier_raises_the_news_is_kept_and_others_are_told(raised: Exception) -> None:
    desk = Desk(FakeNotifier(World().clock, raised))
    async with desk.dispatching():
        await desk.owe("dlc1", "first")
        await desk.owe("dlc2", "other")
        await desk.clock.advance(seconds(10))
    assert sorted(desk.names) == ["first", "other"]


async def test_a_renderer_that_raises_is_given_the_news_in_plain_words() -> None:
    desk = Desk()
    desk.notifier.render_fails = lambda message: bool(message.items[0].job and message.items[0].job.facts)
    desk.world.source.put(job("dlc1", "Queuing", user_id="2000"))
    await desk.world.poller.load()
    await desk.world.poller.pass_once()  # so that the job's card has facts
    async with desk.dispatching():
        await desk.owe("dlc1", "first")
        await desk.clock.advance(seconds(1))
    (sent,) = desk.notifier.rendered
    assert sent.items[0].headline == "before to first"
    assert sent.items[0].facts == ()
    assert (await desk.deliveries())["first"].state is DeliveryState.DELIVERED


async def test_a_renderer_that_always_raises_loses_nothing_and_stops_nobody() -> None:
    desk = Desk()

    def about_first(message: Message) -> bool:
        return "first" in message.title

    desk.notifier.render_fails = about_first
    async with desk.dispatching():
        await desk.owe("dlc1", "first")
        await desk.owe("dlc2", "other")
        await desk.clock.advance(seconds(10))
    assert desk.names == ["other"]
    assert (await desk.deliveries())["first"].state is DeliveryState.RETRYING


async def test_a_send_that_hangs_is_cut_off_at_the_grace_and_repeated_under_its_id_after_a_restart() -> None:
    desk = Desk()
    desk.notifier.hang = True
    began = anyio.current_time()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(desk.dispatcher.dispatch)
        await desk.owe("dlc1", "first")
        await desk.clock.settle()
        assert len(desk.notifier.tried) == 1
        desk.dispatcher.hurry(seconds(0.2))
        tasks.cancel_scope.cancel()
    assert 0.1 < anyio.current_time() - began < 5
    assert (await desk.deliveries())["first"].state is DeliveryState.SENDING

    assert await desk.world.store.release(desk.clock.now()) == 1
    later = Desk(world=desk.world)
    async with later.dispatching():
        await later.clock.advance(seconds(1))
    assert later.names == ["first"]
    assert later.notifier.taken[0].id == desk.notifier.tried[0][1].id


async def test_no_send_begins_after_the_program_was_told_to_stop() -> None:
    desk = Desk()
    desk.notifier.hang = True
    await desk.owe("dlc1", "first")
    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(desk.dispatcher.dispatch)
            desk.dispatcher.hurry(seconds(0.1))
            tasks.cancel_scope.cancel()
    assert desk.notifier.tried == []
    assert (await desk.deliveries())["first"].state is DeliveryState.PENDING


async def test_a_message_that_left_is_written_down_as_soon_as_the_store_lets_us_and_not_sent_twice() -> None:
    desk = Desk()
    assert isinstance(desk.world.store, FlakyStore)
    desk.world.store.refuse("settle", *(StoreUnavailable("busy") for _ in range(3)))
    async with desk.dispatching():
        await desk.owe("dlc1", "first")
        await desk.clock.advance(seconds(60))
    assert len(desk.notifier.tried) == 1
    assert (await desk.deliveries())["first"].state is DeliveryState.DELIVERED


@pytest.mark.parametrize("method", ["lease", "watch"])
async def test_a_store_that_refuses_for_a_moment_delays_news_and_loses_none(method: str) -> None:
    desk = Desk()
    assert isinstance(desk.world.store, FlakyStore)
    desk.world.store.refuse(method, StoreUnavailable("busy"))
    async with desk.dispatching():
        await desk.owe("dlc1", "first")
        await desk.clock.advance(seconds(60))
    assert desk.names == ["first"]


async def test_sends_keep_the_pace_of_the_notifier() -> None:
    desk = Desk(FakeNotifier(World().clock, pace=seconds(1)))
    async with desk.dispatching():
        for number in range(5):
            await desk.owe(f"dlc{number}", str(number))
        await desk.clock.advance(seconds(30))
    times = [at for at, _ in desk.notifier.tried]
    assert [(b - a).total_seconds() for a, b in pairwise(times)] == [1, 1, 1, 1]


async def test_settled_deliveries_are_counted_by_reason() -> None:
    desk = Desk(FakeNotifier(World().clock, refused(), NotifierError("try later")))
    async with desk.dispatching():
        for number in range(3):
            await desk.owe(f"dlc{number}", str(number))
        await desk.clock.advance(seconds(60))
    counted: Counter[str] = Counter()
    samples: Any = desk.world.metrics.deliveries.collect()
    for sample in next(iter(samples)).samples:
        if sample.name.endswith("_total"):
            counted[sample.labels["reason"]] += int(sample.value)
    assert counted == {"permanent": 1, "transient": 1, "accepted": 2}
