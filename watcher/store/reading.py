"""Statements that only read, for the poller and for people; and the one that forgets."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from itertools import chain
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Table, and_, bindparam, delete, exists, func, not_, or_, select

from watcher.core.delivery import TERMINAL_STATES, Delivery, DeliveryState, Receipt
from watcher.core.events import Event, EventId
from watcher.core.fleet import Brief
from watcher.core.model import JobRef, SourceName, Watch
from watcher.core.recipients import RecipientOutcome
from watcher.core.sight import Sight
from watcher.ports.store import StoryLine
from watcher.store import rows, schema, troubles
from watcher.store.schema import deliveries, events, jobs, receipts

_AT_ONCE: Final = 1000
"""Rows that are fetched and read in one go where all there are is read."""


def _of(table: Table, job: JobRef) -> ColumnElement[bool]:
    return and_(table.c.source == job.source, table.c.job_id == job.job_id)


def watch(connection: Connection, ref: JobRef) -> Watch | None:
    """One job."""
    text = connection.execute(select(jobs.c.watch).where(_of(jobs, ref))).scalar()
    return None if text is None else rows.watch_of(text)


def watches(
    connection: Connection, *, live_only: bool, source: SourceName | None, after: JobRef | None, limit: int | None
) -> tuple[Watch, ...]:
    """Jobs, in order of their names."""
    found = select(jobs.c.watch).order_by(jobs.c.source, jobs.c.job_id).limit(limit)
    if after is not None:
        behind = and_(jobs.c.source == after.source, jobs.c.job_id > after.job_id)
        found = found.where(or_(jobs.c.source > after.source, behind))
    if live_only:
        found = found.where(jobs.c.live.is_(True))
    if source is not None:
        found = found.where(jobs.c.source == source)
    return tuple(rows.watch_of(text) for text in connection.execute(found).scalars())


def briefs(connection: Connection, *, source: SourceName | None) -> tuple[Brief, ...]:
    """All jobs, in order of their names."""
    table = schema.briefs
    found = select(table.c.body).order_by(table.c.source, table.c.job_id)
    if source is not None:
        found = found.where(table.c.source == source)
    bodies = connection.execute(found, execution_options={"yield_per": _AT_ONCE}).scalars()
    return tuple(chain.from_iterable(rows.briefs_of(some) for some in bodies.partitions()))


def sights(connection: Connection) -> tuple[Sight, ...]:
    """All sources."""
    found = connection.execute(select(schema.sights).order_by(schema.sights.c.source))
    return tuple(rows.sight_of(row) for row in found)


def stored_events(
    connection: Connection, job: JobRef | None, kinds: frozenset[str], since: datetime | None, limit: int
) -> tuple[Event, ...]:
    """The newest, newest last."""
    found = select(events.c.body).order_by(events.c.seq.desc()).limit(max(limit, 0))
    if job is not None:
        found = found.where(_of(events, job))
    if kinds:
        found = found.where(events.c.kind.in_(sorted(kinds)))
    if since is not None:
        found = found.where(events.c.at > since)
    return tuple(rows.event_of(text) for text in reversed(connection.execute(found).scalars().all()))


def stored_deliveries(
    connection: Connection,
    receiver: str | None,
    states: frozenset[DeliveryState],
    since: datetime | None,
    limit: int,
) -> tuple[Delivery, ...]:
    """The newest, newest last."""
    found = rows.DELIVERIES.order_by(deliveries.c.seq.desc()).limit(max(limit, 0))
    if receiver is not None:
        found = found.where(deliveries.c.receiver == receiver)
    if states:
        found = found.where(deliveries.c.state.in_(sorted(states)))
    if since is not None:
        found = found.where(deliveries.c.created_at > since)
    return tuple(rows.delivery_of(row) for row in reversed(connection.execute(found).all()))


def story(connection: Connection, job: JobRef) -> tuple[StoryLine, ...]:
    """Everything about one job."""

    def every(table: Table) -> Any:
        return connection.execute(select(table).where(_of(table, job)).order_by(table.c.seq))

    lines = [rows.snapshot_line(row.observed_at, row.body) for row in every(schema.snapshots)]
    lines += [rows.event_line(row.at, row.body) for row in every(events)]
    lines += [
        rows.decision_line(row.at, row.event_id, row.rule, row.reason, row.note) for row in every(schema.decisions)
    ]
    owed = connection.execute(rows.DELIVERIES.where(_of(deliveries, job)).order_by(deliveries.c.seq))
    lines += [rows.delivery_line(rows.delivery_of(row)) for row in owed]
    lines += troubles.lines(connection, _of(schema.troubles, job))
    flushes = select(deliveries.c.flush_id).where(_of(deliveries, job))
    return rows.in_order(lines + _told(connection, receipts.c.flush_id.in_(flushes)))


def account(connection: Connection, event_id: EventId) -> tuple[StoryLine, ...]:
    """Everything about one event."""
    found = connection.execute(select(events).where(events.c.id == event_id)).one_or_none()
    if found is None:
        return ()
    made = connection.execute(
        select(schema.decisions).where(schema.decisions.c.event_id == event_id).order_by(schema.decisions.c.seq)
    )
    lines = [rows.event_line(found.at, found.body)]
    lines += [rows.decision_line(row.at, row.event_id, row.rule, row.reason, row.note) for row in made]
    job = JobRef(found.source, found.job_id)
    # What is about no job has neither column.
    same = _of(deliveries, job) if found.job_id is not None else deliveries.c.job_id.is_(None)
    read = map(rows.delivery_of, connection.execute(rows.DELIVERIES.where(same).order_by(deliveries.c.seq)))
    owed = [delivery for delivery in read if delivery.notification.event_id == event_id]
    lines += map(rows.delivery_line, owed)
    said = sorted({delivery.notification.id for delivery in owed})
    lines += troubles.lines(connection, schema.troubles.c.id.in_(said))
    flushes = sorted({delivery.flush_id for delivery in owed if delivery.flush_id})
    return rows.in_order(lines + _told(connection, receipts.c.flush_id.in_(flushes)))


def _told(connection: Connection, which: ColumnElement[bool]) -> list[StoryLine]:
    found = connection.execute(select(receipts).where(which).order_by(receipts.c.at)).all()
    asked: dict[str, list[RecipientOutcome]] = {row.flush_id: [] for row in found}
    outcomes = select(schema.recipients).where(schema.recipients.c.flush_id.in_(sorted(asked)))
    for outcome in connection.execute(outcomes.order_by(schema.recipients.c.recipient)):
        asked[outcome.flush_id].append(rows.recipient_of(outcome))
    return [
        rows.receipt_line(
            row.at,
            row.flush_id,
            row.receiver,
            Receipt(
                reference=row.reference,
                thread_reference=row.thread_reference,
                place=row.place,
                note=row.note,
                recipients=tuple(asked[row.flush_id]),
            ),
        )
        for row in found
    ]


COUNTED: Final[Mapping[str, Table]] = {
    name: schema.metadata.tables[name]
    for name in ("snapshots", "events", "decisions", "notifications", "receipts", "deadlines")
}


def counts(connection: Connection) -> dict[str, int]:
    """How many rows there are of what."""
    numbers = {"jobs.live": 0, "jobs.ended": 0}
    for live, number in connection.execute(select(jobs.c.live, func.count()).group_by(jobs.c.live)):
        numbers["jobs.live" if live else "jobs.ended"] = number
    numbers |= {f"deliveries.{state.value}": 0 for state in DeliveryState}
    for state, number in connection.execute(select(deliveries.c.state, func.count()).group_by(deliveries.c.state)):
        numbers[f"deliveries.{state}"] = number
    waiting = select(func.count(), func.count(schema.troubles.c.acknowledged_at)).where(
        schema.troubles.c.ended_at.is_(None)
    )
    numbers["troubles.open"], numbers["troubles.acknowledged"] = connection.execute(waiting).one()
    for name, table in COUNTED.items():
        numbers[name] = connection.execute(select(func.count()).select_from(table)).scalar_one()
    return numbers


def prune(connection: Connection, before: datetime, limit: int) -> frozenset[JobRef]:
    """Drop up to `limit` jobs that ended, and were told, before then."""
    untold = exists().where(
        deliveries.c.source == jobs.c.source,
        deliveries.c.job_id == jobs.c.job_id,
        or_(deliveries.c.state.not_in(sorted(TERMINAL_STATES)), deliveries.c.settled_at >= before),
    )
    found = select(jobs.c.source, jobs.c.job_id).where(jobs.c.live.is_(False), jobs.c.ended_at < before, not_(untold))
    refs = [JobRef(row.source, row.job_id) for row in connection.execute(found.order_by(jobs.c.ended_at).limit(limit))]
    if not refs:
        return frozenset()
    keys = [{"of_source": ref.source, "of_job": ref.job_id} for ref in refs]
    flushes = _flushes(connection, refs)
    # deliveries and troubles before the notifications they point at
    for table in (
        deliveries,
        schema.troubles,
        schema.notifications,
        schema.decisions,
        events,
        schema.snapshots,
        schema.deadlines,
        schema.silences,
        schema.cards,
        schema.briefs,
        jobs,
    ):
        match = and_(table.c.source == bindparam("of_source"), table.c.job_id == bindparam("of_job"))
        connection.execute(delete(table).where(match), keys)
    if flushes:
        told_by_others = exists().where(deliveries.c.flush_id == receipts.c.flush_id)
        gone = delete(receipts).where(receipts.c.flush_id == bindparam("of_flush"), not_(told_by_others))
        connection.execute(gone, [{"of_flush": flush} for flush in flushes])
        asked = schema.recipients
        others = exists().where(deliveries.c.flush_id == asked.c.flush_id)
        forgotten = delete(asked).where(asked.c.flush_id == bindparam("of_flush"), not_(others))
        connection.execute(forgotten, [{"of_flush": flush} for flush in flushes])
    threads = schema.threads
    own = threads.c.thread_key == bindparam("of_thread")
    of_one_person = func.substr(threads.c.thread_key, 1, bindparam("of_length")) == bindparam("of_beginning")
    connection.execute(
        delete(threads).where(or_(own, of_one_person)),
        [
            {"of_thread": f"job:{ref}", "of_beginning": f"job:{ref} for ", "of_length": len(f"job:{ref} for ")}
            for ref in refs
        ],
    )
    return frozenset(refs)


def _flushes(connection: Connection, refs: list[JobRef]) -> list[str]:
    found: set[str] = set()
    for ref in refs:
        sent = and_(_of(deliveries, ref), deliveries.c.flush_id.is_not(None))
        found.update(connection.execute(select(deliveries.c.flush_id).where(sent)).scalars())
    return sorted(found)
