"""Breakers, which outlive a restart; and what people did about deliveries and receivers."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from watcher.store.schema import Instant, Words

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Two more tables."""
    op.create_table(
        "breakers",
        sa.Column("receiver", Words(), nullable=False),
        sa.Column("target", Words(), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("since", Instant(), nullable=True),
        sa.Column("failed", sa.Text(), nullable=False),
        sa.Column("openings", sa.Integer(), nullable=False),
        sa.Column("until", Instant(), nullable=True),
        sa.Column("error", Words(), nullable=False),
        sa.Column("told_at", Instant(), nullable=True),
        sa.PrimaryKeyConstraint("receiver", name="pk_breakers"),
        comment="Whether a receiver is sent to, and since when it is not reached.",
    )
    op.create_table(
        "interventions",
        sa.Column("seq", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.Column("action", sa.String(16), nullable=False),
        sa.Column("subject", Words(), nullable=False),
        sa.Column("author", Words(), nullable=False),
        sa.Column("comment", Words(), nullable=False),
        sa.PrimaryKeyConstraint("seq", name="pk_interventions"),
        comment="What people did about deliveries and receivers: who, when, why.",
        sqlite_autoincrement=True,
    )
    op.create_index("ix_interventions_at", "interventions", ["at"])
    op.create_index("ix_interventions_subject", "interventions", ["subject"])
