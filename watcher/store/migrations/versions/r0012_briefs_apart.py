"""What a start must know of each job, in a table of its own: beside the long texts it was as slow to read as they are."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from watcher.store import rows
from watcher.store.schema import Words

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_AT_ONCE = 1000


def upgrade() -> None:
    """One more table, and one column less. Briefs follow from what is held, so they are made anew, as this version makes them."""
    briefs = op.create_table(
        "briefs",
        sa.Column("source", Words(), nullable=False),
        sa.Column("job_id", Words(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("source", "job_id", name="pk_briefs"),
        comment="One row for each row of jobs: what of it a start must know, a tenth of the whole.",
    )
    connection = op.get_bind()
    held = connection.execute(sa.text("SELECT watch FROM jobs"), execution_options={"yield_per": _AT_ONCE})
    for texts in held.scalars().partitions():
        connection.execute(sa.insert(briefs), [dict(rows.brief_row(rows.watch_of(text))) for text in texts])
    # SQLite itself drops columns from 3.35 on only, so the table is copied there.
    with op.batch_alter_table("jobs") as jobs:
        jobs.drop_column("brief")
