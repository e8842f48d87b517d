"""What a database's complaints mean to us, as tables. The one place where foreign exceptions become ours."""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from watcher.errors import StoreCorrupt, StoreError, StoreUnavailable, WatcherError


@dataclass(frozen=True, slots=True)
class Meaning:
    """What to raise, what was found, what to do."""

    error: type[StoreError]
    found: str
    fix: str


class Unreadable(Exception):
    """A stored text is not what this program wrote. Names the kind of row, not its content."""


_DAMAGED: Final = "It was left as it is. Put a copy from a backup in its place, or move it away to start with a new one"
_OTHER: Final = Meaning(StoreError, "the database did not do what it was asked", "The log has the cause")

SQLITE: Final[Mapping[int, Meaning]] = {
    sqlite3.SQLITE_BUSY: Meaning(
        StoreUnavailable,
        "it is locked by another program",
        "Close the program that has it open (a backup, a database shell)",
    ),
    sqlite3.SQLITE_LOCKED: Meaning(StoreUnavailable, "it is locked by another connection", "Try again"),
    sqlite3.SQLITE_FULL: Meaning(
        StoreUnavailable, "the disk is full", "Free some space; the watcher goes on by itself then"
    ),
    sqlite3.SQLITE_CANTOPEN: Meaning(
        StoreUnavailable, "it cannot be opened", "Check that the directory is there and that this user may write in it"
    ),
    sqlite3.SQLITE_READONLY: Meaning(
        StoreUnavailable, "it may only be read", "Give this user the right to write the file and its directory"
    ),
    sqlite3.SQLITE_PERM: Meaning(
        StoreUnavailable, "access was denied", "Give this user the right to write the file and its directory"
    ),
    sqlite3.SQLITE_IOERR: Meaning(
        StoreUnavailable, "the disk could not be read or written", "Check the disk and its messages"
    ),
    sqlite3.SQLITE_PROTOCOL: Meaning(
        StoreUnavailable, "its locks do not work", "Keep it on a local disk, not a network share"
    ),
    sqlite3.SQLITE_CORRUPT: Meaning(StoreCorrupt, "it is damaged", _DAMAGED),
    sqlite3.SQLITE_NOTADB: Meaning(StoreCorrupt, "it is damaged, or not an SQLite database", _DAMAGED),
}
"""By SQLite's primary result code (sqlite.org/rescode.html)."""

SQLITE_EXTENDED: Final[Mapping[int, Meaning]] = {
    code: Meaning(
        StoreError,
        "the disk did not confirm a write",
        "Check the disk; start the watcher again, it goes on from what is safe",
    )
    for code in (sqlite3.SQLITE_IOERR_FSYNC, sqlite3.SQLITE_IOERR_DIR_FSYNC)
}
"""After a failed fsync nobody knows what reached the disk, and asking again would lie. So it is no passing trouble."""

OPERATING_SYSTEM: Final[Mapping[int, Meaning]] = {
    errno.EACCES: SQLITE[sqlite3.SQLITE_PERM],
    errno.EPERM: SQLITE[sqlite3.SQLITE_PERM],
    errno.EROFS: SQLITE[sqlite3.SQLITE_READONLY],
    errno.ENOSPC: SQLITE[sqlite3.SQLITE_FULL],
    errno.EDQUOT: SQLITE[sqlite3.SQLITE_FULL],
    errno.EIO: SQLITE[sqlite3.SQLITE_IOERR],
}
"""By errno, for what happens to the file before SQLite sees it."""

POSTGRESQL: Final[Mapping[str, Meaning]] = {
    "08": Meaning(StoreUnavailable, "the connection to it failed", "Check that the server runs and can be reached"),
    "25006": Meaning(StoreUnavailable, "it may only be read", "Open it for writing, or name the primary server"),
    "28": Meaning(
        StoreUnavailable, "it does not accept this user or password", "Check user and password in the store's URL"
    ),
    "3D": Meaning(StoreUnavailable, "there is no such database on the server", "Create it, or correct the store's URL"),
    "40": Meaning(StoreUnavailable, "another transaction was in the way", "Try again"),
    "42501": Meaning(StoreUnavailable, "access was denied", "Give this user the rights on the schema and its tables"),
    "53": Meaning(StoreUnavailable, "the server is out of disk, memory or connections", "Free some on the server"),
    "55P03": Meaning(StoreUnavailable, "it is locked by another program", "Try again"),
    "57": Meaning(StoreUnavailable, "the server stops, starts or cancelled the statement", "Try again"),
    "58": Meaning(StoreUnavailable, "the server's disk could not be read or written", "Check the server's disk"),
    "XX001": Meaning(StoreCorrupt, "it is damaged", _DAMAGED),
    "XX002": Meaning(StoreCorrupt, "an index of it is damaged", _DAMAGED),
}
"""By SQLSTATE, the whole or its class (postgresql.org, appendix A)."""

_NO_SQLSTATE: Final = Meaning(
    StoreUnavailable, "the connection to it failed", "Check that the server runs and can be reached"
)


def meaning_of(fault: BaseException | None) -> Meaning:
    """What an exception of a driver means."""
    if isinstance(fault, sqlite3.Error):
        code = getattr(fault, "sqlite_errorcode", None)
        if code is None:
            return _OTHER
        return SQLITE_EXTENDED.get(code) or SQLITE.get(code & 0xFF) or _OTHER
    if isinstance(fault, OSError):
        return OPERATING_SYSTEM.get(fault.errno or 0, SQLITE[sqlite3.SQLITE_CANTOPEN])
    if isinstance(fault, Exception) and hasattr(fault, "sqlstate"):  # psycopg.Error
        state = fault.sqlstate
        return POSTGRESQL.get(state) or POSTGRESQL.get(state[:2]) or _OTHER if state else _NO_SQLSTATE
    return _OTHER


def translated(fault: BaseException, place: str) -> StoreError:
    """Our exception for theirs; `place` names the database for people. The text holds no stored value."""
    if isinstance(fault, PoolTimeout):
        return StoreUnavailable(f"store {place}: all connections are in use. Try again")
    meaning = meaning_of(fault.orig if isinstance(fault, DBAPIError) else fault)
    return meaning.error(f"store {place}: {meaning.found}. {meaning.fix}")


@contextmanager
def translating(place: str) -> Iterator[None]:
    """Run the body; what the database complains of comes out as ours."""
    try:
        yield
    except WatcherError:
        raise
    except Unreadable as exc:
        raise StoreCorrupt(
            f"store {place}: {exc} cannot be read back as it was written, so the database is damaged. {_DAMAGED}"
        ) from exc
    except (SQLAlchemyError, sqlite3.Error, OSError) as exc:
        raise translated(exc, place) from exc
