"""When an answer is older than what is held, and when a date belongs to what was told without one."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.core.strategies import CAUSE, REF, at, job
from tests.core.test_history import changes, past, watched
from watcher.core.diff import diff, job_end
from watcher.core.events import (
    JobFailed,
    JobHistoryCorrected,
    JobStatusChanged,
    Provenance,
    When,
    deterministic_id,
)
from watcher.core.history import reads_backwards
from watcher.core.model import JobSnapshot, StatusPeriod

LOOPS = past(("Queuing", -9), ("Running", 10), ("Restarting", 20), ("Running", 30))


@pytest.mark.parametrize(
    ("status", "listed", "old"),
    [
        ("Restarting", 2, True),  # the history lags behind the status, and both are old
        ("EnvPreparing", 2, False),  # nothing is known of this status: it is new
        ("Running", 1, False),  # the present status, with a history that lags
        ("Queuing", 1, True),
        ("Running", 2, True),
        ("Running", 4, False),
    ],
)
def test_an_answer_that_ends_where_the_job_has_been_is_old(status: str, listed: int, *, old: bool) -> None:
    held, _ = watched(job("Queuing", status_history=LOOPS[:1]), job("Running", seconds=40, status_history=LOOPS))
    assert reads_backwards(held.course, job(status, seconds=50, status_history=LOOPS[:listed])) is old


def queued_then_running() -> JobSnapshot:
    return job("Running", seconds=15, status_history=past(("Queuing", -9)))


@pytest.mark.parametrize(("ended", "old"), [(None, True), (12, False)])
def test_an_earlier_stay_that_goes_on_is_old_and_one_that_has_ended_is_not_the_present(
    ended: int | None, *, old: bool
) -> None:
    held, _ = watched(job("Queuing", status_history=past(("Queuing", -9))), queued_then_running())
    stay = StatusPeriod("Queuing", at(-9), None if ended is None else at(ended))
    assert reads_backwards(held.course, job("Queuing", seconds=30, status_history=(stay,))) is old


@pytest.mark.parametrize(("start", "old"), [(-20, True), (-9, True), (-8, False)])
def test_what_began_before_our_time_is_old_though_it_was_never_seen(start: int, *, old: bool) -> None:
    held, _ = watched(job("Queuing", status_history=past(("Queuing", -9))))
    assert reads_backwards(held.course, job("Creating", status_history=past(("Creating", start)))) is old


def corrections(told: list[object]) -> list[JobHistoryCorrected]:
    return [event for event in told if isinstance(event, JobHistoryCorrected)]


@pytest.mark.parametrize(("start", "mended"), [(-121, False), (-120, True), (200, True), (320, True), (321, False)])
def test_a_date_within_the_two_looks_and_the_leeway_of_the_clocks_is_the_one_that_was_missing(
    start: int, *, mended: bool
) -> None:
    _, told = watched(
        job("Queuing"),
        job("Running", seconds=200),
        job("Running", seconds=400, status_history=past(("Queuing", -300), ("Running", start))),
    )
    assert [event.occurred_at for event in corrections(list(told))] == ([at(start)] if mended else [])


def test_a_date_may_be_the_second_of_the_neighbours() -> None:
    history = past(("Queuing", -9), ("EnvPreparing", 20), ("Running", 20))
    _, told = watched(
        job("Queuing", status_history=history[:1]),
        job("EnvPreparing", seconds=15, status_history=history[:1]),
        job("Running", seconds=30, status_history=(history[0], history[2])),
        job("Running", seconds=45, status_history=history),
    )
    assert [(event.status, event.occurred_at) for event in corrections(list(told))] == [("EnvPreparing", at(20))]
    floor = past(("Queuing", 10), ("Running", 10))
    _, told = watched(
        job("Creating", status_history=past(("Creating", -9))),
        job("Queuing", seconds=11, status_history=(*past(("Creating", -9)), floor[0])),
        job("Running", seconds=15, status_history=(*past(("Creating", -9)), floor[0])),
        job("Running", seconds=30, status_history=(*past(("Creating", -9)), *floor)),
    )
    assert [(event.status, event.occurred_at) for event in corrections(list(told))] == [("Running", at(10))]


def test_a_run_that_only_the_running_time_shows_may_begin_in_the_second_of_the_look_before() -> None:
    _, told = watched(job("Queuing"), job("Failed", seconds=60, running_at=at(0), failed_at=at(50)))
    assert changes(told) == [("Queuing", "Running", at(0)), ("Running", "Failed", at(50))]


def test_a_run_that_only_the_running_time_showed_is_not_taken_for_one_from_before_our_time() -> None:
    _, told = watched(
        job("Queuing"),
        job("Failed", seconds=60, running_at=at(20), failed_at=at(50)),
        job("Failed", seconds=75, running_at=at(20), failed_at=at(50), status_history=past(("Running", -500))),
    )
    assert corrections(list(told)) == []


def test_what_dlc_dates_to_the_second_of_our_look_came_after_what_we_saw_then() -> None:
    _, told = watched(
        job("Queuing", status_history=past(("Queuing", -9))),
        job("EnvPreparing", seconds=10.5, status_history=past(("Queuing", -9))),
        job("Running", seconds=15, status_history=past(("Queuing", -9), ("Running", 10))),
    )
    named = [(event.new_status, event.filled_in) for event in told if isinstance(event, JobStatusChanged)]
    assert named == [("EnvPreparing", False), ("Running", False)]


def test_a_correction_is_an_event_like_others_with_a_date_the_look_and_the_cause() -> None:
    _, told = watched(
        job("Queuing", status_history=past(("Queuing", -9))),
        job("Running", seconds=15, status_history=past(("Queuing", -9))),
        job("Running", seconds=30, status_history=past(("Queuing", -9), ("Running", 10))),
    )
    changed, corrected = told
    assert corrected.id == deterministic_id("job.history_corrected", REF, changed.id)
    assert (corrected.cause, corrected.when) == (
        CAUSE,
        When(observed_at=at(30), occurred_at=at(10), not_before=at(0), provenance=Provenance.REPORTED),
    )


def test_a_change_without_a_date_is_known_by_the_version_it_was_told_from() -> None:
    """The stored ids are made like this; another scheme would tell such changes again."""
    (event,) = diff(job(sub_status=""), job(sub_status="Restarting"), ordinal=7, cause=CAUSE)
    assert event.id == deterministic_id("job.sub_status_changed", REF, 7, "", "Restarting")
    (event,) = diff(job(priority=1), job(priority=2), ordinal=7, cause=CAUSE)
    assert event.id == deterministic_id("job.priority_changed", REF, 7, 1, 2)


def test_a_job_that_ended_in_the_second_it_was_made_lived_for_no_time() -> None:
    when = When(observed_at=at(9), occurred_at=at(0))
    end = job_end(job("Failed", created_at=at(0)), when=when, cause=CAUSE, key="k")
    assert isinstance(end, JobFailed)
    assert end.lived == timedelta(0)


def test_the_present_begins_where_its_forerunner_ended() -> None:
    closed = past(("Queuing", -9), ("EnvPreparing", 5))
    closed = (*closed[:1], StatusPeriod("EnvPreparing", at(5), at(12)))
    _, told = watched(
        job("Queuing", status_history=closed[:1]), job("Running", seconds=15, status_history=closed, running_at=at(14))
    )
    assert changes(told) == [("Queuing", "EnvPreparing", at(5)), ("EnvPreparing", "Running", at(12))]


@pytest.mark.parametrize(
    ("status", "members", "expected"),
    [
        ("Bidding", {"submitted_at": at(5)}, None),  # it is submitted before it bids
        ("Queuing", {"submitted_at": at(5)}, at(5)),
        ("Queuing", {"submitted_at": at(5), "running_at": at(5)}, None),  # it waits again
        ("Queuing", {"submitted_at": at(5), "running_at": at(4)}, at(5)),
    ],
)
def test_the_time_of_submission_dates_the_first_wait_alone(status: str, members: dict[str, Any], expected: Any) -> None:
    _, told = watched(job("Creating"), job(status, seconds=15, **members))
    assert changes(told)[-1][1:] == (status, expected)


def test_a_time_that_was_known_before_is_that_of_an_earlier_stay() -> None:
    _, told = watched(
        job("EnvPreparing", running_at=at(-5)),
        job("Running", seconds=15, running_at=at(-5)),
    )
    assert changes(told) == [("EnvPreparing", "Running", None)]
