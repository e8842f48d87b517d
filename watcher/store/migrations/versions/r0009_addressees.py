"""Whom a delivery is for: whoever reads the receiver, or the owner of the job."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from watcher.store.schema import Words

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Two more columns. What was owed before is for whoever reads the receiver."""
    op.add_column("deliveries", sa.Column("address", sa.String(16), nullable=False, server_default="place"))
    op.add_column("deliveries", sa.Column("person", Words(), nullable=True))
