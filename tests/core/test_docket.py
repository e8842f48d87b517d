from __future__ import annotations

import random
from collections import Counter
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from watcher.core.docket import CHANGE_EVERY, MOST_STALE, REPLAN_S, ROUND_EVERY, Docket, Feed, Rank
from watcher.core.phases import Phase
from watcher.core.rates import Habit, Rates
from watcher.core.schedule import JITTER, PAGE, Wish

RUNNING, FRESH = Habit(Phase.RUNNING, 3), Habit(Phase.STARTING, 0)


def docket(jobs: int = 0, rate: float = 10.0, wish: Wish | None = None, habit: Habit = RUNNING) -> Docket[int]:
    made: Docket[int] = Docket(Rates(), wish or Wish(), rate)
    for number in range(jobs):
        made.enrol(number, habit, 0.0, rank=Rank.ROUND, now_s=0.0, scope=0)
    made.plan(0.0, rate)
    return made


def taken(made: Docket[int], now_s: float, most: int = 10_000) -> list[int]:
    found = []
    while len(found) < most and (key := made.take(now_s)) is not None:
        found.append(key)
    return found


# --- looks --------------------------------------------------------------------------------------------------------------------


def test_who_is_due_first_is_looked_at_first_and_nobody_before_his_time() -> None:
    made = docket()
    for key, due_s in ((1, 5.0), (2, 3.0), (3, 9.0)):
        made.enrol(key, RUNNING, due_s, rank=Rank.ROUND, now_s=0.0)
    assert made.next_due_s == 3.0
    assert taken(made, 6.0) == [2, 1]
    assert made.next_rank(6.0) is None
    assert made.take(8.9) is None
    assert taken(made, 9.0) == [3]
    assert made.next_due_s == float("inf")


def test_after_a_look_the_next_is_an_interval_away_a_tenth_early_to_a_tenth_late() -> None:
    for jitter, factor in ((0.0, 1 - JITTER), (0.5, 1.0), (1.0, 1 + JITTER)):
        made = docket(3)
        key = made.take(0.0)
        assert key is not None
        turn = made.get(key)
        assert turn is not None
        made.looked(turn, RUNNING, 100.0, jitter)
        assert turn.due_s == pytest.approx(100 + 15 * factor)
        assert (turn.looked_s, turn.rank) == (100.0, Rank.ROUND)


@pytest.mark.parametrize("backing_off", [True, False])
def test_what_a_low_rate_put_off_is_brought_forward_when_it_rises_again(backing_off: bool) -> None:
    made = docket(200, rate=0.1)
    for key in taken(made, 0.0, most=50):
        turn = made.get(key)
        assert turn is not None
        made.looked(turn, RUNNING, 0.0, 0.5)
    put_off = max(turn.due_s for turn in made)
    assert put_off > 1500
    made.hasten(0.0)
    assert max(turn.due_s for turn in made) == put_off, "the plan is what it was"
    news = made.get(taken(made, 0.0, most=1)[0])
    assert news is not None
    made.put_off(news, 9_000.0, rank=Rank.CHANGE)
    made.plan(60.0, 10.0)
    refused = next(turn for turn in made if turn.due_s == put_off)
    left = {refused.key} if backing_off else set()
    made.hasten(60.0, but=left)
    assert (refused.due_s == put_off) is backing_off
    latest_s = max(made.due_s(turn) for turn in made if turn is not news and turn.key not in left)
    assert latest_s <= 60 + made.interval_s(RUNNING) * (1 + JITTER) < 160
    assert (news.due_s, news.rank) == (9_000.0, Rank.CHANGE)
    made.put_off(refused, 9_000.0)
    made.hasten(60.0)
    assert made.due_s(refused) == 9_000, "the plan is what it was when all were last gone through"


def test_a_job_that_is_dropped_is_not_looked_at_and_may_come_back() -> None:
    made = docket(2)
    made.drop(0)
    made.drop(0)
    assert (len(made), made.get(0), made.population) == (1, None, {RUNNING: 1})
    assert taken(made, 0.0) == [1]
    made.enrol(0, FRESH, 4.0, now_s=1.0)
    made.enrol(0, FRESH, 2.0, now_s=1.0)
    assert taken(made, 9.0) == [0]
    assert made.population == {RUNNING: 1, FRESH: 1}
    assert [turn.key for turn in made] == [1, 0]


def test_news_come_before_rounds_and_ends_before_other_news() -> None:
    made = docket(4)
    first, second = made.get(2), made.get(3)
    assert first is not None
    assert second is not None
    assert made.news(first, Rank.CHANGE, 1.0)
    assert made.news(second, Rank.END, 1.0)
    assert taken(made, 1.0, 3) == [3, 2, 0]


def test_news_of_who_is_looked_at_for_them_already_change_nothing() -> None:
    made = docket(1)
    turn = made.get(0)
    assert turn is not None
    assert made.news(turn, Rank.CHANGE, 1.0)
    assert not made.news(turn, Rank.CHANGE, 2.0)
    assert made.news(turn, Rank.END, 3.0)
    assert not made.news(turn, Rank.CHANGE, 4.0)
    assert taken(made, 5.0) == [0]


def test_a_flood_of_news_leaves_one_look_in_four_to_the_rounds_and_one_in_four_of_the_rest_to_changes() -> None:
    made = docket(100)
    for number in range(1000, 1300):
        made.enrol(number, RUNNING, 0.0, rank=Rank.END, now_s=0.0)
        made.enrol(number + 1000, RUNNING, 0.0, rank=Rank.CHANGE, now_s=0.0)
    shown = Counter("round" if key < 1000 else "end" if key < 2000 else "change" for key in taken(made, 0.0, 160))
    assert shown["round"] == 160 // ROUND_EVERY
    assert shown["change"] == pytest.approx((160 - 40) / CHANGE_EVERY, abs=2)


def test_a_job_that_changed_its_habit_is_counted_under_the_new_one() -> None:
    made = docket(3)
    turn = made.get(1)
    assert turn is not None
    made.looked(turn, FRESH, 5.0, 0.5)
    assert (turn.habit, made.population) == (FRESH, {RUNNING: 2, FRESH: 1})


# --- lists --------------------------------------------------------------------------------------------------------------------


def test_a_list_is_asked_for_those_whose_time_comes_first_and_no_more_than_a_page() -> None:
    made = docket(5000)
    for number in range(50):
        made.enrol(5000 + number, FRESH, 0.0, now_s=0.0, scope=0)
    made.plan(1.0, 10.0)
    for turn in made:
        made.listed(turn, float(turn.key % 7))
    batch = made.batch(0)
    assert len(batch) == PAGE
    assert set(range(5000, 5050)) <= set(batch), "the lively ones are shown more often"
    assert not set(batch) & set(made.batch(0)), "who was asked for waits for what is said about him"
    assert made.scopes == (0,)


def test_who_stands_in_no_list_is_in_no_batch() -> None:
    made = docket(300)
    made.enrol(7, RUNNING, 0.0, now_s=0.0, scope=-1)
    assert made.batch(1) == ()
    turn = made.get(7)
    assert turn is not None
    made.stands_in(turn, 1, 0.0)
    made.stands_in(turn, 1, 50.0)
    assert made.batch(1) == (7,)
    made.stands_in(turn, -1, 60.0)
    assert made.batch(1) == ()


def test_a_dropped_job_leaves_its_list() -> None:
    made = docket(300)
    for number in range(10):
        made.drop(number)
    assert not set(range(10)) & {key for _ in range(4) for key in made.batch(0)}


def test_an_item_that_tells_everything_is_as_good_as_a_look() -> None:
    made = docket(200)
    turn = made.get(5)
    assert turn is not None
    made.listed(turn, 40.0)
    assert turn.looked_s == 0.0
    made.listed(turn, 41.0, full=True)
    assert turn.looked_s == 41.0
    assert made.oldest_s() == 0.0
    assert docket().oldest_s() == float("inf")


def test_where_lists_are_not_asked_by_id_nobody_waits_for_one() -> None:
    made = docket(300, wish=Wish(by_id=False))
    assert made.batch(0) == ()
    assert made.list_interval_s(RUNNING) == float("inf")
    assert made.list_interval_s(FRESH) == float("inf"), "nor one whose habit is new"


def test_places_that_count_no_longer_do_not_pile_up() -> None:
    made = docket(300)
    for round_s in range(20):
        for turn in made:
            made.put_off(turn, 1000.0 + round_s)
            made.listed(turn, float(round_s))
    kept = sum(len(heap) for heap in (*made._looks, *made._lists.values()))
    assert kept <= 4 * (MOST_STALE + 1.25 * 300)
    assert len(taken(made, 5000.0)) == 300


# --- the plan -----------------------------------------------------------------------------------------------------------------


def test_a_habit_that_the_plan_does_not_know_gets_an_interval_at_once() -> None:
    made = docket(5000)
    assert FRESH not in made.allotment.look_s
    assert 15 <= made.interval_s(FRESH) < made.interval_s(RUNNING)


def test_the_plan_is_made_anew_when_it_is_old_or_what_it_rests_on_is_another() -> None:
    made = docket(100)
    first = made.allotment
    made.plan(1.0, 10.2)
    assert made.allotment is first
    made.plan(REPLAN_S, 10.0)
    assert made.allotment is not first
    second = made.allotment
    made.plan(REPLAN_S + 1, 5.0)
    assert made.allotment is not second
    third = made.allotment
    made.plan(REPLAN_S + 2, 5.0, wish=Wish())
    assert made.allotment is third
    made.plan(REPLAN_S + 2, 5.0, wish=Wish(by_id=False))
    assert made.allotment is not third
    for number in range(20):
        made.enrol(200 + number, RUNNING, 0.0, now_s=0.0)
    fourth = made.allotment
    made.plan(REPLAN_S + 3, 5.0)
    assert made.allotment is not fourth


def test_feeds_are_asked_at_their_intervals_and_at_once_when_they_never_were() -> None:
    made = docket(5000)
    for feed in Feed:
        assert made.feed_due_s(feed) == -float("inf")
        made.asked(feed, 100.0)
        assert made.feed_due_s(feed) == 100 + made.feed_every_s(feed)
    none = docket(5000, wish=Wish(by_id=False, finish_cost=0, birth_cost=0, statuses=False))
    assert [none.feed_due_s(feed) for feed in Feed] == [float("inf")] * len(Feed)


# --- fairness -----------------------------------------------------------------------------------------------------------------


def oldest_of(jobs: int, rate: float, news: float, seed: int) -> tuple[float, float]:
    """How long somebody waited at most, and the bound, with so many news for each slot."""
    dice = random.Random(seed)
    made = docket(jobs, rate, Wish(longest=timedelta(seconds=60)))
    for number in range(0, jobs, 5):
        made.drop(number)
        made.enrol(number, FRESH, 0.0, rank=Rank.ROUND, now_s=0.0)
    made.plan(0.0, rate, wish=Wish(longest=timedelta(seconds=61)))
    oldest, slot, now_s = 0.0, 1 / rate, 0.0
    while now_s < 8 * jobs / rate:
        now_s += slot
        made.plan(now_s, rate)
        if dice.random() < news:
            turn = made.get(dice.randrange(jobs))
            assert turn is not None
            made.news(turn, dice.choice((Rank.END, Rank.CHANGE)), now_s)
        key = made.take(now_s)
        if key is not None:
            turn = made.get(key)
            assert turn is not None
            oldest = max(oldest, now_s - turn.looked_s)
            made.looked(turn, turn.habit, now_s, dice.random())
    return oldest, made.allotment.bound_s + slot


@settings(deadline=None, max_examples=15)
@given(st.integers(20, 200), st.floats(0.5, 8), st.integers(0, 10**6))
def test_no_job_waits_longer_than_the_bound(jobs: int, rate: float, seed: int) -> None:
    oldest, bound = oldest_of(jobs, rate, 0.0, seed)
    assert oldest <= bound + 1e-6


@settings(deadline=None, max_examples=15)
@given(st.integers(20, 200), st.floats(0.5, 8), st.floats(0.1, 1), st.integers(0, 10**6))
def test_a_flood_of_news_makes_nobody_wait_longer_than_his_share_of_the_looks_allows(
    jobs: int, rate: float, news: float, seed: int
) -> None:
    oldest, bound = oldest_of(jobs, rate, news, seed)
    assert oldest <= ROUND_EVERY * bound


def test_where_the_budget_is_short_a_free_request_is_a_look_before_its_time() -> None:
    made = docket(10_000)
    assert made.hungry
    for turn in made:
        made.looked(turn, RUNNING, 0.0, 0.5)
    assert made.take(14.9) is None
    assert made.take(15.0) is not None
    idle = docket(10)
    assert not idle.hungry
