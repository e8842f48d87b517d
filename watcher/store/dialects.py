"""Where the two databases differ in what they want to hear: all of it stands here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from importlib import import_module
from typing import Any

from sqlalchemy import Connection, Table

Row = Mapping[str, Any]


@cache
def _insert(dialect: str) -> Any:
    """The INSERT of a dialect. Only the one in use is imported: with its drivers PostgreSQL's is thirty modules."""
    return import_module(f"sqlalchemy.dialects.{dialect}").insert


def put_new(connection: Connection, table: Table, rows: Sequence[Row]) -> int:
    """Insert what is not there yet, judged by every unique key. Returns how many of them were new."""
    if not rows:
        return 0
    statement = _insert(connection.dialect.name)(table).on_conflict_do_nothing().inline()
    # asked for by name, because SQLAlchemy does not keep the count of an INSERT for every driver
    return connection.execute(statement, list(rows), execution_options={"preserve_rowcount": True}).rowcount


def put(connection: Connection, table: Table, rows: Sequence[Row]) -> None:
    """Insert, or replace what stands under the same primary key. In `rows` every key occurs once."""
    if not rows:
        return
    statement = _insert(connection.dialect.name)(table).inline()
    keys = [column.name for column in table.primary_key]
    values = {column.name: statement.excluded[column.name] for column in table.columns if column.name not in keys}
    connection.execute(statement.on_conflict_do_update(index_elements=keys, set_=values), list(rows))
