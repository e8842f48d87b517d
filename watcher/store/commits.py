"""Group commit: observations that queue up while one is being written share the next transaction, and with it the price of a sync.

Theory. The price of a durable commit is the disk's or the server's, and it is the same for one row and for a thousand. So whoever
comes while a transaction runs waits for it, and then the first of them writes for all. Nobody waits in order that more may come.

Each observation keeps what it had alone. It is written behind a savepoint, so it is there as a whole or not at all; the loser of a
race takes only its own rows back; order of asking is order of writing. What goes wrong with one observation alone is found out by
writing each of them alone. When the database is busy, full or gone, nothing of the group is written, and all of them are told.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import anyio
from sqlalchemy import Connection

from watcher.errors import StaleObservation, StoreUnavailable
from watcher.ports.store import Observation
from watcher.store import writing

MOST_AT_ONCE: Final = 100
"""Observations in one transaction: others, who lease and settle, write in between."""


class Writes(Protocol):
    """Where a transaction runs."""

    async def write(self, work: Callable[[Connection], Any]) -> Any:
        """Run statements in one transaction: committed when it returns, undone when it raises."""
        ...


@dataclass(slots=True, eq=False)
class _Waiting:
    observation: Observation
    done: bool = False
    failure: BaseException | None = None


class Commits:
    """The queue of observations of one database."""

    def __init__(self, database: Writes) -> None:
        self._database = database
        self._queue: deque[_Waiting] = deque()
        self._turn = anyio.Lock()

    async def commit(self, observation: Observation) -> None:
        """See `Store.commit`. Whoever waits may be cancelled; what was written for others by then stays theirs."""
        mine = _Waiting(observation)
        self._queue.append(mine)
        try:
            async with self._turn:
                while not mine.done:
                    group = [self._queue.popleft() for _ in range(min(len(self._queue), MOST_AT_ONCE))]
                    with anyio.CancelScope(shield=True):
                        await self._write(group)
        finally:
            if not mine.done and mine in self._queue:
                self._queue.remove(mine)
        if mine.failure is not None:
            raise mine.failure

    async def _write(self, group: Sequence[_Waiting]) -> None:
        try:
            failures = await self._database.write(lambda connection: _all_of(connection, group))
        except StoreUnavailable as exc:
            failures = [exc, *(_copy(exc) for _ in group[1:])]
        except Exception as exc:  # noqa: BLE001 - whatever it is, it goes to whoever asked for it
            if len(group) > 1:
                for one in group:
                    await self._write([one])
                return
            failures = [exc]
        for one, failure in zip(group, failures, strict=True):
            one.done, one.failure = True, failure


def _copy(refusal: StoreUnavailable) -> StoreUnavailable:
    """One for each who is told: a traceback grows wherever an exception is raised again."""
    copy = StoreUnavailable(str(refusal))
    copy.__cause__ = refusal.__cause__
    return copy


def _all_of(connection: Connection, group: Sequence[_Waiting]) -> list[StaleObservation | None]:
    """Write each of them, or nothing of it when its job has moved on."""
    if len(group) == 1:  # the transaction is savepoint enough
        writing.commit(connection, group[0].observation)
        return [None]
    lost: list[StaleObservation | None] = []
    for one in group:
        try:
            with connection.begin_nested():
                writing.commit(connection, one.observation)
        except StaleObservation as exc:
            lost.append(exc)
        else:
            lost.append(None)
    return lost
