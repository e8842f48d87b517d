"""The tables, in SQLAlchemy Core, one for both databases.

Values that are read back as a whole (watches, snapshots, events, notifications) are kept as JSON text next to the few columns that
queries go by. What was stored in order carries `seq`, which only grows: it is the order of news.

A change here needs a new file in `migrations/versions` and a new `REVISION`; a test compares the two.

Long, because it is all tables.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import (
    TIMESTAMP,
    BigInteger,
    Boolean,
    Column,
    Dialect,
    Double,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
)
from sqlalchemy.types import TypeEngine

from watcher.store.faults import Unreadable

REVISION: Final = "0012"
"""The schema this program reads and writes."""

KNOWN_REVISIONS: Final = frozenset(
    {"0001", "0002", "0003", "0004", "0005", "0006", "0007", "0008", "0009", "0010", "0011", "0012"}
)
"""Every schema that this program can bring up to `REVISION`."""

VERSION_TABLE: Final = "dlc_watcher_schema"
"""Where the revision stands. Not Alembic's usual name, so that another program's database is not taken for ours."""


class Instant(TypeDecorator[datetime]):
    """An aware datetime, to the microsecond.

    PostgreSQL has a type for it. SQLite gets ISO 8601 text in UTC of constant width, which sorts as the times do and which a person
    can read.
    """

    impl = String(32)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """`timestamptz` on PostgreSQL, text elsewhere."""
        return dialect.type_descriptor(TIMESTAMP(timezone=True) if dialect.name == "postgresql" else String(32))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        """To the database."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"a stored time must be aware, {value.isoformat()} is not")
        utc = value.astimezone(UTC)
        return utc if dialect.name == "postgresql" else utc.isoformat(timespec="microseconds")

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:  # noqa: ARG002 - SQLAlchemy's signature
        """From the database."""
        if value is None:
            return None
        try:
            time = value if isinstance(value, datetime) else datetime.fromisoformat(value)
        except ValueError as exc:
            raise Unreadable("a time") from exc
        if time.tzinfo is None:  # never taken for this machine's local time
            raise Unreadable("a time")
        return time.astimezone(UTC)


class Words(TypeDecorator[str]):
    """Text from outside. What a database cannot hold (NUL on PostgreSQL, lone surrogates anywhere) becomes U+FFFD."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002 - as above
        """To the database."""
        if value is None or (value.isascii() and "\0" not in value):
            return value
        return value.replace("\0", "\ufffd").encode("utf-16", "surrogatepass").decode("utf-16", "replace")


_SEQ = BigInteger().with_variant(Integer, "sqlite")  # SQLite: only INTEGER PRIMARY KEY is the row id


def _seq() -> Column[int]:
    return Column("seq", _SEQ, primary_key=True, autoincrement=True)


metadata: Final = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

jobs: Final = Table(
    "jobs",
    metadata,
    Column("source", Words, primary_key=True),
    Column("job_id", Words, primary_key=True),
    Column("version", BigInteger, nullable=False),
    Column("live", Boolean, nullable=False),
    Column("ended_at", Instant),
    Column("watch", Text, nullable=False),
    Index(None, "live", "source"),
    comment="One row for each job: what is held about it between two polls. Compare-and-set goes by version.",
)

briefs: Final = Table(
    "briefs",
    metadata,
    Column("source", Words, primary_key=True),
    Column("job_id", Words, primary_key=True),
    Column("body", Text, nullable=False),
    comment="One row for each row of jobs: what of it a start must know, a tenth of the whole.",
)

snapshots: Final = Table(
    "snapshots",
    metadata,
    _seq(),
    Column("source", Words, nullable=False),
    Column("job_id", Words, nullable=False),
    Column("observed_at", Instant, nullable=False),
    Column("body", Text, nullable=False),
    Index(None, "source", "job_id"),
    sqlite_autoincrement=True,
    comment="The history of a job's snapshots, for its story: only those that differed in a watched field.",
)

events: Final = Table(
    "events",
    metadata,
    _seq(),
    Column("id", Words, nullable=False, unique=True),
    Column("kind", String(64), nullable=False, index=True),
    Column("version", Integer, nullable=False),
    Column("source", Words),
    Column("job_id", Words),
    Column("at", Instant, nullable=False),
    Column("body", Text, nullable=False),
    Index(None, "source", "job_id"),
    sqlite_autoincrement=True,
    comment="Every event, once by its id. Source and job are empty for events of the watcher itself.",
)

decisions: Final = Table(
    "decisions",
    metadata,
    _seq(),
    Column("event_id", Words, nullable=False),
    Column("rule", Words, nullable=False),
    Column("source", Words),
    Column("job_id", Words),
    Column("at", Instant, nullable=False),
    Column("reason", String(64), nullable=False),
    Column("note", Words, nullable=False),
    Index(None, "event_id", "rule", unique=True),
    Index(None, "source", "job_id"),
    sqlite_autoincrement=True,
    comment="What each rule did about each event, and why; silence included.",
)

notifications: Final = Table(
    "notifications",
    metadata,
    Column("id", Words, primary_key=True),
    Column("rule", Words, nullable=False),
    Column("source", Words),
    Column("job_id", Words),
    Column("body", Text, nullable=False),
    Index(None, "source", "job_id"),
    comment="What rules said, once by its id, whether or not somebody was to hear it.",
)

deliveries: Final = Table(
    "deliveries",
    metadata,
    _seq(),
    Column("id", Words, nullable=False, unique=True),
    Column("notification_id", Words, ForeignKey(notifications.c.id), nullable=False, index=True),
    Column("receiver", Words, nullable=False),
    Column("source", Words),
    Column("job_id", Words),
    Column("group_key", Words, nullable=False),
    Column("thread_key", Words, nullable=False),
    Column("state", String(16), nullable=False),
    Column("reason", String(32), nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("not_before", Instant, nullable=False),
    Column("apart_s", Double, nullable=False, server_default="0"),
    Column("address", String(16), nullable=False, server_default="place"),
    Column("person", Words),
    Column("created_at", Instant, nullable=False),
    Column("first_attempt_at", Instant),
    Column("settled_at", Instant),
    Column("flush_id", Words, index=True),
    Column("error", Words, nullable=False),
    Index(None, "state", "receiver"),
    Index(None, "source", "job_id"),
    sqlite_autoincrement=True,
    comment="The outbox: one notification owed to one receiver. Rows that left in one message share flush_id.",
)

receipts: Final = Table(
    "receipts",
    metadata,
    Column("flush_id", Words, primary_key=True),
    Column("receiver", Words, nullable=False),
    Column("at", Instant, nullable=False),
    Column("reference", Words, nullable=False),
    Column("thread_reference", Words, nullable=False),
    Column("place", Words, nullable=False),
    Column("note", Words, nullable=False),
    comment="What the far side returned for a message.",
)

recipients: Final = Table(
    "recipients",
    metadata,
    Column("flush_id", Words, primary_key=True),
    Column("recipient", Words, primary_key=True),
    Column("receiver", Words, nullable=False),
    Column("acceptance", String(16), nullable=False),
    Column("answer", Words, nullable=False),
    Index(None, "receiver", "acceptance"),
    comment="The last word about each recipient of a message, where the far side answers for each.",
)

threads: Final = Table(
    "threads",
    metadata,
    Column("receiver", Words, primary_key=True),
    Column("thread_key", Words, primary_key=True, index=True),
    Column("reference", Words, nullable=False),
    comment="How a receiver's far side names the root of a thread, from the last receipt that named one.",
)

groups: Final = Table(
    "groups",
    metadata,
    Column("receiver", Words, primary_key=True),
    Column("group_key", Words, primary_key=True),
    Column("spoke_at", Instant, nullable=False, index=True),
    comment="When a group last spoke to a receiver: what further news of it is held apart from.",
)

deadlines: Final = Table(
    "deadlines",
    metadata,
    Column("rule", Words, primary_key=True),
    Column("source", Words, primary_key=True),
    Column("job_id", Words, primary_key=True),
    Column("key", Words, primary_key=True),
    Column("at", Instant, nullable=False, index=True),
    Column("cause", Words, nullable=False),
    comment="When a rule wants to be asked again about a job.",
)

sights: Final = Table(
    "sights",
    metadata,
    Column("source", Words, primary_key=True),
    Column("watching_since", Instant),
    Column("failing_since", Instant),
    Column("blind_since", Instant),
    Column("error", Words, nullable=False),
    Column("seen_at", Instant),
    Column("behind_since", Instant),
    comment="Whether we see a source's jobs, and in time.",
)

silences: Final = Table(
    "silences",
    metadata,
    Column("id", Words, primary_key=True),
    Column("match", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("until", Instant),
    Column("author", Words, nullable=False),
    Column("comment", Words, nullable=False),
    Column("source", Words),
    Column("job_id", Words),
    Column("ended_at", Instant),
    Column("ended_by", Words, nullable=False),
    comment="What people do not want to hear for a while. Source and job name the job that a silence ends with.",
)

troubles: Final = Table(
    "troubles",
    metadata,
    Column("id", Words, ForeignKey(notifications.c.id), primary_key=True),
    Column("source", Words),
    Column("job_id", Words),
    Column("pod_id", Words, nullable=False),
    Column("ongoing", String(32), nullable=False),
    Column("opened_at", Instant, nullable=False),
    Column("ended_at", Instant, index=True),
    Column("end", String(32)),
    Column("acknowledged_at", Instant),
    Column("acknowledged_by", Words, nullable=False),
    Column("comment", Words, nullable=False),
    Index(None, "source", "job_id"),
    comment="What is still wrong, and was: a notification of something that goes on, who took it on, and how it ended.",
)

cards: Final = Table(
    "cards",
    metadata,
    Column("receiver", Words, primary_key=True),
    Column("source", Words, primary_key=True),
    Column("job_id", Words, primary_key=True),
    Column("target", Words, nullable=False),
    Column("generation", Integer, nullable=False),
    Column("reference", Words, nullable=False),
    Column("place", Words, nullable=False),
    Column("posted_at", Instant),
    Column("attempt", Integer, nullable=False),
    Column("first_attempt_at", Instant),
    Column("replies", Integer, nullable=False),
    Column("shown", Words, nullable=False),
    Column("news", BigInteger, nullable=False),
    Column("seen", BigInteger, nullable=False),
    Column("next_at", Instant, nullable=False),
    Column("failures", Integer, nullable=False),
    Column("lost", String(16)),
    Column("previous", Words, nullable=False),
    Column("previous_place", Words, nullable=False),
    Column("why", String(16)),
    Index(None, "source", "job_id"),
    comment="The card of a job at a receiver: the root of its thread, changed in place. Behind where news is above seen.",
)

breakers: Final = Table(
    "breakers",
    metadata,
    Column("receiver", Words, primary_key=True),
    Column("target", Words, nullable=False),
    Column("state", String(16), nullable=False),
    Column("since", Instant),
    Column("failed", Text, nullable=False),
    Column("openings", Integer, nullable=False),
    Column("until", Instant),
    Column("error", Words, nullable=False),
    Column("told_at", Instant),
    comment="Whether a receiver is sent to, and since when it is not reached.",
)

interventions: Final = Table(
    "interventions",
    metadata,
    _seq(),
    Column("at", Instant, nullable=False, index=True),
    Column("action", String(16), nullable=False),
    Column("subject", Words, nullable=False, index=True),
    Column("author", Words, nullable=False),
    Column("comment", Words, nullable=False),
    sqlite_autoincrement=True,
    comment="What people did about deliveries and receivers: who, when, why.",
)
