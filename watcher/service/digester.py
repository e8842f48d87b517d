"""Digests: gathered from the store when they are due, and owed to their receivers like everything else."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from anyio.lowlevel import checkpoint

from watcher.core.consequence import Book, Consequences
from watcher.core.digest import DIGESTER, Digest, Period, Schedule, Share, concerns, due, rescheduled, share, told
from watcher.core.events import CauseId, deterministic_id, job_of
from watcher.core.model import JobRef
from watcher.core.rule import RuleDeadline
from watcher.core.wishes import wishes_of
from watcher.ports.store import Store
from watcher.service.ledger import Ledger, observation

_AT_ONCE: Final = 100
"""Jobs read in one go: others use the store in between."""
_MOST_EVICTIONS: Final = 100_000


class Digester:
    """Tells digests.

    Args:
        ledger: where its observations go.
        schedules: receiver -> when it wants its digest.
    """

    def __init__(self, ledger: Ledger, schedules: Mapping[str, Schedule]) -> None:
        self._ledger, self._schedules = ledger, schedules

    async def resume(self) -> None:
        """At the start: set the times of digests that have none, or another one than they had.

        Raises:
            StoreError: the store cannot be read or written.
        """
        if not self._schedules:
            return
        now = self._ledger.clock.now()
        there = await self._ledger.store.deadlines(DIGESTER)
        if new := rescheduled(self._schedules.items(), there, now):
            cause = CauseId(deterministic_id("digester", now.isoformat()))
            await self._ledger.commit(observation(cause, now, Consequences(deadlines=new)))

    async def take(self, deadline: RuleDeadline) -> None:
        """Tell the digest that is due, of all that its receiver missed, and set the time of the next.

        Raises:
            StoreError: the store cannot be read or written; the digest stays due.
        """
        now, schedule = self._ledger.clock.now(), self._schedules.get(deadline.key)
        follows = Consequences()
        if schedule is not None:
            period = Period(schedule.before(deadline.at).begin, max(schedule.last(now), deadline.at))
            digest = await gathered(self._ledger.store, self._ledger.book, schedule, period, now)
            said, delivery = told(digest, deadline.key, now)
            follows = Consequences(
                notifications=(said,), deliveries=(delivery,), deadlines=(due(deadline.key, schedule.following(now)),)
            )
        await self._ledger.commit(observation(deadline.cause, now, follows, deadlines_passed=(deadline,)))


async def gathered(store: Store, book: Book, schedule: Schedule, period: Period, now: datetime) -> Digest:
    """How a period went, read from the store, a few jobs at a time.

    Raises:
        StoreError: the store cannot be read.
    """
    shares: list[Share] = []
    meant: set[JobRef] = set()
    after: JobRef | None = None
    while some := await store.watches(live_only=False, after=after, limit=_AT_ONCE):
        for watch in some:
            job = watch.snapshot
            if concerns(watch, schedule, wishes_of(job.tags, book.wishes, (), now).owner):
                meant.add(job.ref)
                shares.append(share(watch, period, now))
        after = some[-1].snapshot.ref
        await checkpoint()
    evictions = await store.events(kinds=frozenset({"pod.evicted"}), since=period.begin, limit=_MOST_EVICTIONS)
    evicted = [
        ref for one in evictions if (ref := job_of(one)) is not None and ref in meant and period.holds(one.when.at)
    ]
    still = await store.troubles()
    return Digest(
        period=period,
        shares=tuple(shares),
        evicted=tuple(evicted),
        open=tuple(one for one in still if one.job is None or one.job in meant),
    )
