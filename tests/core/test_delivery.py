from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.strategies import NOW
from watcher.core.delivery import (
    BACKOFF,
    BY_HAND,
    DROPPABLE,
    GIVE_UP_AFTER,
    LEGAL,
    LONGEST_RETRY_AFTER,
    MOST_BLIND_ATTEMPTS,
    RETRIABLE,
    TERMINAL_STATES,
    Delivery,
    DeliveryId,
    DeliveryReason,
    DeliveryState,
    Failure,
    FlushId,
    Receipt,
    Settlement,
    dropped,
    settle,
    taken_up,
)
from watcher.core.events import CauseId, EventId
from watcher.core.recipients import Acceptance, RecipientOutcome
from watcher.core.rule import Notification, NotificationId, Severity

SECOND = timedelta(seconds=1)


def settled(
    outcome: Receipt | Failure, attempt: int = 1, jitter: float = 1.0, since: timedelta = timedelta(0)
) -> Settlement:
    return settle(outcome, attempt=attempt, first_attempt_at=NOW - since, now=NOW, jitter=jitter)


# --- the life as a table ------------------------------------------------------------------------------------------------------


def test_the_table_of_a_deliverys_life_is_total() -> None:
    assert set(LEGAL) == set(DeliveryState)
    assert {after for afters in LEGAL.values() for after in afters} <= set(DeliveryState)


def test_no_state_is_left_once_it_is_terminal_and_every_other_leads_to_an_end() -> None:
    for state in DeliveryState:
        assert (not LEGAL[state]) is (state in TERMINAL_STATES)
        reached, ahead = {state}, [state]
        while ahead:
            fresh = LEGAL[ahead.pop()] - reached
            reached |= fresh
            ahead += fresh
        assert reached & TERMINAL_STATES


# --- recipients that answer for themselves ---------------------------------------------------------------------------------

HAS_IT = RecipientOutcome("a@example.com", Acceptance.ACCEPTED)
NOT_NOW = RecipientOutcome("b@example.com", Acceptance.DEFERRED, "451 greylisted")
NEVER = RecipientOutcome("c@example.com", Acceptance.REFUSED, "550 no such user")


def test_what_somebody_has_and_somebody_else_may_yet_take_is_tried_again() -> None:
    partly = Receipt(note="not b yet", recipients=(HAS_IT, NOT_NOW), retry_after=timedelta(minutes=1))
    again = settled(partly)
    assert (again.state, again.reason) == (DeliveryState.RETRYING, DeliveryReason.TRANSIENT)
    assert (again.not_before, again.error) == (NOW + timedelta(minutes=1), "not b yet")


def test_what_everybody_has_or_refused_for_good_is_delivered() -> None:
    assert settled(Receipt(recipients=(HAS_IT, NEVER))).state is DeliveryState.DELIVERED


def test_when_the_time_is_up_what_somebody_has_is_delivered_with_the_names_of_the_others() -> None:
    last = settled(Receipt(note="not b", recipients=(HAS_IT, NOT_NOW)), since=GIVE_UP_AFTER)
    assert (last.state, last.error) == (DeliveryState.DELIVERED, "not b")


def test_what_a_person_may_do_is_a_total_table_and_reaches_nothing_that_is_on_its_way_or_told() -> None:
    assert set(BY_HAND) == set(DeliveryState)
    assert {state for state in DeliveryState if BY_HAND[state]} == RETRIABLE | DROPPABLE
    out_of_reach = {DeliveryState.SENDING, DeliveryState.DELIVERED, DeliveryState.FOLDED, DeliveryState.WITHHELD}
    assert not out_of_reach & (RETRIABLE | DROPPABLE)


def one_in(state: DeliveryState) -> Delivery:
    said = Notification(
        id=NotificationId("n1"),
        rule="job-failed",
        severity=Severity.CRITICAL,
        headline="failed",
        facts=(),
        detail="",
        event_id=EventId("e1"),
        kind="job.failed",
        at=NOW,
        observed_at=NOW,
        job=None,
        cause=CauseId("c"),
        labels=(),
    )
    return Delivery(
        id=DeliveryId("d1"),
        receiver="team",
        notification=said,
        group_key="g",
        thread_key="t",
        state=state,
        reason=DeliveryReason.EXPIRED,
        attempt=9,
        not_before=NOW,
        created_at=NOW - GIVE_UP_AFTER,
        first_attempt_at=NOW - GIVE_UP_AFTER,
        settled_at=NOW,
        flush_id=FlushId("f1"),
        error="503",
    )


@pytest.mark.parametrize("state", DeliveryState)
def test_what_is_taken_up_begins_a_new_row_of_attempts_under_its_own_id(state: DeliveryState) -> None:
    before = one_in(state)
    after = taken_up(before, "taken up again by ann", NOW)
    if state is not DeliveryState.DEAD:
        assert after is before
        return
    assert after.state in BY_HAND[state]
    assert (after.id, after.created_at, after.reason) == (before.id, before.created_at, DeliveryReason.RETRIED)
    assert (after.attempt, after.first_attempt_at, after.settled_at, after.flush_id) == (0, None, None, None)
    assert after.error == "taken up again by ann (before: 503)"


@pytest.mark.parametrize("state", DeliveryState)
def test_what_is_dropped_is_settled_and_says_who_and_why(state: DeliveryState) -> None:
    before = one_in(state)
    after = dropped(before, "dropped by ann: too late", NOW)
    if state not in {DeliveryState.DEAD, DeliveryState.PENDING, DeliveryState.RETRYING}:
        assert after is before
        return
    assert after.state in BY_HAND[state]
    assert (after.state, after.reason, after.settled_at) == (DeliveryState.WITHHELD, DeliveryReason.DROPPED, NOW)
    assert after.error == "dropped by ann: too late (before: 503)"
    assert dropped(replace(before, error=""), "dropped by ann", NOW).error == "dropped by ann"


# --- what follows from an outcome ---------------------------------------------------------------------------------------------

OUTCOMES = [
    Receipt(),
    Receipt(reference="1.2", note="one recipient refused"),
    *(
        Failure(error="x", permanent=permanent, ambiguous=ambiguous, retry_after=retry_after)
        for permanent in (False, True)
        for ambiguous in (False, True)
        for retry_after in (None, timedelta(0), SECOND, timedelta(days=9))
    ),
]

REASONS = {
    DeliveryState.DELIVERED: {DeliveryReason.ACCEPTED},
    DeliveryState.RETRYING: {DeliveryReason.TRANSIENT, DeliveryReason.UNKNOWN_OUTCOME},
    DeliveryState.DEAD: {DeliveryReason.PERMANENT, DeliveryReason.EXPIRED},
}


@pytest.mark.parametrize("outcome", OUTCOMES, ids=str)
def test_every_outcome_leads_from_sending_to_a_legal_state_with_a_fitting_reason(outcome: Receipt | Failure) -> None:
    attempts = (1, 2, len(BACKOFF), len(BACKOFF) + 1, 1000)
    ages = (timedelta(0), timedelta(hours=23), GIVE_UP_AFTER, timedelta(days=40))
    for attempt, since, jitter in product(attempts, ages, (0.0, 0.5, 1.0)):
        found = settled(outcome, attempt, jitter, since)
        assert found.state in LEGAL[DeliveryState.SENDING]
        assert found.reason in REASONS[found.state]
        assert (found.not_before is not None) is (found.state is DeliveryState.RETRYING)
        if found.not_before is not None:
            assert NOW < found.not_before <= NOW - since + GIVE_UP_AFTER
        if isinstance(outcome, Receipt):
            assert found.state is DeliveryState.DELIVERED
        else:
            assert found.state is not DeliveryState.DELIVERED
            assert found.error == "x"


def test_a_receipts_note_is_kept() -> None:
    assert settled(Receipt(note="one recipient refused")).error == "one recipient refused"


def test_a_permanent_failure_is_dead_at_once() -> None:
    found = settled(Failure(error="channel_not_found", permanent=True, ambiguous=True, retry_after=SECOND))
    assert (found.state, found.reason) == (DeliveryState.DEAD, DeliveryReason.PERMANENT)


def test_an_outcome_nobody_knows_is_tried_again_and_says_so() -> None:
    assert settled(Failure(error="reset", ambiguous=True)).reason is DeliveryReason.UNKNOWN_OUTCOME
    assert settled(Failure(error="503")).reason is DeliveryReason.TRANSIENT


def test_the_wait_grows_step_by_step_and_its_last_step_repeats() -> None:
    waits = []
    for attempt in range(1, len(BACKOFF) + 3):
        found = settled(Failure(error="x"), attempt)
        assert found.not_before is not None
        waits.append(found.not_before - NOW)
    assert waits == [*BACKOFF, BACKOFF[-1], BACKOFF[-1]]


@given(st.floats(0, 1), st.integers(1, 20))
def test_the_wait_lies_between_half_and_the_whole_of_its_step(jitter: float, attempt: int) -> None:
    step = BACKOFF[min(attempt, len(BACKOFF)) - 1]
    found = settled(Failure(error="x"), attempt, jitter)
    assert found.not_before is not None
    assert step / 2 <= found.not_before - NOW <= step


@pytest.mark.parametrize(
    ("wish", "wait"),
    [(timedelta(0), SECOND), (30 * SECOND, 30 * SECOND), (timedelta(days=1), LONGEST_RETRY_AFTER)],
)
def test_the_far_sides_wish_is_honoured_where_it_is_longer_and_reasonable(wish: timedelta, wait: timedelta) -> None:
    assert settled(Failure(error="429", retry_after=wish)).not_before == NOW + wait


def test_a_failure_that_nobody_explains_is_given_up_after_so_many_attempts() -> None:
    found = [settled(Failure(error="x", ambiguous=True, most_attempts=MOST_BLIND_ATTEMPTS), n) for n in (9, 10, 11)]
    assert [one.state for one in found] == [DeliveryState.RETRYING, DeliveryState.DEAD, DeliveryState.DEAD]
    assert found[1].reason is DeliveryReason.EXPIRED


def test_it_is_given_up_when_the_next_try_would_come_after_a_day() -> None:
    hour = timedelta(hours=1)
    assert settled(Failure(error="x"), 99, since=GIVE_UP_AFTER - hour).state is DeliveryState.RETRYING
    late = settled(Failure(error="x"), 99, since=GIVE_UP_AFTER - hour + SECOND)
    assert (late.state, late.reason, late.error) == (DeliveryState.DEAD, DeliveryReason.EXPIRED, "x")
