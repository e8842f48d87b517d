"""When a group last spoke, and how long after that each delivery waits."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from watcher.store.schema import Instant, Words

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """One more column, one more table. Until a group has spoken for the first time, nothing waits for it."""
    op.add_column("deliveries", sa.Column("apart_s", sa.Double(), nullable=False, server_default="0"))
    op.create_table(
        "groups",
        sa.Column("receiver", Words(), nullable=False),
        sa.Column("group_key", Words(), nullable=False),
        sa.Column("spoke_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("receiver", "group_key", name="pk_groups"),
        comment="When a group last spoke to a receiver: what further news of it is held apart from.",
    )
    op.create_index("ix_groups_spoke_at", "groups", ["spoke_at"])
