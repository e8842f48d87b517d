"""The keeper: deadlines, resumed jobs, and rows that may go."""

from __future__ import annotations

from datetime import timedelta

import anyio
import pytest

from tests.shell.service_world import FlakyStore, World, job, seconds
from watcher.core.model import SourceName
from watcher.errors import StoreUnavailable, Unreachable
from watcher.service.keeper import Keeper

pytestmark = pytest.mark.anyio

STUCK = "  - {use: stuck-pending, with: {after: 30m}}\n"


def keeper_of(world: World, retention: timedelta | None = None) -> Keeper:
    return Keeper(
        world.ledger,
        {world.source.name: world.source},
        retention,
        world.investigator(),
        world.poller.may_judge,
    )


async def live(world: World, length: timedelta, *, retention: timedelta | None = None, poll: bool = True) -> None:
    """What `run` does, for so long."""
    keeper = keeper_of(world, retention)
    await world.poller.load()
    await keeper.resume()
    async with anyio.create_task_group() as tasks:
        if poll:
            tasks.start_soon(world.poller.poll)
        tasks.start_soon(keeper.keep)
        await world.clock.advance(length)
        tasks.cancel_scope.cancel()


async def test_a_deadline_fires_at_its_time_and_once() -> None:
    world = World(job("dlc1", "Queuing"), rules=STUCK)
    await live(world, timedelta(minutes=29, seconds=59))
    assert await world.told() == []
    await live(world.again(rules=STUCK), seconds(30))
    assert await world.told() == ["Pending for 30 m"]
    await live(world.again(rules=STUCK), timedelta(hours=5))
    await live(world.again(rules=STUCK), timedelta(hours=5))
    assert await world.told() == ["Pending for 30 m"]


async def test_a_deadline_that_came_while_the_program_was_down_is_answered_at_the_start() -> None:
    world = World(job("dlc1", "Queuing"), rules=STUCK)
    await live(world, timedelta(minutes=1))
    await world.clock.advance(timedelta(hours=2))
    await live(world.again(rules=STUCK), seconds(1))
    assert len(await world.told()) == 1


async def test_a_deadline_whose_reason_has_gone_says_nothing() -> None:
    world = World(job("dlc1", "Queuing"), rules=STUCK)
    await live(world, timedelta(minutes=1))
    world.source.put(job("dlc1"))
    await live(world.again(rules=STUCK), timedelta(hours=2))
    assert await world.told() == []


async def test_a_rule_that_is_new_in_the_configuration_speaks_about_a_job_that_was_there_before() -> None:
    world = World(job("dlc1", "Queuing"), rules="  - use: job-failed\n")
    await live(world, timedelta(minutes=20))
    assert await world.store.next_due() is None
    await live(world.again(rules=STUCK), timedelta(minutes=11))
    assert await world.told() == ["Pending for 30 m"]


async def test_nothing_is_said_about_jobs_of_a_source_that_is_configured_no_more() -> None:
    world = World(job("dlc1", "Queuing"), rules=STUCK)
    await live(world, timedelta(minutes=10))
    later = world.again(rules=STUCK)
    keeper = Keeper(later.ledger, {SourceName("elsewhere"): later.source}, None, later.investigator())
    await keeper.resume()
    await later.clock.advance(timedelta(hours=1))
    assert await keeper.pass_due() == 1
    assert await keeper.pass_due() == 0
    assert await later.told() == []
    assert await later.kinds() == ["job.appeared"]


async def test_a_deadline_from_before_an_absence_waits_for_a_look_at_its_job() -> None:
    world = World(job("dlc1", "Queuing"), rules=STUCK)
    await live(world, timedelta(minutes=1))
    await world.clock.advance(timedelta(hours=2))
    world.source.next_failures["GetJob"].extend(Unreachable("reset") for _ in range(2))
    world.source.put(job("dlc1"))
    later = world.again(rules=STUCK)
    await live(later, timedelta(minutes=3))
    assert later.source.times("GetJob") > 3
    assert await world.told() == [], "it was judged on what was known before the absence"
    (passed,) = await world.events("deadline.passed")
    (changed,) = await world.events("job.status_changed")
    assert changed.when.late
    assert passed.when.observed_at >= changed.when.observed_at


async def test_a_deadline_of_a_job_that_still_waits_after_an_absence_is_told_as_it_stands() -> None:
    world = World(job("dlc1", "Queuing"), rules=STUCK)
    await live(world, timedelta(minutes=1))
    await world.clock.advance(timedelta(hours=2))
    world.source.next_failures["GetJob"].extend(Unreachable("reset") for _ in range(2))
    await live(world.again(rules=STUCK), timedelta(minutes=1))
    assert await world.told() == ["Pending for 2 h 1 m"]
    (delivery,) = await world.store.deliveries()
    assert delivery.notification.away is None, "it is so now, not only while the watcher was away"


async def test_while_we_are_blind_a_deadline_does_not_wait() -> None:
    world = World(job("dlc1", "Queuing"), rules=STUCK + "  - use: watch-blind\n")
    await live(world, timedelta(minutes=1))
    await world.clock.advance(timedelta(hours=2))
    world.source.failing["GetJob"] = Unreachable("reset")
    later = world.again(rules=STUCK, blind_after="3m")
    await live(later, timedelta(minutes=2))
    assert await world.told() == []
    await live(later.again(rules=STUCK), timedelta(minutes=10))
    assert [text[:7] for text in await world.told()] == ["Pending"]


async def test_deadlines_that_wait_do_not_hold_up_those_behind_them() -> None:
    many = [job(f"dlc{n:03}", "Queuing") for n in range(150)]
    world = World(*many, rules=STUCK)
    await live(world, timedelta(minutes=1))
    await world.clock.advance(timedelta(hours=1))
    sources = {world.source.name: world.source}
    keeper = Keeper(world.ledger, sources, None, world.investigator(), lambda ref: ref.job_id == "dlc149")
    assert await keeper.pass_due() == 1
    assert len(await world.told()) == 1


async def test_a_store_that_refuses_delays_a_deadline_and_does_not_drop_it() -> None:
    world = World(job("dlc1", "Queuing"), rules=STUCK)
    assert isinstance(world.store, FlakyStore)
    world.store.refuse("due_deadlines", StoreUnavailable("busy"))
    await live(world, timedelta(minutes=29))
    world.store.refuse("due_deadlines", *(StoreUnavailable("busy") for _ in range(3)))
    await live(world.again(rules=STUCK), timedelta(minutes=3))
    assert len(await world.told()) == 1


async def test_ended_jobs_are_dropped_when_the_retention_is_over_and_live_ones_are_kept() -> None:
    world = World(job("dlc1"), job("dlc2"), rules="  - use: job-vanished\n")
    await live(world, seconds(30))
    world.source.put(job("dlc1", "Succeeded", finished_at=world.clock.now()))
    rules = "  - use: job-vanished\n"
    later = world.again(rules=rules)
    await live(later, timedelta(hours=1), retention=timedelta(hours=6))
    assert await world.store.watch(job("dlc1").ref) is not None
    await live(later.again(rules=rules), timedelta(hours=8), retention=timedelta(hours=6))
    assert await world.store.watch(job("dlc1").ref) is None
    assert await world.store.watch(job("dlc2").ref) is not None
    assert {str(event.job) for event in await world.events()} == {"hz/dlc2"}  # type: ignore[union-attr]
