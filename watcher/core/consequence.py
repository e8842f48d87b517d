"""From events to everything that is owed: the middle of the walk, as one pure function.

events --evaluate--> notifications --route--> deliveries, and to deadlines, decisions and faults (which are events, too).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from watcher.core.delivery import Delivery
from watcher.core.events import Event
from watcher.core.grouping import owe
from watcher.core.routing import Route, routes_of
from watcher.core.rule import BoundRule, Context, Decision, Notification, RuleDeadline, evaluate
from watcher.core.wishes import Wish, wishes_of


@dataclass(frozen=True, slots=True)
class Book:
    """What the configuration says about telling.

    Attributes:
        rules: what is worth telling.
        tree: who hears it.
        wishes: what jobs may wish by their tags.
    """

    rules: tuple[BoundRule, ...]
    tree: Route
    wishes: frozenset[Wish] = frozenset()


@dataclass(frozen=True, slots=True)
class Consequences:
    """All that follows from some events; committed together with them."""

    events: tuple[Event, ...] = ()
    decisions: tuple[Decision, ...] = ()
    notifications: tuple[Notification, ...] = ()
    deliveries: tuple[Delivery, ...] = ()
    deadlines: tuple[RuleDeadline, ...] = ()


def consequences(events: Sequence[Event], context: Context, book: Book, now: datetime) -> Consequences:
    """Ask the rules, heed the job's wishes, and route what is left. Events of failed rules are added to the events."""
    if context.job is not None and book.wishes:
        names = {bound.name for bound in book.rules}
        context = replace(context, wishes=wishes_of(context.job.tags, book.wishes, names, context.now))
    evaluation = evaluate(book.rules, events, context)
    deliveries = tuple(
        owe(route, notification, now)
        for notification in evaluation.notifications
        for route in routes_of(book.tree, dict(notification.labels))
    )
    return Consequences(
        events=(*events, *evaluation.faults),
        decisions=evaluation.decisions,
        notifications=evaluation.notifications,
        deliveries=deliveries,
        deadlines=evaluation.deadlines,
    )
