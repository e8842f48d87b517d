"""Thousands of made-up lives, looked at now and then: what is told is what DLC showed, no more, no less, once, in order.

`SOAK_LIVES=100000` says how many lives (`make soak`), `LIFE_FIRST_SEED=n` from which seed on; `LIFE_SEED=n` replays the one that
failed.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from random import Random
from typing import Any, TypeVar

import pytest

from tests.core.strategies import CAUSE
from watcher.core.events import (
    Event,
    JobBiddingStarted,
    JobHistoryCorrected,
    JobPreparationStarted,
    JobPriorityChanged,
    JobQueueChanged,
    JobReservationDecided,
    JobRestarted,
    JobRestartExplained,
    JobSanityCheckFailed,
    JobSanityCheckStarted,
    JobScaled,
    JobSpotTypeChanged,
    JobStatusChanged,
    PodAppeared,
    PodEvicted,
    PodRestarted,
    PodStatusChanged,
    PodVanished,
    Provenance,
)
from watcher.core.model import JobSnapshot
from watcher.core.observation import BACKWARDS, first_sight, look
from watcher.testing.lives import (
    REF,
    Expectation,
    Life,
    PodFact,
    PodLife,
    Stay,
    View,
    answer,
    moment,
    random_life,
    random_view,
)

LIVES = int(os.environ.get("SOAK_LIVES", "2000"))
SEED = os.environ.get("LIFE_SEED")
FIRST_SEED = int(os.environ.get("LIFE_FIRST_SEED", "0"))

E = TypeVar("E")


@dataclass
class Told:
    """What one watcher, looking at some seconds, told of a life."""

    polls: list[int]
    expected: Expectation
    last: JobSnapshot
    events: list[Event] = field(default_factory=list)
    entries: dict[str, Stay] = field(default_factory=dict)
    ids: dict[Any, str] = field(default_factory=dict)

    def of(self, kind: type[E]) -> list[E]:
        return [event for event in self.events if isinstance(event, kind)]


def polled(life: Life, view: View, dice: Random) -> Told:
    count = dice.randint(2, 14)
    polls = sorted(dice.sample(range(life.length + 1), min(count, life.length + 1)))
    base = answer(life, polls[0], view, dice)
    told = Told(polls, Expectation(life, view), base)
    told.expected.first(base)
    watch = first_sight(base, now=moment(polls[0]), cause=CAUSE, watching_since=None).watch
    previous = base
    row = 0
    for number, second in enumerate(polls[1:], start=1):
        last = number == len(polls) - 1
        lag = 0 if last else dice.choice((0, view.lag))
        # the third answer in a row that reads like an old one is believed, and a history that lags can make a fresh one read so
        bearable = row < BACKWARDS and watch.doubts.backwards < BACKWARDS
        row = row + 1 if not last and bearable and dice.random() < view.stale else 0
        of = dice.randint(0, second) if row else second
        reply = answer(life, of, view, dice, seen_at=second, lag=lag)
        observed = look(watch, reply, now=moment(second), cause=CAUSE)
        told.events += observed.events
        if not row and not observed.stale:
            again = look(observed.watch, reply, now=moment(second), cause=CAUSE).events
            assert all(isinstance(event, PodVanished) for event in again), f"told again: {again}"
        watch = observed.watch
        if not observed.stale and not watch.doubts.live_again:
            told.expected.then(previous, reply, second=of, lag=lag)
            told.last = reply
        previous = reply
    return told


# --- statuses -----------------------------------------------------------------------------------------------------------------


def resolve(life: Life, told: Told) -> None:
    """Which true stay each transition was."""
    by_date = {(stay.status, moment(stay.began)): stay for stay in life.stays}
    corrections = told.of(JobHistoryCorrected)
    dates = {event.corrected: event for event in corrections}
    assert len(dates) == len(corrections), "corrected twice"
    for event in told.of(JobStatusChanged):
        correction = dates.get(event.id)
        date = correction.occurred_at if correction else event.when.occurred_at
        if date is None:
            stay = life.present((event.when.observed_at - moment(0)).total_seconds())
            assert stay.status == event.new_status, f"invented: {event}"
        else:
            assert (event.new_status, date) in by_date, f"invented: {event}"
            stay = by_date[event.new_status, date]
            told.ids[stay] = correction.dated_id if correction else event.id
        assert stay not in told.entries.values(), f"told twice: {stay}"
        assert event.id not in told.entries, f"one id for two facts: {event}"
        told.entries[event.id] = stay


def check_transitions(life: Life, view: View, told: Told) -> None:
    resolve(life, told)
    baseline = life.present(told.polls[0])
    expected = {stay for stay in told.expected.entered if stay.began > baseline.began}
    found = set(told.entries.values())
    assert found >= expected, f"missed: {sorted(expected - found, key=lambda stay: stay.began)}"
    assert found <= expected, f"invented: {sorted(found - expected, key=lambda stay: stay.began)}"
    changes = told.of(JobStatusChanged)
    kept = [event for event in changes if not event.filled_in]
    fresh = [told.entries[event.id].began for event in kept]
    assert fresh == sorted(fresh), "out of order"
    assert all(one.new_status == other.old_status or changes != kept for one, other in pairwise(kept)), "a broken chain"


STAGES = {
    "Bidding": JobBiddingStarted,
    "EnvPreparing": JobPreparationStarted,
    "SanityChecking": JobSanityCheckStarted,
    "SucceededReserving": JobReservationDecided,
    "FailedReserving": JobReservationDecided,
}


def check_stages(life: Life, view: View, told: Told) -> None:
    """Each stage is told exactly with the entry that began it."""
    changes = [(event.new_status, event.when) for event in told.of(JobStatusChanged) if event.new_status in STAGES]
    stages = [(event.status, event.when) for event in told.events if isinstance(event, tuple(STAGES.values()))]
    same("stages", stages, changes)
    for decided in told.of(JobReservationDecided):
        assert decided.status == decided.result.title() + "Reserving"
        date, length = decided.when.occurred_at, timedelta(minutes=life.reserved_minutes)
        assert decided.held_until == (None if date is None else date + length)
    failed = {
        moment(after.began)
        for check, after in pairwise(life.stays)
        if check.status == "SanityChecking" and after.status in {"Restarting", "Failed", "FailedReserving"}
    }
    told_failed = told.of(JobSanityCheckFailed)
    for event in told_failed:
        assert event.when.provenance is not Provenance.REPORTED or event.when.occurred_at in failed, "a check failed?"
    if view.history and view.present_listed and not (view.depth or view.lag or view.stale):
        shown = {moment(stay.began) for stay in told.entries.values()} & failed
        assert {event.when.occurred_at for event in told_failed} == shown, "a failed check is missing"


# --- restarts -----------------------------------------------------------------------------------------------------------------


def check_restarts(life: Life, view: View, told: Told) -> None:
    restarts = told.of(JobRestarted)
    used = [event.used for event in restarts]
    first, last = (sum(restart.second <= told.polls[place] for restart in life.restarts) for place in (0, -1))
    assert len({event.id for event in restarts}) == len(restarts), "one id for two restarts"
    counts_late = view.counter and view.counter_from > told.polls[0]
    if view.counter and not counts_late:
        assert used == list(range(first + 1, last + 1)), f"restarts {used} told, {first} -> {last} happened"
    elif counts_late and not view.records and told.last.restarts.text:
        assert used == list(range(1, last + 1)), f"restarts {used} told, {last} happened"
    elif not view.counter and not view.records:
        shown = [event for event in told.of(JobStatusChanged) if event.new_status == "Restarting"]
        assert used == list(range(1, len(shown) + 1)), f"{len(shown)} times Restarting, told {used}"
        assert not any(event.counted for event in restarts)
    elif not view.counter and not view.record_lag:
        assert used == list(range(first + 1, last + 1)), f"restarts {used} told, {first} -> {last} happened"
    if view.counter and view.records and not counts_late:
        check_records(life, told)
    if view.records and view.former_pods and not view.former_missing:  # else lives may lie between that nobody knows of
        check_pod_records(life, told)


def check_records(life: Life, told: Told) -> None:
    """Each restart has got its record, with the event or afterwards, and only once."""
    shown = {record.job_restart_count for record in told.last.restart_records}
    explained = unique(event for event in told.of(JobRestartExplained) if event.used)
    truth = {restart.number: (restart.reason, restart.node, restart.pod_id) for restart in life.restarts}
    for event in told.of(JobRestarted):
        said = explained.pop(event.id, None) or event
        if event.used in shown or said.reason:
            assert (said.reason, said.culprit_node, said.culprit_pod) == truth[event.used], f"not its record: {said}"
    assert not explained, f"explained though never told: {explained}"


def check_pod_records(life: Life, told: Told) -> None:
    shown = {record.occurred_at for record in told.last.restart_records}
    explained = unique(event for event in told.of(JobRestartExplained) if event.pod_id)
    nameless = {event.corrected_nameless: event.corrected for event in explained.values()}
    truth = {PodFact(f"{REF.job_id}-{each.pod_id}", moment(each.created)): each for each in life.pod_restarts}
    came_back = {f"{REF.job_id}-{pod.pod_id}" for pod in life.pods if pod.gone is not None}
    for event in told.of(PodRestarted):
        assert event.when.occurred_at is not None
        said = explained.pop(nameless.get(event.id, event.id), None) or event
        if event.pod.pod_id in came_back:  # lives from before may lie between that DLC does not list
            continue
        record = truth.get(PodFact(event.pod.pod_id, event.when.occurred_at))
        if record is None:
            assert not said.reason, f"of another restart: {said}"
        elif said.reason:
            assert (said.reason, said.culprit_node) == (record.reason, record.node), f"not its record: {said}"
        else:
            late = event.when.occurred_at <= moment(told.polls[0])
            assert late or moment(record.second) not in shown, f"its record is missing: {event}"
    assert not explained, f"explained though never told: {explained}"


def unique(events: Iterable[JobRestartExplained]) -> dict[str, JobRestartExplained]:
    explained = list(events)
    found = {event.corrected: event for event in explained}
    assert len(found) == len(explained), "explained twice"
    return dict(found)


# --- pods ---------------------------------------------------------------------------------------------------------------------


def check_pods(life: Life, view: View, told: Told) -> None:
    lives = {PodFact(f"{REF.job_id}-{pod.pod_id}", moment(pod.created)): pod for pod in life.pods}
    ends = {(fact.pod_id, moment(pod.ended)): fact for fact, pod in lives.items() if pod.ended is not None}
    uids = {pod.uid: fact for fact, pod in lives.items()}
    starts = {(fact.pod_id, moment(pod.started)) for fact, pod in lives.items()}
    stable = view.uids in {"yes", "no"} or (view.uids == "repeated" and view.former_pods and not view.former_missing)

    appeared = [PodFact(event.pod.pod_id, born(event.when.occurred_at)) for event in told.of(PodAppeared)]
    restarted = [PodFact(event.pod.pod_id, born(event.when.occurred_at)) for event in told.of(PodRestarted)]
    same("appearances", appeared, told.expected.appeared)
    same("restarts of pods", restarted, told.expected.restarted)
    assert len({event.id for event in told.of(PodRestarted)}) == len(set(restarted)) or not stable, "ids of restarts"

    evicted = []
    for event in told.of(PodEvicted):
        end = event.when.occurred_at
        fact = uids[event.pod.incarnation] if end is None else ends[event.pod.pod_id, end]
        evicted.append(fact)
        limit = event.when.not_after
        assert limit is None or moment(ended(lives[fact])) <= limit, f"not over by then: {event}"
        assert event.node == lives[fact].node
    same("evictions", evicted, told.expected.evicted)
    assert len({event.id for event in told.of(PodEvicted)}) == len(set(evicted)) or not stable, "ids of evictions"
    if not told.expected.vanished:  # what was gone and is there again may be told again, under the same id
        for facts in (restarted, evicted):
            assert max(Counter(facts).values(), default=1) == 1, "told twice"

    changes = told.of(PodStatusChanged)
    same(
        "changes of pods",
        [(event.pod.pod_id, event.new_status, event.new_sub_status) for event in changes],
        told.expected.changed,
    )
    for change in changes:
        date = change.when.occurred_at
        known = starts if change.new_status == "Running" else ends
        assert date is None or (change.pod.pod_id, date) in known, f"invented a date: {change}"
    assert len(told.of(PodVanished)) == told.expected.vanished, "pods gone"
    if stable:
        for kind, facts, events in (
            ("restarted", restarted, told.of(PodRestarted)),
            ("evicted", evicted, told.of(PodEvicted)),
        ):
            told.ids |= {(kind, fact): event.id for fact, event in zip(facts, events, strict=True)}
        if not view.stale:
            told.ids |= {("appeared", f): e.id for f, e in zip(appeared, told.of(PodAppeared), strict=True)}
            told.ids |= {
                ("changed", event.pod.pod_id, event.new_status, event.when.occurred_at): event.id
                for event in changes
                if event.when.occurred_at
            }


def born(created: datetime | None) -> datetime:
    assert created is not None, "a life without its creation"
    return created


def ended(pod: PodLife) -> int:
    assert pod.ended is not None, "evicted, but it never ended"
    return pod.ended


# --- numbers ------------------------------------------------------------------------------------------------------------------


def check_numbers(told: Told) -> None:
    expected = told.expected
    assert [event.new_priority for event in told.of(JobPriorityChanged)] == expected.priorities
    scaled = told.of(JobScaled)
    assert [event.new_count for event in scaled if event.measure == "asked"] == expected.asked
    assert [event.new_count for event in scaled if event.measure == "present"] == expected.present
    queues = told.of(JobQueueChanged)
    assert [(event.new_active, event.new_queuing, event.new_dequeued) for event in queues] == expected.queues
    assert [event.new_type for event in told.of(JobSpotTypeChanged)] == expected.spot_types


def same(what: str, found: Iterable[Any], expected: Iterable[Any]) -> None:
    found, expected = Counter(found), Counter(expected)
    assert found >= expected, f"{what} missed: {expected - found}"
    assert found <= expected, f"{what} invented: {found - expected}"


@pytest.mark.parametrize("part", range(4))
def test_what_is_told_of_a_life_is_what_dlc_showed_of_it(part: int) -> None:
    seeds = [int(SEED)] if SEED else range(FIRST_SEED + part, FIRST_SEED + LIVES, 4)
    for seed in seeds:
        try:
            check(seed)
        except Exception as error:
            raise AssertionError(f"LIFE_SEED={seed} replays this: {error}") from error


def check(seed: int) -> None:
    dice = Random(seed)
    life, view = random_life(dice), random_view(dice)
    one, other = polled(life, view, dice), polled(life, view, dice)
    for told in (one, other):
        if view.history or not view.stale:  # without a history nothing tells that an old answer is old
            check_transitions(life, view, told)
            check_stages(life, view, told)
            check_restarts(life, view, told)
        check_pods(life, view, told)
        check_numbers(told)
    both = one.ids.keys() & other.ids.keys()
    assert {fact: one.ids[fact] for fact in both} == {fact: other.ids[fact] for fact in both}, "ids differ"
