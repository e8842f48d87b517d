from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.strategies import NOW
from watcher.core.breaker import (
    OPENINGS,
    OPENS_AFTER,
    TABLE,
    Breaker,
    BreakerState,
    Sign,
    at_time,
    enabled,
    fallback_due,
    for_target,
    heard,
)
from watcher.core.delivery import LONGEST_RETRY_AFTER, Failure, FlushId, Outcome, Receipt

MINUTE = timedelta(minutes=1)
WELL = Breaker(receiver="team", target="t")
PASSING = Failure(error="503")
HELD_OFF = Failure(error="429", pauses=True)
GONE = Failure(error="410 gone", permanent=True, pauses=True, disables=True)
REFUSED = Failure(error="too long", permanent=True)


def after(breaker: Breaker, *outcomes: Outcome | tuple[str, Outcome]) -> Breaker:
    for number, told in enumerate(outcomes):
        flush, outcome = told if isinstance(told, tuple) else (f"m{number}", told)
        breaker = heard(at_time(breaker, NOW), FlushId(flush), outcome, NOW)
    return breaker


def test_the_table_is_total() -> None:
    assert set(TABLE) == set(product(BreakerState, Sign))


def test_only_a_person_leads_out_of_disabled() -> None:
    out = {sign for sign in Sign if TABLE[BreakerState.DISABLED, sign] is not BreakerState.DISABLED}
    assert out == {Sign.ENABLED}
    assert enabled(after(WELL, GONE)) == WELL


def test_what_is_gone_is_gone_from_every_state() -> None:
    assert {TABLE[state, Sign.GONE] for state in BreakerState} == {BreakerState.DISABLED}


def test_one_message_that_fails_opens_nothing_however_often() -> None:
    found = after(WELL, *(("poison", PASSING) for _ in range(20)))
    assert (found.state, found.since, found.failed) == (BreakerState.CLOSED, NOW, ("poison",))


def test_several_messages_that_fail_in_a_row_open_it() -> None:
    states = [after(WELL, *[PASSING] * number).state for number in range(1, OPENS_AFTER + 1)]
    assert states == [*[BreakerState.CLOSED] * (OPENS_AFTER - 1), BreakerState.OPEN]


@pytest.mark.parametrize("outcome", [Receipt(), REFUSED], ids=["taken", "refused alone"])
def test_whoever_answers_a_message_is_there(outcome: Outcome) -> None:
    assert after(WELL, PASSING, PASSING, outcome) == WELL
    assert after(WELL, PASSING, PASSING, outcome, PASSING).state is BreakerState.CLOSED


def test_a_far_side_that_says_wait_is_left_alone_as_long_as_it_says_but_no_longer_than_an_hour() -> None:
    waits = [timedelta(seconds=45), timedelta(days=9)]
    found = [after(WELL, replace(HELD_OFF, retry_after=wait)).until for wait in waits]
    assert found == [NOW + waits[0], NOW + LONGEST_RETRY_AFTER]


def test_each_opening_in_a_row_is_longer_and_the_last_one_repeats() -> None:
    breaker, now, lengths = WELL, NOW, []
    for number in range(len(OPENINGS) + 2):
        breaker = heard(at_time(breaker, now), FlushId(f"m{number}"), HELD_OFF, now)
        assert breaker.until is not None
        lengths.append(breaker.until - now)
        now = breaker.until
    assert lengths == [*OPENINGS, OPENINGS[-1], OPENINGS[-1]]
    assert after(replace(breaker, until=NOW), Receipt()) == WELL


def test_what_fails_while_it_is_open_does_not_prolong_it() -> None:
    opened = after(WELL, replace(HELD_OFF, retry_after=MINUTE))
    assert heard(opened, FlushId("card"), HELD_OFF, NOW + MINUTE / 2) == opened
    assert heard(opened, FlushId("card"), GONE, NOW + MINUTE / 2).state is BreakerState.DISABLED


def test_when_the_time_is_up_one_message_is_tried() -> None:
    opened = after(WELL, replace(HELD_OFF, retry_after=MINUTE))
    assert at_time(opened, NOW + MINUTE - timedelta(seconds=1)) == opened
    half = at_time(opened, NOW + MINUTE)
    assert (half.state, half.until, half.shut) == (BreakerState.HALF_OPEN, None, False)
    assert at_time(half, NOW + MINUTE) == half
    assert heard(half, FlushId("x"), PASSING, NOW).state is BreakerState.OPEN
    assert heard(half, FlushId("x"), Receipt(), NOW) == WELL
    assert opened.shut


def test_another_configuration_begins_anew_and_the_same_goes_on() -> None:
    gone = after(WELL, GONE)
    assert for_target(gone, "team", "t") is gone
    assert for_target(gone, "team", "other") == Breaker(receiver="team", target="other")
    assert for_target(None, "team", "t") == WELL


def test_the_fallback_is_due_when_nothing_got_through_for_long_and_again_as_long_after() -> None:
    assert fallback_due(WELL, MINUTE) is None
    failing = after(WELL, ("poison", PASSING))
    assert fallback_due(failing, MINUTE) == NOW + MINUTE
    assert fallback_due(replace(failing, told_at=NOW + 3 * MINUTE), MINUTE) == NOW + 4 * MINUTE
    assert fallback_due(after(failing, GONE), MINUTE) is None


@given(st.lists(st.sampled_from([Receipt(), PASSING, HELD_OFF, REFUSED])))
def test_without_a_410_there_is_always_a_next_try(outcomes: list[Outcome]) -> None:
    found = after(WELL, *outcomes)
    assert found.state is not BreakerState.DISABLED
    assert (found.until is not None) is (found.state is BreakerState.OPEN)
    assert at_time(found, NOW + LONGEST_RETRY_AFTER).shut is False
    if found.state is BreakerState.CLOSED and found.since is None:
        assert found == WELL
