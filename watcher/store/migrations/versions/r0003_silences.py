"""Silences: what people do not want to hear for a while."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from watcher.store.schema import Instant, Words

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """One more table."""
    op.create_table(
        "silences",
        sa.Column("id", Words(), nullable=False),
        sa.Column("match", sa.Text(), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("until", Instant(), nullable=True),
        sa.Column("author", Words(), nullable=False),
        sa.Column("comment", Words(), nullable=False),
        sa.Column("source", Words(), nullable=True),
        sa.Column("job_id", Words(), nullable=True),
        sa.Column("ended_at", Instant(), nullable=True),
        sa.Column("ended_by", Words(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_silences"),
        comment="What people do not want to hear for a while. Source and job name the job that a silence ends with.",
    )
