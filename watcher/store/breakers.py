"""Statements about receivers: whether they are sent to, what of theirs is dead, and what people did about either."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, delete, func, select, update

from watcher.core.breaker import Breaker, BreakerState, enabled
from watcher.core.delivery import DROPPABLE, RETRIABLE, Delivery, DeliveryState, dropped, taken_up
from watcher.core.interventions import Action, Intervention
from watcher.store import rows
from watcher.store.dialects import Row, put
from watcher.store.faults import Unreadable
from watcher.store.schema import breakers, deliveries, interventions


def row_of(breaker: Breaker) -> Row:
    """For `breakers`."""
    return {
        "receiver": breaker.receiver,
        "target": breaker.target,
        "state": breaker.state.value,
        "since": breaker.since,
        "failed": json.dumps(breaker.failed),
        "openings": breaker.openings,
        "until": breaker.until,
        "error": breaker.error,
        "told_at": breaker.told_at,
    }


def breaker_of(row: Any) -> Breaker:
    """From `breakers`."""
    try:
        state, failed = BreakerState(row.state), tuple(map(str, json.loads(row.failed)))
    except (ValueError, TypeError) as exc:
        raise Unreadable("a receiver's breaker") from exc
    return Breaker(
        receiver=row.receiver,
        target=row.target,
        state=state,
        since=row.since,
        failed=failed,  # type: ignore[arg-type]  # texts that are flush ids
        openings=row.openings,
        until=row.until,
        error=row.error,
        told_at=row.told_at,
    )


def kept(connection: Connection) -> tuple[Breaker, ...]:
    """All there are, by receiver."""
    return tuple(map(breaker_of, connection.execute(select(breakers).order_by(breakers.c.receiver))))


def keep(connection: Connection, breaker: Breaker) -> None:
    """Write one down."""
    put(connection, breakers, [row_of(breaker)])


def dead_letters(connection: Connection) -> dict[str, int]:
    """How many each receiver has."""
    dead = deliveries.c.state == DeliveryState.DEAD.value
    found = select(deliveries.c.receiver, func.count().label("number")).where(dead).group_by(deliveries.c.receiver)
    return {row.receiver: row.number for row in connection.execute(found.order_by(deliveries.c.receiver))}


def intervene(connection: Connection, intervention: Intervention) -> tuple[str, ...]:
    """Do what a person says, where it can be done, and put it on record. Returns what it was done to."""
    changed = (
        _enable(connection, intervention) if intervention.action is Action.ENABLE else _move(connection, intervention)
    )
    if changed:
        word = {
            "at": intervention.at,
            "action": intervention.action.value,
            "author": intervention.author,
            "comment": intervention.comment,
        }
        connection.execute(interventions.insert(), [{**word, "subject": subject} for subject in changed])
    return changed


def _enable(connection: Connection, intervention: Intervention) -> tuple[str, ...]:
    known = {breaker.receiver: breaker for breaker in kept(connection)}
    changed = tuple(name for name in intervention.subjects if name in known and enabled(known[name]) != known[name])
    for name in changed:
        keep(connection, enabled(known[name]))
    return changed


def moved(delivery: Delivery, intervention: Intervention) -> Delivery:
    """The delivery after a person's word about it."""
    move = taken_up if intervention.action is Action.RETRY else dropped
    return move(delivery, intervention.word, intervention.at)


def _move(connection: Connection, intervention: Intervention) -> tuple[str, ...]:
    before = RETRIABLE if intervention.action is Action.RETRY else DROPPABLE
    changed = []
    for subject in dict.fromkeys(intervention.subjects):
        row = connection.execute(rows.DELIVERIES.where(deliveries.c.id == subject)).one_or_none()
        if row is None or row.state not in before:
            continue
        after = rows.delivery_row(moved(rows.delivery_of(row), intervention))
        # Asked again, as on PostgreSQL somebody may have leased it since it was read.
        done = connection.execute(
            update(deliveries)
            .where(deliveries.c.id == bindparam("of_id"), deliveries.c.state == bindparam("was"))
            .values({name: bindparam(f"new_{name}", type_=deliveries.c[name].type) for name in _MOVED}),
            {"of_id": subject, "was": row.state, **{f"new_{name}": after[name] for name in _MOVED}},
        ).rowcount
        if done:
            changed.append(subject)
    return tuple(changed)


_MOVED = ("state", "reason", "attempt", "not_before", "first_attempt_at", "settled_at", "flush_id", "error")


def recorded(connection: Connection, limit: int) -> tuple[Intervention, ...]:
    """The newest, newest last, one for each of their subjects."""
    found = select(interventions).order_by(interventions.c.seq.desc()).limit(max(limit, 0))
    return tuple(map(_intervention_of, reversed(connection.execute(found).all())))


def _intervention_of(row: Any) -> Intervention:
    try:
        action = Action(row.action)
    except ValueError as exc:
        raise Unreadable("what a person did") from exc
    return Intervention(at=row.at, action=action, subjects=(row.subject,), author=row.author, comment=row.comment)


def made(connection: Connection) -> int:
    """A number that is another one after each intervention."""
    return connection.execute(select(func.max(interventions.c.seq))).scalar() or 0


def forget(connection: Connection, before: datetime) -> None:
    """Drop what was done before then."""
    connection.execute(delete(interventions).where(interventions.c.at < before))
