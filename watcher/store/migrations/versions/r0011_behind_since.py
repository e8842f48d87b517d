"""Since when people know that a source's request budget does not suffice: a restart neither repeats nor forgets it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from watcher.store.schema import Instant

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """One more column."""
    op.add_column("sights", sa.Column("behind_since", Instant(), nullable=True))
