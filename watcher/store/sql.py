"""The Store on SQL: which statements make up which method. Where they run is `sqlite.py`'s and `postgres.py`'s matter.

Long, because the contract has many methods.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Final, Protocol, TypeVar

from sqlalchemy import Connection, make_url
from sqlalchemy.exc import ArgumentError

from watcher.core.backlog import Backlog
from watcher.core.breaker import Breaker
from watcher.core.delivery import Delivery, DeliveryState, Receipt, Settlement
from watcher.core.ends import ToldTrouble
from watcher.core.events import Event, EventId
from watcher.core.fleet import Brief
from watcher.core.interventions import Intervention
from watcher.core.living import LivingCard
from watcher.core.model import JobRef, SourceName, Watch
from watcher.core.rule import NotificationId, RuleDeadline
from watcher.core.sight import Sight
from watcher.core.silencing import Silencing, SilencingId
from watcher.core.trouble import Trouble
from watcher.errors import StoreError
from watcher.ports.store import Lease, Observation, StoryLine
from watcher.store import breakers, cards, outbox, reading, silences, troubles, writing
from watcher.store.commits import Commits
from watcher.store.sqlite import SqliteDatabase

Result = TypeVar("Result")

PRUNED_AT_ONCE: Final = 200
"""Jobs forgotten in one transaction: others write in between."""

SQLITE: Final = "sqlite:///"
POSTGRESQL: Final = ("postgresql://", "postgres://")


class Database(Protocol):
    """Where statements run."""

    async def open(self) -> None:
        """Make ready."""
        ...

    async def aclose(self) -> None:
        """Let go."""
        ...

    async def read(self, work: Callable[[Connection], Result]) -> Result:
        """Run statements that only read."""
        ...

    async def write(self, work: Callable[[Connection], Result]) -> Result:
        """Run statements in one transaction."""
        ...


def _database(url: str, *, read_only: bool, beside: bool, patience: timedelta) -> Database:
    if url.startswith(SQLITE):
        name = url.removeprefix(SQLITE)
        if not name or name.startswith(":"):
            raise StoreError(
                "store.url: name a file, for example sqlite:///watcher.db; memory: keeps everything in memory"
            )
        if "\0" in name:
            raise StoreError("store.url: a file name cannot hold a NUL character")
        return SqliteDatabase(Path(name), read_only=read_only, beside=beside, patience=patience)
    if url.startswith(POSTGRESQL):
        from watcher.store.postgres import PostgresDatabase  # noqa: PLC0415 - only who uses it pays for loading it

        try:
            parsed = make_url(url.replace("postgres://", "postgresql://", 1))
        except (ArgumentError, ValueError):
            # Not chained: the text of theirs quotes the URL, and with it the password.
            raise StoreError("store.url: write postgresql://user:password@host:port/database") from None
        return PostgresDatabase(parsed, read_only=read_only, beside=beside, patience=patience)
    scheme = url.partition(":")[0][:20]
    raise StoreError(
        f"store.url: {scheme!r} is not a kind of store. Write sqlite:///watcher.db (a file in the working directory), "
        "sqlite:////data/watcher.db (an absolute path), postgresql://user@host/database, or memory:"
    )


class SqlStore:
    """A `watcher.ports.store.Store` on SQLite or PostgreSQL.

    Args:
        url: `sqlite:///watcher.db` (relative to the working directory), `sqlite:////data/watcher.db` (absolute), or
            `postgresql://user@host/database`.
        read_only: for commands that look while a watcher runs: takes no lock, changes nothing; writing raises `StoreUnavailable`.
        beside: for commands that write a word while a watcher runs: takes no right to watch, migrates nothing.
        patience: how long to wait for a lock that somebody else holds on the database, before `StoreUnavailable`.

    Raises:
        StoreError: the URL is none of these.
    """

    def __init__(
        self, url: str, *, read_only: bool = False, beside: bool = False, patience: timedelta = timedelta(seconds=5)
    ) -> None:
        self._database = _database(url, read_only=read_only, beside=beside, patience=patience)
        self._commits = Commits(self._database)

    async def open(self) -> None:
        """See `Store.open`. Also takes the right to watch with this database; `StoreUnavailable` when another process has it."""
        await self._database.open()

    async def aclose(self) -> None:
        """See `Store.aclose`."""
        await self._database.aclose()

    async def watch(self, ref: JobRef) -> Watch | None:
        """See `Store.watch`."""
        return await self._database.read(partial(reading.watch, ref=ref))

    async def watches(
        self,
        *,
        live_only: bool = True,
        source: SourceName | None = None,
        after: JobRef | None = None,
        limit: int | None = None,
    ) -> tuple[Watch, ...]:
        """See `Store.watches`."""
        return await self._database.read(
            partial(reading.watches, live_only=live_only, source=source, after=after, limit=limit)
        )

    async def briefs(self, *, source: SourceName | None = None) -> tuple[Brief, ...]:
        """See `Store.briefs`."""
        return await self._database.read(partial(reading.briefs, source=source))

    async def commit(self, observation: Observation) -> None:
        """See `Store.commit`. Raises ValueError when the watch's version does not follow `expected_version`."""
        writing.check(observation)
        await self._commits.commit(observation)

    async def sights(self) -> tuple[Sight, ...]:
        """See `Store.sights`."""
        return await self._database.read(reading.sights)

    async def due_deadlines(self, now: datetime, limit: int = 100) -> tuple[RuleDeadline, ...]:
        """See `Store.due_deadlines`."""
        return await self._database.read(partial(outbox.due_deadlines, now=now, limit=limit))

    async def deadlines(self, rule: str) -> tuple[RuleDeadline, ...]:
        """See `Store.deadlines`."""
        return await self._database.read(partial(outbox.deadlines_of, rule=rule))

    async def next_due(self, *, receiver: str | None = None) -> datetime | None:
        """See `Store.next_due`."""
        return await self._database.read(partial(outbox.next_due, receiver=receiver))

    async def lease(self, receiver: str, now: datetime, *, backlog: Backlog | None = None) -> Lease | None:
        """See `Store.lease`, and `watcher.store.queue` for whose turn it is."""
        return await self._database.write(partial(outbox.lease, receiver=receiver, now=now, backlog=backlog))

    async def settle(
        self,
        lease: Lease,
        settlement: Settlement,
        receipt: Receipt | None,
        now: datetime,
        *,
        owed: tuple[Delivery, ...] = (),
        breaker: Breaker | None = None,
    ) -> None:
        """See `Store.settle`. Writes nothing when the flush has since been leased again, or settled."""
        outbox.check(settlement)
        await self._database.write(
            partial(
                outbox.settle,
                leased=lease,
                settlement=settlement,
                receipt=receipt,
                now=now,
                owed=owed,
                breaker=breaker,
            )
        )

    async def release(self, now: datetime) -> int:
        """See `Store.release`."""
        return await self._database.write(partial(outbox.release, now=now))

    async def card(self, receiver: str, job: JobRef) -> LivingCard | None:
        """See `Store.card`."""
        return await self._database.read(partial(cards.card, receiver=receiver, job=job))

    async def keep_card(self, card: LivingCard) -> None:
        """See `Store.keep_card`."""
        await self._database.write(partial(cards.keep, kept=card))

    async def cards_behind(self, receiver: str, limit: int = 1) -> tuple[LivingCard, ...]:
        """See `Store.cards_behind`."""
        return await self._database.read(partial(cards.behind, receiver=receiver, limit=limit))

    async def breakers(self) -> tuple[Breaker, ...]:
        """See `Store.breakers`."""
        return await self._database.read(breakers.kept)

    async def keep_breaker(self, breaker: Breaker) -> None:
        """See `Store.keep_breaker`."""
        await self._database.write(partial(breakers.keep, breaker=breaker))

    async def dead_letters(self) -> Mapping[str, int]:
        """See `Store.dead_letters`."""
        return await self._database.read(breakers.dead_letters)

    async def intervene(self, intervention: Intervention) -> tuple[str, ...]:
        """See `Store.intervene`."""
        return await self._database.write(partial(breakers.intervene, intervention=intervention))

    async def interventions(self, limit: int = 100) -> tuple[Intervention, ...]:
        """See `Store.interventions`."""
        return await self._database.read(partial(breakers.recorded, limit=limit))

    async def interventions_made(self) -> int:
        """See `Store.interventions_made`."""
        return await self._database.read(breakers.made)

    async def add_silence(self, silencing: Silencing) -> None:
        """See `Store.add_silence`."""
        await self._database.write(partial(silences.add, silencing=silencing))

    async def end_silence(self, silencing_id: SilencingId, at: datetime, by: str) -> bool:
        """See `Store.end_silence`."""
        return await self._database.write(partial(silences.end, silencing_id=silencing_id, at=at, by=by))

    async def silences(self, now: datetime | None = None) -> tuple[Silencing, ...]:
        """See `Store.silences`."""
        return await self._database.read(partial(silences.kept, now=now))

    async def told_troubles(self, receiver: str) -> tuple[ToldTrouble, ...]:
        """See `Store.told_troubles`."""
        return await self._database.read(partial(troubles.told, receiver=receiver))

    async def troubles(
        self,
        *,
        open_only: bool = True,
        job: JobRef | None = None,
        since: datetime | None = None,
        trouble_id: NotificationId | None = None,
    ) -> tuple[Trouble, ...]:
        """See `Store.troubles`."""
        return await self._database.read(
            partial(troubles.kept, open_only=open_only, job=job, since=since, which=trouble_id)
        )

    async def open_troubles(self) -> tuple[int, int]:
        """See `Store.open_troubles`."""
        return await self._database.read(troubles.open_ones)

    async def acknowledge(self, trouble_id: NotificationId, at: datetime, by: str, comment: str = "") -> bool:
        """See `Store.acknowledge`."""
        work = partial(troubles.acknowledge, trouble_id=trouble_id, at=at, by=by, comment=comment)
        return await self._database.write(work)

    async def events(
        self,
        *,
        job: JobRef | None = None,
        kinds: frozenset[str] = frozenset(),
        since: datetime | None = None,
        limit: int = 100,
    ) -> tuple[Event, ...]:
        """See `Store.events`."""
        return await self._database.read(partial(reading.stored_events, job=job, kinds=kinds, since=since, limit=limit))

    async def deliveries(
        self,
        *,
        receiver: str | None = None,
        states: frozenset[DeliveryState] = frozenset(),
        since: datetime | None = None,
        limit: int = 100,
    ) -> tuple[Delivery, ...]:
        """See `Store.deliveries`."""
        return await self._database.read(
            partial(reading.stored_deliveries, receiver=receiver, states=states, since=since, limit=limit)
        )

    async def story(self, job: JobRef) -> tuple[StoryLine, ...]:
        """See `Store.story`."""
        return await self._database.read(partial(reading.story, job=job))

    async def account(self, event_id: EventId) -> tuple[StoryLine, ...]:
        """See `Store.account`."""
        return await self._database.read(partial(reading.account, event_id=event_id))

    async def counts(self) -> Mapping[str, int]:
        """See `Store.counts`."""
        return await self._database.read(reading.counts)

    async def prune(self, before: datetime) -> frozenset[JobRef]:
        """See `Store.prune`. In portions, so that others may write in between."""
        await self._database.write(partial(silences.forget, before=before))
        await self._database.write(partial(breakers.forget, before=before))
        await self._database.write(partial(troubles.forget, before=before))
        await self._database.write(partial(outbox.forget, before=before))
        pruned: frozenset[JobRef] = frozenset()
        while portion := await self._database.write(partial(reading.prune, before=before, limit=PRUNED_AT_ONCE)):
            pruned |= portion
        return pruned
