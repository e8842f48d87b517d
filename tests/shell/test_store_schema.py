"""Migrations make what the tables say, also from an installed wheel; and they are one transaction."""

from __future__ import annotations

import logging
import sqlite3
import subprocess
import sys
import zipfile
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine, text

from watcher.core.fleet import brief_of
from watcher.core.model import JobId, JobRef, SourceName
from watcher.core.sight import Sight
from watcher.store import open_store, reading, rows
from watcher.store.schema import KNOWN_REVISIONS, REVISION, VERSION_TABLE, metadata
from watcher.store.upgrade import bring_up
from watcher.testing.store_contract import a_watch

pytestmark = pytest.mark.anyio
ROOT = Path(__file__).parents[2]


def scripts_of(connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", "watcher.store:migrations")
    config.attributes["connection"] = connection
    return config


def scripts() -> ScriptDirectory:
    return ScriptDirectory.from_config(scripts_of())


def test_the_migrations_end_at_the_revision_the_program_reads() -> None:
    assert scripts().get_current_head() == REVISION


def test_every_migration_is_known_and_every_known_one_is_there() -> None:
    assert {script.revision for script in scripts().walk_revisions()} == KNOWN_REVISIONS


def test_the_migrations_make_exactly_the_tables_of_the_schema() -> None:
    engine = create_engine("sqlite://")
    with engine.begin() as connection:
        bring_up(connection, "here")
        options = {"version_table": VERSION_TABLE, "compare_type": True, "compare_server_default": True}
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, metadata) == []
    engine.dispose()


def test_a_database_of_the_first_schema_is_brought_up_with_its_rows() -> None:
    engine = create_engine("sqlite://")
    with engine.begin() as connection:
        command.upgrade(scripts_of(connection), "0001")
        values = "'hangzhou', '2026-03-01T12:00:00.000000+00:00', ''"
        connection.exec_driver_sql(f"INSERT INTO sights (source, watching_since, error) VALUES ({values})")
        bring_up(connection, "here")
        (sight,) = reading.sights(connection)
        assert sight == Sight(source=SourceName("hangzhou"), watching_since=datetime(2026, 3, 1, 12, tzinfo=UTC))
        assert sight.seen_at is None
    engine.dispose()


def test_what_is_held_gets_a_brief_when_briefs_move_apart() -> None:
    refs = [JobRef(SourceName("hangzhou"), JobId(f"dlc{number:04}")) for number in range(1002)]  # more than go at once
    held = [a_watch(ref, version=3, status="Failed" if ref == refs[-1] else "Running") for ref in refs]
    engine = create_engine("sqlite://")
    with engine.begin() as connection:
        command.upgrade(scripts_of(connection), "0011")
        old = text("INSERT INTO jobs VALUES (:source, :job_id, :version, :live, NULL, :watch, NULL)")
        connection.execute(old, [dict(rows.watch_row(watch, None)) for watch in held])
        bring_up(connection, "here")
        assert reading.briefs(connection, source=None) == tuple(brief_of(watch) for watch in held)
        assert reading.watch(connection, refs[-1]) == held[-1]
        assert reading.counts(connection)["jobs.ended"] == 1
    engine.dispose()


def test_every_table_says_what_it_is_for() -> None:
    assert [table.name for table in metadata.sorted_tables if not (table.comment or "").endswith(".")] == []


async def test_migrating_leaves_logging_alone(tmp_path: Path) -> None:
    root = logging.getLogger()
    before = root.level, list(root.handlers), logging.getLogger("alembic").level
    store = open_store(f"sqlite:///{tmp_path}/watcher.db")
    await store.open()
    await store.aclose()
    assert (root.level, list(root.handlers), logging.getLogger("alembic").level) == before


def test_a_migration_cut_short_leaves_an_empty_database(tmp_path: Path) -> None:
    path = tmp_path / "watcher.db"
    engine = create_engine(f"sqlite:///{path}", isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        bring_up(connection, "here")
        connection.exec_driver_sql("ROLLBACK")
    engine.dispose()
    with closing(sqlite3.connect(path)) as other:
        assert other.execute("SELECT name FROM sqlite_master").fetchall() == []


FROM_A_WHEEL = """
import sys
sys.path.insert(0, sys.argv[1])
import anyio, watcher
assert watcher.__file__.startswith(sys.argv[1]), watcher.__file__
from watcher.store import open_store

async def main():
    store = open_store(sys.argv[2])
    await store.open()
    print((await store.counts())["jobs.live"])
    await store.aclose()

anyio.run(main)
"""


def test_the_migrations_run_from_an_installed_wheel(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    zipfile.ZipFile(wheel).extractall(tmp_path / "installed")
    done = subprocess.run(
        [sys.executable, "-c", FROM_A_WHEEL, str(tmp_path / "installed"), f"sqlite:///{tmp_path}/watcher.db"],
        cwd=tmp_path,
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout == "0\n"
