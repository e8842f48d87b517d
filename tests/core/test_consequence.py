from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from typing import ClassVar

import pytest

from tests.core.strategies import CAUSE, NOW, REF, at, happening, job
from watcher.core.consequence import Book, Consequences, concluding, consequences
from watcher.core.delivery import DeliveryReason, DeliveryState
from watcher.core.events import Event, EventId, JobFailed, PodRestarted, RuleFailed
from watcher.core.inhibition import Inhibit
from watcher.core.matching import Labels, Matcher
from watcher.core.model import JobSettings, PodKey
from watcher.core.routing import Route
from watcher.core.rule import (
    Absorb,
    Absorption,
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


ROOT = Route(path="route", receiver="team")


def test_nothing_follows_from_nothing() -> None:
    assert consequences((), CONTEXT, Book((BoundRule(name="tell", rule=Tell()),), TREE), NOW) == Consequences()


def test_what_is_inhibited_is_asked_of_one_delivery_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    asked, steps, matches = 0, [], Matcher.matches

    def counted(matcher: Matcher, labels: Labels) -> bool:
        nonlocal asked
        asked += 1
        return matches(matcher, labels)

    monkeypatch.setattr(Matcher, "matches", counted)
    nothing = Matcher.of({"kind": "nothing.*"})
    inhibits = tuple(
        Inhibit(name=name, source=nothing, target=nothing, equal=(), lasts=timedelta(hours=1)) for name in ("a", "b")
    )
    events = [replace(FAILED, id=EventId(f"e{number}")) for number in range(50)]
    book = Book((BoundRule(name="tell", rule=Tell()),), TREE, inhibits=inhibits)
    for _ in concluding(events, CONTEXT, book, NOW):
        steps.append(asked)
        asked = 0
    assert sum(steps) >= len(events) * len(inhibits)
    assert max(steps) <= 2 * len(TREE.routes)


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


# --- larger news --------------------------------------------------------------------------------------------------------------


class Larger(Tell):
    """Tells larger news, and takes in what the rule `tell` says."""

    name = "larger"
    on = (JobFailed,)
    holds: ClassVar[dict[str, timedelta]] = {"tell": timedelta(seconds=20)}
    looks_back: ClassVar[timedelta] = timedelta(hours=9)
    critical: ClassVar[frozenset[EventId]] = frozenset()

    def consider(self, event: Event, context: Context) -> Iterable[Intent]:
        yield Notify(headline="much failed", dedup_key="storm", across_jobs=True)
        yield Absorb(
            into="storm",
            rules=frozenset({"tell", "larger"}),
            jobs=frozenset({REF}),
            since=NOW,
            critical=self.critical,
        )


class LargerStill(Larger):
    critical = frozenset({FAILED.id})


PLAIN = Route(path="route", receiver="team")


def test_what_is_said_beside_larger_news_is_owed_as_a_folded_row_that_names_it() -> None:
    rules = (BoundRule(name="tell", rule=Tell()), BoundRule(name="larger", rule=Larger()))
    found = consequences((FAILED,), CONTEXT, Book(rules, PLAIN), NOW)
    part, news = found.deliveries
    assert (part.state, part.reason, part.settled_at) == (DeliveryState.FOLDED, DeliveryReason.PART_OF_STORM, NOW)
    assert part.error == f"told as part of notification {news.notification.id}"
    assert news.state is DeliveryState.PENDING, "it does not absorb itself"
    assert found.absorptions == (
        Absorption(into=news.notification.id, rules=frozenset({"tell", "larger"}), jobs=frozenset({REF}), since=NOW),
    )
    assert [decision.reason for decision in found.decisions] == [RuleReason.NOTIFIED] * 2


@pytest.mark.parametrize(
    ("larger", "severity", "state"),
    [
        (Larger, Severity.WARNING, DeliveryState.FOLDED),
        (Larger, Severity.CRITICAL, DeliveryState.PENDING),
        (LargerStill, Severity.CRITICAL, DeliveryState.FOLDED),
    ],
)
def test_critical_news_stays_unless_its_event_is_named(
    larger: type[Larger], severity: Severity, state: DeliveryState
) -> None:
    rules = (BoundRule(name="tell", rule=Tell(), severity=severity), BoundRule(name="larger", rule=larger()))
    found = consequences((FAILED,), CONTEXT, Book(rules, PLAIN), NOW)
    assert found.deliveries[0].state is state


def test_news_of_other_rules_other_jobs_and_earlier_times_stays() -> None:
    rules = (BoundRule(name="tell", rule=Tell()), BoundRule(name="larger", rule=Larger()))
    found = consequences((FAILED,), CONTEXT, Book(rules, PLAIN), NOW)
    (absorption,), said = found.absorptions, found.notifications[0]
    assert absorption.covers(said)
    for strange in (
        replace(said, rule="other"),
        replace(said, job=None),
        replace(said, observed_at=NOW - timedelta(seconds=1)),
        replace(said, id=absorption.into),
    ):
        assert not absorption.covers(strange)


def test_what_may_be_absorbed_is_held_unless_it_is_critical_or_nobody_is_patient() -> None:
    larger = BoundRule(name="larger", rule=Larger())
    calm, loud = BoundRule(name="tell", rule=Tell()), BoundRule(name="tell", rule=Tell(), severity=Severity.CRITICAL)
    (said,) = consequences((FAILED,), CONTEXT, Book((calm,), PLAIN), NOW).notifications
    (cried,) = consequences((FAILED,), CONTEXT, Book((loud,), PLAIN), NOW).notifications
    patient, hasty = Book((calm, larger), PLAIN), Book((calm, larger), PLAIN, patient=False)
    assert patient.hold(said) == timedelta(seconds=20)
    assert patient.hold(replace(said, rule="other")) == timedelta(0)
    assert patient.hold(cried) == timedelta(0)
    assert hasty.hold(said) == timedelta(0)
    assert Book((), PLAIN).hold(said) == timedelta(0)
    assert patient.new_fleet().keep == timedelta(hours=9)


class GoesBackAndForth(Tell):
    """Takes in what is said about one pod of this job, as flapping."""

    on = (PodRestarted,)

    def consider(self, event: Event, context: Context) -> Iterable[Intent]:
        yield Notify(headline="again", dedup_key="again")
        yield Absorb(
            into="again",
            rules=frozenset({"tell"}),
            jobs=frozenset({REF}),
            since=NOW,
            pods=frozenset({"w-0"}),
            across_jobs=False,
            flapping=True,
        )


class TellOfPods(Tell):
    on = (PodRestarted,)


def test_what_is_said_of_a_pod_that_goes_back_and_forth_is_folded_with_a_reason_of_its_own() -> None:
    book = Book((BoundRule(name="tell", rule=TellOfPods()), BoundRule(name="flap", rule=GoesBackAndForth())), ROOT)
    for pod, reason in (("w-0", DeliveryReason.PART_OF_FLAPPING), ("w-1", DeliveryReason.OWED)):
        event = happening(PodRestarted, pod=PodKey(pod, "b"), old_incarnation="a")
        part, news = consequences((event,), CONTEXT, book, NOW).deliveries
        assert (part.reason, news.reason) == (reason, DeliveryReason.OWED)
        if pod == "w-0":
            assert part.error == f"told as part of notification {news.notification.id}"
        assert news.notification.across_jobs is False


def test_the_longer_of_hold_and_group_wait_counts() -> None:
    rules = (BoundRule(name="tell", rule=Tell()), BoundRule(name="holder", rule=Holder()))
    found = consequences((FAILED,), CONTEXT, Book(rules, TREE), NOW)
    waits = {owed.receiver: owed.not_before for owed in found.deliveries if owed.notification.rule == "tell"}
    assert waits == {"oncall": at(30), "archive": at(20)}


class Holder(Larger):
    name = "holder"

    def consider(self, event: Event, context: Context) -> Iterable[Intent]:
        return ()


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
