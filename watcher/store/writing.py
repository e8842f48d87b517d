"""Committing an observation. Runs inside one transaction of a synchronous connection; so do all statements of the store."""

from __future__ import annotations

from sqlalchemy import Connection, and_, bindparam, delete, func, literal, update

from watcher.core.delivery import Delivery, DeliveryState, absorbed
from watcher.core.events import job_of
from watcher.core.inhibition import BEFORE, inhibited
from watcher.errors import StaleObservation
from watcher.ports.store import Observation
from watcher.store import cards, rows, schema, troubles
from watcher.store.dialects import put, put_new
from watcher.store.schema import Instant, deadlines, deliveries, jobs


def check(observation: Observation) -> None:
    """Refuse what breaks the contract, before anything is written.

    Raises:
        ValueError: the watch's version is not one above the expected one.
    """
    watch = observation.watch
    if watch is not None and watch.version != observation.expected_version + 1:
        raise ValueError(
            f"observation of {watch.snapshot.ref}: version {watch.version} does not follow {observation.expected_version}"
        )


def stale(observation: Observation) -> StaleObservation:
    """The sentence for a lost race."""
    ref = observation.watch.snapshot.ref if observation.watch else ""
    return StaleObservation(
        f"job {ref} is no longer at version {observation.expected_version}: another look was committed first"
    )


def commit(connection: Connection, observation: Observation) -> None:
    """Write all of it.

    Raises:
        StaleObservation: the job has moved on; the transaction is to be rolled back.
    """
    _advance(connection, observation)
    if observation.sight is not None:
        put(connection, schema.sights, [rows.sight_row(observation.sight)])
    put_new(connection, schema.events, [rows.event_row(event) for event in observation.events])
    _note_decisions(connection, observation)
    said = {notification.id: notification for notification in observation.notifications}
    said |= {delivery.notification.id: delivery.notification for delivery in observation.deliveries}
    said |= {trouble.id: trouble.notification for trouble in observation.troubles}
    put_new(connection, schema.notifications, [rows.notification_row(notification) for notification in said.values()])
    put_new(connection, schema.deliveries, [rows.delivery_row(delivery) for delivery in observation.deliveries])
    troubles.commit(connection, observation.troubles)
    _absorb(connection, observation)
    _inhibit(connection, observation)
    _set_deadlines(connection, observation)


def _absorb(connection: Connection, observation: Observation) -> None:
    for absorption in observation.absorptions:
        waiting = rows.DELIVERIES.where(
            deliveries.c.state == DeliveryState.PENDING.value,
            schema.notifications.c.rule.in_(sorted(absorption.rules)),
        )
        for delivery in [rows.delivery_of(row) for row in connection.execute(waiting)]:
            folded = absorbed(delivery, absorption, observation.at)
            if folded is delivery:
                continue
            _settle_waiting(connection, folded)


def _inhibit(connection: Connection, observation: Observation) -> None:
    for receiver in {one.source.receiver for one in observation.inhibitions}:
        waiting = rows.DELIVERIES.where(
            deliveries.c.state == DeliveryState.PENDING.value,
            deliveries.c.receiver == receiver,
            deliveries.c.created_at >= observation.at - BEFORE,
        )
        for delivery in [rows.delivery_of(row) for row in connection.execute(waiting)]:
            withheld = inhibited(delivery, observation.inhibitions, observation.at)
            if withheld is not delivery:
                _settle_waiting(connection, withheld)


def _settle_waiting(connection: Connection, settled: Delivery) -> None:
    """Write what became of a delivery that waits. Asked again, as on PostgreSQL somebody may have leased it since it was read."""
    connection.execute(
        update(deliveries)
        .where(deliveries.c.id == settled.id, deliveries.c.state == DeliveryState.PENDING.value)
        .values(
            state=settled.state.value,
            reason=settled.reason.value,
            settled_at=settled.settled_at,
            error=settled.error,
        )
    )


def _advance(connection: Connection, observation: Observation) -> None:
    watch = observation.watch
    if watch is None:
        return
    row = rows.watch_row(watch, None if watch.live else observation.at)
    if observation.expected_version == 0:
        moved = put_new(connection, jobs, [row])
    else:
        ended_at = func.coalesce(jobs.c.ended_at, literal(observation.at, Instant())) if not watch.live else None
        moved = connection.execute(
            update(jobs)
            .where(
                jobs.c.source == row["source"],
                jobs.c.job_id == row["job_id"],
                jobs.c.version == observation.expected_version,
            )
            .values(version=watch.version, live=watch.live, ended_at=ended_at, watch=row["watch"])
        ).rowcount
    if moved != 1:
        raise stale(observation)
    put(connection, schema.briefs, [rows.brief_row(watch)])
    if observation.snapshot_changed:
        put_new(connection, schema.snapshots, [rows.snapshot_row(watch.snapshot)])
    if observation.expected_version:
        cards.note_news(connection, watch.snapshot.ref)


def _note_decisions(connection: Connection, observation: Observation) -> None:
    own = observation.watch.snapshot.ref if observation.watch else None
    jobs_of = {event.id: job_of(event) for event in observation.events}
    made = [
        rows.decision_row(decision, jobs_of.get(decision.event_id, own), observation.at)
        for decision in observation.decisions
    ]
    put_new(connection, schema.decisions, made)


def _set_deadlines(connection: Connection, observation: Observation) -> None:
    # What has passed goes first: a rule may set the same key again for later. One that was moved meanwhile is another one.
    if observation.deadlines_passed:
        columns = ("rule", "source", "job_id", "key", "at")
        connection.execute(
            delete(deadlines).where(and_(*(deadlines.c[name] == bindparam(f"of_{name}") for name in columns))),
            [
                {f"of_{name}": row[name] for name in columns}
                for row in map(rows.deadline_row, observation.deadlines_passed)
            ],
        )
    last = {(deadline.rule, deadline.job, deadline.key): deadline for deadline in observation.deadlines}
    put(connection, deadlines, [rows.deadline_row(deadline) for deadline in last.values()])
