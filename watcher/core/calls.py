"""Calls: the times at which a trouble is to be looked at again, for a reminder or an escalation.

A call is a deadline of the name `MINDER`, set in the transaction that opens its trouble: one for each receiver that wants
reminders, one for each step of an escalation. What is made of it when it comes is said in `core.reminding`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from watcher.core.delivery import Delivery, DeliveryReason
from watcher.core.model import JobId, JobRef, SourceName
from watcher.core.routing import Route, routes_of
from watcher.core.rule import NotificationId, RuleDeadline, Severity
from watcher.core.trouble import Trouble

MINDER: Final = "@minder"
"""Owner of the deadlines that are calls. No rule is ever asked about them."""


class CallKind(StrEnum):
    """What a call is for."""

    REMIND = "remind"
    ESCALATE = "escalate"


@dataclass(frozen=True, slots=True)
class Call:
    """One call.

    Attributes:
        kind: what it is for.
        receiver: who was told first, or is reminded.
        trouble: the id of the trouble.
        to: whom an escalation goes to; "" for a reminder.
    """

    kind: CallKind
    receiver: str
    trouble: NotificationId
    to: str = ""

    @property
    def text(self) -> str:
        """As the key of a deadline."""
        return f"{self.kind} {self.receiver} {self.to or '-'} {self.trouble}"

    @classmethod
    def parse(cls, text: str) -> Call:
        """Read what `text` wrote.

        Raises:
            ValueError: it did not.
        """
        kind, receiver, to, trouble = text.split(" ", 3)
        return cls(CallKind(kind), receiver, NotificationId(trouble), "" if to == "-" else to)


def calls(trouble: Trouble, tree: Route, now: datetime, owed: Iterable[Delivery] = ()) -> tuple[RuleDeadline, ...]:
    """All calls that a trouble wants, counted from when its first word may leave.

    Args:
        trouble: an open one.
        tree: the route tree.
        now: now.
        owed: what is owed for it: what waits for the end of a mute interval or for its group counts from then on, and for what is
            part of larger news, or on trial, nobody is called.
    """
    if not trouble.waits_for_answer:
        return ()
    own = {delivery.receiver: delivery for delivery in owed if delivery.notification.id == trouble.id}
    return tuple(_calls(trouble, tree, now, own))


PART_OF_LARGER: Final = frozenset(
    {DeliveryReason.PART_OF_STORM, DeliveryReason.PART_OF_FLAPPING, DeliveryReason.INHIBITED}
)
"""Reasons that say: larger news was told in its place. That has its own calls."""

_UNCALLED: Final[Collection[DeliveryReason]] = PART_OF_LARGER | {DeliveryReason.SHADOW}


def _calls(trouble: Trouble, tree: Route, now: datetime, own: dict[str, Delivery]) -> Iterator[RuleDeadline]:
    for route in live_routes(trouble, tree):
        delivery = own.get(route.receiver)
        if delivery is not None and delivery.reason in _UNCALLED:
            continue
        begin = now if delivery is None else max(now, delivery.not_before)
        if route.repeat_interval:
            yield _deadline(trouble, Call(CallKind.REMIND, route.receiver, trouble.id), begin + route.repeat_interval)
        if trouble.severity is Severity.CRITICAL:
            for step in route.escalate:
                call = Call(CallKind.ESCALATE, route.receiver, trouble.id, step.to)
                yield _deadline(trouble, call, begin + step.after)


def live_routes(trouble: Trouble, tree: Route) -> tuple[Route, ...]:
    """The routes by which news of this trouble is really sent."""
    return tuple(route for route in routes_of(tree, dict(trouble.notification.labels)) if not route.shadow)


def _deadline(trouble: Trouble, call: Call, at: datetime) -> RuleDeadline:
    said = trouble.notification
    job = said.job or JobRef(SourceName(trouble.source), JobId(""))
    return RuleDeadline(rule=MINDER, job=job, key=call.text, at=at, cause=said.cause)


def missing(wanted: Iterable[RuleDeadline], there: Iterable[RuleDeadline]) -> tuple[RuleDeadline, ...]:
    """Of the calls that are wanted now those that are not there, or come later than they would: the configuration has changed."""
    times = {call.key: call.at for call in there}
    return tuple(call for call in wanted if call.key not in times or call.at < times[call.key])
