"""Thousands of made-up lives, looked at now and then: what is told is what DLC showed, no more, no less, once, in order.

`SOAK_LIVES=100000` says how many lives (`make soak`); `LIFE_SEED=n` replays the one that failed.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from itertools import pairwise
from random import Random

import pytest

from tests.core.strategies import CAUSE
from watcher.core.events import (
    Event,
    JobHistoryCorrected,
    JobRestarted,
    JobStatusChanged,
    PodEvicted,
    PodRestarted,
    PodVanished,
)
from watcher.core.model import JobSnapshot
from watcher.core.observation import first_sight, look
from watcher.core.phases import RESERVED, TERMINAL, Phase, phase_of
from watcher.testing.lives import Life, Stay, View, answer, listed_stays, moment, random_life, random_view

LIVES = int(os.environ.get("SOAK_LIVES", "2000"))
SEED = os.environ.get("LIFE_SEED")
BEFORE_RUNNING = {Phase.PENDING, Phase.STARTING}
AFTER_RUNNING = {Phase.RESTARTING, Phase.STOPPING} | RESERVED | TERMINAL


@dataclass
class Told:
    """What one watcher, looking at some seconds, told of a life."""

    polls: list[int]
    events: list[Event] = field(default_factory=list)
    shown: set[Stay] = field(default_factory=set)
    entries: dict[str, Stay] = field(default_factory=dict)
    ids: dict[Stay, str] = field(default_factory=dict)


def polled(life: Life, view: View, dice: Random) -> Told:
    count = dice.randint(2, 14)
    polls = sorted(dice.sample(range(life.length + 1), min(count, life.length + 1)))
    told = Told(polls)
    base = answer(life, polls[0], view, dice)
    watch = first_sight(base, now=moment(polls[0]), cause=CAUSE, watching_since=None).watch
    previous = base
    row = 0
    for number, second in enumerate(polls[1:], start=1):
        last = number == len(polls) - 1
        lag = 0 if last else dice.choice((0, view.lag))
        row = row + 1 if view.history and not last and row < 2 and dice.random() < view.stale else 0
        of = dice.randint(0, second) if row else second
        reply = answer(life, of, view, dice, seen_at=second, lag=lag)
        observed = look(watch, reply, now=moment(second), cause=CAUSE)
        told.events += observed.events
        if not row and not observed.stale:
            again = look(observed.watch, reply, now=moment(second), cause=CAUSE).events
            assert all(isinstance(event, PodVanished) for event in again), f"told again: {again}"
        watch = observed.watch
        if not observed.stale:
            told.shown |= shown(life, previous, reply, view, second=of, lag=lag)
        previous = reply
    return told


def shown(life: Life, previous: JobSnapshot, reply: JobSnapshot, view: View, *, second: float, lag: int) -> set[Stay]:
    """The entries into a status that this answer shows."""
    present = life.present(second)
    if view.history:
        return {present, *listed_stays(life, second - lag, view)}
    found = {present} if present.status != previous.status else set()
    began = reply.running_at
    if (
        phase_of(previous.status) in BEFORE_RUNNING
        and reply.phase in AFTER_RUNNING
        and began is not None
        and began > previous.observed_at
    ):
        found |= {stay for stay in life.stays if moment(stay.began) == began}
    return found


def resolve(life: Life, told: Told) -> None:
    """Which true stay each transition was."""
    by_date = {(stay.status, moment(stay.began)): stay for stay in life.stays}
    dates = {event.corrected: event for event in told.events if isinstance(event, JobHistoryCorrected)}
    assert len(dates) == sum(isinstance(event, JobHistoryCorrected) for event in told.events), "corrected twice"
    for event in told.events:
        if not isinstance(event, JobStatusChanged):
            continue
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
    expected = {stay for stay in told.shown if stay.began > baseline.began}
    found = set(told.entries.values())
    assert found >= expected, f"missed: {sorted(expected - found, key=lambda stay: stay.began)}"
    assert found <= expected, f"invented: {sorted(found - expected, key=lambda stay: stay.began)}"
    fresh = [
        told.entries[event.id].began
        for event in told.events
        if isinstance(event, JobStatusChanged) and not event.filled_in
    ]
    assert fresh == sorted(fresh), "out of order"
    changes = [event for event in told.events if isinstance(event, JobStatusChanged)]
    kept = [event for event in changes if not event.filled_in]
    assert all(one.new_status == other.old_status or changes != kept for one, other in pairwise(kept)), "a broken chain"


def check_restarts(life: Life, view: View, told: Told) -> None:
    used = [event.used for event in told.events if isinstance(event, JobRestarted)]
    first, last = (sum(restart.second <= told.polls[place] for restart in life.restarts) for place in (0, -1))
    if view.counter or view.records:
        assert used == list(range(first + 1, last + 1)), f"restarts {used} told, {first} -> {last} happened"
    if view.records:
        truth = {restart.number: (restart.reason, restart.node, restart.pod_id) for restart in life.restarts}
        for event in told.events:
            if isinstance(event, JobRestarted):
                assert (event.reason, event.culprit_node, event.culprit_pod) == truth[event.used], "not its record"


def check_pods(life: Life, view: View, told: Told) -> None:
    for kind in (PodRestarted, PodEvicted):
        keys = [event.pod for event in told.events if isinstance(event, kind)]
        assert len(keys) == len(set(keys)) or view.uids == "repeated", f"{kind.__name__} told twice"
    if not view.former_pods or view.uids != "yes":
        return
    start, end = told.polls[0], told.polls[-1]
    left = {pod.pod_id for pod in life.pods if pod.gone is not None}
    evicted = [
        pod
        for pod in life.pods
        if pod.evicted and pod.ended is not None and start < pod.ended <= end and pod.pod_id not in left
    ]
    found = [event for event in told.events if isinstance(event, PodEvicted) and event.pod.pod_id[17:] not in left]
    assert len(found) == len(evicted), f"{len(found)} evictions told, {len(evicted)} happened"


@pytest.mark.parametrize("part", range(4))
def test_what_is_told_of_a_life_is_what_dlc_showed_of_it(part: int) -> None:
    seeds = [int(SEED)] if SEED else range(part, LIVES, 4)
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
        check_transitions(life, view, told)
        check_restarts(life, view, told)
        check_pods(life, view, told)
    both = one.ids.keys() & other.ids.keys()
    assert {stay: one.ids[stay] for stay in both} == {stay: other.ids[stay] for stay in both}, "ids differ"
