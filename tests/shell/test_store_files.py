"""The SQLite file: whose it is, what is refused, and that a refused file stays as it was."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import tempfile
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from watcher.errors import SchemaRefused, StoreCorrupt, StoreError, StoreUnavailable
from watcher.store import open_store
from watcher.store.integrity import HEADER_BYTES
from watcher.store.memory import MemoryStore
from watcher.store.sql import SqlStore
from watcher.testing.store_contract import (
    JOB,
    MOMENT,
    T0,
    a_delivery,
    a_watch,
    an_event,
    an_observation,
)

pytestmark = pytest.mark.anyio


def url(path: Path) -> str:
    return f"sqlite:///{path}"


async def filled(path: Path, rows: int = 60) -> None:
    """A database of some pages."""
    store = SqlStore(url(path))
    await store.open()
    for version in range(1, rows + 1):
        watch = a_watch(version=version, at=T0 + version * MOMENT)
        await store.commit(an_observation(a_delivery(version), watch=watch))
    await store.aclose()


async def refusal(path: Path, **options: Any) -> StoreError:
    """What opening it says."""
    store = SqlStore(url(path), **options)
    try:
        with pytest.raises(StoreError) as caught:
            await store.open()
    finally:
        await store.aclose()
    assert str(path) in str(caught.value)
    return caught.value


def modes(directory: Path) -> dict[str, int]:
    return {file.name: file.stat().st_mode & 0o777 for file in directory.iterdir()}


# --- URLs ------------------------------------------------------------------------------------------------------------------------


async def test_a_relative_path_starts_at_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    store = open_store("sqlite:///watcher.db")
    await store.open()
    await store.aclose()
    assert (tmp_path / "watcher.db").exists()


async def test_a_path_may_hold_any_character(tmp_path: Path) -> None:
    path = tmp_path / "a b?c#d%20é.db"
    await filled(path, rows=1)
    assert path.exists()


async def test_memory_is_chosen_by_url() -> None:
    assert isinstance(open_store("memory:"), MemoryStore)


@pytest.mark.parametrize(
    "wrong", ["", "watcher.db", "mysql://u:hunter2@h/d", "sqlite://", "sqlite:///", "sqlite:///:memory:"]
)
async def test_a_url_that_names_no_store_is_refused_with_the_right_forms_and_no_password(wrong: str) -> None:
    with pytest.raises(StoreError, match=r"sqlite:///watcher\.db") as caught:
        open_store(wrong)
    assert "hunter2" not in str(caught.value)


async def test_a_postgresql_url_that_cannot_be_read_does_not_show_its_password() -> None:
    with pytest.raises(StoreError) as caught:
        open_store("postgresql://me:hunter2@host:port/db")
    assert "hunter2" not in repr(caught.value)
    assert caught.value.__cause__ is None


async def test_a_postgresql_server_that_is_not_there_is_unavailable_and_the_password_is_not_shown() -> None:
    store = SqlStore("postgresql://me:hunter2@127.0.0.1:1/db", patience=timedelta(seconds=1))
    with pytest.raises(StoreUnavailable, match=r"127\.0\.0\.1:1/db") as caught:
        await store.open()
    assert "hunter2" not in str(caught.value)


# --- modes and locks -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o777])
async def test_every_file_is_its_owners_only_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        store = SqlStore(url(tmp_path / "watcher.db"))
        await store.open()
        await store.commit(an_observation(watch=a_watch()))
        found = modes(tmp_path)
        await store.aclose()
    finally:
        os.umask(before)
    assert found == dict.fromkeys(["watcher.db", "watcher.db-wal", "watcher.db-shm", "watcher.db.lock"], 0o600)


async def test_a_second_watcher_on_the_same_file_is_refused_by_whatever_name(tmp_path: Path) -> None:
    path, link = tmp_path / "watcher.db", tmp_path / "link.db"
    store = SqlStore(url(path))
    await store.open()
    link.symlink_to(path)
    try:
        for name in (path, link):
            error = await refusal(name)
            assert isinstance(error, StoreUnavailable)
            assert f"process {os.getpid()}" in str(error)
    finally:
        await store.aclose()
    again = SqlStore(url(path))
    await again.open()
    await again.aclose()


async def test_readers_work_while_a_watcher_runs_and_see_what_it_commits(tmp_path: Path) -> None:
    path = tmp_path / "watcher.db"
    store, reader = SqlStore(url(path)), SqlStore(url(path), read_only=True)
    await store.open()
    await reader.open()
    await store.commit(an_observation(watch=a_watch()))
    assert await reader.watch(JOB) == a_watch()
    with pytest.raises(StoreUnavailable, match="reading only"):
        await reader.commit(an_observation(watch=a_watch(version=2)))
    await store.aclose()
    assert await reader.watch(JOB) == a_watch()
    await reader.aclose()


async def test_a_reader_needs_a_database_that_a_watcher_has_filled(tmp_path: Path) -> None:
    missing, empty = tmp_path / "none.db", tmp_path / "empty.db"
    empty.touch()
    for path, words in ((missing, "no such file"), (empty, "still empty")):
        error = await refusal(path, read_only=True)
        assert isinstance(error, StoreUnavailable)
        assert words in str(error)
        assert "dlc-watcher run" in str(error)
    assert not missing.exists()
    assert empty.read_bytes() == b""


async def test_a_store_that_is_not_open_says_so(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match="not open"):
        await SqlStore(url(tmp_path / "watcher.db")).counts()


# --- what is not ours ------------------------------------------------------------------------------------------------------------


async def test_a_file_that_is_no_database_is_refused_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("milk, eggs\n" * 50)
    for options in ({}, {"read_only": True}):
        error = await refusal(path, **options)
        assert isinstance(error, StoreCorrupt)
        assert "not an SQLite database" in str(error)
    assert path.read_text() == "milk, eggs\n" * 50


@pytest.mark.parametrize("mode", ["delete", "wal"])
async def test_another_programs_database_is_refused_and_kept(tmp_path: Path, mode: str) -> None:
    path = tmp_path / "other.db"
    with closing(sqlite3.connect(path)) as other:
        other.execute(f"PRAGMA journal_mode={mode}")
        other.execute("CREATE TABLE groceries (name)")
        other.commit()
    before = path.read_bytes()
    for options in ({}, {"read_only": True}):
        error = await refusal(path, **options)
        assert isinstance(error, SchemaRefused)
        assert "groceries" in str(error)
    assert path.read_bytes() == before


async def test_another_programs_table_beside_ours_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "watcher.db"
    await filled(path, rows=1)
    with closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE groceries (name)")
    before = path.read_bytes()
    assert isinstance(await refusal(path), SchemaRefused)
    assert path.read_bytes() == before


@pytest.mark.parametrize("revision", ["9999", "abcdef", None])
async def test_a_newer_schema_is_refused_with_advice_and_kept(tmp_path: Path, revision: str | None) -> None:
    path = tmp_path / "watcher.db"
    await filled(path, rows=1)
    with closing(sqlite3.connect(path)) as other:
        other.execute("DELETE FROM dlc_watcher_schema")
        if revision:
            other.execute("INSERT INTO dlc_watcher_schema VALUES (?)", (revision,))
        other.commit()
    before = path.read_bytes()
    for options in ({}, {"read_only": True}):
        error = await refusal(path, **options)
        assert isinstance(error, SchemaRefused)
        assert (revision or "without a number") in str(error)
        assert "newer dlc-watcher" in str(error)
    assert path.read_bytes() == before


async def test_a_refused_store_lets_go_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "watcher.db"
    path.write_text("not a database")
    await refusal(path)
    path.unlink()
    await filled(path, rows=1)


# --- damage ----------------------------------------------------------------------------------------------------------------------


async def outcome(path: Path) -> str:
    """Open it and read everything: "sound", or the name of our error. A foreign exception fails the test."""
    store = SqlStore(url(path))
    try:
        await store.open()
        await store.watches(live_only=False)
        await store.story(JOB)
        await store.counts()
    except StoreError as exc:
        return type(exc).__name__
    else:
        return "sound"
    finally:
        await store.aclose()


async def test_a_flipped_byte_anywhere_in_the_header_is_noticed_or_harmless(tmp_path: Path) -> None:
    path = tmp_path / "watcher.db"
    await filled(path, rows=3)
    sound = path.read_bytes()
    # Counters that SQLite keeps for itself: change counter, page count, free list, schema cookie, cache size, user version,
    # vacuum settings, application id, "valid for", library version. SQLite works around a wrong one, or the pages tell.
    ours = [
        at for at in range(HEADER_BYTES) if (at < 24 and at != 20) or 44 <= at < 48 or 56 <= at < 60 or 72 <= at < 92
    ]
    for at in range(HEADER_BYTES):
        damaged = bytearray(sound)
        damaged[at] ^= 0xFF
        path.write_bytes(damaged)
        found = await outcome(path)
        assert found in {"sound", "StoreCorrupt"}, f"byte {at}"
        if at in ours:
            assert found == "StoreCorrupt", f"byte {at}"
        if found == "StoreCorrupt":
            assert path.read_bytes() == damaged, f"byte {at}: a damaged file is left as it is"


async def test_damaged_pages_are_noticed_and_the_file_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "watcher.db"
    await filled(path)
    sound = path.read_bytes()
    page = int.from_bytes(sound[16:18], "big")
    assert len(sound) > 10 * page
    noticed = 0
    for number in range(1, len(sound) // page):
        damaged = bytearray(sound)
        damaged[number * page : number * page + 12] = b"\xa5" * 12
        path.write_bytes(damaged)
        if await outcome(path) == "StoreCorrupt":
            noticed += 1
            assert path.read_bytes() == damaged
    assert noticed == len(sound) // page - 1


@pytest.mark.parametrize("left", [50, 99, 100, 4096, 3 * 4096 + 17])
async def test_a_file_cut_short_is_noticed_and_kept(tmp_path: Path, left: int) -> None:
    path = tmp_path / "watcher.db"
    await filled(path, rows=3)
    os.truncate(path, left)
    before = path.read_bytes()
    assert await outcome(path) == "StoreCorrupt"
    assert path.read_bytes() == before


async def test_text_that_is_not_what_was_written_is_damage_too_and_is_not_shown(tmp_path: Path) -> None:
    path = tmp_path / "watcher.db"
    await filled(path, rows=1)
    with closing(sqlite3.connect(path)) as other:
        other.execute("UPDATE jobs SET watch = '{\"hunter2\": 1}'")
        other.commit()
    store = SqlStore(url(path))
    await store.open()
    with pytest.raises(StoreCorrupt, match="what is held about a job cannot be read back") as caught:
        await store.watch(JOB)
    assert "hunter2" not in str(caught.value)
    await store.aclose()


# --- trouble with the place ------------------------------------------------------------------------------------------------------


async def test_a_missing_directory_is_named_with_the_fix(tmp_path: Path) -> None:
    error = await refusal(tmp_path / "nowhere" / "watcher.db")
    assert isinstance(error, StoreUnavailable)
    assert f"the directory {tmp_path}/nowhere does not exist. Create it" in str(error)


async def test_a_directory_in_place_of_the_file_is_named_with_the_fix(tmp_path: Path) -> None:
    error = await refusal(tmp_path)
    assert isinstance(error, StoreUnavailable)
    assert "this is a directory" in str(error)


WITHOUT_RIGHTS = """
import os, sys
import anyio, anyio._backends._asyncio
from watcher.store.sql import SqlStore
from watcher.errors import StoreError
if os.getuid() == 0:  # root may write anywhere
    os.setgid(65534)
    os.setuid(65534)

async def main():
    store = SqlStore(sys.argv[1])
    try:
        await store.open()
    except StoreError as exc:
        print(type(exc).__name__, exc)
    finally:
        await store.aclose()

anyio.run(main)
"""


def test_a_directory_that_may_not_be_written_is_named_with_the_fix() -> None:
    with tempfile.TemporaryDirectory() as place:
        Path(place).chmod(0o555)
        done = subprocess.run(
            [sys.executable, "-c", WITHOUT_RIGHTS, f"sqlite:///{place}/watcher.db"],
            cwd=Path(__file__).parents[2],
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.startswith("StoreUnavailable")
        assert f"{place}/watcher.db" in done.stdout
        assert "Give this user the right to write the file and its directory" in done.stdout
        Path(place).chmod(0o755)


async def test_a_full_disk_writes_nothing_by_half_and_heals_when_space_returns(tmp_path: Path) -> None:
    store = SqlStore(url(tmp_path / "watcher.db"))
    await store.open()
    await store.commit(an_observation(watch=a_watch()))

    def limit(pages: int) -> Any:
        return lambda connection: connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}").scalar()

    await store._database.write(limit(1))  # to what it has: not a page more
    large = [a_delivery(n) for n in range(200)]
    held = await store.counts()
    for _ in range(3):
        with pytest.raises(StoreUnavailable, match="the disk is full") as caught:
            await store.commit(an_observation(*large, watch=a_watch(version=2, status="Failed")))
        assert isinstance(caught.value.__cause__, Exception)
        assert await store.counts() == held
        assert await store.watch(JOB) == a_watch()
    await store._database.write(limit(1_000_000))
    await store.commit(an_observation(*large, watch=a_watch(version=2, status="Failed")))
    assert (await store.counts())["deliveries.pending"] == 200
    await store.aclose()
    assert await outcome(tmp_path / "watcher.db") == "sound"


async def test_a_lock_held_by_another_program_is_waited_for_and_then_told(tmp_path: Path) -> None:
    path = tmp_path / "watcher.db"
    store = SqlStore(url(path), patience=timedelta(milliseconds=100))
    await store.open()
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnavailable, match="locked by another program"):
            await store.commit(an_observation(watch=a_watch()))
        assert await store.watch(JOB) is None, "reading goes on meanwhile"
        other.execute("ROLLBACK")
    await store.commit(an_observation(watch=a_watch()))
    assert await store.watch(JOB) == a_watch()
    await store.aclose()


async def test_no_stored_value_is_in_the_text_of_an_error(tmp_path: Path) -> None:
    store = SqlStore(url(tmp_path / "watcher.db"))
    await store.open()
    await store._database.write(lambda connection: connection.exec_driver_sql("DROP TABLE events"))
    event = an_event(new="hunter2")
    with pytest.raises(StoreError) as caught:
        await store.commit(
            an_observation(watch=a_watch(name="hunter2")).__class__(cause=event.cause, at=T0, events=(event,))
        )
    assert "hunter2" not in str(caught.value)
    assert "hunter2" not in str(caught.value.__cause__)
    await store.aclose()


async def test_text_that_no_database_can_hold_is_kept_as_far_as_it_goes(tmp_path: Path) -> None:
    from dataclasses import replace

    from watcher.core.model import SourceName
    from watcher.core.sight import Sight

    store = SqlStore(url(tmp_path / "watcher.db"))
    await store.open()
    sight = Sight(source=SourceName("s"), error="a\0b\ud800c\U0001f680")
    await store.commit(replace(an_observation(), sight=sight))
    assert (await store.sights())[0].error == "a\ufffdb\ufffdc\U0001f680"
    await store.aclose()
