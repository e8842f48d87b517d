"""Is this file a sound SQLite database? Looked at without changing a byte of it."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Container, Mapping
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Final
from urllib.parse import quote

from watcher.errors import StoreCorrupt

HEADER_BYTES: Final = 100

FIELDS: Final[Mapping[str, tuple[int, int, Container[int]]]] = {
    "page size": (16, 2, frozenset({1, 512, 1024, 2048, 4096, 8192, 16384, 32768})),  # 1 stands for 65536
    "write version": (18, 1, range(1, 3)),
    "read version": (19, 1, range(1, 3)),
    "reserved space": (20, 1, range(33)),
    "largest payload fraction": (21, 1, range(64, 65)),
    "least payload fraction": (22, 1, range(32, 33)),
    "leaf payload fraction": (23, 1, range(32, 33)),
    "schema format": (44, 4, range(5)),
    "text encoding": (56, 4, range(2)),
    "space for extension": (72, 20, range(1)),
}
"""Offset, length and sound values of header fields that never change in our files (sqlite.org/fileformat.html, 1.3).

SQLite itself forgives some of them, with bad manners: another write version makes it read-only, another text encoding garbles text.
"""

PATIENCE: Final = timedelta(seconds=2)
"""How long the look at the pages may take. It does some gigabytes per second from memory; what is left unseen on a huge file shows
itself when it is read."""


def uri(path: Path, *, read_only: bool) -> str:
    """The file as SQLite's URI, whatever characters are in its name."""
    return f"file:{quote(str(path))}?mode={'ro' if read_only else 'rw'}"


def examine(path: Path) -> None:
    """Look at header and pages. An empty file is sound: it is a database nothing was written to yet.

    Raises:
        StoreCorrupt: with what was found and what to do. The file was not written to.
        OSError: it cannot be read.
        sqlite3.Error: it cannot be looked at now (locked, not readable).
    """
    with path.open("rb") as file:
        header = file.read(HEADER_BYTES)
    if header:
        _examine_header(path, header)
        _examine_pages(path)


def _examine_header(path: Path, header: bytes) -> None:
    if not header.startswith(b"SQLite format 3\0"):
        raise StoreCorrupt(
            f"store {path}: this file is not an SQLite database, or its beginning is damaged. It was left as it is. "
            "Name another file in store.url, or move this one away"
        )
    for name, (offset, length, sound) in FIELDS.items():
        if len(header) < HEADER_BYTES or int.from_bytes(header[offset : offset + length], "big") not in sound:
            raise _damaged(path, f"the {name} in its header makes no sense")


def _examine_pages(path: Path) -> None:
    end = time.monotonic() + PATIENCE.total_seconds()
    # Read-only, because the last connection that may write copies the log into the file on closing. But the journal of a
    # transaction cut short (only there before the first switch to the log) must be rolled back before anything can be read.
    cut_short = path.with_name(f"{path.name}-journal").exists()
    with closing(sqlite3.connect(uri(path, read_only=not cut_short), uri=True)) as connection:
        connection.set_progress_handler(lambda: time.monotonic() > end, 10_000)
        try:
            found = connection.execute("PRAGMA quick_check(1)").fetchall()
        except sqlite3.OperationalError as exc:
            if exc.sqlite_errorcode == sqlite3.SQLITE_INTERRUPT:
                return
            raise
        except sqlite3.DatabaseError as exc:
            raise _damaged(path, str(exc)) from exc
    if found != [("ok",)]:
        raise _damaged(path, " ".join(str(found[0][0]).split()))


def _damaged(path: Path, finding: str) -> StoreCorrupt:
    return StoreCorrupt(
        f"store {path}: the database file is damaged ({finding}). It was left as it is. "
        "Put a copy from a backup in its place, or move it away (with its -wal and -shm files) to start with a new one"
    )
