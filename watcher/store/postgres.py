"""PostgreSQL as a place to keep things, through psycopg. The same statements run there.

Durability is the server's `synchronous_commit`, on by default.

For now one watcher has one database: it takes an advisory lock for as long as it runs.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Final, TypeVar

import anyio
from sqlalchemy import URL, Connection, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from watcher.errors import StoreError, StoreUnavailable
from watcher.store.faults import translating
from watcher.store.upgrade import bring_up, must_be_current

Result = TypeVar("Result")

LOCK: Final = 0x444C4357
"""Key of the advisory lock, unique within a database: "DLCW"."""


class PostgresDatabase:
    """One database on a server.

    Args:
        url: where; the password is shown nowhere.
        read_only: change nothing, take no lock.
        beside: write single words beside the watcher that has the database: take no lock, migrate nothing.
        patience: how long to wait for somebody else's lock, or for a connection.

    Raises:
        StoreError: psycopg is not installed.
    """

    def __init__(
        self, url: URL, *, read_only: bool = False, beside: bool = False, patience: timedelta = timedelta(seconds=5)
    ) -> None:
        self.place = url.render_as_string(hide_password=True)
        self._guest = read_only or beside
        self._guard: AsyncConnection | None = None
        self._ready = False
        seconds = patience.total_seconds()
        only = " -c default_transaction_read_only=on" if read_only else ""
        try:
            self._engine: AsyncEngine = create_async_engine(
                url.set(drivername="postgresql+psycopg"),
                hide_parameters=True,
                pool_pre_ping=True,
                pool_timeout=seconds,
                connect_args={
                    "connect_timeout": max(2, round(seconds)),
                    "options": f"-c lock_timeout={round(seconds * 1000)}{only}",
                },
            )
        except ImportError as exc:
            raise StoreError(
                f"store {self.place}: PostgreSQL needs the driver psycopg. Install it with: pip install 'dlc-watcher[postgres]'"
            ) from exc

    async def open(self) -> None:
        """Take the database.

        Raises:
            StoreError: see `Store.open`.
        """
        if self._ready:
            return
        self._ready = True
        try:
            if self._guest:
                await self.read(lambda connection: must_be_current(connection, self.place))
                return
            await self._take()
            await self.write(lambda connection: bring_up(connection, self.place))
        except BaseException:
            await self.aclose()
            raise

    async def aclose(self) -> None:
        """Let go."""
        self._ready = False
        with anyio.CancelScope(shield=True), translating(self.place):
            guard, self._guard = self._guard, None
            if guard is not None:
                await guard.close()
            await self._engine.dispose()  # closes every connection, the guard's with its lock too

    async def read(self, work: Callable[[Connection], Result]) -> Result:
        """Run statements that only read."""
        return await self.write(work)

    async def write(self, work: Callable[[Connection], Result]) -> Result:
        """Run statements in one transaction: committed when it returns, undone when it raises."""
        if not self._ready:
            raise StoreUnavailable(f"store {self.place}: not open")
        with translating(self.place):
            async with self._engine.begin() as connection:
                return await connection.run_sync(work)

    async def _take(self) -> None:
        with translating(self.place):
            engine = self._engine.execution_options(isolation_level="AUTOCOMMIT")
            self._guard = guard = await engine.connect()
            taken = (await guard.execute(text("SELECT pg_try_advisory_lock(:key)"), {"key": LOCK})).scalar()
        if not taken:
            raise StoreUnavailable(
                f"store {self.place}: another dlc-watcher watches with this database. Stop it first, or give this one a database "
                "of its own; commands that only read work beside it"
            )
