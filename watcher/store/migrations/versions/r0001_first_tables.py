"""The first tables."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from watcher.store.schema import Instant, Words

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def _seq() -> sa.Column[int]:
    form = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    return sa.Column("seq", form, autoincrement=True, nullable=False)


def upgrade() -> None:
    """Make them all."""
    op.create_table(
        "deadlines",
        sa.Column("rule", Words(), nullable=False),
        sa.Column("source", Words(), nullable=False),
        sa.Column("job_id", Words(), nullable=False),
        sa.Column("key", Words(), nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.Column("cause", Words(), nullable=False),
        sa.PrimaryKeyConstraint("rule", "source", "job_id", "key", name="pk_deadlines"),
        comment="When a rule wants to be asked again about a job.",
    )
    op.create_index("ix_deadlines_at", "deadlines", ["at"], unique=False)
    op.create_table(
        "decisions",
        _seq(),
        sa.Column("event_id", Words(), nullable=False),
        sa.Column("rule", Words(), nullable=False),
        sa.Column("source", Words(), nullable=True),
        sa.Column("job_id", Words(), nullable=True),
        sa.Column("at", Instant(), nullable=False),
        sa.Column("reason", sa.String(length=64), nullable=False),
        sa.Column("note", Words(), nullable=False),
        sa.PrimaryKeyConstraint("seq", name="pk_decisions"),
        comment="What each rule did about each event, and why; silence included.",
        sqlite_autoincrement=True,
    )
    op.create_index("ix_decisions_event_id_rule", "decisions", ["event_id", "rule"], unique=True)
    op.create_index("ix_decisions_source_job_id", "decisions", ["source", "job_id"], unique=False)
    op.create_table(
        "events",
        _seq(),
        sa.Column("id", Words(), nullable=False),
        sa.Column("kind", sa.String(length=64), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("source", Words(), nullable=True),
        sa.Column("job_id", Words(), nullable=True),
        sa.Column("at", Instant(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("seq", name="pk_events"),
        sa.UniqueConstraint("id", name="uq_events_id"),
        comment="Every event, once by its id. Source and job are empty for events of the watcher itself.",
        sqlite_autoincrement=True,
    )
    op.create_index("ix_events_kind", "events", ["kind"], unique=False)
    op.create_index("ix_events_source_job_id", "events", ["source", "job_id"], unique=False)
    op.create_table(
        "jobs",
        sa.Column("source", Words(), nullable=False),
        sa.Column("job_id", Words(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("live", sa.Boolean(), nullable=False),
        sa.Column("ended_at", Instant(), nullable=True),
        sa.Column("watch", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("source", "job_id", name="pk_jobs"),
        comment="One row for each job: what is held about it between two polls. Compare-and-set goes by version.",
    )
    op.create_index("ix_jobs_live_source", "jobs", ["live", "source"], unique=False)
    op.create_table(
        "notifications",
        sa.Column("id", Words(), nullable=False),
        sa.Column("rule", Words(), nullable=False),
        sa.Column("source", Words(), nullable=True),
        sa.Column("job_id", Words(), nullable=True),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_notifications"),
        comment="What rules said, once by its id, whether or not somebody was to hear it.",
    )
    op.create_index("ix_notifications_source_job_id", "notifications", ["source", "job_id"], unique=False)
    op.create_table(
        "receipts",
        sa.Column("flush_id", Words(), nullable=False),
        sa.Column("receiver", Words(), nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.Column("reference", Words(), nullable=False),
        sa.Column("thread_reference", Words(), nullable=False),
        sa.Column("place", Words(), nullable=False),
        sa.Column("note", Words(), nullable=False),
        sa.PrimaryKeyConstraint("flush_id", name="pk_receipts"),
        comment="What the far side returned for a message.",
    )
    op.create_table(
        "sights",
        sa.Column("source", Words(), nullable=False),
        sa.Column("watching_since", Instant(), nullable=True),
        sa.Column("failing_since", Instant(), nullable=True),
        sa.Column("blind_since", Instant(), nullable=True),
        sa.Column("error", Words(), nullable=False),
        sa.PrimaryKeyConstraint("source", name="pk_sights"),
        comment="Whether we see a source's jobs.",
    )
    op.create_table(
        "snapshots",
        _seq(),
        sa.Column("source", Words(), nullable=False),
        sa.Column("job_id", Words(), nullable=False),
        sa.Column("observed_at", Instant(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("seq", name="pk_snapshots"),
        comment="The history of a job's snapshots, for its story: only those that differed in a watched field.",
        sqlite_autoincrement=True,
    )
    op.create_index("ix_snapshots_source_job_id", "snapshots", ["source", "job_id"], unique=False)
    op.create_table(
        "threads",
        sa.Column("receiver", Words(), nullable=False),
        sa.Column("thread_key", Words(), nullable=False),
        sa.Column("reference", Words(), nullable=False),
        sa.PrimaryKeyConstraint("receiver", "thread_key", name="pk_threads"),
        comment="How a receiver's far side names the root of a thread, from the last receipt that named one.",
    )
    op.create_index("ix_threads_thread_key", "threads", ["thread_key"], unique=False)
    op.create_table(
        "deliveries",
        _seq(),
        sa.Column("id", Words(), nullable=False),
        sa.Column("notification_id", Words(), nullable=False),
        sa.Column("receiver", Words(), nullable=False),
        sa.Column("source", Words(), nullable=True),
        sa.Column("job_id", Words(), nullable=True),
        sa.Column("group_key", Words(), nullable=False),
        sa.Column("thread_key", Words(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.String(length=32), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("not_before", Instant(), nullable=False),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("first_attempt_at", Instant(), nullable=True),
        sa.Column("settled_at", Instant(), nullable=True),
        sa.Column("flush_id", Words(), nullable=True),
        sa.Column("error", Words(), nullable=False),
        sa.ForeignKeyConstraint(
            ["notification_id"], ["notifications.id"], name="fk_deliveries_notification_id_notifications"
        ),
        sa.PrimaryKeyConstraint("seq", name="pk_deliveries"),
        sa.UniqueConstraint("id", name="uq_deliveries_id"),
        comment="The outbox: one notification owed to one receiver. Rows that left in one message share flush_id.",
        sqlite_autoincrement=True,
    )
    op.create_index("ix_deliveries_flush_id", "deliveries", ["flush_id"], unique=False)
    op.create_index("ix_deliveries_notification_id", "deliveries", ["notification_id"], unique=False)
    op.create_index("ix_deliveries_source_job_id", "deliveries", ["source", "job_id"], unique=False)
    op.create_index("ix_deliveries_state_receiver", "deliveries", ["state", "receiver"], unique=False)
