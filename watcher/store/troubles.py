"""Statements about troubles: what is still wrong, who took it on, and how it ended."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, bindparam, delete, exists, func, not_, or_, select, update

from watcher.core.delivery import DeliveryState
from watcher.core.ends import SUFFIX, ToldTrouble
from watcher.core.model import JobRef
from watcher.core.ongoing import UNTIL_ANSWERED, Ongoing
from watcher.core.trouble import Trouble, TroubleEnd
from watcher.ports.store import StoryLine
from watcher.store import rows
from watcher.store.dialects import Row, put_new
from watcher.store.schema import deliveries, notifications, troubles


def row_of(trouble: Trouble) -> Row:
    """For `troubles`."""
    return {
        "id": trouble.id,
        "source": trouble.source or None,
        "job_id": None if trouble.job is None else trouble.job.job_id,
        "pod_id": trouble.notification.pod_id,
        "ongoing": trouble.ongoing.value,
        "opened_at": trouble.opened_at,
        "ended_at": trouble.ended_at,
        "end": None if trouble.end is None else trouble.end.value,
        "acknowledged_at": trouble.acknowledged_at,
        "acknowledged_by": trouble.acknowledged_by,
        "comment": trouble.comment,
    }


def trouble_of(row: Any) -> Trouble:
    """From a row of `troubles` with the body of its notification."""
    return Trouble(
        notification=rows.notification_of(row.body),
        ongoing=rows.word(Ongoing, row.ongoing, "what goes on of a trouble"),
        opened_at=row.opened_at,
        ended_at=row.ended_at,
        end=None if row.end is None else rows.word(TroubleEnd, row.end, "a trouble's end"),
        acknowledged_at=row.acknowledged_at,
        acknowledged_by=row.acknowledged_by,
        comment=row.comment,
    )


def commit(connection: Connection, changed: Sequence[Trouble]) -> None:
    """Keep those that are new, and note the end of those that were open. Nothing is opened again."""
    put_new(connection, troubles, [row_of(one) for one in changed])
    over = [
        {"of_id": one.id, "to_end": one.end.value, "to_ended_at": one.ended_at}
        for one in changed
        if one.end is not None
    ]
    if over:
        connection.execute(
            update(troubles)
            .where(troubles.c.id == bindparam("of_id"), troubles.c.ended_at.is_(None))
            .values(end=bindparam("to_end"), ended_at=bindparam("to_ended_at")),
            over,
        )


def acknowledge(connection: Connection, trouble_id: str, at: datetime, by: str, comment: str) -> bool:
    """Note who took on a trouble, and all open ones about the same matter. False when there is nothing to take on."""
    c = troubles.c
    found = connection.execute(select(troubles).where(c.id == trouble_id)).one_or_none()
    if found is None:
        return False
    same = c.id == trouble_id
    if found.source is not None and found.ongoing != Ongoing.UNANSWERED:
        of_job = c.job_id.is_(None) if found.job_id is None else c.job_id == found.job_id
        alike = and_(c.source == found.source, of_job, c.ongoing == found.ongoing, c.pod_id == found.pod_id)
        same = or_(same, alike)
    waiting = and_(same, c.ended_at.is_(None), c.acknowledged_at.is_(None))
    ends = and_(waiting, c.ongoing.in_(sorted(UNTIL_ANSWERED)))
    answered = {"acknowledged_at": at, "acknowledged_by": by, "comment": comment}
    gone = connection.execute(
        update(troubles).where(ends).values(**answered, ended_at=at, end=TroubleEnd.ANSWERED.value)
    )
    noted = connection.execute(update(troubles).where(waiting).values(**answered))
    return gone.rowcount + noted.rowcount > 0


def kept(
    connection: Connection, open_only: bool, job: JobRef | None, since: datetime | None, which: str | None
) -> tuple[Trouble, ...]:
    """Those asked for, oldest first."""
    found = select(troubles, notifications.c.body).join_from(troubles, notifications)
    found = found.order_by(troubles.c.opened_at, troubles.c.id)
    if open_only:
        found = found.where(troubles.c.ended_at.is_(None))
    if job is not None:
        found = found.where(troubles.c.source == job.source, troubles.c.job_id == job.job_id)
    if since is not None:
        found = found.where(or_(troubles.c.ended_at.is_(None), troubles.c.ended_at >= since))
    if which is not None:
        found = found.where(troubles.c.id == which)
    return tuple(map(trouble_of, connection.execute(found)))


def open_ones(connection: Connection) -> tuple[int, int]:
    """How many are open, and how many of them somebody has taken on."""
    waiting = select(func.count(), func.count(troubles.c.acknowledged_at)).where(troubles.c.ended_at.is_(None))
    number, taken = connection.execute(waiting).one()
    return number, taken


def told(connection: Connection, receiver: str) -> tuple[ToldTrouble, ...]:
    """What the receiver was told of and that goes on, or has ended without its being owed the end."""
    over = deliveries.alias("over")
    owed = exists().where(over.c.notification_id == troubles.c.id + SUFFIX, over.c.receiver == receiver)
    which = (
        select(troubles.c.id)
        .join(deliveries, deliveries.c.notification_id == troubles.c.id)
        .where(
            deliveries.c.receiver == receiver,
            deliveries.c.state == DeliveryState.DELIVERED.value,
            or_(troubles.c.ended_at.is_(None), not_(owed)),
        )
    )
    ours = rows.DELIVERIES.where(deliveries.c.receiver == receiver, deliveries.c.notification_id.in_(which))
    by_news = {row.notification_id: row for row in connection.execute(ours)}
    found = select(troubles, notifications.c.body).join_from(troubles, notifications).where(troubles.c.id.in_(which))
    return tuple(
        ToldTrouble(trouble_of(row), rows.delivery_of(by_news[row.id]))
        for row in connection.execute(found.order_by(troubles.c.opened_at, troubles.c.id))
    )


def lines(connection: Connection, which: ColumnElement[bool]) -> list[StoryLine]:
    """Of a story: the beginnings, answers and ends of troubles."""
    found = select(troubles, notifications.c.body).join_from(troubles, notifications).where(which)
    return [line for row in connection.execute(found) for line in rows.trouble_lines(trouble_of(row))]


def forget(connection: Connection, before: datetime) -> None:
    """Drop those about no job that ended before then; the others go with their job."""
    old = and_(troubles.c.job_id.is_(None), troubles.c.ended_at < before)
    connection.execute(delete(troubles).where(old))
