"""The end of what goes on, for receivers that show things while they last (`ports.LastingNotifier`).

Theory. Such a receiver shows an alert from the news that opens a trouble until it is told that the trouble is over. Whom to tell is
read from the rows: who was told of a trouble that has ended and is not owed its end yet. So it does not matter when, or in which
run of the program, it ended; and one that was told late, after the end, hears both, in order.

The end is news of its own, with the labels, the rule, the severity and the beginning of that which opened it, for by those an alert
is known.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from types import MappingProxyType
from typing import Final

from watcher.core.delivery import Delivery, DeliveryId
from watcher.core.events import deterministic_id
from watcher.core.language import line_of, say
from watcher.core.rule import NotificationId, Wording
from watcher.core.trouble import Trouble, TroubleEnd

KIND: Final = "trouble.over"
SUFFIX: Final = ":over"
"""Behind the id of a trouble, it is that of the news of its end. Stores look for it."""

_SENTENCES: Final[Mapping[TroubleEnd, tuple[str, str]]] = MappingProxyType(
    {
        TroubleEnd.OVER: ("Over after {lasted}: {headline}", "已结束，历时 {lasted}：{headline}"),
        TroubleEnd.GONE: ("DLC no longer knows the job: {headline}", "DLC 中已查不到该作业：{headline}"),
        TroubleEnd.ANSWERED: ("Taken on by {who}: {headline}", "已由 {who} 接手：{headline}"),
        TroubleEnd.AGED: ("Nobody took it on for {lasted}: {headline}", "{lasted}内无人接手：{headline}"),
        TroubleEnd.UNWATCHED: ("No longer watched: {headline}", "已不再监视：{headline}"),
    }
)


@dataclass(frozen=True, slots=True)
class ToldTrouble:
    """A trouble, and the delivery by which a receiver was told of it."""

    trouble: Trouble
    delivery: Delivery


def owed_end(told: ToldTrouble, now: datetime) -> Delivery | None:
    """What the receiver is owed because the trouble has ended; None while it goes on."""
    trouble = told.trouble
    if trouble.ended_at is None or trouble.end is None:
        return None
    said = trouble.notification
    wording = Wording(
        headline=say(
            *_SENTENCES[trouble.end],
            lasted=max(trouble.ended_at - trouble.since, trouble.ended_at - trouble.opened_at),
            who=trouble.acknowledged_by or "somebody",
            headline=said.for_readers.headline,
        )
    )
    over = replace(
        said,
        id=NotificationId(said.id + SUFFIX),
        headline=line_of(wording.headline),
        facts=(),
        detail="",
        wording=wording,
        kind=KIND,
        ongoing=None,
        over_at=max(trouble.ended_at, said.at),
    )
    return Delivery(
        id=DeliveryId(deterministic_id("delivery", over.id, told.delivery.receiver)),
        receiver=told.delivery.receiver,
        notification=over,
        group_key=told.delivery.group_key,
        thread_key=told.delivery.thread_key,
        not_before=now,
        created_at=now,
    )
