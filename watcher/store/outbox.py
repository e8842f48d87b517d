"""Statements of the outbox: lease, settle, release, and the deadlines, which wait in the same way.

A little long: what a lease compacts, gathers and knows of its thread is one transaction, and is read in one piece.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import Connection, bindparam, delete, func, literal, select, update

from watcher.core.backlog import Backlog
from watcher.core.breaker import Breaker
from watcher.core.compaction import compact
from watcher.core.delivery import (
    LEGAL,
    TERMINAL_STATES,
    Delivery,
    DeliveryId,
    DeliveryReason,
    DeliveryState,
    FlushId,
    Receipt,
    Settlement,
)
from watcher.core.model import JobRef
from watcher.core.people import Address
from watcher.core.phases import Phase
from watcher.core.recipients import Acceptance
from watcher.core.rule import RuleDeadline
from watcher.ports.store import Lease
from watcher.store import breakers, queue, rows
from watcher.store.dialects import put, put_new
from watcher.store.queue import Waiting
from watcher.store.schema import (
    Instant,
    deadlines,
    deliveries,
    groups,
    jobs,
    notifications,
    receipts,
    recipients,
    threads,
)


def waiting(connection: Connection, receiver: str, *, lock: bool = False) -> list[Waiting]:
    """The receiver's queue, oldest first. With `lock`, PostgreSQL keeps others from it until the transaction ends."""
    columns = (
        "id", "group_key", "thread_key", "state", "not_before", "flush_id", "apart_s", "created_at", "reason", "address", "person",
        "source", "job_id",
    )  # fmt: skip
    found = (
        select(*(deliveries.c[name] for name in columns))
        .where(deliveries.c.receiver == receiver, deliveries.c.state.in_(sorted(queue.UNSETTLED)))
        .order_by(deliveries.c.seq)
    )
    owed = connection.execute(found.with_for_update() if lock else found).all()
    spoke = _spoke(connection, receiver) if any(row.apart_s for row in owed) else {}
    return [
        Waiting(
            row.id,
            row.group_key,
            row.thread_key,
            DeliveryState(row.state),
            row.not_before,
            row.flush_id,
            timedelta(seconds=row.apart_s),
            spoke.get(row.group_key),
            row.created_at,
            DeliveryReason(row.reason),
            row.person if row.address == Address.DIRECT else "",
            "" if row.job_id is None else f"job:{row.source}/{row.job_id}",
        )
        for row in owed
    ]


def _spoke(connection: Connection, receiver: str) -> dict[str, datetime]:
    """When the groups last spoke of which something waits that is to keep apart from that."""
    keeping = select(deliveries.c.group_key).where(
        deliveries.c.receiver == receiver, deliveries.c.state == DeliveryState.PENDING.value, deliveries.c.apart_s > 0
    )
    found = select(groups.c.group_key, groups.c.spoke_at).where(
        groups.c.receiver == receiver, groups.c.group_key.in_(keeping)
    )
    return {row.group_key: row.spoke_at for row in connection.execute(found)}


def lease(connection: Connection, receiver: str, now: datetime, backlog: Backlog | None) -> Lease | None:
    """Mark the next flush as on its way."""
    owed = waiting(connection, receiver, lock=True)
    if backlog is not None and (gathered := queue.gatherings(owed, now, backlog)):
        for one in gathered:
            connection.execute(
                update(deliveries)
                .where(deliveries.c.id == bindparam("of_id"))
                .values(group_key=one.group, thread_key=f"group:{one.group}", apart_s=0),
                [{"of_id": delivery_id} for delivery_id in one.ids],
            )
        owed = waiting(connection, receiver, lock=True)
    while (turn := queue.next_turn(owed, now)) is not None:
        flush_id, ids = turn.flush_id or queue.flush_id(receiver, turn.ids), turn.ids
        if queue.was_held(turn, owed, now):
            flush_id, ids = _compact(connection, receiver, turn, now)
        if ids:
            return _begin(connection, receiver, flush_id, ids, now)
        owed = [one for one in owed if one.id not in turn.ids]  # the receiver knows better already
    return None


def _begin(connection: Connection, receiver: str, flush_id: FlushId, ids: Sequence[DeliveryId], now: datetime) -> Lease:
    connection.execute(
        update(deliveries)
        .where(deliveries.c.id == bindparam("of_id"))
        .values(
            state=DeliveryState.SENDING.value,
            reason=DeliveryReason.LEASED.value,
            attempt=deliveries.c.attempt + 1,
            flush_id=flush_id,
            first_attempt_at=func.coalesce(deliveries.c.first_attempt_at, literal(now, Instant())),
        ),
        [{"of_id": delivery_id} for delivery_id in ids],
    )
    rows_of_it = _flush(connection, flush_id)
    taken = tuple(one for one in rows_of_it if one.state is DeliveryState.SENDING)
    reference = connection.execute(
        select(threads.c.reference).where(
            threads.c.receiver == receiver, threads.c.thread_key == queue.thread_of(taken)
        )
    ).scalar()
    told = connection.execute(
        select(recipients).where(recipients.c.flush_id == flush_id).order_by(recipients.c.recipient)
    )
    refused = connection.execute(
        select(recipients.c.recipient).where(
            recipients.c.receiver == receiver,
            recipients.c.acceptance == Acceptance.REFUSED.value,
            recipients.c.flush_id != flush_id,
        )
    )
    return Lease(
        flush_id=flush_id,
        receiver=receiver,
        attempt=taken[0].attempt,
        first_attempt_at=taken[0].first_attempt_at or now,
        deliveries=taken,
        thread_reference=reference or "",
        folded=tuple(one for one in rows_of_it if one.state is DeliveryState.FOLDED),
        recipients=tuple(rows.recipient_of(row) for row in told),
        refused_before=frozenset(refused.scalars()),
    )


def _compact(
    connection: Connection, receiver: str, turn: queue.Turn, now: datetime
) -> tuple[FlushId, list[DeliveryId]]:
    """Fold what was held, and return the flush that tells the rest."""
    ids = set(turn.ids)
    group = select(deliveries.c.group_key).where(deliveries.c.id == turn.ids[0]).scalar_subquery()
    found = connection.execute(
        rows.DELIVERIES.where(
            deliveries.c.receiver == receiver,
            deliveries.c.group_key == group,
            deliveries.c.state == DeliveryState.PENDING.value,
        ).order_by(deliveries.c.seq)
    ).all()
    held = [rows.delivery_of(row) for row in found if row.id in ids]
    about = {one.notification.job for one in held} - {None}
    phases = {ref: phase for ref in about if ref is not None and (phase := _phase(connection, ref)) is not None}
    told = connection.execute(
        rows.DELIVERIES.where(
            deliveries.c.receiver == receiver,
            deliveries.c.state == DeliveryState.DELIVERED.value,
            deliveries.c.seq > min(row.seq for row in found if row.id in ids),
        ).order_by(deliveries.c.seq)
    )
    compaction = compact(held, phases, [rows.delivery_of(row) for row in told])
    flush_id, folded = queue.begin(receiver, compaction, now)
    if folded:
        connection.execute(
            update(deliveries)
            .where(deliveries.c.id == bindparam("of_id"))
            .values(
                state=DeliveryState.FOLDED.value,
                reason=DeliveryReason.OVERTAKEN.value,
                settled_at=now,
                flush_id=bindparam("of_flush"),
                error=bindparam("of_error"),
            ),
            [{"of_id": one.id, "of_flush": one.flush_id, "of_error": one.error} for one in folded],
        )
    return flush_id, [one.id for one in compaction.kept]


def _phase(connection: Connection, ref: JobRef) -> Phase | None:
    """How a job stands, as it is held."""
    text = connection.execute(
        select(jobs.c.watch).where(jobs.c.source == ref.source, jobs.c.job_id == ref.job_id)
    ).scalar()
    return None if text is None else rows.watch_of(text).snapshot.phase


def _flush(connection: Connection, flush_id: str) -> tuple[Delivery, ...]:
    found = rows.DELIVERIES.where(deliveries.c.flush_id == flush_id).order_by(deliveries.c.seq)
    return tuple(rows.delivery_of(row) for row in connection.execute(found))


def check(settlement: Settlement) -> None:
    """Refuse what cannot follow an attempt.

    Raises:
        ValueError: no delivery goes from SENDING to that state.
    """
    if settlement.state not in LEGAL[DeliveryState.SENDING]:
        raise ValueError(f"a delivery on its way cannot become {settlement.state.value}")


def settle(
    connection: Connection,
    leased: Lease,
    settlement: Settlement,
    receipt: Receipt | None,
    now: datetime,
    *,
    owed: tuple[Delivery, ...],
    breaker: Breaker | None,
) -> None:
    """Write an attempt's outcome and what follows from it, unless the flush is no longer this attempt's."""
    moved = connection.execute(
        update(deliveries)
        .where(
            deliveries.c.flush_id == leased.flush_id,
            deliveries.c.state == DeliveryState.SENDING.value,
            deliveries.c.attempt == leased.attempt,
        )
        .values(
            state=settlement.state.value,
            reason=settlement.reason.value,
            error=settlement.error,
            not_before=settlement.not_before or deliveries.c.not_before,
            settled_at=now if settlement.state in TERMINAL_STATES else None,
        )
    ).rowcount
    if not moved:
        return
    if breaker is not None:
        breakers.keep(connection, breaker)
    owe(connection, owed)
    if receipt is None:
        return
    spoke = {"receiver": leased.receiver, "group_key": leased.deliveries[0].group_key, "spoke_at": now}
    put(connection, groups, [spoke])
    put(connection, receipts, [rows.receipt_row(leased.flush_id, leased.receiver, receipt, now)])
    outcomes = [rows.recipient_row(leased.flush_id, leased.receiver, outcome) for outcome in receipt.recipients]
    put(connection, recipients, outcomes)
    if receipt.thread_reference:
        thread = queue.thread_of(leased.deliveries)
        row = {"receiver": leased.receiver, "thread_key": thread, "reference": receipt.thread_reference}
        put(connection, threads, [row])


def owe(connection: Connection, owed: Sequence[Delivery]) -> None:
    """Deliveries with their notifications; those that are there already are left as they are."""
    said = {delivery.notification.id: delivery.notification for delivery in owed}
    put_new(connection, notifications, [rows.notification_row(notification) for notification in said.values()])
    put_new(connection, deliveries, [rows.delivery_row(delivery) for delivery in owed])


def forget(connection: Connection, before: datetime) -> None:
    """Drop what is known of groups that last spoke before then."""
    connection.execute(delete(groups).where(groups.c.spoke_at < before))


def release(connection: Connection, now: datetime) -> int:
    """What a dead process left on its way is due again."""
    return connection.execute(
        update(deliveries)
        .where(deliveries.c.state == DeliveryState.SENDING.value)
        .values(state=DeliveryState.RETRYING.value, reason=DeliveryReason.UNKNOWN_OUTCOME.value, not_before=now)
    ).rowcount


def due_deadlines(connection: Connection, now: datetime, limit: int) -> tuple[RuleDeadline, ...]:
    """Deadlines that have come, earliest first."""
    c = deadlines.c
    found = select(deadlines).where(c.at <= now).order_by(c.at, c.rule, c.source, c.job_id, c.key).limit(max(limit, 0))
    return tuple(rows.deadline_of(row) for row in connection.execute(found))


def deadlines_of(connection: Connection, rule: str) -> tuple[RuleDeadline, ...]:
    """All of one owner, earliest first."""
    c = deadlines.c
    found = select(deadlines).where(c.rule == rule).order_by(c.at, c.source, c.job_id, c.key)
    return tuple(rows.deadline_of(row) for row in connection.execute(found))


def next_due(connection: Connection, receiver: str | None) -> datetime | None:
    """When there is something to do next."""
    if receiver is not None:
        return queue.next_due(waiting(connection, receiver))
    return connection.execute(select(func.min(deadlines.c.at))).scalar()
