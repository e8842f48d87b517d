"""Is this database ours, and how old is it? Then bring its schema up to date, all of it or nothing."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection, inspect, text

from watcher.errors import SchemaRefused, StoreUnavailable
from watcher.store.schema import KNOWN_REVISIONS, REVISION, VERSION_TABLE, metadata

_SHOWN: Final = 5


def revision_of(connection: Connection, place: str) -> str | None:
    """The schema's revision; None when the database is empty.

    Raises:
        SchemaRefused: it is newer than this program, or holds another program's tables.
    """
    names = frozenset(inspect(connection).get_table_names())
    strange = sorted(names - metadata.tables.keys() - {VERSION_TABLE})
    if strange or (names and VERSION_TABLE not in names):
        shown = ", ".join(strange[:_SHOWN] or sorted(names)[:_SHOWN]) + (" ..." if len(strange) > _SHOWN else "")
        raise SchemaRefused(
            f"store {place}: the database belongs to another program (it has the tables {shown}). Nothing was changed. "
            "Name a database of its own for the watcher in store.url"
        )
    if not names:
        return None
    rows = connection.execute(text(f"SELECT version_num FROM {VERSION_TABLE}")).scalars().all()  # noqa: S608 - a constant
    found = str(rows[0]) if len(rows) == 1 else ""
    if found not in KNOWN_REVISIONS:
        raise SchemaRefused(
            f"store {place}: the database has schema {found or 'without a number'}, this dlc-watcher knows schemas up to "
            f"{REVISION}. Nothing was changed. Install the newer dlc-watcher that made it, or name another database in store.url"
        )
    return found


def bring_up(connection: Connection, place: str) -> None:
    """Create or migrate the schema within the connection's transaction.

    Raises:
        SchemaRefused: see `revision_of`.
    """
    if revision_of(connection, place) == REVISION:
        return
    # Imported here: only the first start and the first after an upgrade need it.
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", "watcher.store:migrations")
    config.attributes["connection"] = connection
    command.upgrade(config, REVISION)


def must_be_current(connection: Connection, place: str) -> None:
    """For readers, who change nothing.

    Raises:
        SchemaRefused: it is another program's, newer, or still to be migrated.
        StoreUnavailable: nothing is in it yet.
    """
    found = revision_of(connection, place)
    if found is None:
        raise StoreUnavailable(f"store {place}: the database is still empty. Start the watcher first: dlc-watcher run")
    if found != REVISION:
        raise SchemaRefused(
            f"store {place}: the database has schema {found}, this dlc-watcher reads {REVISION}. "
            "Start the watcher once, it brings the database up to date: dlc-watcher run"
        )
