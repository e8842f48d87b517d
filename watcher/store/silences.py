"""Statements about silences."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, or_, select, update

from watcher.core.matching import LabelTest, Matcher, Operator
from watcher.core.model import JobRef
from watcher.core.silencing import Silencing
from watcher.store.dialects import Row, put_new
from watcher.store.faults import Unreadable
from watcher.store.schema import silences


def row_of(silencing: Silencing) -> Row:
    """For `silences`."""
    tests = [[test.label, test.operator.value, list(test.patterns)] for test in silencing.match.tests]
    return {
        "id": silencing.id,
        "match": json.dumps(tests),
        "created_at": silencing.created_at,
        "until": silencing.until,
        "author": silencing.author,
        "comment": silencing.comment,
        "source": None if silencing.job is None else silencing.job.source,
        "job_id": None if silencing.job is None else silencing.job.job_id,
        "ended_at": silencing.ended_at,
        "ended_by": silencing.ended_by,
    }


def silencing_of(row: Any) -> Silencing:
    """From `silences`."""
    try:
        tests = tuple(
            LabelTest(label, Operator(operator), tuple(map(str, patterns)))
            for label, operator, patterns in json.loads(row.match)
        )
    except (ValueError, TypeError) as exc:
        raise Unreadable("a silence") from exc
    return Silencing(
        id=row.id,
        match=Matcher(tests),
        created_at=row.created_at,
        until=row.until,
        author=row.author,
        comment=row.comment,
        job=None if row.job_id is None else JobRef(row.source, row.job_id),
        ended_at=row.ended_at,
        ended_by=row.ended_by,
    )


def add(connection: Connection, silencing: Silencing) -> None:
    """Keep one. One that is there already stays as it is."""
    put_new(connection, silences, [row_of(silencing)])


def end(connection: Connection, silencing_id: str, at: datetime, by: str) -> bool:
    """End one before its time. False when there is none, or it was ended already."""
    ended = update(silences).where(silences.c.id == silencing_id, silences.c.ended_at.is_(None))
    return connection.execute(ended.values(ended_at=at, ended_by=by)).rowcount == 1


def kept(connection: Connection, now: datetime | None) -> tuple[Silencing, ...]:
    """All, oldest first; with `now`, those whose time it is."""
    found = select(silences).order_by(silences.c.created_at, silences.c.id)
    if now is not None:
        found = found.where(silences.c.ended_at.is_(None), or_(silences.c.until.is_(None), silences.c.until > now))
    return tuple(map(silencing_of, connection.execute(found)))


def forget(connection: Connection, before: datetime) -> None:
    """Drop those that ended before then, by their time or by a person."""
    connection.execute(delete(silences).where(or_(silences.c.until < before, silences.c.ended_at < before)))
