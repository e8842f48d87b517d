"""Recipients: what became of a message at each of those it was for."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from watcher.store.schema import Words

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """One more table."""
    op.create_table(
        "recipients",
        sa.Column("flush_id", Words(), nullable=False),
        sa.Column("recipient", Words(), nullable=False),
        sa.Column("receiver", Words(), nullable=False),
        sa.Column("acceptance", sa.String(16), nullable=False),
        sa.Column("answer", Words(), nullable=False),
        sa.PrimaryKeyConstraint("flush_id", "recipient", name="pk_recipients"),
        comment="The last word about each recipient of a message, where the far side answers for each.",
    )
    op.create_index("ix_recipients_receiver_acceptance", "recipients", ["receiver", "acceptance"])
