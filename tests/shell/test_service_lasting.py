"""Receivers that show things while they last: told of ends, and again and again of what goes on."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime, timedelta

import anyio
import pytest

from tests.shell.service_world import FakeNotifier, VirtualClock, World, passing, refused, seconds
from watcher.core.breaker import BreakerState
from watcher.core.delivery import Delivery
from watcher.core.grouping import owe
from watcher.core.routing import Route
from watcher.core.trouble import Trouble, TroubleEnd
from watcher.errors import NotifierError
from watcher.ports.notifier import LastingNotifier, LivingNotifier
from watcher.service.dispatcher import Dispatcher
from watcher.testing.store_contract import JOB, OTHER_JOB, a_trouble, an_observation

pytestmark = pytest.mark.anyio
MINUTE = timedelta(minutes=1)


class FakeAlerts(FakeNotifier):
    """One that shows what lasts."""

    renew_every = MINUTE
    renew_most = 2

    @property
    def told(self) -> list[tuple[datetime, str, bool]]:
        return [(at, item.headline, item.over_at is not None) for at, message in self.tried for item in message.items]


class Wall:
    """A world with one receiver that shows what lasts."""

    def __init__(self, world: World | None = None) -> None:
        self.world = world or World()
        self.clock: VirtualClock = self.world.clock
        self.alerts = FakeAlerts(self.clock)
        self.dispatcher = Dispatcher("team", self.alerts, self.world.ledger, {}, jitter=lambda: 1.0)

    @contextlib.asynccontextmanager
    async def dispatching(self) -> AsyncIterator[None]:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self.dispatcher.dispatch)
            await self.clock.settle()
            yield
            tasks.cancel_scope.cancel()

    async def open(self, number: int, *, receiver: str = "team") -> Trouble:
        trouble = a_trouble(number, job=JOB if number == 1 else OTHER_JOB, at=self.clock.now())
        owed: Delivery = owe(Route(path="route", receiver=receiver), trouble.notification, self.clock.now())
        await self.world.ledger.commit(replace(an_observation(owed), troubles=(trouble,)))
        return trouble

    async def end(self, trouble: Trouble) -> None:
        over = trouble.ended(TroubleEnd.OVER, self.clock.now())
        await self.world.ledger.commit(replace(an_observation(), troubles=(over,)))

    def times(self, trouble: Trouble) -> int:
        return sum(trouble.notification.headline in line for _, line, _ in self.alerts.told)


def test_the_ports_tell_who_shows_what() -> None:
    alerts, plain = FakeAlerts(VirtualClock()), FakeNotifier(VirtualClock())
    assert [isinstance(one, LastingNotifier) for one in (alerts, plain)] == [True, False]
    assert not isinstance(alerts, LivingNotifier)


async def test_what_goes_on_is_sent_again_until_it_is_over_and_its_end_once() -> None:
    wall = Wall()
    async with wall.dispatching():
        trouble = await wall.open(1)
        await wall.clock.advance(5 * MINUTE)
        lasted = wall.times(trouble)
        assert lasted >= 5
        await wall.end(trouble)
        await wall.clock.advance(seconds(1))
        at, headline, over = wall.alerts.told[-1]
        assert (over, headline.startswith("Over after 5 m")) == (True, True)
        assert wall.clock.now() - at <= seconds(1)
        await wall.clock.advance(timedelta(hours=2))
    assert wall.times(trouble) == lasted + 1
    assert [over for _, _, over in wall.alerts.told].count(True) == 1


async def test_after_a_restart_all_that_goes_on_is_sent_at_once_and_ends_meanwhile_are_told() -> None:
    wall = Wall()
    async with wall.dispatching():
        on, over = await wall.open(1), await wall.open(2)
        await wall.clock.advance(seconds(10))
    await wall.end(over)
    await wall.clock.advance(timedelta(hours=1))
    later = Wall(wall.world.again())
    async with later.dispatching():
        await later.clock.advance(seconds(1))
    assert sorted((line.split(":")[0], ended) for _, line, ended in later.alerts.told if ended) == [
        ("Over after 10 s", True)
    ]
    assert later.times(on) >= 1


async def test_what_was_over_before_it_could_be_told_is_told_and_then_its_end() -> None:
    wall = Wall()
    wall.alerts.script.extend([passing(), passing()])
    async with wall.dispatching():
        trouble = await wall.open(1)
        await wall.clock.settle()
        await wall.end(trouble)
        await wall.clock.advance(5 * MINUTE)
    assert [over for _, _, over in wall.alerts.told if over is not None][-2:] == [False, True]


async def test_what_others_were_told_or_this_one_never_was_has_no_end_here() -> None:
    wall = Wall()
    wall.alerts.script.append(refused())
    async with wall.dispatching():
        dead, others = await wall.open(1), await wall.open(2, receiver="mail")
        await wall.clock.advance(seconds(1))
        await wall.end(dead)
        await wall.end(others)
        await wall.clock.advance(3 * MINUTE)
    assert len(wall.alerts.tried) == 1


async def test_a_receiver_that_is_gone_is_not_renewed_and_nobody_spins_waiting_for_it() -> None:
    wall = Wall()
    gone = NotifierError("410", permanent=True, pauses_receiver=True, disables_receiver=True)
    async with wall.dispatching():
        await wall.open(1)
        await wall.clock.advance(seconds(30))
        wall.alerts.script.append(gone)
        await wall.clock.advance(2 * MINUTE)  # the virtual clock notices who spins
        tried = len(wall.alerts.tried)
        await wall.clock.advance(timedelta(hours=1))
    assert wall.dispatcher.breaker.state is BreakerState.DISABLED
    assert len(wall.alerts.tried) == tried


async def test_a_renewal_that_fails_is_tried_with_the_next_one() -> None:
    wall = Wall()
    async with wall.dispatching():
        trouble = await wall.open(1)
        await wall.clock.advance(seconds(30))
        wall.alerts.script.append(passing())
        await wall.clock.advance(2 * MINUTE)
    assert len(wall.alerts.taken) >= 3
    assert wall.times(trouble) == len(wall.alerts.tried)


async def test_many_are_renewed_in_messages_of_a_bounded_size() -> None:
    wall = Wall()
    async with wall.dispatching():
        for number in range(1, 6):
            await wall.open(number)
        await wall.clock.advance(seconds(1))
        wall.alerts.tried.clear()
        await wall.clock.advance(MINUTE)
    assert [len(message.items) for _, message in wall.alerts.tried] == [2, 2, 1]
