"""A job that goes back and forth, in the running service: told once, then when it has settled; each swallowed row says why."""

from __future__ import annotations

from datetime import timedelta

import anyio
import pytest

from tests.shell.service_world import World, job
from watcher.core.delivery import DeliveryReason
from watcher.service.keeper import Keeper

pytestmark = pytest.mark.anyio

RULES = "  - {use: job-restarted}\n  - {use: job-recovered}\n  - {use: flapping}\n"


async def live(world: World, length: timedelta) -> None:
    keeper = Keeper(world.ledger, {world.source.name: world.source}, None, world.investigator(), world.poller.may_judge)
    await world.ledger.recall()
    await world.poller.load()
    await keeper.resume()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(world.poller.poll)
        tasks.start_soon(keeper.keep)
        await world.clock.advance(length)
        tasks.cancel_scope.cancel()


async def test_a_job_in_a_loop_is_told_as_flapping_and_once_more_when_it_has_settled() -> None:
    world = World(job("dlc1", restarts="0/100"), rules=RULES)
    await live(world, timedelta(minutes=1))
    for number in range(1, 9):
        world.source.put(job("dlc1", "Restarting", restarts=f"{number}/100"))
        await live(world.again(rules=RULES), timedelta(minutes=1))  # each time a new run of the program
        world.source.put(job("dlc1", "Running", restarts=f"{number}/100"))
        await live(world.again(rules=RULES), timedelta(minutes=4))
    await live(world.again(rules=RULES), timedelta(hours=2))
    rows = await world.store.deliveries(limit=1000)
    told = [row.notification.headline for row in rows if row.reason is not DeliveryReason.PART_OF_FLAPPING]
    assert told == [
        "Restart 1 of 100",
        "Running again after restart 1 of 100",
        "Restart 2 of 100",
        "Running again after restart 2 of 100",
        "Restart 3 of 100",
        "Running again after restart 3 of 100",
        "Goes back and forth: Running > Restarting, 4 times within 15 m",
        "Settled: Running > Restarting came 8 times within 35 m, and not again for 30 m",
    ]
    swallowed = [row for row in rows if row.reason is DeliveryReason.PART_OF_FLAPPING]
    assert len(swallowed) == 10
    (flapping,) = [row.notification.id for row in rows if row.notification.headline.startswith("Goes back")]
    assert {row.error for row in swallowed} == {f"told as part of notification {flapping}"}
