"""A record played through another configuration: nothing differs with the same one, and exactly what was changed with another."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from tests.core.strategies import at, happening
from tests.core.test_consequence import Larger, Tell
from tests.drive import SOURCE, START, Drive
from watcher.config.loading import load
from watcher.core.consequence import Book
from watcher.core.delivery import Delivery
from watcher.core.events import (
    CauseId,
    DeadlinePassed,
    Event,
    EventId,
    JobFailed,
    JobStatusChanged,
    PodEvicted,
    WatchBlind,
    When,
)
from watcher.core.inhibition import DEFAULTS
from watcher.core.model import JobId, JobRef, JobSnapshot, PodKey
from watcher.core.phases import Phase
from watcher.core.rehearsal import Busiest, compare, rehearse
from watcher.core.routing import Route
from watcher.core.rule import BoundRule, Context, Intent, Notify
from watcher.plugins import discover
from watcher.simulator.reading import load_scenario

SCRIPT = """\
made_up: true
jobs:
  - id: dlc1waits
    name: prod-waits
    life:
      - {at: 0s, status: Creating}
      - {at: 1m, status: Queuing}
      - {at: 2m, reason: JobEnqueue, message: in the queue}
      - {at: 50m, status: EnvPreparing}
      - {at: 55m, status: Running}
      - {at: 3h, status: Failed, reason: OOM}
  - id: dlc1runs
    name: runs
    submit_at: 10m
    life:
      - {at: 0s, status: Creating}
      - {at: 1m, status: Running}
      - {at: 2m, priority: 7}
      - {at: 30m, status: Succeeded}
"""
HEAD = """\
sources: {sim: {kind: dlc, region: cn-hangzhou}}
receivers: {team: {console: {}}, oncall: {console: {}}}
"""
PLAIN = "route: {receiver: team, routes: [{receiver: oncall, match: {severity: critical}, continue: true}, {receiver: team}]}\n"
RULES = """\
rules:
  - {use: stuck-pending, with: {after: 30m}}
  - use: job-failed
  - use: job-succeeded
  - {name: broken, on: job.priority_changed, when: 'event.new_priority / 0 == 1'}
  - use: rule-failed
"""


def book(rules: str = RULES, route: str = PLAIN) -> Book:
    loaded = load(HEAD + route + rules, file="c.yaml", env={}, kinds=discover(), base_dir=Path.cwd())
    return loaded.book


Snapshots = dict[JobRef, list[JobSnapshot]]


def record(
    until: timedelta = timedelta(hours=4), every: timedelta | None = None
) -> tuple[list[Event], Snapshots, list[Delivery]]:
    events: list[Event] = []
    snapshots: Snapshots = {}
    owed: dict[str, Delivery] = {}
    for seen in Drive(load_scenario(SCRIPT).jobs, book(), every=every).run(until):
        events += seen.events
        if seen.watch is not None and seen.snapshot_changed:
            snapshots.setdefault(seen.watch.snapshot.ref, []).append(seen.watch.snapshot)
        for delivery in seen.deliveries:
            owed.setdefault(delivery.id, delivery)
    return events, snapshots, list(owed.values())


def without_cause(owed: Delivery) -> Delivery:
    return replace(owed, notification=replace(owed.notification, cause=CauseId("")))


def rules_of(owed: tuple[Delivery, ...] | list[Delivery]) -> list[str]:
    return [delivery.notification.rule for delivery in owed]


def test_the_same_configuration_says_the_same_and_its_own_broken_rule_is_told_once() -> None:
    events, snapshots, then = record()
    now = rehearse(events, snapshots, book())
    assert [without_cause(delivery) for delivery in now] == [without_cause(delivery) for delivery in then]
    assert sorted(set(rules_of(then))) == ["job-failed", "job-succeeded", "rule-failed", "stuck-pending"]
    difference = compare(then, now)
    assert difference.same

    assert difference.receivers == {"oncall": (1, 1), "team": (4, 4)}


def test_of_no_record_nothing_follows() -> None:
    assert rehearse((), {}, book()) == ()
    difference = compare((), ())
    assert difference.same

    assert (difference.busiest_then, difference.busiest_now, difference.receivers) == (None, None, {})


def test_a_longer_wait_moves_what_was_said_and_a_wait_that_is_too_long_removes_it() -> None:
    events, snapshots, then = record()
    later = compare(then, rehearse(events, snapshots, book(RULES.replace("30m", "40m"))))
    (moved,) = later.moved
    assert moved.now.at - moved.then.at == timedelta(minutes=10)
    assert (later.same, later.added, later.removed) == (False, (), ())
    never = compare(then, rehearse(events, snapshots, book(RULES.replace("30m", "2h"))))
    assert [said.notification.rule for said in never.removed] == ["stuck-pending"]


def test_a_new_rule_adds_and_a_removed_rule_removes_and_both_are_counted_by_receiver() -> None:
    events, snapshots, then = record()
    rules = RULES.replace("  - use: job-succeeded\n", "  - {use: job-started}\n")
    difference = compare(then, rehearse(events, snapshots, book(rules)))
    assert [said.notification.rule for said in difference.added] == ["job-started", "job-started"]
    assert [said.notification.rule for said in difference.removed] == ["job-succeeded"]
    assert difference.receivers["team"] == (4, 5)


def test_other_routes_and_severities_are_told_apart_from_what_is_said() -> None:
    events, snapshots, then = record()
    rules = RULES.replace("- use: job-failed", "- {use: job-failed, severity: warning}")
    difference = compare(then, rehearse(events, snapshots, book(rules)))
    (rerouted,), (regraded,) = difference.rerouted, difference.regraded
    assert rerouted.then.receivers == ("oncall", "team")
    assert rerouted.now.receivers == ("team",)
    assert regraded.now.notification.severity == "warning"
    assert (difference.added, difference.removed, difference.moved) == ((), (), ())


def test_a_rule_or_route_that_goes_into_shadow_is_told_as_such_and_counts_apart() -> None:
    events, snapshots, then = record()
    rules = RULES.replace("- use: job-failed", "- {use: job-failed, shadow: true}")
    difference = compare(then, rehearse(events, snapshots, book(rules)))
    (rerouted,) = difference.rerouted
    assert rerouted.now.notification.rule == "job-failed"
    assert rerouted.now.receivers == ("oncall (shadow)", "team (shadow)")
    assert (difference.added, difference.removed) == ((), ())
    assert difference.receivers == {
        "oncall": (1, 0),
        "oncall (shadow)": (0, 1),
        "team": (4, 3),
        "team (shadow)": (0, 1),
    }
    trial = PLAIN.replace("continue: true", "shadow: true")
    (other,) = compare(then, rehearse(events, snapshots, book(route=trial))).rerouted
    assert other.now.receivers == ("oncall (shadow)", "team")


def test_a_deadline_that_passed_late_then_passes_as_late_again() -> None:
    events, snapshots, _ = record()
    late = timedelta(minutes=7)
    away = [
        replace(event, when=replace(event.when, observed_at=event.when.observed_at + late))
        if isinstance(event, DeadlinePassed) and event.rule == "stuck-pending"
        else event
        for event in events
    ]
    usual, delayed = rehearse(events, snapshots, book()), rehearse(away, snapshots, book())
    (one,), (other,) = (
        [owed for owed in said if owed.notification.rule == "stuck-pending"] for said in (usual, delayed)
    )
    assert other.created_at - one.created_at == late


def test_deadlines_after_the_last_moment_on_record_do_not_pass() -> None:
    events, snapshots, then = record(until=timedelta(minutes=20))
    assert rules_of(then).count("stuck-pending") == 0
    assert compare(then, rehearse(events, snapshots, book())).same


def test_news_from_before_the_chosen_time_is_left_out_on_both_sides() -> None:
    events, snapshots, then = record()
    nothing = rehearse(events, snapshots, book("rules: [{use: job-vanished}]\n"))
    assert nothing == ()
    removed = compare(then, nothing, START + timedelta(hours=1)).removed
    assert [said.notification.rule for said in removed] == ["job-failed"]
    assert removed[0].receivers == ("oncall", "team")


def test_the_busiest_minute_is_the_first_of_the_fullest() -> None:
    _, _, then = record()
    assert compare(then, ()).busiest_then == Busiest(START + timedelta(hours=3), 2)
    assert compare((), [owed for owed in then if owed.notification.rule != "job-failed"]).busiest_now == Busiest(
        START + timedelta(minutes=12), 1
    )


def test_events_about_no_job_and_of_jobs_without_snapshots_are_played_too() -> None:
    ready = {"when": When(observed_at=START), "cause": CauseId("c")}
    blind = WatchBlind(id=EventId("b"), source=SOURCE, since=START, permanent=True, error="no", **ready)  # type: ignore[arg-type]
    bare = JobStatusChanged(
        id=EventId("e"),
        job=JobRef(SOURCE, JobId("dlc9")),
        old_status="Running",
        new_status="Queuing",
        old_phase=Phase.RUNNING,
        new_phase=Phase.PENDING,
        **ready,  # type: ignore[arg-type]
    )
    rules = "rules: [{use: watch-blind}, {name: all, on: job.status_changed}]\n"
    said = rehearse([blind, bare], {}, book(rules))
    assert sorted(set(rules_of(said))) == ["all", "watch-blind"]


@pytest.mark.parametrize("moved", [False, True])
def test_a_deadline_set_again_under_its_key_passes_once_at_the_later_time(*, moved: bool) -> None:
    # The job goes back to the queue: its second wait moves the deadline of the first.
    life = "{at: 1m, status: Queuing}, {at: 5m, status: Running}, {at: 10m, status: Queuing}, {at: 2h, status: Running}"
    script = f"made_up: true\njobs:\n  - {{id: dlc1, life: [{life if moved else life.partition(', {at: 5m')[0]}]}}\n"
    events: list[Event] = []
    snapshots: Snapshots = {}
    drive = Drive(load_scenario(script).jobs, book())
    for seen in drive.run(timedelta(hours=3)):
        events += seen.events
        if seen.watch is not None:
            snapshots.setdefault(seen.watch.snapshot.ref, []).append(seen.watch.snapshot)
    said = rehearse(events, snapshots, book())
    assert [owed.created_at - START for owed in said] == [timedelta(minutes=40 if moved else 30)]


@pytest.mark.parametrize("every", [timedelta(seconds=7.3), timedelta(seconds=61), timedelta(minutes=17, seconds=0.4)])
def test_looks_that_come_when_they_come_are_played_to_the_same_effect(every: timedelta) -> None:
    events, snapshots, then = record(every=every)
    assert any(one.notification.rule == "stuck-pending" for one in then)
    difference = compare(then, rehearse(events, snapshots, book()))
    assert (difference.added, difference.removed, difference.moved) == ((), (), ())
    assert difference.same


class Once(Tell):
    """Tells, and asks for nothing."""

    def consider(self, event: Event, context: Context) -> Iterable[Intent]:
        return [intent for intent in super().consider(event, context) if isinstance(intent, Notify)]


class Late(Larger):
    """Begins its larger news with the third failure."""

    def consider(self, event: Event, context: Context) -> Iterable[Intent]:
        assert event.id in context.fleet, "the fleet is kept in a rehearsal, too"
        return super().consider(event, replace(context)) if event.id == "e3" else ()


def test_what_larger_news_absorbs_is_folded_where_it_still_waited_and_counts_on_neither_side() -> None:
    failures = [
        happening(JobFailed, id=EventId(f"e{number}"), when=When(observed_at=at(seconds)), status="Failed")
        for number, seconds in ((1, 0), (2, 100), (3, 110))
    ]
    tell = BoundRule(name="tell", rule=Once())
    tree = Route(path="route", receiver="team")
    owed = rehearse(failures, {}, Book((tell, BoundRule(name="larger", rule=Late())), tree))
    states = [(one.notification.rule, one.notification.event_id, one.state.value) for one in owed]
    assert states == [
        ("tell", "e1", "pending"),
        ("tell", "e2", "folded"),
        ("tell", "e3", "folded"),
        ("larger", "e3", "pending"),
    ]
    alone = rehearse(failures, {}, Book((tell,), tree))
    difference = compare(alone, owed)
    assert [said.notification.event_id for said in difference.removed] == ["e2", "e3"]
    assert [said.notification.headline for said in difference.added] == ["much failed"]


def test_what_is_inhibited_where_it_still_waited_counts_on_neither_side() -> None:
    evicted = happening(PodEvicted, id=EventId("e1"), when=When(observed_at=at(0)), pod=PodKey("w-0", "u"))
    failed = happening(JobFailed, id=EventId("e2"), when=When(observed_at=at(20)), status="Failed")
    tell = BoundRule(name="tell", rule=TellOfPods())
    book = Book((tell,), Route(path="route", receiver="team", group_wait=timedelta(minutes=1), urgent=()))
    states = {
        inhibits: [one.state.value for one in rehearse([evicted, failed], {}, replace(book, inhibits=inhibits))]
        for inhibits in ((), DEFAULTS)
    }
    assert states == {(): ["pending", "pending"], DEFAULTS: ["withheld", "pending"]}
    alone = rehearse([evicted, failed], {}, book)
    difference = compare(alone, rehearse([evicted, failed], {}, replace(book, inhibits=DEFAULTS)))
    assert [said.notification.event_id for said in difference.removed] == ["e1"]


class TellOfPods(Tell):
    on = (JobFailed, PodEvicted)

    def consider(self, event: Event, context: Context) -> Iterable[Intent]:
        yield Notify(headline=event.kind)
