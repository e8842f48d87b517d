"""Living cards: one root for each job, posted before its first news and changed in place after that; and what if it breaks."""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from datetime import timedelta
from typing import Any

import anyio
import pytest

from tests.shell.service_world import (
    FakeNotifier,
    FlakyStore,
    VirtualClock,
    World,
    job,
    passing,
    refused,
    seconds,
    slow_down,
)
from tests.shell.test_service_dispatcher import TELL_EVERYTHING, Desk
from watcher.core.delivery import DeliveryState, Receipt
from watcher.core.events import CauseId
from watcher.core.living import MOST_REPLIES, UPDATE_EVERY, CardLoss, CardView, LivingCard
from watcher.core.model import JobSnapshot, Watch
from watcher.errors import CardLost, NotifierError, StoreUnavailable
from watcher.ports.notifier import Wire
from watcher.ports.store import Observation
from watcher.service.dispatcher import Dispatcher

pytestmark = pytest.mark.anyio


class Showing(FakeNotifier):
    """A notifier with cards. `shown` is what was posted and changed, `fails` what becomes of the next tries."""

    card_pace = timedelta(seconds=1)
    card_target = "#ml"

    def __init__(self, clock: VirtualClock, *script: BaseException | None) -> None:
        super().__init__(clock, *script)
        self.shown: list[CardView] = []
        self.tries: list[CardView] = []
        self.order: list[str] = []
        self.fails: deque[NotifierError] = deque()
        self.lost_answers = 0

    def render_card(self, view: CardView) -> Wire:
        return {"title": view.card.title}

    async def show_card(self, wire: Wire, view: CardView) -> Receipt:
        self.tries.append(view)
        if self.fails:
            raise self.fails.popleft()
        if view.id in {one.id for one in self.roots} and not view.reference:
            return Receipt(reference=f"card-{len(self.roots)}", place="C1", earlier=True)
        self.shown.append(view)
        self.order.append("change" if view.reference else "root")
        if self.lost_answers:
            self.lost_answers -= 1
            raise passing()
        reference = view.reference or f"card-{len(self.roots)}"
        return Receipt(reference=reference, thread_reference=reference, place="C1")

    async def send(self, wire: Wire, message: Any) -> Receipt:
        receipt = await super().send(wire, message)
        self.order.append("news")
        return receipt

    @property
    def roots(self) -> list[CardView]:
        return [view for view in self.shown if not view.reference]

    @property
    def statuses(self) -> list[str]:
        return [view.card.status for view in self.shown]


class CardDesk(Desk):
    def __init__(self, notifier: Showing | None = None, world: World | None = None) -> None:
        world = world or World(rules=TELL_EVERYTHING)
        self.showing = notifier or Showing(world.clock)
        super().__init__(self.showing, world)

    async def look(self, job_id: str = "dlc1", status: str = "Running", **members: Any) -> None:
        """A look at the job that is committed."""
        await self.commit(job(job_id, status, **members))

    async def commit(self, snapshot: JobSnapshot, *, vanished: bool = False) -> None:
        held = await self.world.store.watch(snapshot.ref)
        version, now = (held.version if held else 0), self.clock.now()
        watch = Watch(replace(snapshot, observed_at=now), version + 1, now, now, vanished=vanished)
        await self.world.ledger.commit(
            Observation(cause=CauseId("look"), at=now, expected_version=version, watch=watch, snapshot_changed=True)
        )

    async def card(self, job_id: str = "dlc1") -> LivingCard:
        found = await self.world.store.card("team", job(job_id).ref)
        assert found is not None
        return found

    def restarted(self) -> CardDesk:
        """The same after a restart of the program."""
        new = CardDesk(self.showing, self.world.again(rules=TELL_EVERYTHING))
        new._count = self._count
        return new


async def test_the_card_is_posted_before_the_first_news_which_goes_under_it() -> None:
    desk = CardDesk()
    await desk.look()
    async with desk.dispatching():
        await desk.clock.advance(seconds(60))
        assert desk.showing.shown == [], "nobody has heard of the job yet"
        await desk.owe("dlc1", "a", "b")
        await desk.clock.advance(seconds(60))
    assert desk.showing.order[:2] == ["root", "news"]
    assert {message.thread_reference for message in desk.notifier.taken} == {"card-1"}
    assert {message.thread_place for message in desk.notifier.taken} == {"C1"}
    assert (await desk.card()).replies == len(desk.notifier.taken)
    assert desk.showing.roots[0].card.url == ""


async def test_what_was_committed_in_quick_succession_is_shown_by_one_change_of_the_newest() -> None:
    desk = CardDesk()
    await desk.look(status="Queuing")
    async with desk.dispatching():
        await desk.owe("dlc1", "a")
        await desk.clock.advance(seconds(1))
        for status in ("EnvPreparing", "Running", "Restarting", "Running"):
            await desk.look(status=status, restarts="1/3")
            await desk.clock.advance(seconds(1))
        await desk.clock.advance(UPDATE_EVERY)
        assert desk.showing.statuses == ["Queuing", "Running"]
        await desk.look(status="Succeeded", restarts="1/3")
        await desk.clock.advance(2 * UPDATE_EVERY)
    assert desk.showing.statuses == ["Queuing", "Running", "Succeeded"]
    assert {view.reference for view in desk.showing.shown[1:]} == {"card-1"}


async def test_a_commit_that_changes_nothing_on_the_card_changes_no_message() -> None:
    desk = CardDesk()
    await desk.look()
    async with desk.dispatching():
        await desk.owe("dlc1", "a")
        await desk.clock.advance(seconds(1))
        await desk.look()
        await desk.clock.advance(seconds(60))
    assert desk.showing.order == ["root", "news"]
    assert not (await desk.card()).behind


async def test_a_restart_forgets_neither_the_card_nor_that_it_is_behind() -> None:
    desk = CardDesk()
    await desk.look(status="Queuing")
    async with desk.dispatching():
        await desk.owe("dlc1", "a")
        await desk.clock.advance(seconds(1))
    await desk.look(status="Running")
    desk = desk.restarted()
    async with desk.dispatching():
        await desk.clock.advance(seconds(60))
        await desk.owe("dlc1", "b")
        await desk.clock.advance(seconds(60))
    assert desk.showing.order == ["root", "news", "change", "news"]
    assert desk.notifier.taken[-1].thread_reference == "card-1"


async def test_a_root_whose_outcome_nobody_knows_is_tried_again_under_the_same_id() -> None:
    desk = CardDesk()
    desk.showing.fails.append(NotifierError("broke", ambiguous=True))
    await desk.look()
    async with desk.dispatching():
        await desk.owe("dlc1", "a")
        await desk.clock.advance(seconds(60))
    first, second = desk.showing.tries[:2]
    assert (first.id, first.attempt, second.attempt) == (second.id, 1, 2)
    assert len(desk.showing.roots) == 1
    assert desk.names == ["a"]


async def test_a_root_that_was_begun_by_a_process_that_died_is_tried_again_under_the_same_id() -> None:
    desk = CardDesk()
    await desk.look()
    now = desk.clock.now()
    begun = LivingCard(receiver="team", job=job("dlc1").ref, target="#ml", attempt=1, first_attempt_at=now, next_at=now)
    await desk.world.store.keep_card(begun)
    async with desk.dispatching():
        await desk.owe("dlc1", "a")
        await desk.clock.advance(seconds(5))
    assert [view.attempt for view in desk.showing.tries] == [2]


async def test_a_root_that_stood_already_when_it_was_tried_again_is_brought_up_to_date() -> None:
    desk = CardDesk()
    desk.showing.lost_answers = 1
    await desk.look(status="Running")
    async with desk.dispatching():
        await desk.owe("dlc1", "a")
        await desk.clock.settle()
        await desk.look(status="Succeeded")  # before the next attempt, and the last that is ever committed about it
        await desk.clock.advance(seconds(60))
    assert [view.attempt for view in desk.showing.tries[:2]] == [1, 2]
    assert desk.showing.order == ["root", "news", "change"]
    assert desk.showing.statuses == ["Running", "Succeeded"]
    assert not (await desk.card()).behind


async def test_what_is_committed_while_a_card_is_begun_is_on_it() -> None:
    class Busy(FlakyStore):
        async def keep_card(self, card: LivingCard) -> None:
            if not card.reference:
                await desk.look(status="Succeeded")
            await super().keep_card(card)

    desk = CardDesk(world=World(rules=TELL_EVERYTHING, store=Busy()))
    await desk.look(status="Running")
    async with desk.dispatching():
        await desk.owe("dlc1", "a")
        await desk.clock.advance(seconds(60))
    assert desk.showing.statuses == ["Succeeded"]


async def test_news_whose_root_is_refused_for_good_is_a_dead_letter_with_the_fix() -> None:
    desk = CardDesk()
    desk.showing.fails.append(refused())
    await desk.look()
    async with desk.dispatching():
        await desk.owe("dlc1", "a")
        await desk.clock.advance(seconds(60))
    (one,) = (await desk.deliveries()).values()
    assert (one.state, desk.notifier.taken) == (DeliveryState.DEAD, [])
    assert one.error == str(refused())


@pytest.mark.parametrize("loss", CardLoss)
async def test_a_lost_card_is_replaced_with_the_next_news_and_names_the_old_one_once(loss: CardLoss) -> None:
    desk = CardDesk()
    await desk.look(status="Queuing")
    async with desk.dispatching():
        await desk.owe("dlc1", "a")
        await desk.clock.advance(seconds(20))
        desk.showing.fails.append(CardLost("gone", loss=loss.value))
        await desk.look(status="Running")
        await desk.clock.advance(seconds(300))
        assert len(desk.showing.roots) == 1, "nobody asked for another one yet"
        await desk.owe("dlc1", "b", "c")
        await desk.clock.advance(seconds(60))
    old, new = desk.showing.roots
    assert (new.previous, new.previous_place, new.why) == ("card-1", "C1", loss)
    assert new.id != old.id
    assert [message.thread_reference for message in desk.notifier.taken][1:] == ["card-2"] * (
        len(desk.notifier.taken) - 1
    )


async def test_a_deleted_root_is_noticed_before_news_goes_under_it() -> None:
    desk = CardDesk()
    await desk.look(status="Queuing")
    async with desk.dispatching():
        await desk.owe("dlc1", "a")
        await desk.clock.advance(seconds(20))
        desk.showing.fails.append(CardLost("gone", loss="deleted"))
        await desk.look(status="Running")
        await desk.owe("dlc1", "b")
        await desk.clock.advance(seconds(20))
    assert [message.thread_reference for message in desk.notifier.taken] == ["card-1", "card-2"]
    assert desk.showing.roots[1].card.status == "Running"


async def test_a_thread_that_has_grown_too_long_is_continued_under_a_new_card() -> None:
    desk = CardDesk()
    await desk.look()
    async with desk.dispatching():
        await desk.owe("dlc1", "a")
        await desk.clock.advance(seconds(20))
        await desk.world.store.keep_card(replace(await desk.card(), replies=MOST_REPLIES))
        await desk.owe("dlc1", "b")
        await desk.clock.advance(seconds(20))
    assert [view.why for view in desk.showing.roots] == [None, CardLoss.FULL]
    assert (await desk.card()).replies == 1


async def test_a_receiver_that_was_set_to_another_channel_gets_new_cards_there() -> None:
    desk = CardDesk()
    await desk.look()
    async with desk.dispatching():
        await desk.owe("dlc1", "a")
        await desk.clock.advance(seconds(20))
    desk.showing.card_target = "#other"
    desk = desk.restarted()
    async with desk.dispatching():
        await desk.owe("dlc1", "b")
        await desk.clock.advance(seconds(20))
    assert [view.why for view in desk.showing.roots] == [None, CardLoss.MOVED]


async def test_an_update_that_fails_in_passing_comes_again_and_holds_up_no_news() -> None:
    desk = CardDesk()
    await desk.look(status="Queuing")
    async with desk.dispatching():
        await desk.owe("dlc1", "a")
        await desk.clock.advance(seconds(20))
        desk.showing.fails.extend((passing(), slow_down(3), NotifierError("?", permanent=True, pauses_receiver=True)))
        await desk.look(status="Running")
        await desk.clock.settle()
        await desk.owe("dlc1", "b")
        await desk.clock.advance(seconds(3))
        assert desk.names == ["a", "b"]
        await desk.clock.advance(timedelta(minutes=30))
    assert desk.showing.statuses == ["Queuing", "Running"]


async def test_a_receiver_that_is_gone_gets_no_changes_of_cards_either() -> None:
    desk = CardDesk()
    await desk.look()
    async with desk.dispatching():
        await desk.owe("dlc1", "first")
        await desk.clock.advance(seconds(60))
        desk.showing.fails.append(NotifierError("410", permanent=True, pauses_receiver=True, disables_receiver=True))
        await desk.look(status="Failed")
        await desk.clock.advance(seconds(60))
        tries = len(desk.showing.tries)
        await desk.look(status="Succeeded")
        await desk.clock.advance(timedelta(hours=1))
    assert desk.dispatcher.breaker.shut
    assert len(desk.showing.tries) == tries


async def test_an_update_that_is_refused_for_good_ends_the_card() -> None:
    desk = CardDesk()
    await desk.look(status="Queuing")
    async with desk.dispatching():
        await desk.owe("dlc1", "a")
        await desk.clock.advance(seconds(20))
        desk.showing.fails.append(refused())
        await desk.look(status="Running")
        await desk.clock.advance(timedelta(hours=2))
    assert len(desk.showing.tries) == 2
    assert (await desk.card()).lost is CardLoss.FROZEN


async def test_in_a_storm_cards_that_are_behind_for_long_get_their_turn() -> None:
    desk = CardDesk()
    desk.showing.pace = seconds(2)
    for job_id in ("dlc1", "dlc2"):
        await desk.look(job_id, "Queuing")
    await desk.owe("dlc2", "x")
    async with desk.dispatching():
        await desk.clock.advance(seconds(20))
        await desk.look("dlc2", "Running")
        for number in range(60):
            await desk.owe("dlc1", str(number))
            await desk.owe("dlc1", f"{number}b")
            await desk.clock.advance(seconds(1))
    assert ("dlc2", "Running") in [(str(view.card.ref.job_id), view.card.status) for view in desk.showing.shown]


async def test_a_job_that_is_gone_says_so_on_its_card() -> None:
    desk = CardDesk()
    await desk.look()
    async with desk.dispatching():
        await desk.owe("dlc1", "a")
        await desk.clock.advance(seconds(20))
        await desk.commit(job("dlc1"), vanished=True)
        await desk.clock.advance(seconds(20))
    assert desk.showing.shown[-1].card.gone


async def test_no_card_for_news_about_several_jobs_and_for_threads_that_began_without_one() -> None:
    plain = Desk()
    async with plain.dispatching():
        await plain.owe("dlc1", "a")
        await plain.clock.advance(seconds(5))
    desk = CardDesk(world=plain.world.again(rules=TELL_EVERYTHING))
    desk._count = 1
    await desk.look()
    async with desk.dispatching():
        await desk.owe("dlc1", "b")
        await desk.clock.advance(seconds(5))
    assert desk.showing.shown == []
    assert desk.notifier.taken[0].thread_reference.startswith("root-")


async def test_a_receiver_may_want_no_cards() -> None:
    desk = CardDesk()
    desk.showing.card_target = ""
    desk.dispatcher = Dispatcher("team", desk.showing, desk.world.ledger, {}, jitter=lambda: 1.0)
    await desk.look()
    async with desk.dispatching():
        await desk.owe("dlc1", "a")
        await desk.clock.advance(seconds(5))
    assert desk.showing.order == ["news"]


async def test_nothing_is_held_about_the_job_so_there_is_no_card() -> None:
    desk = CardDesk()
    async with desk.dispatching():
        await desk.owe("dlc1", "a")
        await desk.clock.advance(seconds(5))
    assert desk.showing.order == ["news"]


async def test_a_store_that_refuses_for_a_while_costs_neither_news_nor_a_second_root() -> None:
    class Refusing(FlakyStore):
        def __init__(self) -> None:
            super().__init__()
            self.keeping = 0

        async def card(self, receiver: str, job: Any) -> Any:
            self._refuse("card")
            return await super().card(receiver, job)

        async def keep_card(self, card: LivingCard) -> None:
            self.keeping += 1
            if self.keeping == 3:  # that the root stands
                self._refuse("keep_card")
            await super().keep_card(card)

    store = Refusing()
    store.refuse("card", StoreUnavailable("busy"))
    store.refuse("keep_card", StoreUnavailable("full"))
    desk = CardDesk(world=World(rules=TELL_EVERYTHING, store=store))
    store.keeping = 1
    await desk.look()
    async with desk.dispatching():
        await desk.owe("dlc1", "a")
        await desk.clock.advance(seconds(60))
    assert desk.showing.order == ["root", "news"]
    assert desk.names == ["a"]


async def test_once_shows_cards_too() -> None:
    desk = CardDesk()
    await desk.look(status="Queuing")
    await desk.owe("dlc1", "a")
    async with desk.dispatching():
        await desk.clock.advance(seconds(20))
    await desk.look(status="Running")
    assert await _drained(desk) == 0
    assert desk.showing.statuses == ["Queuing", "Running"]


async def _drained(desk: CardDesk) -> int:
    count = []
    async with anyio.create_task_group() as tasks:

        async def drain() -> None:
            count.append(await desk.dispatcher.drain())

        tasks.start_soon(drain)
        await desk.clock.advance(seconds(20))
    return count[0]
