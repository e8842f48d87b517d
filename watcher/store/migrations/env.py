"""Alembic's way in. Runs on the connection it is given, in that connection's transaction; leaves logging alone."""

from __future__ import annotations

from alembic import context

from watcher.store.schema import VERSION_TABLE, metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
    transactional_ddl=True,  # both databases can; Alembic does not believe it of SQLite, whose driver once could not
)
with context.begin_transaction():
    context.run_migrations()
