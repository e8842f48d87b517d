from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import ClassVar

from tests.core.strategies import CAUSE, NOW, REF, at, happening, job
from watcher.core.consequence import Book, Consequences, consequences
from watcher.core.events import Event, JobFailed, RuleFailed
from watcher.core.matching import Matcher
from watcher.core.model import JobSettings
from watcher.core.routing import Route
from watcher.core.rule import (
    BoundRule,
    Context,
    Deadline,
    Intent,
    NoOptions,
    Notify,
    RuleDeadline,
    RuleOptions,
    RuleReason,
    Severity,
)
from watcher.core.wishes import Wish

FAILED = happening(JobFailed, status="Failed")
CONTEXT = Context(now=NOW, job=job("Failed"))


class Tell:
    """Tells, asks to be woken, and breaks when it is named so."""

    name: ClassVar[str] = "tell"
    on: ClassVar[tuple[type[Event], ...]] = (JobFailed, RuleFailed)
    severity: ClassVar[Severity] = Severity.WARNING
    Options: ClassVar[type[RuleOptions]] = NoOptions

    def consider(self, event: Event, context: Context) -> Iterable[Intent]:
        yield Notify(headline=f"seen {event.kind}")
        yield Deadline("again", at(60))


class Broken(Tell):
    on = (JobFailed,)

    def consider(self, event: Event, context: Context) -> Iterable[Intent]:
        raise ZeroDivisionError("by zero")


TREE = Route(
    path="route",
    receiver="team",
    routes=(
        Route(
            path="route.routes[0]",
            receiver="oncall",
            match=Matcher.of({"kind": "job.*"}),
            continue_=True,
            group_wait=timedelta(seconds=30),
        ),
        Route(path="route.routes[1]", receiver="archive", match=Matcher.of({"severity": "warning"})),
    ),
)


def test_nothing_follows_from_nothing() -> None:
    assert consequences((), CONTEXT, Book((BoundRule(name="tell", rule=Tell()),), TREE), NOW) == Consequences()


def test_every_notification_is_owed_to_every_receiver_that_hears_it() -> None:
    found = consequences((FAILED,), CONTEXT, Book((BoundRule(name="tell", rule=Tell()),), TREE), NOW)
    (told,) = found.notifications
    assert [(owed.receiver, owed.notification, owed.not_before) for owed in found.deliveries] == [
        ("oncall", told, at(30)),
        ("archive", told, at(0)),
    ]
    assert found.events == (FAILED,)
    assert found.deadlines == (RuleDeadline(rule="tell", job=REF, key="again", at=at(60), cause=CAUSE),)
    assert [decision.reason for decision in found.decisions] == [RuleReason.NOTIFIED]


def test_the_fault_of_a_rule_is_an_event_beside_the_others_and_is_heard_too() -> None:
    rules = (BoundRule(name="broken", rule=Broken()), BoundRule(name="tell", rule=Tell()))
    found = consequences((FAILED,), CONTEXT, Book(rules, TREE), NOW)
    first, fault = found.events
    assert first is FAILED
    assert isinstance(fault, RuleFailed)
    assert (fault.rule, fault.error) == ("broken", "ZeroDivisionError: by zero")
    assert [told.headline for told in found.notifications] == ["seen job.failed", "seen rule.failed"]
    assert [owed.receiver for owed in found.deliveries] == ["oncall", "archive", "archive"]


def test_the_same_events_always_have_the_same_consequences() -> None:
    rules = (BoundRule(name="broken", rule=Broken()), BoundRule(name="tell", rule=Tell()))
    book = Book(rules, TREE)
    assert consequences((FAILED,), CONTEXT, book, NOW) == consequences((FAILED,), CONTEXT, book, NOW)


def test_a_job_is_heeded_as_far_as_the_book_allows() -> None:
    tags = (("dlc-watcher/mute", "true"), ("dlc-watcher/owner", "ann"))
    context = Context(now=NOW, job=job("Failed", settings=JobSettings(tags=tags)))

    def said(*wishes: Wish) -> list[tuple[str, ...]]:
        book = Book((BoundRule(name="tell", rule=Tell()),), TREE, frozenset(wishes))
        told = consequences((FAILED,), context, book, NOW)
        return [dict(one.labels).get("owner", ()) for one in told.notifications]

    assert said() == [()]
    assert said(Wish.OWNER) == [("ann",)]
    assert said(Wish.OWNER, Wish.MUTE) == []
    unknown = Book((BoundRule(name="tell", rule=Tell()),), TREE, frozenset(Wish))
    assert len(consequences((FAILED,), Context(now=NOW), unknown, NOW).notifications) == 1
