from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from typing import ClassVar

import pytest

from tests.core.strategies import NOW, REF, happening, job
from watcher.core.consequence import Book, consequences
from watcher.core.delivery import Delivery, DeliveryReason, DeliveryState
from watcher.core.events import Event, JobFailed
from watcher.core.matching import Matcher
from watcher.core.muting import MuteInterval
from watcher.core.routing import Route, routes_of
from watcher.core.rule import Absorb, BoundRule, Context, Intent, NoOptions, Notify, RuleOptions, Severity

FAILED = happening(JobFailed, status="Failed")
CONTEXT = Context(now=NOW, job=job("Failed"))


class Tell:
    name: ClassVar[str] = "tell"
    on: ClassVar[tuple[type[Event], ...]] = (JobFailed,)
    severity: ClassVar[Severity] = Severity.WARNING
    Options: ClassVar[type[RuleOptions]] = NoOptions

    def consider(self, event: Event, context: Context) -> Iterable[Intent]:
        yield Notify(headline="it failed")


class Swallow(Tell):
    holds: ClassVar[dict[str, timedelta]] = {"live": timedelta(minutes=2)}

    def consider(self, event: Event, context: Context) -> Iterable[Intent]:
        yield Notify(headline="many failed", dedup_key="many", across_jobs=True)
        yield Absorb(into="many", rules=frozenset({"live"}), jobs=frozenset({REF}), since=NOW - timedelta(hours=1))


LIVE = BoundRule(name="live", rule=Tell())
TRIAL = BoundRule(name="trial", rule=Tell(), shadow=True)


def route(
    receiver: str, *routes: Route, shadow: bool = False, go_on: bool = False, path: str = "", kind: str = "*"
) -> Route:
    return Route(
        path=path or receiver,
        receiver=receiver,
        match=Matcher.of({"kind": kind}),
        continue_=go_on,
        shadow=shadow,
        routes=routes,
    )


def rows(*rules: BoundRule, tree: Route) -> list[tuple[str, str, DeliveryState, DeliveryReason]]:
    found = consequences((FAILED,), CONTEXT, Book(rules, tree), NOW).deliveries
    return [(owed.notification.rule, owed.receiver, owed.state, owed.reason) for owed in found]


SENT = (DeliveryState.PENDING, DeliveryReason.OWED)
KEPT = (DeliveryState.WITHHELD, DeliveryReason.SHADOW)


def test_what_a_rule_in_shadow_says_is_recorded_and_settled_while_others_are_owed() -> None:
    tree = route("team")
    assert rows(TRIAL, LIVE, tree=tree) == [("trial", "team", *KEPT), ("live", "team", *SENT)]
    found = consequences((FAILED,), CONTEXT, Book((TRIAL,), tree), NOW)
    (told,), (row,) = found.notifications, found.deliveries
    assert row.notification is told
    assert (row.settled_at, row.error) == (NOW, "rule trial is in shadow")
    assert found.decisions[0].note == "it failed"


def test_a_route_in_shadow_records_and_takes_nothing_from_the_others() -> None:
    trial = route("oncall", shadow=True, path="route.routes[0]")
    tree = route("team", trial, route("archive", kind="job.*"))
    assert rows(LIVE, tree=tree) == [("live", "oncall", *KEPT), ("live", "archive", *SENT)]
    assert rows(LIVE, tree=route("team", trial)) == [("live", "team", *SENT), ("live", "oncall", *KEPT)]
    (row,) = (
        owed
        for owed in consequences((FAILED,), CONTEXT, Book((LIVE,), tree), NOW).deliveries
        if owed.receiver == "oncall"
    )
    assert row.error == "route.routes[0] is in shadow"


def test_all_below_a_route_in_shadow_is_in_shadow_and_goes_by_the_usual_order_there() -> None:
    below = (route("first", shadow=True), route("second", shadow=True))
    tree = route("team", route("trial", *below, shadow=True))
    assert rows(LIVE, tree=tree) == [("live", "team", *SENT), ("live", "first", *KEPT)]


def test_a_root_in_shadow_keeps_everything_back() -> None:
    tree = route("team", route("oncall", shadow=True), shadow=True)
    assert rows(LIVE, tree=tree) == [("live", "oncall", *KEPT)]


def test_a_receiver_with_a_live_way_and_one_in_shadow_hears_it_by_the_live_one_and_both_are_rows() -> None:
    tree = route("team", route("team", shadow=True, path="trial"))
    assert rows(LIVE, tree=tree) == [("live", "team", *SENT), ("live", "team", *KEPT)]
    found = consequences((FAILED,), CONTEXT, Book((LIVE,), tree), NOW).deliveries
    assert len({owed.id for owed in found}) == 2


def test_a_rule_in_shadow_on_a_route_in_shadow_is_one_row() -> None:
    tree = route("team", route("team", shadow=True, path="trial"))
    assert rows(TRIAL, tree=tree) == [("trial", "team", *KEPT)]


def test_when_the_trial_ends_the_same_news_is_owed_under_an_id_of_its_own() -> None:
    (trial,) = consequences((FAILED,), CONTEXT, Book((TRIAL,), route("team")), NOW).deliveries
    ended = replace(TRIAL, shadow=False)
    (live,) = consequences((FAILED,), CONTEXT, Book((ended,), route("team")), NOW).deliveries
    assert trial.notification.id == live.notification.id
    assert trial.id != live.id


@pytest.mark.parametrize("shadow", [False, True])
def test_a_rule_in_shadow_neither_absorbs_nor_holds_up_the_news_of_others(*, shadow: bool) -> None:
    swallow = BoundRule(name="swallow", rule=Swallow(), shadow=shadow)
    found = consequences((FAILED,), CONTEXT, Book((LIVE, swallow), route("team")), NOW)
    live = next(owed for owed in found.deliveries if owed.notification.rule == "live")
    assert bool(found.absorptions) is not shadow
    assert live.state is (DeliveryState.PENDING if shadow else DeliveryState.FOLDED)
    assert live.not_before == (NOW if shadow else NOW + timedelta(minutes=2))


def test_a_trial_changes_nothing_for_the_live_routes() -> None:
    def tree(*more: Route) -> Route:
        return route("team", *more[:1], route("a", go_on=True), *more[1:2], route("b", kind="pod.*"), *more[2:])

    trials = [route(name, shadow=True, path=f"trial {name}") for name in ("x", "a", "team")]
    labels = {"kind": ("job.failed",)}
    live = [node.receiver for node in routes_of(tree(*trials), labels) if not node.shadow]
    assert live == [node.receiver for node in routes_of(tree(), labels)]


# --- held by mute intervals ---------------------------------------------------------------------------------------------------

NIGHTS = MuteInterval(name="nights", zone=UTC, start=time(11), end=time(18))
"""NOW is noon."""
UNTIL = datetime(2026, 3, 1, 18, tzinfo=UTC)


def muted(*rules: BoundRule, tree: Route) -> list[Delivery]:
    return list(consequences((FAILED,), CONTEXT, Book(rules, tree), NOW).deliveries)


def test_what_a_muted_route_would_tell_waits_for_the_end_in_one_group_and_thread() -> None:
    tree = replace(route("team"), mute=(NIGHTS,))
    (first, second) = muted(LIVE, replace(LIVE, name="other"), tree=tree)
    assert (first.state, first.reason, first.not_before) == (DeliveryState.PENDING, DeliveryReason.MUTED, UNTIL)
    assert (first.group_key, first.thread_key) == (
        "muted until 2026-03-01T18:00+00:00",
        "group:muted until 2026-03-01T18:00+00:00",
    )
    assert (second.group_key, second.thread_key) == (first.group_key, first.thread_key)
    (plain,) = muted(LIVE, tree=route("team"))
    assert plain.id == first.id


def test_what_is_loud_enough_passes_and_so_does_all_outside_the_interval() -> None:
    loud = replace(LIVE, name="loud", severity=Severity.CRITICAL)
    tree = replace(route("team"), mute=(NIGHTS,), mute_except=("critical",))
    assert [owed.reason for owed in muted(LIVE, loud, tree=tree)] == [DeliveryReason.MUTED, DeliveryReason.OWED]
    later = replace(tree, mute=(replace(NIGHTS, start=time(13)),))
    (owed,) = muted(LIVE, tree=later)
    assert (owed.reason, owed.not_before) == (DeliveryReason.OWED, NOW)


def test_a_group_that_would_speak_in_the_interval_waits_for_its_end_too() -> None:
    later = replace(NIGHTS, start=time(12, 5))
    tree = replace(route("team"), mute=(later,), group_wait=timedelta(minutes=10))
    (owed,) = muted(LIVE, tree=tree)
    assert (owed.reason, owed.not_before) == (DeliveryReason.MUTED, UNTIL)


def test_what_is_withheld_is_not_held() -> None:
    (row,) = muted(TRIAL, tree=replace(route("team"), mute=(NIGHTS,)))
    assert (row.state, row.reason) == KEPT


def test_a_silence_goes_before_a_mute() -> None:
    from watcher.core.silencing import Silencing, SilencingId

    one = Silencing(id=SilencingId("s"), match=Matcher(), created_at=NOW, until=None, author="ann")
    book = Book((LIVE,), replace(route("team"), mute=(NIGHTS,)), silencings=(one,))
    (row,) = consequences((FAILED,), CONTEXT, book, NOW).deliveries
    assert row.reason is DeliveryReason.SILENCED
