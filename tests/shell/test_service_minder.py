"""Troubles in a running service: reminded until somebody takes them on, escalated when nobody does, over restarts and once."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, time, timedelta
from itertools import pairwise
from typing import Any

import anyio
import pytest

from tests.shell.service_world import FakeNotifier, FlakyStore, World, job, seconds
from watcher.core.calls import MINDER
from watcher.core.events import CauseId
from watcher.core.model import SourceName
from watcher.core.muting import MuteInterval
from watcher.core.ongoing import Ongoing
from watcher.core.routing import Escalation, Route
from watcher.core.rule import Occasion
from watcher.core.trouble import Trouble, TroubleEnd
from watcher.errors import StoreUnavailable, Unreachable
from watcher.ports.store import Observation
from watcher.service.dispatcher import Dispatcher
from watcher.service.keeper import Keeper

pytestmark = pytest.mark.anyio

RULES = "  - {use: job-failed}\n  - {use: stuck-pending, with: {after: 30m}}\n"
HOUR = timedelta(hours=1)
TREE = Route(
    path="route", receiver="team", repeat_interval=HOUR, escalate=(Escalation(timedelta(minutes=15), "oncall"),)
)


class Life:
    """A world whose program may be stopped and started again, with two receivers that take everything."""

    def __init__(self, world: World, tree: Route = TREE) -> None:
        self.world, self.tree = world, tree
        self.ends = {name: FakeNotifier(world.clock) for name in ("team", "oncall")}

    async def go_on(self, length: timedelta, *, keepers: int = 1, rules: str = RULES) -> None:
        """What `run` does, for so long; as after a start."""
        world = self.world = self.world.again(rules=rules)
        world.ledger.book = replace(world.ledger.book, tree=self.tree)
        sources = {world.source.name: world.source}
        watch = [
            Keeper(world.ledger, sources, None, world.investigator(), world.poller.may_judge)  # type: ignore[arg-type]
            for _ in range(keepers)
        ]
        await world.poller.load()
        await watch[0].heed()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(world.poller.poll)
            for keeper in watch:
                tasks.start_soon(keeper.keep)
            for name, end in self.ends.items():
                tasks.start_soon(Dispatcher(name, end, world.ledger, {}).dispatch)
            await world.clock.advance(length)
            tasks.cancel_scope.cancel()

    def told(self, receiver: str = "team") -> list[tuple[str, str]]:
        items = [item for message in self.ends[receiver].taken for item in message.items]
        return [(item.occasion.value, item.headline) for item in items]


async def failing(tree: Route = TREE) -> Life:
    life = Life(World(job("dlc1")), tree)
    await life.go_on(seconds(30))
    life.world.source.put(job("dlc1", "Failed", reason="OOM", finished_at=life.world.clock.now()))
    await life.go_on(seconds(30))
    assert [occasion for occasion, _ in life.told()] == ["news"]
    return life


async def test_what_nobody_takes_on_is_reminded_of_every_interval_over_restarts_and_never_twice() -> None:
    life = await failing()
    for _ in range(8):
        await life.go_on(timedelta(minutes=20), keepers=2)
    assert life.told()[1:] == [
        ("reminder", "Still failed, 1 h ago, and nobody is on it: Failed: OOM"),
        ("reminder", "Still failed, 2 h ago, and nobody is on it: Failed: OOM"),
    ]
    assert {message.thread_key for message in life.ends["team"].taken} == {"job:hz/dlc1"}


async def test_a_reminder_that_came_due_while_the_program_was_down_is_told_late_and_once() -> None:
    life = await failing()
    await life.world.clock.advance(timedelta(hours=5))
    await life.go_on(timedelta(minutes=5))
    assert [headline for occasion, headline in life.told() if occasion == "reminder"] == [
        "Still failed, 5 h ago, and nobody is on it: Failed: OOM"
    ]


async def test_who_takes_it_on_is_reminded_no_more_and_nobody_else_is_told() -> None:
    life = await failing()
    (trouble,) = await life.world.store.troubles()
    assert await life.world.store.acknowledge(trouble.id, life.world.clock.now(), "ann")
    await life.go_on(timedelta(hours=3))
    assert [occasion for occasion, _ in life.told()] == ["news"]
    assert life.told("oncall") == []
    assert await life.world.store.deadlines(MINDER) == ()


async def test_what_nobody_takes_on_goes_to_the_second_receiver_once() -> None:
    life = await failing()
    for _ in range(4):
        await life.go_on(timedelta(minutes=10), keepers=2)
    assert life.told("oncall") == [("escalation", "Nobody has answered for 15 m: Failed: OOM")]
    (item,) = life.ends["oncall"].taken[0].items
    assert item.facts[0] == ("Told first", "team")
    (trouble,) = await life.world.store.troubles()
    assert item.notification_id == trouble.id


async def test_a_job_that_lives_again_ends_its_trouble_and_its_reminders() -> None:
    life = await failing()
    life.world.source.put(job("dlc1", "Running"))
    await life.go_on(timedelta(hours=2))
    (trouble,) = await life.world.store.troubles(open_only=False)
    assert trouble.end is TroubleEnd.OVER
    assert [occasion for occasion, _ in life.told()] == ["news"]
    assert await life.world.store.deadlines(MINDER) == ()


async def test_a_wait_that_is_over_ends_by_itself_and_is_reminded_of_until_then() -> None:
    life = Life(World(job("dlc1", "Queuing")))
    await life.go_on(timedelta(minutes=100))
    assert [occasion for occasion, _ in life.told()] == ["news", "reminder"]
    life.world.source.put(job("dlc1", "Running"))
    await life.go_on(timedelta(hours=3))
    assert [occasion for occasion, _ in life.told()] == ["news", "reminder"]
    (trouble,) = await life.world.store.troubles(open_only=False)
    assert trouble.end is TroubleEnd.OVER


async def test_reminders_wait_for_the_end_of_the_night() -> None:
    night = MuteInterval(name="night", zone=UTC, start=time(13), end=time(20))
    life = await failing(replace(TREE, mute=(night,)))
    await life.go_on(timedelta(hours=7, minutes=55))
    assert [occasion for occasion, _ in life.told()] == ["news"]
    await life.go_on(timedelta(minutes=10))
    assert [occasion for occasion, _ in life.told()] == ["news", "reminder"]


async def test_reminders_that_the_configuration_has_come_to_want_are_set_at_the_next_start() -> None:
    life = await failing(Route(path="route", receiver="team"))
    assert await life.world.store.deadlines(MINDER) == ()
    life.tree = TREE
    await life.go_on(timedelta(minutes=61))
    assert [occasion for occasion, _ in life.told()] == ["news", "reminder"]
    assert len(life.told("oncall")) == 1


async def test_of_a_source_that_is_configured_no_more_nobody_is_reminded() -> None:
    life = await failing()
    world = life.world.again(rules=RULES)
    keeper = Keeper(world.ledger, {SourceName("elsewhere"): world.source}, None, world.investigator())  # type: ignore[dict-item]
    await keeper.resume()
    (trouble,) = await world.store.troubles(open_only=False)
    assert trouble.end is TroubleEnd.UNWATCHED


async def test_what_is_committed_while_the_answers_are_read_is_not_forgotten() -> None:
    life = await failing()
    register, store = life.world.ledger.book.troubles, life.world.store
    (trouble,) = await store.troubles()
    read = store.troubles

    async def slow(**asked: Any) -> tuple[Trouble, ...]:
        found = await read(**asked)
        register.note([trouble.ended(TroubleEnd.OVER, life.world.clock.now())])
        return found

    store.troubles = slow  # type: ignore[method-assign, assignment]
    assert await store.acknowledge(trouble.id, life.world.clock.now(), "ann")
    await life.world.ledger.heed_answers()
    assert len(register) == 0


async def test_blindness_whose_end_was_missed_ends_when_it_is_looked_at() -> None:
    life = Life(World(job("dlc1"), blind_after="1m"))
    life.world.source.failing = {"GetJob": Unreachable("no answer"), "ListJobs": Unreachable("no answer")}
    await life.go_on(timedelta(minutes=10), rules=RULES + "  - {use: watch-blind}\n")
    (blind,) = await life.world.store.troubles()
    assert blind.ongoing is Ongoing.BLIND
    (sight,) = await life.world.store.sights()
    seen = replace(sight, blind_since=None, failing_since=None)
    await life.world.store.commit(Observation(cause=CauseId("c"), at=life.world.clock.now(), sight=seen))
    await Keeper(
        life.world.ledger, {life.world.source.name: life.world.source}, None, life.world.investigator()
    ).resume()  # type: ignore[dict-item]
    (over,) = await life.world.store.troubles(open_only=False)
    assert over.end is TroubleEnd.OVER


async def test_a_call_that_could_not_be_committed_stays_due() -> None:
    store = FlakyStore()
    life = Life(World(job("dlc1"), store=store))
    await life.go_on(seconds(30))
    life.world.source.put(job("dlc1", "Failed", finished_at=life.world.clock.now()))
    await life.go_on(timedelta(minutes=10))
    store.refuse("commit", StoreUnavailable("full"), StoreUnavailable("full"))
    await life.go_on(timedelta(minutes=10))
    assert [occasion for occasion, _ in life.told("oncall")] == [Occasion.ESCALATION.value]


@pytest.mark.parametrize("seed", range(6))
async def test_whatever_is_stopped_refused_and_taken_on_nothing_is_told_twice_nor_after_an_answer(seed: int) -> None:
    print("seed", seed)
    chance = random.Random(seed)
    store = FlakyStore()
    life = Life(World(job("dlc1"), store=store))
    await life.go_on(seconds(30))
    life.world.source.put(job("dlc1", "Failed", finished_at=life.world.clock.now()))
    await life.go_on(seconds(chance.randint(1, 30)))
    answered_at = None
    for _ in range(12):
        for method in ("commit", "settle", "due_deadlines", "lease"):
            if chance.random() < 0.3:
                store.refuse(method, StoreUnavailable("busy"))
        if answered_at is None and chance.random() < 0.12:
            (one,) = await store.troubles()
            assert await store.acknowledge(one.id, life.world.clock.now(), "ann")
            answered_at = life.world.clock.now()
        if chance.random() < 0.3:
            await life.world.clock.advance(timedelta(minutes=chance.randint(1, 90)))  # nobody keeps watch
        await life.go_on(timedelta(minutes=chance.randint(1, 50)), keepers=chance.randint(1, 2))
    await life.go_on(timedelta(hours=2))  # what was set before the answer comes, and comes to nothing
    items = [item for message in life.ends["team"].taken for item in message.items]
    reminders = [item.at for item in items if item.occasion is Occasion.REMINDER]
    assert all(later - sooner >= HOUR for sooner, later in pairwise(reminders)), reminders
    assert len(life.told("oncall")) <= 1
    told = [row.notification for row in await store.deliveries(limit=1000)]
    assert len({said.id for said in told}) == len(told)
    if answered_at is not None:
        assert all(at <= answered_at for at in reminders)
        assert await store.deadlines(MINDER) == ()
    else:
        assert reminders
        assert len(life.told("oncall")) == 1
