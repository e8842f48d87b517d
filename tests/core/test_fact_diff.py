"""Stages of a job's life, its size, its queue: facts beside the changes of status."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.core.strategies import CAUSE, at, job, pod
from watcher.core.diff import diff
from watcher.core.events import (
    Event,
    JobBiddingStarted,
    JobPreparationStarted,
    JobQueueChanged,
    JobReasonChanged,
    JobReservationDecided,
    JobSanityCheckFailed,
    JobSanityCheckStarted,
    JobScaled,
    JobSpotTypeChanged,
    JobStatusChanged,
    JobSubStatusChanged,
    PodAppeared,
    PodStatusChanged,
    Provenance,
)
from watcher.core.model import ElasticSpec, JobSettings, JobSnapshot, ReplicaStatus, RoleSpec, StatusPeriod
from watcher.core.observation import first_sight, look
from watcher.core.phases import Phase
from watcher.core.roles import asked_for, carried_replicas, carried_roles, replicas


def between(old: JobSnapshot, new: JobSnapshot) -> tuple[Event, ...]:
    return diff(old, new, ordinal=7, cause=CAUSE)


def told(*answers: JobSnapshot) -> list[Event]:
    held = first_sight(answers[0], now=answers[0].observed_at, cause=CAUSE, watching_since=None).watch
    events: list[Event] = []
    for answer in answers[1:]:
        observed = look(held, answer, now=answer.observed_at, cause=CAUSE)
        events += observed.events
        held = observed.watch
    return events


def past(*periods: tuple[str, int]) -> tuple[StatusPeriod, ...]:
    return tuple(StatusPeriod(status, at(second), None, f"why {status}", "m") for status, second in periods)


# --- stages -------------------------------------------------------------------------------------------------------------------


def test_every_stage_that_the_history_shows_is_told_with_its_entry() -> None:
    history = past(("Queuing", -9), ("Bidding", 5), ("EnvPreparing", 10), ("SanityChecking", 20), ("Running", 30))
    events = told(
        job("Queuing", status_history=history[:1]), job("Running", seconds=60, status_history=history, reason_code="r")
    )
    assert [event.kind for event in events] == [
        "job.status_changed",
        "job.bidding_started",
        "job.status_changed",
        "job.preparation_started",
        "job.status_changed",
        "job.sanity_check_started",
        "job.status_changed",
    ]
    bidding, preparing, checking = events[1::2]
    assert isinstance(bidding, JobBiddingStarted)
    assert (bidding.status, bidding.reason_code, bidding.reason_message) == ("Bidding", "why Bidding", "m")
    assert (bidding.when.occurred_at, bidding.when.provenance) == (at(5), Provenance.REPORTED)
    assert isinstance(preparing, JobPreparationStarted)
    assert isinstance(checking, JobSanityCheckStarted)
    assert not checking.restart
    assert all(
        isinstance(event, JobStatusChanged) and event.when == stage.when
        for event, stage in zip(events[0:6:2], (bidding, preparing, checking), strict=True)
    )
    seldom = told(job("Queuing", status_history=history[:1]), job("Bidding", seconds=7, status_history=history[:2]))
    assert seldom[1].id == bidding.id


def test_a_stage_that_comes_to_light_late_says_so() -> None:
    history = past(("Queuing", -9), ("Bidding", 3))
    *_, event = told(
        job("Queuing", status_history=history[:1]),
        job("Running", seconds=10, status_history=history[:1]),
        job("Running", seconds=15, status_history=history),
    )
    assert isinstance(event, JobBiddingStarted)
    assert event.filled_in


@pytest.mark.parametrize(
    ("minutes", "dated", "until"), [(60, True, at(3610)), (60, False, None), (None, True, None), (0, True, at(10))]
)
@pytest.mark.parametrize(("status", "result"), [("SucceededReserving", "succeeded"), ("FailedReserving", "failed")])
def test_a_reservation_says_the_result_and_until_when(
    status: str, result: str, minutes: int | None, dated: bool, until: Any
) -> None:
    members: dict[str, Any] = {"settings": JobSettings(reserved_minutes=minutes)}
    if dated:
        members["status_history"] = past(("Running", -5), (status, 10))
    _, event = between(job("Running"), job(status, seconds=15, **members))
    assert isinstance(event, JobReservationDecided)
    assert (event.result, event.held_until) == (result, until)


@pytest.mark.parametrize("target", ["Restarting", "Failed", "FailedReserving", "SubmitFailed"])
def test_a_check_that_leads_to_a_restart_or_a_failure_failed(target: str) -> None:
    history = past(("EnvPreparing", -9), ("SanityChecking", 5), (target, 10))
    events = told(
        job("EnvPreparing", status_history=history[:1], restarts="0/3"),
        job(target, seconds=15, status_history=history, restarts="0/3", reason_code="bad"),
    )
    (failed,) = (event for event in events if isinstance(event, JobSanityCheckFailed))
    assert (failed.status, failed.reason_code) == (target, "bad")
    assert (failed.when.occurred_at, failed.when.provenance) == (at(10), Provenance.REPORTED)


@pytest.mark.parametrize("target", ["Running", "Stopping", "Stopped", "Succeeded", "Queuing", "Levitating"])
def test_a_check_that_leads_elsewhere_did_not_fail(target: str) -> None:
    events = between(job("SanityChecking"), job(target, seconds=15))
    assert not any(isinstance(event, JobSanityCheckFailed) for event in events)


def test_a_check_failed_as_far_as_two_looks_tell_is_inferred_and_where_the_history_is_cut_off_it_is_not_told() -> None:
    events = between(job("SanityChecking"), job("Failed", seconds=15))
    (failed,) = (event for event in events if isinstance(event, JobSanityCheckFailed))
    assert failed.when.provenance is Provenance.INFERRED
    for history in (past(("Failed", 10)), past(("Running", 7), ("Failed", 10))):
        events = told(
            job("SanityChecking", status_history=past(("SanityChecking", -9))),
            job("Failed", seconds=15, status_history=history),
        )
        assert not any(isinstance(event, JobSanityCheckFailed) for event in events)


def test_a_check_after_a_restart_says_so() -> None:
    def checks(*answers: JobSnapshot) -> list[bool]:
        return [event.restart for event in told(*answers) if isinstance(event, JobSanityCheckStarted)]

    history = past(("SanityChecking", 1), ("Restarting", 5), ("SanityChecking", 10))
    assert checks(job("Queuing", restarts="0/3"), job("SanityChecking", seconds=15, status_history=history)) == [
        False,
        True,
    ]
    assert checks(job("EnvPreparing", restarts="1/3"), job("SanityChecking", seconds=15, restarts="1/3")) == [True]
    assert checks(job("EnvPreparing", restarts="0/3"), job("SanityChecking", seconds=15, restarts="1/3")) == [False]
    late = past(("SanityChecking", 3), ("Running", 8))
    assert checks(
        job("Queuing", restarts="1/3"),
        job("Running", seconds=10, restarts="1/3"),
        job("Running", seconds=15, restarts="1/3", status_history=late),
    ) == [False]


# --- sizes, queues, spot instances --------------------------------------------------------------------------------------------


def of(role: str = "Worker", **counts: Any) -> ReplicaStatus:
    return ReplicaStatus(role, **counts)


def test_a_count_in_the_specification_that_changes_is_told_for_each_role() -> None:
    old = job(roles=(RoleSpec("Worker", 4), RoleSpec("Master", 1)))
    new = job(seconds=15, roles=(RoleSpec("Master", 2), RoleSpec("Worker", 2)))
    first, second = between(old, new)
    assert isinstance(first, JobScaled)
    assert isinstance(second, JobScaled)
    assert (first.role, first.old_count, first.new_count, first.measure) == ("Master", 1, 2, "asked")
    assert (second.role, second.old_count, second.new_count) == ("Worker", 4, 2)
    assert between(job(), old) == ()


BREATHES = ElasticSpec(elastic_training=True)


def test_a_pod_that_failed_is_no_change_of_size_unless_the_job_may_breathe() -> None:
    old, new = job(replicas=(of(active=4),)), job(seconds=15, replicas=(of(active=3),))
    assert [event.kind for event in between(old, new)] == ["job.queue_changed"]
    for members in ({"elastic": BREATHES}, {"roles": (RoleSpec("Worker", 4, max_replicas=8),)}):
        kinds = [event.kind for event in between(replace(old, **members), replace(new, **members))]
        assert kinds == ["job.scaled", "job.queue_changed"]


def test_pods_that_come_or_go_beside_the_specification_are_told_while_the_job_runs() -> None:
    old, new = (
        job(elastic=BREATHES, replicas=(of(active=4, queuing=0),)),
        job(seconds=15, elastic=BREATHES, replicas=(of(active=4, queuing=2, dequeued=1),)),
    )
    scaled, queue = between(old, new)
    assert isinstance(scaled, JobScaled)
    assert (scaled.old_count, scaled.new_count, scaled.measure) == (4, 7, "present")
    assert isinstance(queue, JobQueueChanged)
    assert (queue.old_queuing, queue.new_queuing, queue.old_dequeued, queue.new_dequeued) == (0, 2, None, 1)
    assert (queue.role, queue.old_active, queue.new_active) == ("Worker", 4, 4)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (job(replicas=(of(active=4),)), job(replicas=(of(active=3, queuing=1),))),
        (job("Queuing", replicas=(of(active=0),)), job(replicas=(of(active=4),))),
        (job(replicas=(of(active=4),)), job("Stopping", replicas=(of(active=0),))),
        (job(replicas=(of(queuing=4),)), job(replicas=(of(active=4),))),
        (job(replicas=(of(active=4),)), job(replicas=(of(queuing=4),))),
        (job(), job(replicas=(of(active=4),))),
    ],
)
def test_a_mere_change_of_the_queue_is_no_change_of_size(old: JobSnapshot, new: JobSnapshot) -> None:
    kinds = [event.kind for event in between(old, new)]
    assert "job.scaled" not in kinds
    assert kinds.count("job.queue_changed") == 1


def test_one_scaling_is_told_once_though_specification_and_counters_show_it() -> None:
    old = job(roles=(RoleSpec("Worker", 4),), replicas=(of(active=4),))
    new = job(seconds=15, roles=(RoleSpec("Worker", 6),), replicas=(of(active=6),))
    assert [event.kind for event in between(old, new)] == ["job.scaled", "job.queue_changed"]


def test_another_type_of_spot_instance_is_told_but_not_the_first() -> None:
    first, second = job(replicas=(of(spot_instance_type="a"),)), job(replicas=(of(spot_instance_type="b"),))
    assert between(job(replicas=(of(),)), first) == ()
    (event,) = between(first, second)
    assert isinstance(event, JobSpotTypeChanged)
    assert (event.role, event.old_type, event.new_type) == ("Worker", "a", "b")


def test_what_an_answer_leaves_out_of_roles_and_counters_stays() -> None:
    held = job(
        roles=(RoleSpec("Worker", 4), RoleSpec("PS", 1)), replicas=(of(active=1, queuing=2), of("PS", dequeued=3))
    )
    answer = job(roles=(RoleSpec("Worker", 5),), replicas=(of(active=4, spot_instance_type="a"),))
    assert asked_for(replace(held, roles=carried_roles(held, answer))) == {"Worker": 5, "PS": 1}
    carried = {status.role: status for status in carried_replicas(held, answer)}
    assert carried == {
        "Worker": of(active=4, queuing=2, spot_instance_type="a"),
        "PS": of("PS", dequeued=3),
    }
    back = carried_replicas(
        replace(answer, replicas=tuple(carried.values())), job(replicas=(of(dequeued=9), of("New")))
    )
    assert back[0] in (of("New"), of(active=4, queuing=2, dequeued=9, spot_instance_type="a"))
    assert carried_replicas(job(), answer) == answer.replicas
    assert carried_roles(held, held) is held.roles
    assert carried_replicas(held, job()) == tuple(replicas(held).values())


def test_a_role_that_is_listed_twice_counts_once() -> None:
    twice = job(roles=(RoleSpec("Worker", 4), RoleSpec("Worker", 4)), replicas=(of(active=1), of(active=1)))
    assert asked_for(twice) == {"Worker": 4}
    assert replicas(twice) == {"Worker": of(active=1)}
    assert asked_for(job(roles=(RoleSpec("Worker", 4), RoleSpec("Worker", 2)))) == {"Worker": 6}


# --- what nobody has heard of -------------------------------------------------------------------------------------------------

words = st.text(max_size=12)


@settings(deadline=None, max_examples=60)
@given(status=words, sub_status=words, code=words, pod_status=words, pod_sub_status=words, role=words)
def test_what_nobody_has_heard_of_is_told_as_it_is(
    *, status: str, sub_status: str, code: str, pod_status: str, pod_sub_status: str, role: str
) -> None:
    old = job("Running", pods=(pod("w-0", "a", "Running"),), replicas=(of(role, active=1),))
    new = job(
        status,
        seconds=15,
        sub_status=sub_status,
        reason_code=code,
        pods=(pod("w-0", "a", pod_status, sub_status=pod_sub_status), pod("w-1", "b", pod_status, role=role)),
        replicas=(of(role, active=2),),
    )
    found = {event.kind: event for event in between(old, new)}
    changed = found.get("job.status_changed")
    if isinstance(changed, JobStatusChanged):
        assert (changed.new_status, changed.reason_code) == (status, code)
        assert changed.new_phase is Phase(changed.new_phase)
    reason = found.get("job.reason_changed")
    assert not isinstance(reason, JobReasonChanged) or reason.new_code == code
    assert (changed is not None) == (status != "Running")
    assert changed is not None or (reason is not None) == (code != "")
    sub = found.get("job.sub_status_changed")
    assert (
        sub is None if sub_status == "" else isinstance(sub, JobSubStatusChanged) and sub.new_sub_status == sub_status
    )
    pods = found.get("pod.status_changed")
    same = (pod_status, pod_sub_status) == ("Running", "")
    assert pods is None if same else isinstance(pods, PodStatusChanged) and pods.new_status == pod_status
    appeared, queue = found["pod.appeared"], found["job.queue_changed"]
    assert isinstance(appeared, PodAppeared)
    assert (appeared.status, appeared.role) == (pod_status, role)
    assert isinstance(queue, JobQueueChanged)
    assert queue.role == role


def test_minutes_are_minutes() -> None:
    history = past(("Running", -5), ("FailedReserving", 10))
    _, event = between(
        job("Running"),
        job("FailedReserving", seconds=15, settings=JobSettings(reserved_minutes=1), status_history=history),
    )
    assert isinstance(event, JobReservationDecided)
    assert event.held_until == at(10) + timedelta(minutes=1)
