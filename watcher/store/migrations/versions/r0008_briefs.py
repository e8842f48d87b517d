"""What a start must know of each job, beside the long text of what is held about it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """One more column. A row has it from its next commit on; until then its long text is read."""
    op.add_column("jobs", sa.Column("brief", sa.Text(), nullable=True))
