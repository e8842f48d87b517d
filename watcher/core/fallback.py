"""What a receiver cannot be told is told through its fallback: the news itself, under a line that says why and how to mend it.

The news keeps its id: where the fallback hears it by a route of its own, it is not told twice. All that comes at about the same
time leaves as one message; the line about the receiver stands once in an hour, however much dies.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from watcher.core.catalog import shown
from watcher.core.delivery import Delivery, DeliveryId, DeliveryState
from watcher.core.events import CauseId, EventId, deterministic_id
from watcher.core.language import line_of, say
from watcher.core.rule import Notification, NotificationId, Severity, Wording

RULE: Final = "fallback"
"""Stands as the rule of the line about the receiver."""
KIND: Final = "receiver.failed"

GATHER: Final = timedelta(seconds=30)
"""How long what dies together is collected."""
AGAIN_AFTER: Final = timedelta(hours=1)
"""How soon the line about the receiver stands there again."""


class Why(StrEnum):
    """Why the fallback is told."""

    DEAD = "dead"
    """It became a dead letter."""
    DOWN = "down"
    """It waits, as nothing has got through for long."""


def _words(why: Why, receiver: str, error: str, since: datetime) -> Wording:
    headline, meaning = {
        Why.DEAD: (
            say(
                "Receiver {receiver} cannot be told this: {error}",
                zh="接收端 {receiver} 无法收到以下通知：{error}",
                receiver=receiver,
                error=error,
            ),
            say(
                "It is a dead letter there: dlc-watcher deliveries list --state dead",
                zh="已成为死信：dlc-watcher deliveries list --state dead",
            ),
        ),
        Why.DOWN: (
            say(
                "Receiver {receiver} has not been reached since {since}: {error}",
                zh="自 {since} 起无法送达接收端 {receiver}：{error}",
                receiver=receiver,
                since=since,
                error=error,
            ),
            say(
                "It waits, and will be told there too, once something gets through",
                zh="通知在排队，恢复后仍会送达原接收端",
            ),
        ),
    }[why]
    return Wording(headline=headline, facts=(("Receiver", receiver), ("What follows", meaning)))


def told_instead(
    owed: Iterable[Delivery],
    *,
    receiver: str,
    fallback: str,
    why: Why,
    error: str,
    since: datetime,
    now: datetime,
    gather: timedelta = GATHER,
) -> tuple[Delivery, ...]:
    """What the fallback is owed for these deliveries: the line about the receiver, then the news. Nothing for no news.

    Args:
        owed: what the receiver cannot be told.
        receiver: the one that cannot be told.
        fallback: who is told instead.
        why: why now.
        error: the last failure, with its fix.
        since: since when it fails.
        now: now.
        gather: how long more of it is waited for.
    """
    news = tuple(owed)
    if not news:
        return ()
    group = f"for {receiver}"

    def owe(said: Notification) -> Delivery:
        return Delivery(
            id=DeliveryId(deterministic_id("delivery", said.id, fallback)),
            receiver=fallback,
            notification=said,
            group_key=group,
            thread_key=f"group:{group}",
            not_before=now + gather,
            created_at=now,
        )

    line = _line(receiver, why, error, since=since, now=now, cause=news[0].notification.cause)
    return (owe(line), *(owe(delivery.notification) for delivery in news))


def _line(receiver: str, why: Why, error: str, *, since: datetime, now: datetime, cause: CauseId) -> Notification:
    hour = int(now.timestamp() // AGAIN_AFTER.total_seconds())
    matter = _matter(error) if why is Why.DEAD else since.isoformat()
    news_id = deterministic_id(KIND, receiver, why, matter, str(hour))
    wording = _words(why, receiver, error, since)
    return Notification(
        id=NotificationId(news_id),
        rule=RULE,
        severity=Severity.WARNING,
        headline=line_of(wording.headline),
        facts=shown(wording.facts),
        detail="",
        event_id=EventId(news_id),
        kind=KIND,
        at=now,
        observed_at=now,
        job=None,
        cause=cause,
        wording=wording,
        labels=(
            ("kind", (KIND,)),
            ("receiver", (receiver,)),
            ("rule", (RULE,)),
            ("severity", (Severity.WARNING.value,)),
        ),
    )


def _matter(error: str) -> str:
    """What an error is about, without what is another number each time (queue ids, request ids, times)."""
    return " ".join(word for word in error.split() if not any(char.isdigit() for char in word))


def waiting_news(deliveries: Iterable[Delivery], now: datetime) -> Iterator[Delivery]:
    """Of what a receiver is owed, what should have left by now. What routes hold back (mute intervals, groups) is not late."""
    for delivery in deliveries:
        if delivery.state is DeliveryState.RETRYING or (
            delivery.state is DeliveryState.PENDING and delivery.not_before <= now
        ):
            yield delivery
