"""Whether a receiver may be sent to now, and who is told in its place: its breaker, kept as a row, and its fallback."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final
from uuid import uuid4

from watcher.core.breaker import Breaker, BreakerState, at_time, fallback_due, for_target, heard
from watcher.core.delivery import Delivery, DeliveryReason, DeliveryState, FlushId, Outcome, Settlement
from watcher.core.events import CauseId
from watcher.core.fallback import GATHER, Why, told_instead, waiting_news
from watcher.errors import StoreUnavailable
from watcher.ports.store import Lease, Observation
from watcher.service.ledger import Ledger
from watcher.service.telemetry import log
from watcher.settings import ReceiverSettings

_MOST_PASSED_ON: Final = 200
"""Of what waits, so many of the newest are told through the fallback at a time."""


class Gate:
    """What stands before one receiver.

    Args:
        receiver: its name.
        ledger: store, clock and metrics.
        common: who is its fallback, and when that is told.
        target: stands for its configuration.
    """

    def __init__(self, receiver: str, ledger: Ledger, common: ReceiverSettings, target: str) -> None:
        self._receiver, self._ledger, self._common, self._target = receiver, ledger, common, target
        self.breaker = Breaker(receiver=receiver, target=target)
        self._heeded: int | None = None

    @property
    def held_until(self) -> datetime | None:
        """The time until which nothing is sent, or None."""
        return self.breaker.until if self.breaker.state is BreakerState.OPEN else None

    @property
    def _gather(self) -> timedelta:
        """Nobody comes back soon to send what a single pass holds."""
        return GATHER if self._ledger.book.patient else timedelta(0)

    async def heed(self) -> None:
        """Take over what the store holds, at the start and after each word of a person; and see what time it is.

        Raises:
            StoreUnavailable: nothing is known now.
        """
        if self._heeded != self._ledger.interventions:
            heeded = self._ledger.interventions
            rows = {breaker.receiver: breaker for breaker in await self._ledger.store.breakers()}
            known = rows.get(self._receiver)
            found = for_target(known, self._receiver, self._target)
            if known is not None and found is not known:
                log.info("receiver_configured_anew", receiver=self._receiver, was=known.state.value)
                await self._ledger.store.keep_breaker(found)
            self._heeded = heeded
            self._take(found)
        self._take(at_time(self.breaker, self._ledger.clock.now()))

    def refusal(self) -> Settlement | None:
        """What becomes at once of what is owed to a receiver that is disabled; None for one that is not."""
        if self.breaker.state is not BreakerState.DISABLED:
            return None
        return Settlement(state=DeliveryState.DEAD, reason=DeliveryReason.DISABLED, error=self.breaker.error)

    def heard(self, flush_id: FlushId, outcome: Outcome, now: datetime) -> Breaker:
        """The breaker after an attempt; `settled` takes it over once it is written down."""
        return heard(self.breaker, flush_id, outcome, now)

    async def overheard(self, outcome: Outcome) -> None:
        """An attempt that belongs to no delivery (a card) says something of the receiver."""
        after = heard(self.breaker, FlushId(""), outcome, self._ledger.clock.now())
        try:
            await self._ledger.store.keep_breaker(after)
        except StoreUnavailable as exc:
            log.error(
                "breaker_not_kept", receiver=self._receiver, error=str(exc)
            )  # it holds in this process all the same
        self._take(after)

    def owed_instead(self, lease: Lease, settlement: Settlement, now: datetime) -> tuple[Delivery, ...]:
        """What the fallback is owed because of a settlement: something where it ended in a dead letter."""
        if settlement.state is not DeliveryState.DEAD or self._common.fallback is None:
            return ()
        return told_instead(
            lease.deliveries,
            receiver=self._receiver,
            fallback=self._common.fallback,
            why=Why.DEAD,
            error=settlement.error,
            since=self.breaker.since or now,
            now=now,
            gather=self._gather,
        )

    def settled(self, breaker: Breaker, owed: tuple[Delivery, ...]) -> None:
        """A settlement has been written down with these."""
        self._take(breaker)
        if owed:
            log.warning(
                "told_instead", receiver=self._receiver, fallback=self._common.fallback, deliveries=len(owed) - 1
            )
            self._ledger.deliveries_bell.ring()

    async def pass_on(self) -> datetime | None:
        """Tell the fallback what waits, when nothing has got through for long. Returns when to look again; None for never.

        Raises:
            StoreUnavailable: later.
        """
        due = fallback_due(self.breaker, self._common.fallback_after)
        fallback, since, now = self._common.fallback, self.breaker.since, self._ledger.clock.now()
        if due is None or fallback is None or since is None:
            return None
        if due > now:
            return due
        unsettled = frozenset({DeliveryState.PENDING, DeliveryState.RETRYING})
        owed = await self._ledger.store.deliveries(receiver=self._receiver, states=unsettled, limit=_MOST_PASSED_ON)
        instead = told_instead(
            waiting_news(owed, now),
            receiver=self._receiver,
            fallback=fallback,
            why=Why.DOWN,
            error=self.breaker.error,
            since=since,
            now=now,
            gather=self._gather,
        )
        told = replace(self.breaker, told_at=now)
        if instead:
            notifications = tuple(delivery.notification for delivery in instead)
            await self._ledger.commit(
                Observation(cause=CauseId(str(uuid4())), at=now, notifications=notifications, deliveries=instead)
            )
            await self._ledger.store.keep_breaker(told)
            log.warning("told_instead", receiver=self._receiver, fallback=fallback, deliveries=len(instead) - 1)
        self._take(told)
        return now + self._common.fallback_after

    def _take(self, breaker: Breaker) -> None:
        before, self.breaker = self.breaker, breaker
        if (before.state, before.until) == (breaker.state, breaker.until):
            return
        self._ledger.metrics.receiver_paused.labels(self._receiver).set(int(breaker.shut))
        if breaker.state is BreakerState.DISABLED:
            log.error("receiver_disabled", receiver=self._receiver, error=breaker.error)
        elif breaker.state is BreakerState.OPEN:
            log.warning("receiver_paused", receiver=self._receiver, until=str(breaker.until), error=breaker.error)
        elif breaker.state is BreakerState.CLOSED:
            log.info("receiver_open", receiver=self._receiver)
