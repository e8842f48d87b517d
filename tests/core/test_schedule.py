from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from watcher.core.phases import LIVE, Phase
from watcher.core.rates import Habit, Rates, Stay
from watcher.core.schedule import KEEN, SLACK, Allotment, Wish, allot

QUIET, LIVELY = Habit(Phase.RUNNING, 4), Habit(Phase.STARTING, 0)
RATES = Rates()


def wish(**said: Any) -> Wish:
    return Wish(
        **{name: timedelta(seconds=value) if isinstance(value, float) else value for name, value in said.items()}
    )


def spent(plan: Allotment, population: dict[Habit, int], said: Wish) -> float:
    """Requests a second of a plan, those that news call for left out."""
    looks = sum(count / plan.look_s[habit] for habit, count in population.items())
    feeds = sum(
        cost / every
        for cost, every in ((said.finish_cost, plan.finish_s), (said.birth_cost, plan.birth_s), (1, plan.status_s))
        if every
    )
    return looks + feeds + (1 / plan.sweep_s if plan.sweep_s else 0)


def test_a_small_fleet_is_looked_at_as_often_as_wanted_and_leaves_the_rest() -> None:
    plan = allot({QUIET: 10}, RATES, 5.0, Wish())
    assert plan.look_s[QUIET] == pytest.approx(15)
    assert plan.bound_s == 600
    assert plan.left > 3


def test_what_is_left_over_goes_to_the_feeds_in_part() -> None:
    idle, busy = allot({QUIET: 10}, RATES, 5.0, Wish()), allot({QUIET: 10_000}, RATES, 5.0, Wish())
    assert idle.finish_s == 1
    assert busy.finish_s == pytest.approx(1 / (5 * 0.033))
    assert idle.birth_s < busy.birth_s


def test_an_empty_roster_has_a_plan_too() -> None:
    plan = allot({}, RATES, 5.0, Wish())
    assert (plan.look_s, plan.list_s, plan.sweep_s) == ({}, {}, 0.0)
    assert plan.finish_s == 1


def test_the_lively_are_looked_at_more_often_by_the_root_of_how_much_livelier_they_are() -> None:
    said = wish(shortest=0.001, longest=1e9, by_id=False, finish_cost=0, birth_cost=0, statuses=False)
    plan = allot({QUIET: 100, LIVELY: 100}, RATES, 2.0, said)
    quiet, lively = (sum(RATES.of(habit)) for habit in (QUIET, LIVELY))
    assert plan.look_s[QUIET] / plan.look_s[LIVELY] == pytest.approx((lively / quiet) ** 0.5)


def test_who_is_waited_for_counts_for_more() -> None:
    said = wish(shortest=0.001, longest=1e9, by_id=False)
    keen = QUIET._replace(keen=True)
    plan = allot({QUIET: 100, keen: 100}, RATES, 2.0, said)
    assert plan.look_s[QUIET] / plan.look_s[keen] == pytest.approx(KEEN**0.5)


def test_lists_show_the_status_of_many_more_often_than_looks_could() -> None:
    plan = allot({QUIET: 5000, LIVELY: 50}, RATES, 10.0, Wish())
    assert plan.list_s[LIVELY] < plan.look_s[LIVELY]
    assert plan.sweep_s > 0
    assert plan.list_s.get(QUIET, 1e9) > plan.list_s[LIVELY]
    blind = allot({QUIET: 5000, LIVELY: 50}, RATES, 10.0, Wish(by_id=False))
    assert (blind.list_s, blind.sweep_s) == ({}, 0.0)


def test_a_list_of_one_job_is_no_better_than_a_look() -> None:
    assert allot({LIVELY: 1}, RATES, 10.0, Wish()).list_s == {}


def test_items_that_tell_everything_spare_most_looks() -> None:
    thin = allot({QUIET: 5000}, RATES, 10.0, Wish())
    full = allot({QUIET: 5000}, RATES, 10.0, Wish(full=True))
    assert full.look_s[QUIET] > 5 * thin.look_s[QUIET]
    assert full.list_s[QUIET] < thin.look_s[QUIET] / 5


def test_ends_count_only_where_no_feed_tells_of_them() -> None:
    rates = Rates()
    rates.learn(Stay(Habit(Phase.RUNNING), 30.0, "ends") for _ in range(500))
    mortal = Habit(Phase.RUNNING, 0)
    population = {mortal: 200, QUIET: 5000}
    told, untold = (allot(population, rates, 10.0, Wish(finish_cost=cost)) for cost in (1, 0))
    assert untold.list_s[mortal] < told.list_s.get(mortal, 1e9)
    assert (untold.finish_s, allot({}, rates, 1.0, Wish(birth_cost=0, statuses=False)).birth_s) == (0.0, 0.0)


def test_where_the_budget_does_not_allow_the_bound_it_is_three_times_the_round_that_it_does_allow() -> None:
    plan = allot({QUIET: 10_000}, RATES, 10.0, Wish())
    assert plan.bound_s > 600
    assert plan.bound_s == pytest.approx(SLACK * 10_000 / 10, rel=0.15)
    assert plan.needed > 10_000 / 600
    assert allot({QUIET: 10_000}, RATES, plan.needed * 1.1, Wish()).bound_s == 600


@settings(deadline=None, max_examples=80)
@given(
    st.dictionaries(
        st.builds(
            Habit, st.sampled_from(sorted(LIVE)), st.integers(0, 4), st.booleans(), st.integers(0, 2), st.booleans()
        ),
        st.integers(1, 3000),
        min_size=1,
        max_size=6,
    ),
    st.floats(0.5, 200),
    st.booleans(),
    st.booleans(),
    st.integers(0, 6),
)
def test_no_plan_spends_more_than_there_is_and_nobody_waits_beyond_the_bound(
    population: dict[Habit, int], rate: float, by_id: bool, full: bool, finish_cost: int
) -> None:
    said = Wish(by_id=by_id, full=full, finish_cost=finish_cost)
    plan = allot(population, RATES, rate, said)
    assert spent(plan, population, said) <= rate * 1.001
    for habit, every in plan.look_s.items():
        shown = plan.list_s.get(habit, 1e18) if full else every
        assert min(every, shown) <= plan.bound_s * 1.001
        assert every >= 15 * 0.999 or plan.bound_s < 15
    assert plan.bound_s >= 600
    assert plan.left >= 0
