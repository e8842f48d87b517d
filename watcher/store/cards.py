"""Statements about living cards (`core.living`)."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, Final

from sqlalchemy import Connection, select, update

from watcher.core.living import CardLoss, LivingCard
from watcher.core.model import JobRef
from watcher.store.dialects import Row, put, put_new
from watcher.store.faults import Unreadable
from watcher.store.schema import cards, threads

_PLAIN: Final = tuple(member.name for member in fields(LivingCard) if member.name not in {"job", "lost", "why"})
_OURS: Final = ("news",)
"""Raised by commits alone: who keeps a card does not know of those since it was read."""


def row_of(card: LivingCard) -> Row:
    """For `cards`."""
    return {
        **{name: getattr(card, name) for name in _PLAIN},
        "source": card.job.source,
        "job_id": card.job.job_id,
        "lost": None if card.lost is None else card.lost.value,
        "why": None if card.why is None else card.why.value,
    }


def card_of(row: Any) -> LivingCard:
    """From `cards`."""
    try:
        lost, why = (None if word is None else CardLoss(word) for word in (row.lost, row.why))
    except ValueError as exc:
        raise Unreadable("a card") from exc
    plain = {name: getattr(row, name) for name in _PLAIN}
    return LivingCard(job=JobRef(row.source, row.job_id), lost=lost, why=why, **plain)


def card(connection: Connection, receiver: str, job: JobRef) -> LivingCard | None:
    """One of them."""
    found = select(cards).where(
        cards.c.receiver == receiver, cards.c.source == job.source, cards.c.job_id == job.job_id
    )
    row = connection.execute(found).first()
    return None if row is None else card_of(row)


def keep(connection: Connection, kept: LivingCard) -> None:
    """Write one down; where its root stands, later news of the job goes under it."""
    row = row_of(kept)
    if not put_new(connection, cards, [row]):
        key = ("receiver", "source", "job_id")
        changed = update(cards).where(*(cards.c[name] == row[name] for name in key))
        connection.execute(changed.values({name: value for name, value in row.items() if name not in (*key, *_OURS)}))
    if kept.reference:
        thread = {"receiver": kept.receiver, "thread_key": f"job:{kept.job}", "reference": kept.reference}
        put(connection, threads, [thread])


def behind(connection: Connection, receiver: str, limit: int) -> tuple[LivingCard, ...]:
    """Those that may show less than what is known, the one whose turn it is first."""
    c = cards.c
    found = (
        select(cards)
        .where(c.receiver == receiver, c.news > c.seen, c.reference != "", c.lost.is_(None))
        .order_by(c.next_at, c.source, c.job_id)
        .limit(max(limit, 0))
    )
    return tuple(map(card_of, connection.execute(found)))


def note_news(connection: Connection, job: JobRef) -> None:
    """Something was committed about the job: its cards are behind."""
    connection.execute(
        update(cards).where(cards.c.source == job.source, cards.c.job_id == job.job_id).values(news=cards.c.news + 1)
    )
