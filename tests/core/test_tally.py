"""Counting: when the n-th of the same within a time makes a rule speak, and when it does not."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import pytest

from tests.core.strategies import NOW, at, happening, job, watch
from watcher.core import tally
from watcher.core.consequence import Book
from watcher.core.declared import declared_rule
from watcher.core.events import EventId, PodEvicted, When
from watcher.core.expression import compile_condition
from watcher.core.fleet import KEEP, Fleet
from watcher.core.matching import Matcher
from watcher.core.model import JobId, JobRef, PodKey, SourceName
from watcher.core.passage import Passage
from watcher.core.routing import Route
from watcher.core.rule import BoundRule, Context, Decision, Evaluation, evaluate
from watcher.core.tally import MEMORY, Tally

KINDS = frozenset({"pod.evicted"})
MINUTE = timedelta(minutes=1)


def bound(count: int = 3, within: timedelta = MINUTE, per: tuple[str, ...] = (), **narrowed: Any) -> BoundRule:
    rule = declared_rule("many", sorted(KINDS), threshold=Tally(KINDS, count, within, per))
    return BoundRule(name="many", rule=rule, **narrowed)


def evicted(number: int, seconds: float, *, seen: float | None = None, name: str = "a", node: str = "n1") -> PodEvicted:
    found: PodEvicted = happening(
        PodEvicted,
        id=EventId(f"e{number}"),
        when=When(observed_at=at(seconds if seen is None else seen), occurred_at=at(seconds)),
        job=JobRef(SourceName("hangzhou"), JobId(name)),
        pod=PodKey(f"{name}-w0", f"u{number}"),
        node=node,
    )
    return found


class World:
    """A fleet, and one rule that is asked about everything."""

    def __init__(self, rule: BoundRule) -> None:
        self.rule = rule
        self.fleet = Book((rule,), Route(path="route", receiver="team")).new_fleet()

    def sees(self, *events: PodEvicted) -> Evaluation:
        """One look at one job."""
        snapshot = job(ref=events[0].job, name=events[0].job.job_id)
        now = events[-1].when.observed_at
        self.fleet.note(watch(snapshot), events, now)
        return evaluate([self.rule], events, Context(now=now, job=snapshot, fleet=self.fleet))


def notes(decisions: Iterable[Decision]) -> list[str]:
    return [decision.note for decision in decisions]


def test_the_third_speaks_the_others_do_not_and_all_of_one_look_count() -> None:
    world = World(bound())
    found = world.sees(evicted(1, 0), evicted(2, 10), evicted(3, 20), evicted(4, 30))
    (said,) = found.notifications
    assert said.headline == "3 \N{MULTIPLICATION SIGN} pod.evicted within 1 m"
    assert dict(said.facts) == {
        "Jobs": "a",
        "Since": "2026-03-01 12:00:00 UTC",
        "Last": "Pod a-w0 was evicted from node n1",
    }
    assert notes(found.decisions) == [
        "1 of 3 within 1 m",
        "2 of 3 within 1 m",
        said.headline,
        "told already, 4 so far",
    ]


def test_asked_again_it_says_the_same_under_the_same_id() -> None:
    events = [evicted(1, 0), evicted(2, 10), evicted(3, 20)]
    world = World(bound())
    once, again = world.sees(*events), world.sees(*events)
    assert once.notifications == again.notifications
    assert once.decisions == again.decisions


def test_what_happened_earlier_and_is_learnt_later_makes_no_second_message() -> None:
    world = World(bound())
    for number in range(3):
        last = world.sees(evicted(number, 100 + 10 * number))
    assert len(last.notifications) == 1
    late = world.sees(evicted(9, 90, seen=130))
    assert notes(late.decisions) == ["told already, 4 so far"]


def test_a_late_one_that_joins_two_halves_speaks() -> None:
    world = World(bound(count=3))
    world.sees(evicted(1, 0))
    world.sees(evicted(2, 60))
    (said,) = world.sees(evicted(3, 30, seen=70)).notifications
    assert said.headline.startswith("3 ")


def test_after_a_quiet_window_the_next_burst_is_told_anew() -> None:
    world = World(bound(count=2))
    ids = set()
    for number, seconds in enumerate((0, 60, 121, 181)):
        ids |= {said.id for said in world.sees(evicted(number, seconds)).notifications}
    assert len(ids) == 2


def test_only_the_same_values_count_together_and_the_headline_names_them() -> None:
    world = World(bound(count=2, per=("node", "quota")))
    world.sees(evicted(1, 0, node="n1"))
    assert not world.sees(evicted(2, 1, node="n2")).notifications
    (said,) = world.sees(evicted(3, 2, node="n1", name="b")).notifications
    assert said.headline.endswith("within 1 m, node n1, no quota")
    assert dict(said.facts)["Jobs"] == "a, b"


def test_what_the_rule_would_not_speak_about_does_not_count() -> None:
    rule = bound(
        count=2,
        match=Matcher.of({"name": "prod-*"}),
        when=compile_condition("event.node != 'n0'", KINDS),
    )
    world = World(rule)
    world.sees(evicted(1, 0, name="dev-a"))
    world.sees(evicted(2, 1, name="prod-a", node="n0"))
    assert not world.sees(evicted(3, 2, name="prod-a")).notifications
    assert world.sees(evicted(4, 3, name="prod-b")).notifications


def test_an_earlier_event_on_which_the_rule_breaks_does_not_count() -> None:
    rule = bound(count=2, when=compile_condition("1 / int(event.node) == 1", KINDS))
    world = World(rule)
    assert world.sees(evicted(1, 0, node="0")).faults
    found = world.sees(evicted(2, 1, node="1"))
    assert notes(found.decisions) == ["1 of 2 within 1 m"]


def test_where_nobody_keeps_a_fleet_only_the_event_itself_counts() -> None:
    found = evaluate([bound(count=2)], [evicted(1, 0)], Context(now=NOW))
    assert notes(found.decisions) == ["1 of 2 within 1 m"]


def test_jobs_without_their_snapshot_are_named_from_the_fleet_and_many_are_cut() -> None:
    world = World(bound(count=8))
    world.fleet = Fleet()  # keeps no jobs in full
    for number in range(6):
        world.sees(evicted(number, number, name=f"job{number}"))
    world.fleet.note(None, (evicted(7, 7, name="nobody"),), at(7))
    (said,) = world.sees(evicted(8, 8, name="last")).notifications
    assert dict(said.facts)["Jobs"] == "job0, job1, job2, job3, job4, 2 more"


def test_a_flood_is_cut_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tally, "MOST", 4)
    monkeypatch.setattr(tally, "_MOST_VERDICTS", 3)
    world = World(bound(count=2))
    for number in range(9):
        last = world.sees(evicted(number, number))
    assert notes(last.decisions) == ["told already, 5 and more so far"]


def test_how_far_back_it_counts_is_how_long_the_fleet_remembers() -> None:
    rule = bound(within=timedelta(hours=2))
    assert rule.looks_back == MEMORY * timedelta(hours=2)
    book = Book((rule, bound()), Route(path="route", receiver="team"))
    assert book.new_fleet().keep == rule.looks_back
    assert Book((bound(),), book.tree).new_fleet().keep == KEEP
    assert Book((), book.tree).new_fleet().keep == KEEP


def test_counting_goes_with_neither_a_stay_nor_once_per() -> None:
    threshold = Tally(frozenset({"job.status_changed"}), 2, MINUTE)
    for more in ({"once_per": ("job",)}, {"passage": Passage((), ("pending",), MINUTE)}):
        with pytest.raises(ValueError, match="count: says itself"):
            declared_rule("x", ["job.status_changed"], threshold=threshold, **more)  # type: ignore[arg-type]
    passage = Passage((), ("pending",))
    assert declared_rule("x", ["job.status_changed"], threshold=threshold, passage=passage)
