from __future__ import annotations

import sys
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.core.strategies import CAUSE, REF, at, job, pod, snapshots
from watcher.core.diff import diff, job_end
from watcher.core.events import (
    Event,
    JobFailed,
    JobPriorityChanged,
    JobReasonChanged,
    JobRestarted,
    JobStatusChanged,
    JobStopped,
    JobSubStatusChanged,
    JobSucceeded,
    PodVanished,
    Provenance,
    When,
)
from watcher.core.history import entered_phase_at
from watcher.core.model import JobSnapshot, PodSnapshot, RestartRecord, StatusPeriod
from watcher.core.observation import first_sight, look
from watcher.core.phases import JOB_PHASES, TERMINAL, Phase


def between(old: JobSnapshot, new: JobSnapshot, ordinal: int = 7) -> tuple[Event, ...]:
    return diff(old, new, ordinal=ordinal, cause=CAUSE)


def only(events: tuple[Event, ...]) -> Any:
    assert len(events) == 1, events
    return events[0]


# --- laws ---------------------------------------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=150)
@given(snapshots)
def test_nothing_happened_between_a_snapshot_and_itself(snapshot: JobSnapshot) -> None:
    assert between(snapshot, snapshot) == ()


@settings(deadline=None, max_examples=80)
@given(snapshots, st.integers(0, 10**6))
def test_clocks_alone_are_no_events(snapshot: JobSnapshot, seconds: int) -> None:
    length = timedelta(seconds=seconds)
    pods = snapshot.pods and tuple(replace(each, duration=length) for each in snapshot.pods)
    later = replace(
        snapshot, observed_at=snapshot.observed_at + length, duration=length, modified_at=at(seconds), pods=pods
    )
    assert between(snapshot, later) == ()


def shuffled(snapshot: JobSnapshot, dice: st.DataObject) -> JobSnapshot:
    def mix(entries: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(dice.draw(st.permutations(entries)))

    pods = snapshot.pods
    if pods is not None:
        pods = mix(tuple(replace(each, history=mix(each.history)) for each in pods))
    return replace(
        snapshot,
        pods=pods,
        settings=replace(snapshot.settings, tags=mix(snapshot.settings.tags)),
        status_history=mix(snapshot.status_history),
        restart_records=mix(snapshot.restart_records),
        replicas=mix(snapshot.replicas),
    )


@settings(deadline=None, max_examples=80)
@given(snapshots, snapshots, st.data())
def test_the_order_in_which_dlc_lists_things_means_nothing(
    old: JobSnapshot, new: JobSnapshot, dice: st.DataObject
) -> None:
    assert between(shuffled(old, dice), shuffled(new, dice)) == between(old, new)


@settings(deadline=None, max_examples=80)
@given(snapshots, snapshots)
def test_the_same_look_makes_the_same_ids_and_each_event_its_own(old: JobSnapshot, new: JobSnapshot) -> None:
    events = between(old, new)
    assert between(old, new) == events
    assert len({event.id for event in events}) == len(events)


def test_a_change_that_happens_twice_between_the_same_values_has_two_ids() -> None:
    script = ("Running", "Queuing", "Running", "Queuing")
    held = first_sight(job("Queuing"), now=at(0), cause=CAUSE, watching_since=None).watch
    ids = []
    for turn, status in enumerate(script, start=1):
        observed = look(held, job(status, seconds=turn), now=at(turn), cause=CAUSE)
        ids += [event.id for event in observed.events]
        held = observed.watch
    assert len(set(ids)) == len(ids) == len(script)


@settings(deadline=None, max_examples=80)
@given(snapshots, snapshots)
def test_every_event_knows_the_job_the_cause_and_both_looks(old: JobSnapshot, new: JobSnapshot) -> None:
    for event in between(old, new):
        assert event.cause == CAUSE
        assert event.job == REF
        assert event.when.observed_at == new.observed_at
        assert event.when.not_before in (old.observed_at, None)


# --- status -------------------------------------------------------------------------------------------------------------------


def test_a_status_change_carries_the_new_reason_and_no_reason_event_beside_it() -> None:
    old = job("Queuing", reason_code="JobEnqueued", reason_message="waiting")
    new = job("Running", seconds=15, reason_code="", reason_message="")
    event = only(between(old, new))
    assert isinstance(event, JobStatusChanged)
    assert (event.old_status, event.new_status) == ("Queuing", "Running")
    assert (event.old_phase, event.new_phase) == (Phase.PENDING, Phase.RUNNING)
    assert (event.reason_code, event.reason_message) == ("", "")
    assert event.when == When(observed_at=at(15), not_before=at(0))


def test_a_status_nobody_has_heard_of_is_told_as_it_is() -> None:
    event = only(between(job("Running"), job("Levitating")))
    assert (event.new_status, event.new_phase) == ("Levitating", Phase.UNKNOWN)


@pytest.mark.parametrize(
    ("status", "expected", "time"),
    [
        ("Succeeded", JobSucceeded, "succeeded_at"),
        ("Failed", JobFailed, "failed_at"),
        ("SubmitFailed", JobFailed, "failed_at"),
        ("Stopped", JobStopped, "stopped_at"),
        ("Succeeded", JobSucceeded, "finished_at"),
        ("Failed", JobFailed, "finished_at"),
        ("Stopped", JobStopped, "finished_at"),
    ],
)
def test_an_end_is_told_last_with_its_reason_and_the_length_of_the_life(
    status: str, expected: type[Event], time: str
) -> None:
    old = job("Running", created_at=at(-100))
    new = job(
        status,
        seconds=60,
        created_at=at(-100),
        reason_code="R",
        reason_message="because",
        priority=3,
        **{time: at(50)},
    )
    changed, *_, end = between(old, new)
    assert isinstance(changed, JobStatusChanged)
    assert isinstance(end, expected)
    assert (end.status, end.reason_code, end.reason_message) == (status, "R", "because")
    assert end.lived == timedelta(seconds=150)
    assert (end.when.occurred_at, end.when.provenance) == (at(50), Provenance.REPORTED)
    assert changed.when == end.when


def test_the_table_of_ends_covers_the_terminal_phases_and_no_other() -> None:
    for status, phase in JOB_PHASES.items():
        end = job_end(job(status), when=When(observed_at=at(0)), cause=CAUSE, key="#1")
        assert (end is not None) == (phase in TERMINAL), status


def test_another_word_for_the_same_end_is_not_a_second_end() -> None:
    assert [type(event) for event in between(job("SubmitFailed"), job("Failed"))] == [JobStatusChanged]


def test_a_life_that_would_have_ended_before_it_began_has_no_length() -> None:
    *_, end = between(job("Running"), job("Failed", seconds=5, created_at=at(60), failed_at=at(4)))
    assert isinstance(end, JobFailed)
    assert end.lived is None


@pytest.mark.parametrize(
    ("status", "members", "expected"),
    [
        ("Running", {"running_at": at(30)}, at(30)),
        ("Queuing", {"submitted_at": at(30)}, at(30)),
        ("EnvPreparing", {"submitted_at": at(30), "running_at": at(30)}, None),
        ("Failed", {"failed_at": at(30), "finished_at": at(31)}, at(30)),
        ("Failed", {"succeeded_at": at(30)}, None),
        ("Levitating", {"running_at": at(30)}, None),
    ],
)
def test_each_phase_has_its_own_time(status: str, members: dict[str, datetime], expected: datetime | None) -> None:
    assert entered_phase_at(job(status, **members)) == expected
    event = between(job("Creating"), job(status, seconds=60, **members))[0]
    assert event.when.occurred_at == expected
    assert event.when.provenance is (Provenance.OBSERVED if expected is None else Provenance.REPORTED)


@pytest.mark.parametrize(
    ("seconds", "believed"), [(-121, False), (-120, True), (0, True), (60, True), (180, True), (181, False)]
)
def test_a_time_is_believed_only_near_the_two_looks(seconds: int, believed: bool) -> None:
    event = between(job("Queuing"), job("Running", seconds=60, running_at=at(seconds)))[0]
    assert event.when.occurred_at == (at(seconds) if believed else None)


def test_the_status_history_dates_a_change_better_than_the_gmt_times() -> None:
    history = (
        StatusPeriod("Running", at(-5000), at(-4000)),  # an earlier stay
        StatusPeriod("Queuing", at(10), at(20)),
        StatusPeriod("Running", None),
        StatusPeriod("Running", at(20)),
        StatusPeriod("Running", at(15), at(16)),
    )
    event = between(job("Queuing"), job("Running", seconds=60, running_at=at(-5000), status_history=history))[0]
    assert (event.when.occurred_at, event.when.provenance) == (at(20), Provenance.REPORTED)


def test_an_end_that_contradicts_itself_is_told_once_and_as_the_status_says() -> None:
    moment = at(-(10**6))
    new = job(
        "Stopped",
        seconds=15,
        sub_status="Restarting",
        created_at=at(-(10**6) - 60),
        succeeded_at=moment,
        failed_at=moment,
        stopped_at=moment,
        finished_at=moment,
    )
    events = between(job("Running"), new)
    assert [type(event) for event in events] == [JobStatusChanged, JobSubStatusChanged, JobStopped]
    assert events[-1].when.occurred_at is None
    assert isinstance(events[-1], JobStopped)
    assert events[-1].lived == timedelta(seconds=60)


# --- fields -------------------------------------------------------------------------------------------------------------------


def test_a_reason_that_changes_while_the_status_stays_is_an_event() -> None:
    event = only(between(job(reason_code="A", reason_message="m"), job(reason_code="A", reason_message="n")))
    assert isinstance(event, JobReasonChanged)
    assert (event.old_code, event.new_code, event.old_message, event.new_message) == ("A", "A", "m", "n")


def test_a_sub_status_that_changes_is_an_event() -> None:
    event = only(between(job(), job(sub_status="Restarting")))
    assert isinstance(event, JobSubStatusChanged)
    assert (event.old_sub_status, event.new_sub_status) == ("", "Restarting")


def test_a_priority_that_changes_is_an_event() -> None:
    event = only(between(job(priority=1), job(priority=9)))
    assert isinstance(event, JobPriorityChanged)
    assert (event.old_priority, event.new_priority) == (1, 9)


# --- restarts -----------------------------------------------------------------------------------------------------------------


def restarted(old: JobSnapshot, new: JobSnapshot) -> list[JobRestarted]:
    events = between(old, new)
    found = [event for event in events if isinstance(event, JobRestarted)]
    assert len(found) == len(events)
    return found


def test_a_counter_that_leaps_by_two_is_two_restarts() -> None:
    reason = {"reason_code": "NodeFault", "reason_message": "the node went away"}
    first, second = restarted(job(restarts="1/10", **reason), job(restarts="3/10", seconds=15, **reason))
    assert (first.used, second.used, first.limit, first.count) == (2, 3, 10, 1)
    assert (first.reason_code, first.reason_message) == ("NodeFault", "the node went away")
    assert first.when == When(observed_at=at(15), not_before=at(0))


@pytest.mark.parametrize(
    ("old", "new"), [("3/10", "1/10"), ("1/10", "1/20"), ("odd", "3/10"), ("1/10", "odd"), ("1/10", ""), ("", "0/10")]
)
def test_nothing_is_counted_where_the_counter_did_not_readably_grow(old: str, new: str) -> None:
    assert restarted(job(restarts=old), job(restarts=new)) == []


def test_restarts_under_a_counter_that_was_absent_must_have_happened_some_time() -> None:
    found = restarted(job(restarts=""), job(restarts="2/10"))
    assert [event.used for event in found] == [1, 2]
    assert {event.when.provenance for event in found} == {Provenance.INFERRED}
    assert {event.when.not_before for event in found} == {None}


@pytest.mark.parametrize(("used", "told"), [(100, 100), (101, 1)])
def test_a_counter_that_leaps_absurdly_far_is_told_once(used: int, told: int) -> None:
    found = restarted(job(restarts="0/999"), job(restarts=f"{used}/999"))
    assert len(found) == told
    assert sum(event.count for event in found) == used
    assert found[-1].used == used


def record(seconds: float | None, trigger: str = "", **members: Any) -> RestartRecord:
    return RestartRecord(trigger_id=trigger, occurred_at=None if seconds is None else at(seconds), **members)


def test_restarts_are_dated_by_as_many_new_records() -> None:
    old = job(restarts="1/10", restart_records=(record(-50, "t1"),))
    new = job(restarts="3/10", restart_records=(record(9, "t3"), record(-50, "t1"), record(4)), seconds=15)
    first, second = restarted(old, new)
    assert (first.when.occurred_at, second.when.occurred_at) == (at(4), at(9))
    assert {event.when.provenance for event in (first, second)} == {Provenance.REPORTED}


@pytest.mark.parametrize(
    "records", [(record(4, "t2"),), (record(4, "t2"), record(None, "t3")), tuple(record(n, f"t{n}") for n in range(4))]
)
def test_records_that_do_not_match_the_count_date_nothing(records: tuple[RestartRecord, ...]) -> None:
    found = restarted(job(restarts="1/10"), job(restarts="3/10", restart_records=records))
    assert [event.when.occurred_at for event in found] == [None, None]


# --- all together -------------------------------------------------------------------------------------------------------------


def test_one_look_is_told_in_the_order_of_cause_and_effect() -> None:
    old = job(
        "Running",
        restarts="0/3",
        priority=1,
        pods=(pod("w-0", "a", node="n1"), pod("w-1", "b", "Pending"), pod("w-2", "c", node="n2"), pod("w-9", "z")),
    )
    gone = pod("w-0", "a", "Failed", sub_status="Evicted", node="n1")
    new = job(
        "Failed",
        seconds=15,
        restarts="1/3",
        priority=2,
        sub_status="Restarting",
        pods=(
            pod("w-10", "e"),
            pod("w-2", "c", node="n3"),
            pod("w-1", "b", "Running"),
            pod("w-0", "a2", "Pending", history=(gone,)),
            pod("w-3", "d", "Pending"),
        ),
    )
    told = [event.kind + (f" {event.pod.pod_id}" if hasattr(event, "pod") else "") for event in between(old, new)]
    assert told == [
        "pod.evicted w-0",
        "job.restarted",
        "job.status_changed",
        "job.sub_status_changed",
        "job.priority_changed",
        "pod.status_changed w-0",
        "pod.appeared w-3",
        "pod.appeared w-10",
        "pod.restarted w-0",
        "pod.status_changed w-1",
        "pod.moved w-2",
        "pod.vanished w-9",
        "job.failed",
    ]


def test_an_answer_that_does_not_speak_of_pods_says_nothing_about_them() -> None:
    assert between(job(pods=(pod(),)), job(pods=None)) == ()
    assert isinstance(only(between(job(pods=(pod(),)), job(pods=()))), PodVanished)


def large(turn: int) -> JobSnapshot:
    former = tuple(pod("", f"f{life}", "Failed", created_at=at(life)) for life in range(5 + turn))

    def member(number: int) -> PodSnapshot:
        return pod(f"w-{number}", f"u{number}", node=f"n{number + turn}", created_at=at(100), history=former)

    return job(seconds=turn, pods=tuple(member(number) for number in range(5000)))


def work(old: JobSnapshot, new: JobSnapshot, expected: int) -> int:
    """How many calls of functions it takes to compare them: a cost that is the same on every machine."""
    calls = 0

    def count(frame: object, event: str, argument: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        events = between(old, new)
    finally:
        sys.setprofile(None)
    assert len(events) == expected
    return calls


def test_many_pods_take_work_in_proportion_and_little_where_nothing_changed() -> None:
    old, new = large(0), large(1)
    few = work(replace(old, pods=(old.pods or ())[:500]), replace(new, pods=(new.pods or ())[:500]), 1000)
    many = work(old, new, 10000)
    assert many < 12 * few, f"ten times the pods took {many / few:.1f} times the work"
    assert work(new, new, 0) < many / 20
