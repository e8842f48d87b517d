"""Troubles: what is still wrong, who took it on, and how it ended."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from watcher.store.schema import Instant, Words

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """One more table."""
    op.create_table(
        "troubles",
        sa.Column("id", Words(), nullable=False),
        sa.Column("source", Words(), nullable=True),
        sa.Column("job_id", Words(), nullable=True),
        sa.Column("pod_id", Words(), nullable=False),
        sa.Column("ongoing", sa.String(32), nullable=False),
        sa.Column("opened_at", Instant(), nullable=False),
        sa.Column("ended_at", Instant(), nullable=True),
        sa.Column("end", sa.String(32), nullable=True),
        sa.Column("acknowledged_at", Instant(), nullable=True),
        sa.Column("acknowledged_by", Words(), nullable=False),
        sa.Column("comment", Words(), nullable=False),
        sa.ForeignKeyConstraint(["id"], ["notifications.id"], name="fk_troubles_id_notifications"),
        sa.PrimaryKeyConstraint("id", name="pk_troubles"),
        comment="What is still wrong, and was: a notification of something that goes on, who took it on, and how it ended.",
    )
    op.create_index("ix_troubles_source_job_id", "troubles", ["source", "job_id"])
    op.create_index("ix_troubles_ended_at", "troubles", ["ended_at"])
