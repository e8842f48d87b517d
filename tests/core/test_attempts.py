"""Attempts by hand, and against thousands of made-up lives: in order, as many as were counted, and never a time that was not so."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watcher.core.attempts import (
    MOST_ATTEMPTS,
    AttemptCause,
    AttemptEnd,
    JobAttempt,
    attempts,
    cause_of_end,
    first_ran_at,
    revivals,
    timeline,
)
from watcher.core.history import baseline, follow
from watcher.core.incarnations import lives, pods_by_id
from watcher.core.model import (
    Course,
    JobId,
    JobRef,
    JobSnapshot,
    PodSnapshot,
    RestartCause,
    RestartCount,
    RestartRecord,
    SourceName,
    StatusEntry,
    StatusPeriod,
)
from watcher.testing.lives import Life, View, answer, moment, random_life, random_view

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
REF = JobRef(SourceName("hz"), JobId("dlc1"))
SUCH = AttemptCause


def at(second: float) -> datetime:
    return NOON + timedelta(seconds=second)


def job(status: str = "Running", restarts: str = "", **members: Any) -> JobSnapshot:
    return JobSnapshot(
        ref=REF,
        observed_at=at(9000),
        status=status,
        restarts=RestartCount.parse(restarts),
        **({"created_at": at(0)} | members),
    )


def periods(*stays: tuple[str, int], reason: str = "") -> tuple[StatusPeriod, ...]:
    """Of a StatusHistory that names the present status without its end; the reason is that of every Restarting."""
    ends = [at(second) for _, second in stays[1:]]
    return tuple(
        StatusPeriod(status, at(second), end, reason_code=reason if status == "Restarting" else "")
        for (status, second), end in zip(stays, [*ends, None], strict=True)
    )


ONCE = (
    ("Creating", 0),
    ("Queuing", 5),
    ("Running", 60),
    ("Restarting", 1000),
    ("EnvPreparing", 1100),
    ("Running", 1190),
)


def test_a_job_that_was_never_restarted_is_in_its_first_attempt() -> None:
    assert attempts(job("Queuing")) == (JobAttempt(number=1),)
    (only,) = attempts(job(restarts="0/10", status_history=periods(*ONCE[:3])))
    assert only == JobAttempt(number=1, of=11, started_at=at(60))
    assert (str(only), str(JobAttempt(number=2)), only.ran) == ("1 of 11", "2", None)


def test_the_first_run_is_dated_by_its_gmt_time_where_nothing_else_dates_it() -> None:
    course = Course((StatusEntry("Running", "#1", 1, at(70)),))
    assert first_ran_at(job(restarts="0/3", running_at=at(61)), course) == at(61)
    assert first_ran_at(job(restarts="1/3", running_at=at(61)), course) is None


def test_a_restart_ends_one_attempt_and_the_next_begins_when_it_runs_again() -> None:
    first, second = attempts(
        job(restarts="1/10", requested_gpu=8.0, status_history=periods(*ONCE, reason="NodeNotReady"))
    )
    assert (first.number, first.started_at, first.ended_at, first.end) == (1, at(60), at(1000), AttemptEnd.RESTARTED)
    assert (first.cause, first.ran, first.down) == (SUCH.NODE_FAULT, timedelta(seconds=940), None)
    assert (second.number, second.started_at, second.ended_at, second.end) == (2, at(1190), None, None)
    assert (second.down, second.cause) == (timedelta(seconds=190), None)
    assert second.gpu_hours_down == pytest.approx(8 * 190 / 3600)


def test_without_a_counter_the_statuses_count() -> None:
    assert [one.number for one in attempts(job(status_history=periods(*ONCE)))] == [1, 2]
    assert [one.number for one in attempts(job(restarts="many", status_history=periods(*ONCE)))] == [1, 2]


def test_without_a_counter_the_numbers_of_the_records_count() -> None:
    records = (RestartRecord("b", at(700), job_restart_count=3), RestartRecord("a", None, job_restart_count=1))
    found = attempts(job(restart_records=records))
    assert [one.ended_at for one in found] == [None, None, at(700), None]
    assert len(attempts(job(restarts="some", restart_records=records))) == 1


def test_a_restart_that_is_not_counted_yet_is_not_an_attempt_yet() -> None:
    first, second = attempts(job("Restarting", "1/10", status_history=periods(*ONCE, ("Restarting", 2000))))
    assert (first.ended_at, second.started_at, second.ended_at) == (at(1000), at(1190), None)


def test_where_restarts_left_no_trace_nothing_is_dated() -> None:
    found = attempts(job(restarts="3/10", status_history=periods(*ONCE)))
    assert [(one.started_at, one.ended_at) for one in found] == [(None, None)] * 4
    assert [one.cause for one in found] == [SUCH.UNKNOWN] * 3 + [None]


def test_records_date_what_the_statuses_do_not_show() -> None:
    history = periods(("Running", 60), ("Restarting", 1000), ("Running", 1190), ("Restarting", 5000), ("Running", 5100))
    records = tuple(
        RestartRecord(f"r{number}", at(second), "Job", job_restart_count=number, duration=timedelta(seconds=20))
        for number, second in ((2, 999), (4, 4990))
    )
    found = attempts(job(restarts="4/10", requested_gpu=1.0, status_history=history, restart_records=records))
    assert [one.ended_at for one in found] == [None, at(999), None, at(4990), None]
    assert [one.started_at for one in found] == [None, None, None, None, at(5100)]
    assert [one.down for one in found] == [None, None, timedelta(seconds=20), None, timedelta(seconds=110)]
    third = RestartRecord("r3", at(3000), job_restart_count=3)
    found = attempts(job(restarts="4/10", status_history=history, restart_records=(*records, third)))
    assert [one.started_at for one in found] == [None, None, at(1190), None, at(5100)]


def test_records_without_numbers_go_by_time_where_they_are_as_many_as_the_restarts() -> None:
    records = (RestartRecord("b", at(900), "job-level"), RestartRecord("a", at(300)), RestartRecord("c", at(5), "Pod"))
    assert [one.ended_at for one in attempts(job(restarts="2/5", restart_records=records))] == [at(300), at(900), None]
    assert [one.ended_at for one in attempts(job(restarts="3/5", restart_records=records))] == [None] * 4


def test_a_restart_of_single_pods_costs_nobody_knows_what() -> None:
    record = RestartRecord("a", at(300), "pod-level", job_restart_count=1, duration=timedelta(seconds=60))
    _, second = attempts(job(restarts="1/5", requested_gpu=8.0, restart_records=(record,)))
    assert (second.down, second.gpu_hours_down) == (timedelta(seconds=60), None)


def test_a_fall_from_running_is_a_restart_dated_by_the_end_of_the_run() -> None:
    history = periods(("Creating", 0), ("Running", 60), ("Queuing", 500), ("Running", 900))
    first, second = attempts(job(restarts="1/3", status_history=history))
    assert (first.ended_at, second.started_at) == (at(500), at(900))
    open_ended = tuple(replace(period, ended_at=None) for period in history)
    assert attempts(job(restarts="1/3", status_history=open_ended))[0].ended_at is None


def test_times_that_contradict_each_other_are_taken_for_unknown() -> None:
    records = (RestartRecord("a", at(900), job_restart_count=1), RestartRecord("b", at(300), job_restart_count=2))
    assert [one.ended_at for one in attempts(job(restarts="2/5", restart_records=records))] == [at(900), None, None]


def test_an_absurd_counter_makes_no_million_attempts() -> None:
    found = attempts(job(restarts="999999999/999999999"))
    assert (len(found), found[-1].number) == (MOST_ATTEMPTS, 1_000_000_000)


@pytest.mark.parametrize(
    ("status", "members", "expected"),
    [
        ("Succeeded", {}, (AttemptEnd.SUCCEEDED, SUCH.COMPLETED)),
        ("SucceededReserving", {}, (AttemptEnd.SUCCEEDED, SUCH.COMPLETED)),
        ("Failed", {"reason_message": "exit code 137"}, (AttemptEnd.FAILED, SUCH.PROCESS_FAILURE)),
        ("Stopped", {"reason_code": "JobStoppedByUser"}, (AttemptEnd.STOPPED, SUCH.USER)),
        ("Stopped", {}, (AttemptEnd.STOPPED, SUCH.UNKNOWN)),
    ],
)
def test_the_last_attempt_ends_with_the_job(status: str, members: dict[str, Any], expected: tuple[Any, Any]) -> None:
    history = periods(("Running", 60), (status, 700))
    (only,) = attempts(job(status, status_history=history, **members))
    assert (only.end, only.cause) == expected
    assert only.ended_at == at(700)


def test_an_attempt_ends_when_its_result_is_decided_and_not_when_its_machines_are_freed() -> None:
    history = periods(("Running", 60), ("FailedReserving", 700), ("Failed", 4300))
    assert attempts(job("Failed", status_history=history))[0].ended_at == at(700)
    unlisted = attempts(job("Failed", finished_at=at(4300)), Course((StatusEntry("Failed", "#1", 1, at(4310)),)))
    assert unlisted[0].ended_at == at(4300)
    both = (
        StatusEntry("FailedReserving", "#1", 1, at(710)),
        StatusEntry("Failed", "#1", 1, at(4310), started_at=at(4300)),
    )
    assert attempts(job("Failed", finished_at=at(4300)), Course(both))[0].ended_at is None


def test_a_job_that_came_alive_again_is_in_another_attempt() -> None:
    history = periods(("Running", 60), ("Failed", 700), ("Running", 800))
    snapshot = job(restarts="1/3", status_history=history)
    first, second = attempts(snapshot)
    assert (first.ended_at, second.started_at) == (at(700), at(800))
    assert revivals(baseline(snapshot)) == 1
    assert revivals(Course()) == 0


def test_a_course_goes_before_the_answers_own_history() -> None:
    course = Course(
        (StatusEntry("Queuing", "#1", 1, at(5)), StatusEntry("Running", "#1", 1, at(70), started_at=at(66)))
    )
    assert timeline(job(), course) == course.entries
    assert [entry.status for entry in timeline(job(status_history=periods(*ONCE[:3])), Course())] == [
        "Creating",
        "Queuing",
        "Running",
    ]


# --- causes ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("JobStoppedByUser", SUCH.USER),
        ("The spot instance was reclaimed", SUCH.SPOT_RECLAIMED),
        ("Job is preempted by a job of higher priority and evicted", SUCH.PREEMPTED),
        ("Pod was Evicted", SUCH.EVICTED),
        ("NodeNotReady", SUCH.NODE_FAULT),
        ("Xid 79: GPU has fallen off", SUCH.NODE_FAULT),
        ("worker-3 exited with 137", SUCH.PROCESS_FAILURE),
        ("OOMKilled", SUCH.PROCESS_FAILURE),
        ("JobFailed", SUCH.UNKNOWN),
        ("", SUCH.UNKNOWN),
    ],
)
def test_words_of_the_reason_tell_the_cause(text: str, expected: AttemptCause) -> None:
    assert cause_of_end(texts=(text,)) is expected
    assert cause_of_end(record=RestartRecord(reason=text)) is expected


def test_the_surest_evidence_goes_first() -> None:
    blamed = RestartRecord(reason="exit 1", causes=(RestartCause(node_blacklisted=True),))
    bystander = RestartRecord(causes=(RestartCause(error_code="XID", node_blacklisted=True, triggered_restart=False),))
    assert cause_of_end(texts=("preempted",), record=blamed, evicted=True) is SUCH.PREEMPTED
    assert cause_of_end(texts=("exit 1",), record=blamed, evicted=True) is SUCH.EVICTED
    assert cause_of_end(texts=("by user",), record=blamed) is SUCH.NODE_FAULT
    assert cause_of_end(texts=("evicted",), record=RestartRecord(reason="exit 1")) is SUCH.PROCESS_FAILURE
    assert cause_of_end(record=bystander, failed=True) is SUCH.PROCESS_FAILURE
    assert cause_of_end(texts=("evicted",), failed=True) is SUCH.EVICTED


def pod(name: str, uid: str, created: int | None, ended: int | None = None, **members: Any) -> PodSnapshot:
    times = {
        "created_at": None if created is None else at(created),
        "finished_at": None if ended is None else at(ended),
    }
    return PodSnapshot(name, uid, **times, **({"status": "Running", "role": "worker"} | members))


def test_a_pod_that_was_evicted_near_the_end_is_the_cause() -> None:
    def cause(ended: int | None) -> AttemptCause | None:
        former = pod("w0", "a", 50, ended, status="Failed", sub_status="Evicted")
        pods = (replace(pod("w0", "b", 1100), history=(former,)),)
        return attempts(job(restarts="1/10", status_history=periods(*ONCE), pods=pods))[0].cause

    assert (cause(990), cause(None), cause(200)) == (SUCH.EVICTED, SUCH.EVICTED, SUCH.UNKNOWN)


def test_nobody_knows_which_of_several_undated_restarts_an_eviction_brought_about() -> None:
    former = pod("w0", "a", 50, 990, status="Failed", sub_status="Evicted")
    pods = (replace(pod("w0", "b", 1100), history=(former,)),)
    assert [one.cause for one in attempts(job(restarts="1/9", pods=pods))] == [SUCH.EVICTED, None]
    assert [one.cause for one in attempts(job(restarts="2/9", pods=pods))] == [SUCH.UNKNOWN, SUCH.UNKNOWN, None]


def test_pods_belong_to_the_attempt_in_which_they_began() -> None:
    early = replace(
        pod("w1", "b", 998),  # created a moment before the job was called Restarting
        history=(pod("w1", "a", 50, 990, status="Failed"), pod("w1", "0", 40, 45, status="Succeeded")),
    )
    undated = replace(pod("w2", "y", None), history=(pod("w2", "x", None, status="Strange"),))
    stays = pod("w0", "s", 55)
    first, second = attempts(job(restarts="1/10", status_history=periods(*ONCE), pods=(undated, stays, early)))
    told = {one.pod_id: [(each.key.incarnation, each.cause) for each in one.incarnations] for one in first.pods}
    assert told == {
        "w0": [("s", None)],
        "w1": [("0", SUCH.COMPLETED), ("a", SUCH.PROCESS_FAILURE)],
        "w2": [("x", SUCH.UNKNOWN)],
    }
    assert {one.pod_id: [each.key.incarnation for each in one.incarnations] for one in second.pods} == {
        "w1": ["b"],
        "w2": ["y"],
    }
    assert first.pods[1].role == "worker"
    assert (second.pods[0].incarnations[0].started_at, second.pods[0].incarnations[0].ended_at) == (at(998), None)


def test_a_live_pod_is_in_the_present_attempt_when_nothing_dates_the_attempts() -> None:
    found = attempts(job(restarts="2/10", pods=(pod("w0", "a", 50, sub_status="Evicted"),)))
    assert [[each.pod_id for each in one.pods] for one in found] == [[], [], ["w0"]]
    assert found[2].pods[0].incarnations[0].cause is SUCH.EVICTED


# --- laws -----------------------------------------------------------------------------------------------------------------------


def watched(seed: int) -> tuple[Life, View, JobSnapshot, Course]:
    """A made-up life, looked at now and then by a course that follows it. Answers are fresh: `observation` sees to that."""
    dice = random.Random(seed)
    life, view = random_life(dice), random_view(dice)
    polls = sorted(dice.sample(range(life.length + 1), min(dice.randint(1, 12), life.length + 1)))
    held = answer(life, polls[0], view, dice)
    course = baseline(held)
    for second in polls[1:]:
        told = answer(life, second, view, dice)
        course, held = follow(course, held, told).course, told
    return life, view, held, course


SEEDS = st.integers(0, 2**32)


@given(SEEDS)
def test_attempts_are_in_order_do_not_overlap_and_are_as_many_as_were_counted(seed: int) -> None:
    _, _, held, course = watched(seed)
    found = attempts(held, course)
    assert [one.number for one in found] == list(range(1, len(found) + 1))
    times = [time for one in found for time in (one.started_at, one.ended_at) if time]
    assert times == sorted(times)
    if held.restarts.used is not None:
        assert len(found) == held.restarts.used + 1
    assert all(one.end is AttemptEnd.RESTARTED and one.cause for one in found[:-1])
    assert all(one.down is None or one.down >= timedelta(0) for one in found)


@given(SEEDS)
def test_no_time_is_made_up(seed: int) -> None:
    life, view, held, course = watched(seed)
    if not view.counter:  # the statuses that were seen may be fewer than the restarts: the numbers are our own then
        return
    restarts = {restart.number: restart.second for restart in life.restarts}
    again = [stay.began for stay in life.stays if stay.status == "Restarting"]
    for one in attempts(held, course)[:-1]:
        true = [
            restarts[one.number],
            *again[one.number - 1 : one.number],
        ]  # stopped at once, it is never seen Restarting
        assert one.ended_at is None or one.ended_at in map(moment, true)
    runs: dict[int, int] = {}
    for stay in life.stays:
        if stay.status == "Running":
            runs.setdefault(1 + sum(began < stay.began for began in again), stay.began)
    for one in attempts(held, course):
        assert one.started_at is None or one.started_at == moment(runs[one.number])


@given(SEEDS)
def test_every_incarnation_lies_in_exactly_one_pod_attempt(seed: int) -> None:
    _, _, held, course = watched(seed)
    placed = [each.key for one in attempts(held, course) for pod in one.pods for each in pod.incarnations]
    told = [(name, life.key.incarnation) for name, each in pods_by_id(held.pods).items() for life in lives(each)]
    assert sorted((key.pod_id, key.incarnation) for key in placed) == sorted(told)


@given(SEEDS, st.randoms(use_true_random=False))
def test_the_order_of_lists_means_nothing(seed: int, dice: random.Random) -> None:
    _, _, held, course = watched(seed)

    def shuffled(entries: Any) -> Any:
        return tuple(dice.sample(list(entries), len(entries)))

    other = replace(
        held,
        pods=shuffled([replace(each, history=shuffled(each.history)) for each in held.pods or ()]),
        status_history=shuffled(held.status_history),
        restart_records=shuffled(held.restart_records),
    )
    assert attempts(other, course) == attempts(held, course)
    assert attempts(other) == attempts(held)
