"""SQLite as a place to keep things: the file, who may have it, how it is opened.

One connection writes, in its own thread; others read beside it (write-ahead log). A transaction runs as a whole in the thread, so
the price of a commit is the disk's. It always finishes: whoever waits for it may be cancelled, the transaction is not.

Durable means: after COMMIT the log was synced (`synchronous=FULL`). BEGIN IMMEDIATE takes the write lock at once, because a
transaction that began by reading and then wants to write is refused without any waiting when somebody wrote in between.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Final, TypeVar

import anyio
import anyio.to_thread
from sqlalchemy import Connection, Engine, QueuePool, create_engine, event

from watcher.errors import StoreUnavailable
from watcher.store.faults import translating
from watcher.store.integrity import examine, uri
from watcher.store.upgrade import bring_up, must_be_current, revision_of

Result = TypeVar("Result")

READERS: Final = 4
"""Reading connections, and threads for them: the poller, the dispatchers, a page or two."""

OWNER_ONLY: Final = 0o600
"""SQLite gives the -wal and -shm files the mode of the database file."""


class SqliteDatabase:
    """One file, opened for watching (alone) or for reading (beside a watcher).

    Args:
        path: the file; it and its log are made readable for their owner only. Its directory must exist.
        read_only: change nothing, take no lock.
        beside: write single words beside the watcher that has the file: take no lock, migrate nothing.
        patience: how long to wait for somebody else's lock on the database.
    """

    def __init__(
        self,
        path: Path,
        *,
        read_only: bool = False,
        beside: bool = False,
        patience: timedelta = timedelta(seconds=5),
    ) -> None:
        self.place = str(path)
        self._path = path.resolve()  # two names of one file must mean one lock
        self._read_only, self._beside = read_only, beside
        self._patience = patience
        self._guard: int | None = None
        self._writer: Engine | None = None
        self._reader: Engine | None = None
        self._writing = anyio.Lock()
        self._write_thread = anyio.CapacityLimiter(1)
        self._read_threads = anyio.CapacityLimiter(READERS)

    async def open(self) -> None:
        """Take the file.

        Raises:
            StoreError: see `Store.open`; the file is then as it was.
        """
        async with self._writing:
            await anyio.to_thread.run_sync(self._open, limiter=self._write_thread)

    async def aclose(self) -> None:
        """Let go."""
        with anyio.CancelScope(shield=True):
            async with self._writing:
                await anyio.to_thread.run_sync(self._close, limiter=self._write_thread)

    async def read(self, work: Callable[[Connection], Result]) -> Result:
        """Run statements that only read, on one consistent view."""
        return await anyio.to_thread.run_sync(self._run, self._reader, work, limiter=self._read_threads)

    async def write(self, work: Callable[[Connection], Result]) -> Result:
        """Run statements in one transaction: committed when it returns, undone when it raises."""
        async with self._writing:
            return await anyio.to_thread.run_sync(self._run, self._writer, work, limiter=self._write_thread)

    def _run(self, engine: Engine | None, work: Callable[[Connection], Result]) -> Result:
        if engine is None:
            raise StoreUnavailable(
                f"store {self.place}: " + ("opened for reading only" if self._reader is not None else "not open")
            )
        with translating(self.place), engine.begin() as connection:
            return work(connection)

    def _open(self) -> None:
        if self._reader is not None:
            return
        try:
            with translating(self.place):
                if self._read_only or self._beside:
                    self._must_exist()
                else:
                    self._take()
                examine(self._path)
                self._reader = self._engine(read_only=True)
                if self._read_only or self._beside:
                    with self._reader.begin() as connection:
                        must_be_current(connection, self.place)
                    if self._beside:
                        self._writer = self._engine(read_only=False)
                    return
                # Before the first byte is written: a file that is not ours keeps even its journal mode.
                with self._reader.begin() as connection:
                    revision_of(connection, self.place)
                self._writer = self._engine(read_only=False)
                with self._writer.begin() as connection:
                    bring_up(connection, self.place)
        except BaseException:
            self._close()
            raise

    def _close(self) -> None:
        for engine in (self._reader, self._writer):
            if engine is not None:
                with translating(self.place):
                    engine.dispose()
        self._reader = self._writer = None
        if self._guard is not None:
            os.close(self._guard)
            self._guard = None

    # --- the file --------------------------------------------------------------------------------------------------------------

    def _must_exist(self) -> None:
        if not self._path.exists():
            raise StoreUnavailable(
                f"store {self.place}: there is no such file. Start the watcher first (dlc-watcher run), or correct store.url; "
                "a relative path starts at the working directory"
            )

    def _take(self) -> None:
        directory = self._path.parent
        if not directory.is_dir():
            raise StoreUnavailable(
                f"store {self.place}: the directory {directory} does not exist. Create it, or correct store.url"
            )
        if self._path.is_dir():
            raise StoreUnavailable(f"store {self.place}: this is a directory. Name a file in it in store.url")
        self._lock()
        if not self._path.exists():
            os.close(self._create(self._path))
            self._sync(directory)

    def _lock(self) -> None:
        """One watcher for one file. The lock ends with the process, however that ends; the lock file itself stays."""
        path = self._path.with_name(f"{self._path.name}.lock")
        guard = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW) if path.exists() else self._create(path)
        self._guard = guard
        try:
            fcntl.flock(guard, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            owner = os.read(guard, 20).decode("ascii", "replace").strip() or "unknown"
            raise StoreUnavailable(
                f"store {self.place}: another dlc-watcher (process {owner}) watches with this database. Stop it first, or give "
                "this one a database of its own; commands that only read work beside it"
            ) from exc
        os.ftruncate(guard, 0)
        os.pwrite(guard, f"{os.getpid()}\n".encode(), 0)

    def _create(self, path: Path) -> int:
        try:
            made = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, OWNER_ONLY)
        except FileExistsError:  # somebody was quicker
            return os.open(path, os.O_RDWR | os.O_CLOEXEC)
        os.fchmod(made, OWNER_ONLY)  # the umask may have taken away even that
        return made

    @staticmethod
    def _sync(directory: Path) -> None:
        """Make the new name in the directory durable."""
        handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            with suppress(OSError):  # some file systems refuse; they do it by themselves
                os.fsync(handle)
        finally:
            os.close(handle)

    # --- connections -----------------------------------------------------------------------------------------------------------

    def _engine(self, *, read_only: bool) -> Engine:
        def connect() -> sqlite3.Connection:
            connection = sqlite3.connect(
                uri(self._path, read_only=read_only),
                uri=True,
                timeout=self._patience.total_seconds(),
                isolation_level=None,  # the driver begins nothing by itself
                check_same_thread=False,  # the pool gives a connection to one thread at a time
            )
            try:
                for pragma in READING if read_only else WRITING:
                    connection.execute(f"PRAGMA {pragma}")
            except BaseException:
                connection.close()
                raise
            return connection

        engine = create_engine(
            "sqlite+pysqlite://",
            creator=connect,
            poolclass=QueuePool,
            pool_size=READERS if read_only else 1,
            max_overflow=0,
            hide_parameters=True,  # no stored value in an error's text
        )
        begin = "BEGIN" if read_only else "BEGIN IMMEDIATE"

        @event.listens_for(engine, "begin")
        def _begin(connection: Connection) -> None:
            connection.exec_driver_sql(begin)

        return engine


READING: Final = ("query_only = ON",)
WRITING: Final = (
    "journal_mode = WAL",
    "synchronous = FULL",
    "foreign_keys = ON",
    "journal_size_limit = 67108864",  # give the log's space back after a burst
)
