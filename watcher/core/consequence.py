"""From events to everything that is owed: the middle of the walk, as one pure function.

events --evaluate--> notifications --route--> deliveries, and to deadlines, decisions and faults (which are events, too).

Some news is part of larger news (a storm over many jobs). A rule that tells the larger news absorbs the smaller: what others say in
the same observation is owed as a row that is folded from the start, and what still waits in the store is folded by the commit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import reduce

from watcher.core.addressing import addressed, unknown_owners
from watcher.core.calls import calls
from watcher.core.delivery import Delivery, absorbed
from watcher.core.evaluation import evaluating
from watcher.core.events import Event
from watcher.core.fleet import KEEP, Fleet
from watcher.core.grouping import owe
from watcher.core.inhibition import Inhibit, Inhibiting, begun, inhibited, lasting
from watcher.core.model import JobRef
from watcher.core.people import Directory
from watcher.core.routing import Route, routes_of
from watcher.core.rule import (
    Absorption,
    BoundRule,
    Context,
    Decision,
    Notification,
    NotificationId,
    RuleDeadline,
    Severity,
)
from watcher.core.silencing import Silencing, ended_jobs, silenced
from watcher.core.steps import Steps, all_at_once
from watcher.core.trouble import Register, Trouble, ended, opened
from watcher.core.wishes import Wish, wishes_of
from watcher.core.withholding import held, in_shadow


@dataclass(frozen=True, slots=True)
class Book:
    """What the configuration says about telling.

    Attributes:
        rules: what is worth telling.
        tree: who hears it.
        wishes: what jobs may wish by their tags.
        silencings: the silences there are.
        troubles: what is still wrong.
        people: who jobs belong to.
        inhibits: which news makes which other news superfluous.
        inhibiting: the news that does so now.
        patient: news that may be absorbed is held for a while (see `Rule`); off where nobody comes back to send it.
    """

    rules: tuple[BoundRule, ...]
    tree: Route
    wishes: frozenset[Wish] = frozenset()
    patient: bool = True
    silencings: tuple[Silencing, ...] = ()
    troubles: Register = field(default_factory=Register, compare=False)
    people: Directory = Directory()
    inhibits: tuple[Inhibit, ...] = ()
    inhibiting: tuple[Inhibiting, ...] = ()

    def after(self, events: Sequence[Event], inhibitions: tuple[Inhibiting, ...], now: datetime) -> Book:
        """The book once these events are on record, with the inhibitions that began with them."""
        if not inhibitions and not self.inhibiting:
            return self
        return replace(self, inhibiting=(*lasting(self.inhibiting, events, now), *inhibitions))

    def new_fleet(self) -> Fleet:
        """An empty fleet that remembers what these rules want to look back at."""
        counting = (rule.kinds for rule in self.rules if rule.threshold is not None)
        return Fleet(
            keep=max((KEEP, *(rule.looks_back for rule in self.rules))), in_full=frozenset[str]().union(*counting)
        )

    def hold(self, notification: Notification) -> timedelta:
        """How long this waits before it is sent, because a rule may absorb it. Critical news never waits."""
        if not self.patient or notification.severity is Severity.CRITICAL:
            return timedelta(0)
        held = (rule.holds.get(notification.rule, timedelta(0)) for rule in self.rules if not rule.shadow)
        return max(held, default=timedelta(0))


@dataclass(frozen=True, slots=True)
class Consequences:
    """All that follows from some events; committed together with them."""

    events: tuple[Event, ...] = ()
    decisions: tuple[Decision, ...] = ()
    notifications: tuple[Notification, ...] = ()
    deliveries: tuple[Delivery, ...] = ()
    deadlines: tuple[RuleDeadline, ...] = ()
    absorptions: tuple[Absorption, ...] = ()
    troubles: tuple[Trouble, ...] = ()
    """Those that began or ended."""
    inhibitions: tuple[Inhibiting, ...] = ()
    """Those that began."""


def owed(
    notifications: Sequence[Notification], book: Book, now: datetime, over: frozenset[JobRef] = frozenset()
) -> tuple[Delivery, ...]:
    """What these notifications make to be owed, by which route to whom, or recorded as not to be sent.

    Args:
        notifications: what was said.
        book: what the configuration says about telling.
        now: now.
        over: jobs that have just ended: silences that end with them cover nothing more.
    """
    return all_at_once(_owing(notifications, book, now, over))


def _owing(
    notifications: Sequence[Notification], book: Book, now: datetime, over: frozenset[JobRef] = frozenset()
) -> Steps[tuple[Delivery, ...]]:
    on_trial = {rule.name for rule in book.rules if rule.shadow}
    found = []
    for said in notifications:
        hold = book.hold(said)
        for route in routes_of(book.tree, dict(said.labels)):
            shadowed = in_shadow(owe(route, said, now, hold), route, now, rule_is=said.rule in on_trial)
            found.append(addressed(held(shadowed, route), route, book.people))
        yield
    # A rule in shadow reaches a receiver by a live route and by one in shadow: one row says it.
    each = {delivery.id: delivery for delivery in reversed(found)}
    answer = []
    for delivery in reversed(each.values()):
        answer.append(silenced(delivery, book.silencings, now, over))
        yield
    return tuple(answer)


def consequences(events: Sequence[Event], context: Context, book: Book, now: datetime) -> Consequences:
    """Ask the rules, heed the job's wishes, and route what is left. Events of failed rules are added to the events."""
    return all_at_once(concluding(events, context, book, now))


def concluding(events: Sequence[Event], context: Context, book: Book, now: datetime) -> Steps[Consequences]:
    """The same in steps: none of them takes long, however many events there are."""
    if context.job is not None and book.wishes:
        names = {bound.name for bound in book.rules}
        context = replace(context, wishes=wishes_of(context.job.tags, book.wishes, names, context.now))
    evaluation = yield from evaluating(book.rules, events, context)
    on_trial = {rule.name for rule in book.rules if rule.shadow}
    over = ended_jobs(events, context.job)
    owing = yield from _owing(evaluation.notifications, book, now, over)
    deliveries = []
    for delivery in owing:
        deliveries.append(
            reduce(lambda one, absorption: absorbed(one, absorption, now), evaluation.absorptions, delivery)
        )
        yield
    inhibitions: list[Inhibiting] = []
    for inhibit in book.inhibits:
        for delivery in deliveries:
            inhibitions += begun((inhibit,), (delivery,))
            yield
    inhibiting = (*lasting(book.inhibiting, events, now), *inhibitions)
    for place, delivery in enumerate(deliveries):
        deliveries[place] = inhibited(delivery, inhibiting, now)
        yield
    notices = tuple(unknown_owners(deliveries))
    known = book.troubles.about(events, context.job)
    over_now = ended(known, events, context.job, now)
    gone = {one.id for one in over_now}
    goes_on = [one for one in known if one.id not in gone]
    by_news: dict[NotificationId, list[Delivery]] = {}
    for delivery in deliveries:
        by_news.setdefault(delivery.notification.id, []).append(delivery)
    opening: list[Trouble] = []
    wanted: list[RuleDeadline] = []
    for said in evaluation.notifications:
        one = None if said.rule in on_trial else opened(said, now, goes_on)
        if one is not None:
            opening.append(one)
            wanted.extend(calls(one, book.tree, now, by_news.get(one.id, ())))
        yield
    return Consequences(
        events=(*events, *evaluation.faults),
        decisions=evaluation.decisions,
        notifications=(*evaluation.notifications, *notices),
        deliveries=(*deliveries, *owed(notices, book, now)),
        deadlines=(
            *evaluation.deadlines,
            *wanted,
        ),
        absorptions=evaluation.absorptions,
        inhibitions=tuple(inhibitions),
        troubles=(*over_now, *opening),
    )
