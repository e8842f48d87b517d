"""When each source was last seen: what a restart needs to tell how long the watcher was away."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from watcher.store.schema import Instant

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """One more column. Until it is written for the first time, no absence is on record."""
    op.add_column("sights", sa.Column("seen_at", Instant(), nullable=True))
