"""Living cards: the root of a job's thread, changed in place."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from watcher.store.schema import Instant, Words

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """One more table."""
    op.create_table(
        "cards",
        sa.Column("receiver", Words(), nullable=False),
        sa.Column("source", Words(), nullable=False),
        sa.Column("job_id", Words(), nullable=False),
        sa.Column("target", Words(), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("reference", Words(), nullable=False),
        sa.Column("place", Words(), nullable=False),
        sa.Column("posted_at", Instant(), nullable=True),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("first_attempt_at", Instant(), nullable=True),
        sa.Column("replies", sa.Integer(), nullable=False),
        sa.Column("shown", Words(), nullable=False),
        sa.Column("news", sa.BigInteger(), nullable=False),
        sa.Column("seen", sa.BigInteger(), nullable=False),
        sa.Column("next_at", Instant(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("lost", sa.String(16), nullable=True),
        sa.Column("previous", Words(), nullable=False),
        sa.Column("previous_place", Words(), nullable=False),
        sa.Column("why", sa.String(16), nullable=True),
        sa.PrimaryKeyConstraint("receiver", "source", "job_id", name="pk_cards"),
        comment="The card of a job at a receiver: the root of its thread, changed in place. Behind where news is above seen.",
    )
    op.create_index("ix_cards_source_job_id", "cards", ["source", "job_id"])
