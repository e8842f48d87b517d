from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.core.strategies import NOW, at
from watcher.core.model import JobId, JobRef, SourceName
from watcher.core.pacing import (
    LONGEST_BACKOFF,
    LONGEST_SOURCE_BACKOFF,
    REACTION,
    RECOVERY,
    SLOWEST,
    Pace,
    TokenBucket,
    answered,
    backoff,
    due,
    full_pace,
    hold,
    next_poll,
    permit,
    spare,
    take,
    throttled,
    unanswered,
)

SECOND = timedelta(seconds=1)
NOTHING = timedelta(0)


# --- the bucket ---------------------------------------------------------------------------------------------------------------


def test_what_was_saved_up_is_given_at_once_and_then_the_rate_holds() -> None:
    bucket = TokenBucket(rate=2, burst=3, level=3, at=NOW)
    waits = []
    for _ in range(6):
        bucket, wait = take(bucket, NOW)
        waits.append(wait / SECOND)
    assert waits == [0, 0, 0, 0.5, 1.0, 1.5]


def test_tokens_grow_with_time_up_to_the_burst() -> None:
    empty = TokenBucket(rate=2, burst=3, level=0, at=NOW)
    assert take(empty, at(0.5))[0].level == 0
    assert take(empty, at(3600))[0].level == 2


def test_a_clock_that_went_back_adds_nothing_and_forgets_nothing() -> None:
    bucket = TokenBucket(rate=1, burst=1, level=0, at=NOW)
    back, wait = take(bucket, at(-100))
    assert (back.level, back.at, wait) == (-1, NOW, SECOND)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.floats(0, 3), min_size=1, max_size=40), st.floats(0.1, 50), st.floats(1, 20))
def test_no_more_is_sent_than_rate_and_burst_allow(gaps: list[float], rate: float, burst: float) -> None:
    bucket, now, sent = TokenBucket(rate, burst, burst, NOW), NOW, []
    for gap in gaps:
        now += timedelta(seconds=gap)
        bucket, wait = take(bucket, now)
        assert wait >= NOTHING
        sent.append(now + wait)
    assert sent == sorted(sent), "served in the order asked"
    for first, start in enumerate(sent):
        for number, end in enumerate(sent[first:], start=1):
            assert number <= burst + rate * ((end - start) / SECOND) + 1 + 1e-3


# --- the pace -----------------------------------------------------------------------------------------------------------------


def test_a_source_starts_at_the_configured_rate_with_a_second_saved_up() -> None:
    pace = full_pace(5, NOW)
    assert (pace.rate, pace.ceiling, pace.bucket.burst) == (5, 5, 5)
    assert full_pace(0.1, NOW).bucket.burst == 1
    assert full_pace(5, NOW, burst=20).bucket.level == 20


def test_a_permit_waits_for_its_token() -> None:
    pace = full_pace(1, NOW)
    pace, first = permit(pace, NOW)
    pace, second = permit(pace, NOW)
    assert (first, second) == (NOTHING, SECOND)


def test_what_is_spare_delays_nobody() -> None:
    pace = full_pace(2, NOW)
    assert spare(pace, NOW) == timedelta(0)
    for _ in range(2):
        pace, _ = permit(pace, NOW)
    assert spare(pace, NOW) == timedelta(seconds=0.5)
    for _ in range(4):
        pace, _ = permit(pace, NOW)
    assert spare(pace, NOW) == timedelta(seconds=2.5)
    assert spare(pace, at(2.5)) == timedelta(0)
    assert spare(hold(full_pace(2, NOW), NOW, timedelta(seconds=7)), NOW) == timedelta(seconds=7)


def test_throttling_halves_the_rate_and_holds_the_account_back_as_asked() -> None:
    pace = throttled(full_pace(8, NOW), NOW, timedelta(seconds=30))
    assert pace.rate == 4
    assert permit(pace, NOW)[1] == timedelta(seconds=30)
    assert permit(pace, at(20))[1] == timedelta(seconds=10)
    assert permit(pace, at(31))[1] == NOTHING


def test_those_who_waited_for_a_hold_to_end_are_let_go_at_the_rate() -> None:
    pace = throttled(full_pace(8, NOW), NOW, timedelta(seconds=30))
    waits = []
    for _ in range(5):
        pace, wait = permit(pace, at(10))
        waits.append(wait / SECOND)
    assert waits == [20, 20.25, 20.5, 20.75, 21]


def test_throttling_without_a_wish_only_slows_down() -> None:
    pace = throttled(full_pace(8, NOW), NOW)
    assert (pace.rate, pace.blocked_until) == (4, None)


def test_a_later_shorter_wish_does_not_end_an_earlier_longer_one() -> None:
    pace = throttled(full_pace(8, NOW), NOW, timedelta(seconds=30))
    assert throttled(pace, at(10), SECOND).blocked_until == at(30)
    assert throttled(pace, at(40)).blocked_until is None


def test_no_more_is_saved_up_than_a_second_is_worth_at_the_present_rate() -> None:
    pace = throttled(throttled(full_pace(8, NOW), NOW), at(3))
    assert (pace.rate, pace.bucket.burst, pace.bucket.level) == (2, 2, 2)
    waits = []
    for _ in range(4):
        pace, wait = permit(pace, at(60))
        waits.append(wait / SECOND)
    assert waits == [0, 0, 0.5, 1.0]
    for _ in range(5):
        pace = throttled(pace, at(70 + 3 * _))
    assert (pace.rate, pace.bucket.burst) == (0.125, 1)
    assert answered(pace, at(1000)).bucket.burst == 8


def test_answers_throttled_together_are_one_signal() -> None:
    pace = full_pace(8, NOW)
    for _ in range(16):
        pace = throttled(pace, NOW, SECOND)
    assert pace.rate == 4
    just_before = NOW + REACTION - timedelta(microseconds=1)
    assert throttled(pace, just_before).rate == 4
    assert throttled(pace, NOW + REACTION).rate == 2


def test_a_hold_is_no_quiet_time_that_earns_the_rate_back() -> None:
    pace = throttled(full_pace(8, NOW), NOW, RECOVERY)
    assert answered(pace, NOW + RECOVERY).rate == 4
    assert answered(pace, NOW + RECOVERY * 2).rate == pytest.approx(8)
    assert answered(pace, NOW + SECOND).rate == 4, "of a question that was under way"


def test_quiet_time_gives_the_rate_back_slowly_near_the_rate_that_was_throttled_and_fast_beyond() -> None:
    start = replace(full_pace(64, NOW), bucket=TokenBucket(8, 8, 8, NOW))
    pace = throttled(start, NOW)
    rates = [answered(pace, NOW + RECOVERY * part).rate for part in (0.0, 0.25, 0.5, 1.0, 1.5, 2.0, 3.0)]
    assert rates == pytest.approx([4, 6.3125, 7.5, 8, 8.5, 12, 40])
    assert answered(pace, NOW + RECOVERY * 9).rate == 64
    assert answered(pace, at(-60)).rate == 4
    assert answered(full_pace(8, NOW), at(60)) == full_pace(8, NOW)


def test_a_rate_that_was_never_throttled_stays() -> None:
    slow = replace(full_pace(8, NOW), bucket=TokenBucket(2, 8, 8, NOW))
    assert answered(slow, at(600)).rate == 2


def test_against_a_limit_that_nobody_knows_less_than_one_answer_in_a_hundred_is_throttled() -> None:
    for limit in (2.0, 7.0, 15.0):
        pace, tokens, now, asked, refused = full_pace(20, NOW), limit, NOW, 0, 0
        for number in range(20_000):
            pace, wait = permit(pace, now)
            now += wait
            tokens = min(limit, tokens + limit * (wait / SECOND))
            if tokens >= 1:
                tokens -= 1
                pace = answered(pace, now)
            else:
                pace = throttled(pace, now)
                refused += number >= 2000
            asked += number >= 2000
        assert refused / asked < 0.01
        assert 0.75 * limit < asked / ((now - NOW) / SECOND) < 1.3 * limit


def test_many_answers_give_back_no_more_than_few() -> None:
    pace = many = throttled(full_pace(8, NOW), NOW)
    for second in range(1, 16):
        many = answered(many, at(second))
    assert many.rate == pytest.approx(answered(pace, at(15)).rate)


def test_tokens_earned_before_a_change_of_rate_were_earned_at_the_old_one() -> None:
    pace = replace(full_pace(8, NOW), bucket=TokenBucket(8, 8, 0, NOW))
    assert throttled(pace, at(0.5)).bucket.level == 4


@settings(deadline=None, max_examples=100)
@given(
    st.lists(st.tuples(st.sampled_from(["throttled", "answered", "unanswered"]), st.floats(0, 60)), max_size=40),
    st.floats(0.1, 100),
)
def test_the_rate_stays_within_its_bounds_and_recovers(turns: list[tuple[str, float]], ceiling: float) -> None:
    pace, now = full_pace(ceiling, NOW), NOW
    for word, gap in turns:
        now += timedelta(seconds=gap)
        pace = _turn(pace, word, now)
        assert ceiling / SLOWEST <= pace.rate <= ceiling
    assert answered(pace, now + 6 * RECOVERY).rate == pytest.approx(ceiling)


def _turn(pace: Pace, word: str, now: object) -> Pace:
    if word == "throttled":
        return throttled(pace, now, SECOND)  # type: ignore[arg-type]
    return answered(pace, now) if word == "answered" else unanswered(pace, now, 3, 0.5)  # type: ignore[arg-type]


def test_a_source_that_does_not_answer_is_left_alone_for_at_most_a_minute() -> None:
    pace = full_pace(5, NOW)
    assert unanswered(pace, NOW, 1, 1.0).blocked_until == at(2)
    assert unanswered(pace, NOW, 1, 0.0).blocked_until == at(1)
    assert unanswered(pace, NOW, 99, 1.0).blocked_until == NOW + LONGEST_SOURCE_BACKOFF
    assert unanswered(pace, NOW, 99, 1.0).rate == 5


# --- one job ------------------------------------------------------------------------------------------------------------------


def test_failures_in_a_row_double_the_wait_up_to_five_minutes() -> None:
    waits = [backoff(failures, 1.0) / SECOND for failures in range(11)]
    assert waits == [0, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]
    assert backoff(10**9, 1.0) == LONGEST_BACKOFF
    assert backoff(3, 0.0) == timedelta(seconds=4)
    assert backoff(-1, 0.5) == NOTHING


@pytest.mark.parametrize(("jitter", "seconds"), [(0.0, 13.5), (0.5, 15), (1.0, 16.5)])
def test_a_job_is_asked_about_again_after_its_time_a_tenth_early_to_a_tenth_late(jitter: float, seconds: float) -> None:
    found = next_poll(NOW, poll_every=15 * SECOND, live_jobs=3, rate=5, jitter=jitter)
    assert (found - NOW) / SECOND == pytest.approx(seconds)


def test_more_jobs_than_the_budget_serves_in_time_are_asked_more_rarely() -> None:
    assert next_poll(NOW, poll_every=15 * SECOND, live_jobs=1000, rate=5, jitter=0.5) == at(200)
    assert next_poll(NOW, poll_every=15 * SECOND, live_jobs=75, rate=5, jitter=0.5) == at(15)


def ref(name: str) -> JobRef:
    return JobRef(SourceName("s"), JobId(name))


def test_the_longest_overdue_are_asked_first_and_no_more_than_wanted() -> None:
    jobs = [(ref("c"), at(-1)), (ref("b"), at(-9)), (ref("d"), at(1)), (ref("a"), at(-1)), (ref("e"), NOW)]
    assert due(jobs, NOW, 10) == (ref("b"), ref("a"), ref("c"), ref("e"))
    assert due(jobs, NOW, 2) == (ref("b"), ref("a"))
    assert due(jobs, NOW, 0) == ()
    assert due({ref("x"): NOW}.items(), NOW, 1) == (ref("x"),)
