"""Receivers that fail: breakers that outlive a restart, receivers that are gone for good, and fallbacks that are told instead."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from datetime import timedelta

import anyio
import pytest

from tests.shell.service_world import FakeNotifier, FlakyStore, World, passing, refused, seconds, slow_down
from tests.shell.test_service_dispatcher import TELL_EVERYTHING, Desk
from watcher.core.breaker import BreakerState
from watcher.core.delivery import Delivery, DeliveryReason, DeliveryState
from watcher.core.interventions import Action, Intervention
from watcher.errors import NotifierError, StoreUnavailable
from watcher.service.dispatcher import Dispatcher
from watcher.settings import ReceiverSettings

pytestmark = pytest.mark.anyio
MINUTE = timedelta(minutes=1)


def gone() -> NotifierError:
    return NotifierError(
        "the hook answered 410",
        permanent=True,
        pauses_receiver=True,
        disables_receiver=True,
        fix="Put in a new address",
    )


class Office(Desk):
    """Two receivers, `team` with `mail` for its fallback; news is owed to team by hand."""

    def __init__(self, *, world: World | None = None, target: str = "t", chain: bool = False) -> None:
        super().__init__(world=world or World(rules=TELL_EVERYTHING))
        ledger = self.world.ledger
        self.mail = FakeNotifier(self.clock)
        common = ReceiverSettings.model_validate({"fallback": "mail", "fallback_after": "30m"})
        self.dispatcher = Dispatcher(
            "team", self.notifier, ledger, {}, jitter=lambda: 1.0, common=common, target=target
        )
        last = ReceiverSettings.model_validate({"fallback": "last"}) if chain else ReceiverSettings()
        self.last = FakeNotifier(self.clock)
        self.others = (
            Dispatcher("mail", self.mail, ledger, {}, jitter=lambda: 1.0, common=last),
            Dispatcher("last", self.last, ledger, {}, jitter=lambda: 1.0),
        )

    def again(self, *, target: str = "t") -> Office:
        """After a restart of the program."""
        made = Office(world=self.world.again(rules=TELL_EVERYTHING), target=target)
        made._count = self._count
        return made

    @contextlib.asynccontextmanager
    async def dispatching(self) -> AsyncIterator[None]:
        async with anyio.create_task_group() as tasks:
            for dispatcher in (self.dispatcher, *self.others):
                tasks.start_soon(dispatcher.dispatch)
            await self.clock.settle()
            yield
            tasks.cancel_scope.cancel()

    async def of(self, receiver: str) -> list[Delivery]:
        return list(await self.world.store.deliveries(receiver=receiver, limit=1000))

    async def say(self, action: Action, *subjects: str) -> tuple[str, ...]:
        """A person's word, as a command writes it beside the watcher; the keeper looks every few seconds."""
        word = Intervention(at=self.clock.now(), action=action, subjects=subjects, author="ann", comment="mended")
        done = await self.world.store.intervene(word)
        await self.world.ledger.heed_interventions()
        return done


def lines(notifier: FakeNotifier) -> list[list[str]]:
    return [[item.headline.removeprefix("before to ") for item in message.items] for message in notifier.taken]


async def test_what_dies_together_is_told_by_the_fallback_in_one_message_with_the_reason_and_the_fix() -> None:
    office = Office()
    office.notifier.script.extend([refused()] * 3)
    async with office.dispatching():
        for n in range(3):
            await office.owe(f"dlc{n}", f"news{n}")
        await office.clock.advance(MINUTE)
    assert lines(office.mail) == [
        [
            "Receiver team cannot be told this: channel_not_found. Invite the bot to the channel",
            "news0",
            "news1",
            "news2",
        ]
    ]
    assert {one.state for one in await office.of("team")} == {DeliveryState.DEAD}


async def test_more_that_dies_within_the_hour_is_told_without_saying_why_again() -> None:
    office = Office()
    async with office.dispatching():
        office.notifier.script.append(refused())
        await office.owe("dlc1", "first")
        await office.clock.advance(5 * MINUTE)
        office.notifier.script.append(refused())
        await office.owe("dlc1", "second")
        await office.clock.advance(5 * MINUTE)
    assert [len(told) for told in lines(office.mail)] == [2, 1]


async def test_a_fallback_that_fails_leads_to_its_own() -> None:
    office = Office(chain=True)
    office.notifier.script.append(refused())
    office.mail.script.append(refused())
    async with office.dispatching():
        await office.owe("dlc1", "first")
        await office.clock.advance(3 * MINUTE)
    assert office.mail.taken == []
    assert [told[0].split(":")[0] for told in lines(office.last)] == ["Receiver mail cannot be told this"]
    assert lines(office.last)[0][-1] == "first"


async def test_a_receiver_that_says_gone_is_never_asked_again_whatever_restarts() -> None:
    office = Office()
    office.notifier.script.append(gone())
    async with office.dispatching():
        await office.owe("dlc1", "first")
        await office.clock.advance(MINUTE)
        await office.owe("dlc2", "second")
        await office.clock.advance(MINUTE)
    assert len(office.notifier.tried) == 1
    later = office.again()
    async with later.dispatching():
        await later.owe("dlc3", "third")
        await later.clock.advance(MINUTE)
    assert later.notifier.tried == []
    assert later.dispatcher.breaker.state is BreakerState.DISABLED
    assert lines(office.mail)[0][0].endswith("the hook answered 410. Put in a new address")
    assert lines(later.mail) == [["third"]]
    reasons = [one.reason for one in await later.of("team")]
    assert reasons == [DeliveryReason.PERMANENT, DeliveryReason.DISABLED, DeliveryReason.DISABLED]
    assert all("Put in a new address" in one.error for one in await later.of("team"))


async def test_a_receiver_that_was_disabled_is_asked_again_once_a_person_says_so() -> None:
    office = Office()
    office.notifier.script.append(gone())
    async with office.dispatching():
        await office.owe("dlc1", "first")
        await office.clock.advance(MINUTE)
        assert await office.say(Action.ENABLE, "team") == ("team",)
        await office.clock.settle()
        dead = (await office.of("team"))[0]
        assert await office.say(Action.RETRY, dead.id) == (dead.id,)
        await office.owe("dlc2", "second")
        await office.clock.advance(seconds(1))
    assert office.names == ["first", "second"]
    told = (await office.of("team"))[0]
    assert (told.id, told.state, told.attempt) == (dead.id, DeliveryState.DELIVERED, 1)


async def test_another_configuration_enables_it_too() -> None:
    office = Office()
    office.notifier.script.append(gone())
    async with office.dispatching():
        await office.owe("dlc1", "first")
        await office.clock.advance(MINUTE)
    later = office.again(target="another address")
    async with later.dispatching():
        await later.owe("dlc2", "second")
        await later.clock.advance(seconds(1))
    assert later.names == ["second"]
    (kept,) = [one for one in await later.world.store.breakers() if one.receiver == "team"]
    assert (kept.state, kept.target) == (BreakerState.CLOSED, "another address")


async def test_a_receiver_that_fails_with_everything_is_left_alone_for_longer_and_longer() -> None:
    office = Office()
    for n in range(50):
        office.notifier.about[f"dlc{n:02}"] = passing()
    async with office.dispatching():
        for n in range(50):
            await office.owe(f"dlc{n:02}", f"news{n}")
        await office.clock.advance(timedelta(hours=4))
    # 50 messages by themselves would be tried 8 times each within four hours
    assert len(office.notifier.tried) < 20
    assert {one.state for one in await office.of("team")} <= {DeliveryState.PENDING, DeliveryState.RETRYING}


async def test_a_pause_outlives_a_restart_and_ends_when_it_would_have() -> None:
    office = Office()
    office.notifier.script.append(slow_down(600))
    async with office.dispatching():
        await office.owe("dlc1", "first")
        await office.clock.advance(MINUTE)
    later = office.again()
    async with later.dispatching():
        await later.clock.advance(8 * MINUTE)
        assert later.notifier.tried == []
        await later.clock.advance(2 * MINUTE)
        assert later.names == ["first"]
    assert later.dispatcher.breaker.since is None


async def test_a_receiver_that_is_down_for_long_is_told_through_the_fallback_and_gets_its_news_in_the_end() -> None:
    office = Office()
    office.notifier.about.update({"dlc1": passing(), "dlc2": passing()})
    async with office.dispatching():
        await office.owe("dlc1", "first")
        await office.clock.advance(29 * MINUTE)
        assert office.mail.taken == []
        await office.clock.advance(2 * MINUTE)
        (told,) = lines(office.mail)
        assert told[0].startswith("Receiver team has not been reached since 2026-03-01 12:00 UTC: connection lost")
        assert told[1:] == ["first"]
        await office.owe("dlc2", "second")
        await office.clock.advance(31 * MINUTE)
        assert lines(office.mail)[1][-1] == "second"
        assert sum(item == "first" for told in lines(office.mail) for item in told) == 1
        office.notifier.about.clear()
        await office.clock.advance(timedelta(hours=2))
        assert sorted(office.names) == ["first", "second"]
        told_so_far = len(office.mail.taken)
        await office.clock.advance(timedelta(hours=5))
        assert len(office.mail.taken) == told_so_far


async def test_what_was_told_of_a_receiver_that_is_down_is_not_told_again_after_a_crash_in_between() -> None:
    office = Office()
    office.notifier.about["dlc1"] = passing()
    store = office.world.store
    assert isinstance(store, FlakyStore)
    async with office.dispatching():
        await office.owe("dlc1", "first")
        await office.clock.advance(29 * MINUTE)
        store.refuse("keep_breaker", *[StoreUnavailable("disk full")] * 3)
        await office.clock.advance(10 * MINUTE)
    assert sum(item == "first" for told in lines(office.mail) for item in told) == 1
    assert len(office.mail.taken) == 1


async def test_one_message_that_fails_alone_says_nothing_of_the_receiver() -> None:
    office = Office()
    office.notifier.about["dlc1"] = passing()
    async with office.dispatching():
        await office.owe("dlc1", "first")
        for n in range(20):
            await office.owe(f"other{n}", f"news{n}")
            await office.clock.advance(10 * MINUTE)
    assert len(office.names) == 20
    assert office.mail.taken == []


async def test_a_word_about_what_is_dead_is_heeded_while_nothing_else_happens() -> None:
    office = Office()
    office.notifier.script.append(refused())
    async with office.dispatching():
        await office.owe("dlc1", "first")
        await office.clock.advance(timedelta(hours=3))
        dead = (await office.of("team"))[0]
        await office.say(Action.RETRY, dead.id)
        await office.clock.advance(seconds(1))
    assert office.names == ["first"]


async def test_a_receiver_that_comes_back_is_not_flooded_and_hears_of_everything() -> None:
    office = Office()
    for n in range(50):
        office.notifier.about[f"dlc{n:02}"] = passing()
        office.notifier.about["group:waiting"] = passing()
    async with office.dispatching():
        for n in range(50):
            await office.owe(f"dlc{n:02}", f"news{n}")
            await office.clock.advance(MINUTE)
        await office.clock.advance(timedelta(hours=3))
        assert office.notifier.taken == []
        office.notifier.about.clear()
        await office.clock.advance(timedelta(hours=2))
    assert len(office.notifier.taken) < 15
    assert max(len(message.items) for message in office.notifier.taken) > 20
    told = {item.headline.removeprefix("before to ") for message in office.notifier.taken for item in message.items}
    assert {name for name in told if name.startswith("news")} == {f"news{n}" for n in range(50)}
    assert {one.state for one in await office.of("team")} == {DeliveryState.DELIVERED}
