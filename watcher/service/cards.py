"""The living cards of one receiver: posts the root of a job's thread and keeps it true. What to do and when is `core.living`'s.

No card has a task or a timer. Commits put cards behind; the receiver's dispatcher, which keeps its order and its pace, asks here
for the root that news goes under, and for the next card to change while nothing else is due. As with messages, a row says what is
about to be done before the network is touched.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Final

from watcher.core.card import Card
from watcher.core.delivery import Failure, Outcome, Receipt
from watcher.core.language import PLAIN, Locale
from watcher.core.living import (
    CardLoss,
    CardView,
    LivingCard,
    fingerprint,
    given_up,
    may_update,
    overdue,
    posted,
    put_off,
    replied,
    root_for,
    updated,
    view,
)
from watcher.core.model import JobRef
from watcher.errors import CardLost, StoreUnavailable
from watcher.ports.notifier import LivingNotifier, Wire
from watcher.service.ledger import Ledger
from watcher.service.telemetry import log

_PATIENCE: Final = timedelta(seconds=5)

Guard = Callable[[Callable[[], Awaitable[Receipt]]], Awaitable[Outcome]]
"""Runs what a notifier does, within its time, and turns whatever it raises into a failure."""


class Cards:
    """The cards of one receiver. Used by its dispatcher only, one call at a time.

    Args:
        receiver: its name.
        notifier: how to show cards there.
        ledger: store, clock and metrics.
        card_of: the card of a job as it is held now; None when nothing is held.
        guard: how the notifier is called.
        locale: how the receiver is spoken to.
    """

    def __init__(
        self,
        receiver: str,
        notifier: LivingNotifier,
        ledger: Ledger,
        card_of: Callable[[JobRef], Awaitable[Card | None]],
        guard: Guard,
        *,
        locale: Locale = PLAIN,
    ) -> None:
        self._receiver, self._notifier, self._ledger = receiver, notifier, ledger
        self._card_of, self._guard, self._locale = card_of, guard, locale
        self._free_at: datetime | None = None

    async def root(self, job: JobRef) -> LivingCard | Failure | None:
        """The card that news of a job goes under, posted if it must be and shown anew if it is behind.

        Returns:
            The card that stands; the failure that kept it from being posted; None for a job of which nothing is held.
        """
        clock = self._ledger.clock
        held = await self._ledger.store.card(self._receiver, job)
        card = await self._card_of(job)
        if card is None:
            return held if held is not None and held.stands else None
        living = root_for(held, self._receiver, job, self._notifier.card_target, clock.now())
        if living.stands and may_update(living, clock.now()) and self._free():
            living = await self._update(living, card)
            living = root_for(living, self._receiver, job, self._notifier.card_target, clock.now())
        return living if living.stands else await self._post(living, card)

    async def replied(self, living: LivingCard) -> None:
        """A message went under it."""
        await self._keep(replied(living))

    async def show_next(self, *, overdue_only: bool = False) -> bool:
        """Change the card whose turn it is. False when none was changed."""
        now = self._ledger.clock.now()
        due = overdue if overdue_only else may_update
        while self._free():
            behind = await self._ledger.store.cards_behind(self._receiver)
            if not behind or not due(behind[0], now):
                return False
            card = await self._card_of(behind[0].job)
            if card is None:  # forgotten since; the row goes with the job
                await self._keep(put_off(behind[0], None, now))
            elif (await self._update(behind[0], card)).shown != behind[0].shown:
                return True
        return False

    async def next_at(self) -> datetime | None:
        """When there is a card to change next; None when every card shows what is known."""
        behind = await self._ledger.store.cards_behind(self._receiver)
        return max(filter(None, (behind[0].next_at, self._free_at))) if behind else None

    def _free(self) -> bool:
        return self._free_at is None or self._free_at <= self._ledger.clock.now()

    async def _post(self, living: LivingCard, card: Card) -> LivingCard | Failure:
        await self._ledger.store.keep_card(living)
        card = await self._card_of(living.job) or card  # before the mark, a commit puts no card behind
        outcome = await self._show(living, card)
        if not isinstance(outcome, Receipt):
            log.warning("card_not_posted", receiver=self._receiver, job=str(living.job), error=_words(outcome))
            return outcome if isinstance(outcome, Failure) else Failure(error=str(outcome))
        now = self._ledger.clock.now()
        made = posted(living, outcome, fingerprint(card), now)
        await self._keep(made)
        self._count("posted" if living.why is None else "replaced")
        log.info("card_posted", receiver=self._receiver, job=str(living.job), why=living.why or "", note=outcome.note)
        await self._ledger.clock.sleep(self._notifier.pace)
        return made

    async def _update(self, living: LivingCard, card: Card) -> LivingCard:
        now, shown = self._ledger.clock.now(), fingerprint(card)
        if shown == living.shown:
            after = updated(living, shown, now)
            await self._keep(after)
            return after
        outcome = await self._show(living, card)
        now = self._ledger.clock.now()
        self._free_at = now + self._notifier.card_pace
        match outcome:
            case Receipt():
                after = updated(living, shown, now)
                self._count("updated")
            case CardLost(loss=loss):
                after = given_up(living, CardLoss(loss))
            case Failure(permanent=True, pauses=False):
                after = given_up(living, CardLoss.FROZEN)
            case _:
                after = put_off(living, outcome.retry_after, now)
        if not isinstance(outcome, Receipt):
            self._count("lost" if after.lost else "failed")
            log.warning(
                "card_lost" if after.lost else "card_put_off",
                receiver=self._receiver,
                job=str(living.job),
                error=_words(outcome),
            )
        await self._keep(after)
        return after

    async def _show(self, living: LivingCard, card: Card) -> Outcome | CardLost:
        shown = view(living, card, self._ledger.clock.now(), self._locale)
        lost: list[CardLost] = []

        async def show() -> Receipt:
            try:
                return await self._notifier.show_card(self._wire(shown), shown)
            except CardLost as exc:
                lost.append(exc)
                raise

        outcome = await self._guard(show)
        return lost[0] if lost else outcome

    def _wire(self, shown: CardView) -> Wire:
        return self._notifier.render_card(shown)

    async def _keep(self, living: LivingCard) -> None:
        while True:
            try:
                await self._ledger.store.keep_card(living)
            except StoreUnavailable as exc:
                # Shown but not written down: go on trying as long as the process lives, or a root would be posted twice.
                log.error("card_not_kept", receiver=self._receiver, job=str(living.job), error=str(exc))
                await self._ledger.clock.sleep(_PATIENCE)
            else:
                return

    def _count(self, outcome: str) -> None:
        self._ledger.metrics.cards.labels(self._receiver, outcome).inc()


def _words(outcome: Failure | CardLost) -> str:
    return outcome.error if isinstance(outcome, Failure) else str(outcome)
