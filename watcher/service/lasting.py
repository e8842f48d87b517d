"""Keeps a receiver that shows things while they last in step with what goes on: says what is over, and renews what is not.

The truth is in the rows (which troubles it was told of, whether they are open), so nothing of this needs a row of its own: after
a restart, here or over there, all that goes on is renewed at once.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from uuid import uuid4

from watcher.core.delivery import Delivery, Failure, Outcome
from watcher.core.ends import owed_end
from watcher.core.events import CauseId
from watcher.ports.notifier import LastingNotifier
from watcher.ports.store import Observation
from watcher.service.ledger import Ledger
from watcher.service.telemetry import log

Show = Callable[[Sequence[Delivery]], Awaitable[Outcome]]


class Lasting:
    """What lasts at one receiver. Used by its dispatcher only, one call at a time, so that no renewal overtakes an end.

    Args:
        receiver: its name.
        notifier: how often it wants what goes on.
        ledger: store, clock and bells.
        show: tells the receiver of these deliveries once more, at once and without a row.
    """

    def __init__(self, receiver: str, notifier: LastingNotifier, ledger: Ledger, show: Show) -> None:
        self._receiver, self._notifier, self._ledger, self._show = receiver, notifier, ledger, show
        self._renew_at: datetime | None = None
        """None: at once."""
        self._open = False
        self._looked: int | None = None
        """As of which of the ledger's ends; None: look anew."""

    def told(self) -> None:
        """It was told of something, which may go on, or be over already."""
        self._looked = None

    async def step(self) -> bool:
        """Owe the ends that are to be told, else renew what goes on if it is time. False when neither was to be done.

        Raises:
            StoreUnavailable: later.
        """
        now, as_of = self._ledger.clock.now(), self._ledger.ends
        due = self._renew_at is None or self._renew_at <= now
        if self._looked == as_of and not (self._open and due):
            return False
        told = await self._ledger.store.told_troubles(self._receiver)
        ends = tuple(end for one in told if (end := owed_end(one, now)) is not None)
        if ends:
            notifications = tuple(delivery.notification for delivery in ends)
            await self._ledger.commit(
                Observation(cause=CauseId(str(uuid4())), at=now, notifications=notifications, deliveries=ends)
            )
            return True
        self._looked, self._open = as_of, bool(told)
        if not (self._open and due):
            return False
        self._renew_at = now + self._notifier.renew_every
        for begin in range(0, len(told), self._notifier.renew_most):
            portion = [one.delivery for one in told[begin : begin + self._notifier.renew_most]]
            outcome = await self._show(portion)
            if isinstance(outcome, Failure):
                log.warning("renewal_failed", receiver=self._receiver, troubles=len(portion), error=outcome.error)
                break
        return True

    def next_at(self) -> datetime | None:
        """When to renew next; None when nothing goes on."""
        return self._renew_at if self._open else None
