"""Minds troubles: takes each call when it comes, looks at the trouble as it is by then, and commits what follows."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from watcher.core.calls import MINDER, Call, calls, missing
from watcher.core.consequence import Consequences
from watcher.core.delivery import DeliveryReason, DeliveryState
from watcher.core.events import CauseId, deterministic_id
from watcher.core.model import SourceName
from watcher.core.ongoing import Ongoing
from watcher.core.reminding import Told, answer
from watcher.core.rule import RuleDeadline
from watcher.core.trouble import Trouble, TroubleEnd
from watcher.service.ledger import Ledger, observation


class Minder:
    """Reminds and escalates.

    Args:
        ledger: where its observations go.
        sources: the sources that are configured: of a trouble of another one nobody would see the end.
    """

    def __init__(self, ledger: Ledger, sources: Collection[SourceName]) -> None:
        self._ledger, self._sources = ledger, sources

    async def resume(self) -> None:
        """At the start: end what nobody watches any more, and set the calls that the configuration has come to want.

        Raises:
            StoreError: the store cannot be read or written.
        """
        book, now = self._ledger.book, self._ledger.clock.now()
        open_ones = tuple(book.troubles)
        if not open_ones:
            return
        seen = await self._seen()
        lost = (
            *(one.ended(TroubleEnd.UNWATCHED, now) for one in open_ones if self._unwatched(one)),
            *(one.ended(TroubleEnd.OVER, now) for one in open_ones if _sees_again(one, seen)),
        )
        gone = {one.id for one in lost}
        wanted = [call for one in open_ones if one.id not in gone for call in calls(one, book.tree, now)]
        more = missing(wanted, await self._ledger.store.deadlines(MINDER))
        if lost or more:
            cause = CauseId(deterministic_id("minder", now.isoformat()))
            await self._ledger.commit(observation(cause, now, Consequences(troubles=lost, deadlines=more)))

    async def take(self, call: RuleDeadline) -> None:
        """Do what is to be done at this call.

        Raises:
            StoreError: the store cannot be read or written; the call stays due.
        """
        store, now = self._ledger.store, self._ledger.clock.now()
        meant = Call.parse(call.key)
        trouble = next(iter(await store.troubles(open_only=False, trouble_id=meant.trouble)), None)
        told: tuple[Told, ...] = ()
        watch = None
        if trouble is not None and trouble.ended_at is None and _sees_again(trouble, await self._seen()):
            over = Consequences(troubles=(trouble.ended(TroubleEnd.OVER, now),))
            await self._ledger.commit(observation(call.cause, now, over, deadlines_passed=(call,)))
            return
        if trouble is not None:
            lines = await store.account(trouble.notification.event_id)
            told = tuple(_told(line.data) for line in lines if line.kind == "delivery" and _is_of(line.data, meant))
            watch = None if trouble.job is None else await store.watch(trouble.job)
        job = None if watch is None else watch.snapshot
        follows = answer(call, trouble, told, job, book=self._ledger.book, now=now)
        await self._ledger.commit(observation(call.cause, now, follows, deadlines_passed=(call,)))

    async def _seen(self) -> frozenset[str]:
        """The sources that are seen, by the store."""
        return frozenset(one.source for one in await self._ledger.store.sights() if one.blind_since is None)

    def _unwatched(self, trouble: Trouble) -> bool:
        return bool(trouble.source) and trouble.source not in self._sources


def _sees_again(trouble: Trouble, seen: Collection[str]) -> bool:
    return trouble.ongoing is Ongoing.BLIND and trouble.source in seen


def _is_of(delivery: Mapping[str, Any], meant: Call) -> bool:
    said = delivery["notification"]
    return delivery["receiver"] == meant.receiver and meant.trouble in {said["id"], said.get("about")}


def _told(delivery: Mapping[str, Any]) -> Told:
    return Told(DeliveryState(delivery["state"]), DeliveryReason(delivery["reason"]))
