"""What is made of news later on, or when it cannot go its way: by the same core functions as in a run."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from watcher.core.addressing import unknown_owners
from watcher.core.calls import CallKind, calls
from watcher.core.consequence import Book
from watcher.core.delivery import Delivery, DeliveryId, DeliveryReason, DeliveryState
from watcher.core.fallback import Why, told_instead
from watcher.core.people import Address
from watcher.core.reminding import Told, answer
from watcher.core.routing import Escalation, Route
from watcher.core.rule import Notification
from watcher.core.trouble import opened

_TREE: Final = Route(
    path="route",
    receiver="team",
    repeat_interval=timedelta(hours=4),
    escalate=(Escalation(timedelta(minutes=30), "oncall"),),
)
_ARRIVED: Final = Told(DeliveryState.DELIVERED, DeliveryReason.ACCEPTED)


def called(said: Notification, kind: CallKind) -> Notification:
    """The first reminder, or escalation, of news that nobody has answered and that goes on.

    Raises:
        ValueError: such news is neither reminded of nor escalated.
    """
    trouble = opened(said, said.observed_at)
    due = (
        [] if trouble is None else [one for one in calls(trouble, _TREE, said.observed_at) if one.key.startswith(kind)]
    )
    for call in due:
        return answer(call, trouble, (_ARRIVED,), None, book=Book((), _TREE), now=call.at).notifications[0]
    raise ValueError(f"no {kind} is made of {said.rule!r}")


def instead(said: Notification, why: Why, error: str) -> tuple[Delivery, ...]:
    """What a fallback is told in place of the receiver `team`: the line about that, then the news."""
    now = said.observed_at + timedelta(minutes=20)
    return told_instead(
        [owed_to("team", said)],
        receiver="team",
        fallback="mail",
        why=why,
        error=error,
        since=said.observed_at,
        now=now,
    )


def without_owner(said: Notification, owner: str) -> Notification:
    """The notice that the owner whom the news was for stands in no directory."""
    return next(unknown_owners([replace(owed_to("team", said), address=Address.UNKNOWN, person=owner)]))


def owed_to(receiver: str, said: Notification, created_at: datetime | None = None) -> Delivery:
    """The news as it is owed to a receiver."""
    return Delivery(
        id=DeliveryId(f"preview-{said.id}"),
        receiver=receiver,
        notification=said,
        group_key="preview",
        thread_key=f"job:{said.job}" if said.job is not None else "preview",
        not_before=said.observed_at,
        created_at=created_at or said.observed_at,
    )
