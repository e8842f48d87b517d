"""Each complaint of a driver means one of our errors, with a sentence and a fix."""

from __future__ import annotations

import errno
import sqlite3

import psycopg.errors as pg
import pytest
from sqlalchemy.exc import DBAPIError

from watcher.errors import StaleObservation, StoreCorrupt, StoreError, StoreUnavailable
from watcher.store.faults import (
    OPERATING_SYSTEM,
    POSTGRESQL,
    SQLITE,
    SQLITE_EXTENDED,
    Unreadable,
    translated,
    translating,
)


def of_sqlite(code: int) -> sqlite3.Error:
    fault = sqlite3.OperationalError("theirs")
    fault.sqlite_errorcode = code
    return fault


@pytest.mark.parametrize(
    ("fault", "ours"),
    [
        (of_sqlite(sqlite3.SQLITE_BUSY), StoreUnavailable),
        (of_sqlite(sqlite3.SQLITE_BUSY_SNAPSHOT), StoreUnavailable),
        (of_sqlite(sqlite3.SQLITE_FULL), StoreUnavailable),
        (of_sqlite(sqlite3.SQLITE_IOERR_WRITE), StoreUnavailable),
        (of_sqlite(sqlite3.SQLITE_IOERR_FSYNC), StoreError),
        (of_sqlite(sqlite3.SQLITE_READONLY_DBMOVED), StoreUnavailable),
        (of_sqlite(sqlite3.SQLITE_CORRUPT_INDEX), StoreCorrupt),
        (of_sqlite(sqlite3.SQLITE_NOTADB), StoreCorrupt),
        (of_sqlite(sqlite3.SQLITE_ERROR), StoreError),
        (sqlite3.ProgrammingError("the driver's own"), StoreError),
        (PermissionError(errno.EACCES, "no"), StoreUnavailable),
        (OSError(errno.ENOSPC, "full"), StoreUnavailable),
        (pg.OperationalError("connection refused"), StoreUnavailable),
        (pg.AdminShutdown("bye"), StoreUnavailable),
        (pg.DiskFull("full"), StoreUnavailable),
        (pg.DeadlockDetected("no"), StoreUnavailable),
        (pg.ReadOnlySqlTransaction("no"), StoreUnavailable),
        (pg.InsufficientPrivilege("no"), StoreUnavailable),
        (pg.DataCorrupted("no"), StoreCorrupt),
        (pg.UndefinedTable("no"), StoreError),
    ],
    ids=repr,
)
def test_a_drivers_complaint_becomes_ours_also_when_sqlalchemy_wraps_it(
    fault: Exception, ours: type[StoreError]
) -> None:
    for theirs in (fault, DBAPIError("INSERT", {"a": "hunter2"}, fault, hide_parameters=True)):
        error = translated(theirs, "watcher.db")
        assert type(error) is ours
        assert str(error).startswith("store watcher.db: ")
        assert "hunter2" not in str(error)


def test_every_meaning_says_what_was_found_and_what_to_do() -> None:
    for table in (SQLITE, SQLITE_EXTENDED, OPERATING_SYSTEM, POSTGRESQL):
        for meaning in table.values():
            assert meaning.found.endswith(tuple("abcdefghijklmnopqrstuvwxyz)"))
            assert meaning.fix[0].isupper()
            assert not meaning.fix.endswith(".")


def test_the_cause_is_kept_and_our_own_errors_pass_through() -> None:
    theirs = of_sqlite(sqlite3.SQLITE_FULL)
    with pytest.raises(StoreUnavailable) as caught, translating("here"):
        raise theirs
    assert caught.value.__cause__ is theirs
    ours = StaleObservation("stale")
    with pytest.raises(StaleObservation) as kept, translating("here"):
        raise ours
    assert kept.value is ours
    with pytest.raises(StoreCorrupt, match="an event cannot be read back"), translating("here"):
        raise Unreadable("an event")
    with pytest.raises(KeyError), translating("here"):
        raise KeyError("a mistake of ours is not the database's")
