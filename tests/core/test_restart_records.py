"""What DLC's restart records say reaches the events of the restarts, and where those stand among the changes of status."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import pytest

from tests.core.strategies import CAUSE, REF, at, job, pod
from tests.core.test_history import past, watched
from watcher.core.diff import diff
from watcher.core.events import Event, JobRestarted, JobStatusChanged, deterministic_id
from watcher.core.model import JobSnapshot, RestartCause, RestartRecord


def restarts(old: JobSnapshot, new: JobSnapshot) -> list[JobRestarted]:
    return [event for event in diff(old, new, ordinal=3, cause=CAUSE) if isinstance(event, JobRestarted)]


def test_every_member_of_the_record_and_of_the_cause_that_triggered_it_reaches_the_event() -> None:
    others = {"error_message": "m1", "node": "n1", "pod": "p1"}
    causes = (
        RestartCause("E0", triggered_restart=False, error_message="m0", node="n0", pod="p0"),
        RestartCause("E1", triggered_restart=True, **others),
        RestartCause("E2", node="n2"),
    )
    record = RestartRecord(
        "t1",
        at(5),
        "Job",
        "Running",
        "NodeFault",
        "Restarted",
        "too late",
        timedelta(seconds=190),
        1,
        causes,
    )
    (event,) = restarts(job(restarts="0/3"), job(restarts="1/3", seconds=15, restart_records=(record,)))
    assert (event.level, event.occurred_phase, event.reason) == ("Job", "Running", "NodeFault")
    assert (event.result, event.fail_reason, event.took) == ("Restarted", "too late", timedelta(seconds=190))
    assert (event.culprit_node, event.culprit_pod) == ("n1", "p1")
    assert (event.error_code, event.error_message) == ("E1", "m1")


def test_where_no_cause_is_marked_as_the_trigger_the_first_is_named() -> None:
    causes = (RestartCause("E0", triggered_restart=False, node="n0"), RestartCause("E1", node="n1"))
    record = RestartRecord("t1", at(5), job_restart_count=1, causes=causes)
    (event,) = restarts(job(restarts="0/3"), job(restarts="1/3", restart_records=(record,)))
    assert (event.error_code, event.culprit_node) == ("E0", "n0")


def test_a_restart_is_known_by_its_number_wherever_it_is_seen() -> None:
    """The stored ids are made like this; another scheme would tell every restart again."""
    one, two = restarts(job(restarts="0/3"), job(restarts="2/3"))
    assert [one.id, two.id] == [deterministic_id("job.restarted", REF, number) for number in (1, 2)]


def test_of_two_records_of_the_same_second_each_dates_one_restart() -> None:
    records = (RestartRecord("b", at(5), reason="second"), RestartRecord("a", at(5), reason="first"))
    found = restarts(job(restarts="0/3"), job(restarts="2/3", restart_records=records))
    assert [event.reason for event in found] == ["first", "second"]
    assert {event.when.occurred_at for event in found} == {at(5)}


# --- among several changes of status ------------------------------------------------------------------------------------------


def turns(told: Sequence[Event]) -> list[str]:
    words = {"job.restarted": "restart", "pod.evicted": "eviction"}
    return [
        event.new_status if isinstance(event, JobStatusChanged) else words[event.kind]
        for event in told
        if isinstance(event, JobStatusChanged) or event.kind in words
    ]


COURSE = past(("Queuing", -9), ("EnvPreparing", 10), ("Running", 20))


@pytest.mark.parametrize(
    ("second", "expected"),
    [
        (3, ["restart", "EnvPreparing", "Running"]),
        (10, ["restart", "EnvPreparing", "Running"]),
        (15, ["EnvPreparing", "restart", "Running"]),
        (20, ["EnvPreparing", "restart", "Running"]),
        (25, ["EnvPreparing", "restart", "Running"]),
    ],
)
def test_a_dated_restart_stands_before_the_first_change_that_was_not_before_it(
    second: int, expected: list[str]
) -> None:
    record = RestartRecord("t1", at(second), job_restart_count=1)
    _, told = watched(
        job("Queuing", status_history=COURSE[:1], restarts="0/3"),
        job("Running", seconds=30, status_history=COURSE, restarts="1/3", restart_records=(record,)),
    )
    assert turns(told) == expected


def test_a_dated_restart_stands_before_a_change_that_has_no_date() -> None:
    record = RestartRecord("t1", at(25), job_restart_count=1)
    _, told = watched(
        job("Queuing", status_history=COURSE[:1], restarts="0/3"),
        job("Stopping", seconds=30, status_history=COURSE, restarts="1/3", restart_records=(record,)),
    )
    assert turns(told) == ["EnvPreparing", "Running", "restart", "Stopping"]


def test_what_has_no_date_stands_before_the_first_change_that_is_new_and_not_before_one_that_was_filled_in() -> None:
    late = past(("Queuing", -9), ("Bidding", 3), ("Running", 20))
    _, told = watched(
        job("Queuing", status_history=late[:1], restarts="0/3"),
        job("EnvPreparing", seconds=10, restarts="0/3"),
        job("Running", seconds=30, status_history=late, restarts="1/3"),
    )
    assert turns(told) == ["EnvPreparing", "Bidding", "restart", "Running"]


def test_among_changes_that_were_all_filled_in_it_stands_before_the_last() -> None:
    late = past(("Queuing", -9), ("Creating", 2), ("Bidding", 3))
    gone = pod("w-0", "a", "Failed", sub_status="Evicted")
    _, told = watched(
        job("Queuing", status_history=late[:1], pods=(pod("w-0", "a"),)),
        job("EnvPreparing", seconds=10, pods=(pod("w-0", "a"),)),
        job("EnvPreparing", seconds=15, status_history=late, pods=(gone,)),
    )
    assert turns(told) == ["EnvPreparing", "Creating", "eviction", "Bidding"]
