from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.strategies import at, happening, job, pod, watch
from watcher.core.events import (
    Event,
    JobAppeared,
    JobPriorityChanged,
    JobStatusChanged,
    PodEvicted,
    WatchRecovered,
    When,
)
from watcher.core.model import RestartCount
from watcher.core.phases import LIVE, TERMINAL, Phase, phase_of
from watcher.core.rates import (
    AGES_S,
    PRIOR_CHANGES,
    Habit,
    Rate,
    Rates,
    Stay,
    age_of,
    aged,
    ahead,
    habit_of,
    prior,
    size_of,
    stays_in,
)


def test_ages_and_sizes_fall_into_bands() -> None:
    assert [age_of(seconds) for seconds in (0, 60, 61, 600, 3600, 3601, 10**9)] == [0, 0, 1, 1, 2, 3, 4]
    assert [size_of(pods) for pods in (0, 8, 9, 64, 65, 5000)] == [0, 0, 1, 1, 2, 2]


@pytest.mark.parametrize("phase", sorted(LIVE))
def test_every_live_phase_is_assumed_to_change_and_ever_more_slowly(phase: Phase) -> None:
    rows = [prior(Habit(phase, age)) for age in range(len(AGES_S) + 1)]
    assert all(min(row) > 0 for row in rows)
    for young, old in pairwise(rows):
        assert all(before >= after for before, after in zip(young, old, strict=True))


@pytest.mark.parametrize("phase", sorted(TERMINAL))
def test_of_an_ended_job_nothing_more_is_assumed_to_come(phase: Phase) -> None:
    assert Rates().of(Habit(phase)) == Rate(0, 0, 0)


def test_what_was_restarted_or_has_many_pods_is_assumed_to_change_more_often() -> None:
    plain, again = prior(Habit(Phase.RUNNING, 3)), prior(Habit(Phase.RUNNING, 3, retried=True))
    large = prior(Habit(Phase.RUNNING, 3, size=2))
    assert again.ends > plain.ends
    assert again.details > plain.details
    assert (large.ends, large.moves) == (plain.ends, plain.moves)
    assert large.details > plain.details


def test_without_stays_the_prior_holds_and_a_few_change_it_a_little() -> None:
    habit = Habit(Phase.RUNNING, 2)
    rates = Rates()
    assert rates.of(habit) == pytest.approx(prior(habit))
    assert rates.learnt_from == 0
    rates.learn([Stay(habit, 900.0, "details")])
    assert rates.learnt_from == 1
    assert prior(habit).details < rates.of(habit).details < 5 * prior(habit).details


def test_many_stays_outweigh_the_prior() -> None:
    rates, habit = Rates(), Habit(Phase.PENDING)
    rates.learn(Stay(habit, 30.0, "moves") for _ in range(5000))
    assert rates.of(habit).moves == pytest.approx(1 / 30, rel=0.01)
    assert rates.of(habit).ends < prior(habit).ends


def test_a_stay_is_time_without_a_change_in_every_band_that_it_ran_through() -> None:
    rates, habit = Rates(), Habit(Phase.RUNNING)
    before = [rates.of(habit._replace(age=age)).ends for age in range(5)]
    rates.learn([Stay(habit, 1800.0, "ends"), Stay(habit, 1800.0)])
    after = [rates.of(habit._replace(age=age)).ends for age in range(5)]
    assert after[0] < before[0]
    assert after[1] < before[1]
    assert after[2] == pytest.approx((PRIOR_CHANGES + 1) / (PRIOR_CHANGES / before[2] + 2 * 1200))
    assert after[3:] == before[3:]


def test_a_stay_beyond_every_bound_counts_in_the_last_band() -> None:
    rates = Rates()
    rates.learn([Stay(Habit(Phase.RUNNING), 10.0**6, "ends")])
    assert rates.of(Habit(Phase.RUNNING, 4)).ends > prior(Habit(Phase.RUNNING, 4)).ends / 10
    assert rates.learnt_from == 1


def test_a_stay_that_began_with_a_change_within_the_phase_counts_as_stirred_first() -> None:
    rates, calm, lately, now = Rates(), Habit(Phase.RUNNING, 3), Habit(Phase.RUNNING, 3, 1), Habit(Phase.RUNNING, 3, 2)
    before = [rates.of(habit).details for habit in (calm, lately, now)]
    rates.learn([Stay(Habit(Phase.RUNNING), 1800.0, "details", began_s=7200.0)])
    after = [rates.of(habit).details for habit in (calm, lately, now)]
    assert after[0] > before[0]
    assert after[1:] < before[1:]
    assert rates.of(Habit(Phase.RUNNING, 0)) == prior(Habit(Phase.RUNNING, 0))


def test_what_changed_just_now_is_assumed_to_change_again_soon_and_what_entered_its_phase_just_now_no_less() -> None:
    calm, lately, now = (prior(Habit(Phase.RUNNING, 3, stirred)) for stirred in range(3))
    assert now.details > lately.details > calm.details
    assert prior(Habit(Phase.RUNNING, 0, 1)) == prior(Habit(Phase.RUNNING, 0))


@given(st.floats(0, 1e5), st.floats(0, 1), st.floats(0, 1e5))
def test_the_habits_ahead_are_those_that_come(in_phase_s: float, part: float, later_s: float) -> None:
    calm_s = in_phase_s * part
    path = list(ahead(Habit(Phase.RUNNING, retried=True), in_phase_s, calm_s))
    assert (path[0][1], path[-1][2]) == (0, float("inf"))
    assert all(before[2] == after[1] > before[1] for before, after in pairwise(path))
    for habit, begins, ends in path:
        if begins + 1e-6 < later_s < ends - 1e-6:
            assert habit == aged(Habit(Phase.RUNNING, retried=True), in_phase_s + later_s, calm_s + later_s)


def test_that_somebody_waits_for_news_does_not_bring_news_about() -> None:
    rates = Rates()
    rates.learn([Stay(Habit(Phase.RUNNING, keen=True), 30.0, "ends")])
    assert rates.of(Habit(Phase.RUNNING, keen=True)) == rates.of(Habit(Phase.RUNNING))
    assert rates.of(Habit(Phase.RUNNING)).ends > prior(Habit(Phase.RUNNING)).ends


@given(
    st.lists(
        st.tuples(st.sampled_from(sorted(LIVE)), st.floats(0, 1e6), st.sampled_from(["", "ends", "moves", "details"]))
    )
)
def test_rates_stay_above_nought_whatever_was_learnt(stays: list[tuple[Phase, float, str]]) -> None:
    rates = Rates()
    rates.learn(Stay(Habit(phase), lasted, by) for phase, lasted, by in stays)
    for phase, _, _ in stays:
        for age in range(len(AGES_S) + 1):
            assert min(rates.of(Habit(phase, age))) > 0


# --- what is stored -----------------------------------------------------------------------------------------------------------


def test_the_habit_of_a_job_goes_by_the_time_in_its_phase_and_since_anything_changed() -> None:
    names = tuple(pod(f"p{number}") for number in range(20))
    held = watch(job("Running", pods=names, restarts=RestartCount("1/3", 1, 3)))
    assert habit_of(held, at(0), at(700)) == Habit(Phase.RUNNING, 2, retried=True, size=1)
    assert habit_of(held, at(690), at(700)) == Habit(Phase.RUNNING, 2, 2, retried=True, size=1)
    assert habit_of(held, at(400), at(700)) == Habit(Phase.RUNNING, 2, 1, retried=True, size=1)
    assert habit_of(watch(job("Queuing")), at(-5), at(-5), keen=True) == Habit(Phase.PENDING, 0, keen=True)


def when(seconds: float) -> When:
    return When(observed_at=at(seconds + 5), occurred_at=at(seconds))


def moved(seconds: float, old: str, new: str) -> Event:
    return happening(
        JobStatusChanged,
        when=when(seconds),
        old_status=old,
        new_status=new,
        old_phase=phase_of(old),
        new_phase=phase_of(new),
    )


def test_stored_events_tell_stays_cut_where_anything_changed() -> None:
    events = [
        happening(JobAppeared, when=when(0), status="Queuing", phase=Phase.PENDING),
        moved(100, "Queuing", "Running"),
        happening(PodEvicted, when=when(100)),
        happening(PodEvicted, when=when(300)),
        happening(JobPriorityChanged, when=when(310), old_priority=1, new_priority=2),
        moved(400, "Running", "Failed"),
    ]
    assert list(stays_in(events)) == [
        Stay(Habit(Phase.PENDING), 100, "moves"),
        Stay(Habit(Phase.RUNNING), 200, "details"),
        Stay(Habit(Phase.RUNNING), 100, "ends", began_s=200),
    ]


def test_what_no_event_has_told_of_yet_tells_nothing() -> None:
    assert list(stays_in([happening(PodEvicted, when=when(5)), moved(9, "Queuing", "Running")])) == []
    assert list(stays_in([happening(WatchRecovered, when=when(5), source="s", blind_since=at(0))])) == []
