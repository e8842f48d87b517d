"""What the stored ids are made from. Another scheme would tell everything again that was told, so it stands here in words."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import pytest

from tests.core.strategies import CAUSE, REF, at, job
from tests.core.test_history import past, watched
from watcher.core.diff import diff
from watcher.core.events import Event, JobQueueChanged, JobRestarted, JobRestartExplained, deterministic_id
from watcher.core.model import ElasticSpec, JobSnapshot, ReplicaStatus, RestartRecord, RoleSpec

SECOND = at(10).isoformat()


def one(told: Sequence[Event], kind: str) -> Event:
    (found,) = [event for event in told if event.kind == kind]
    return found


@pytest.mark.parametrize(
    ("before", "after", "kind"),
    [
        ("Queuing", "Bidding", "job.bidding_started"),
        ("Queuing", "EnvPreparing", "job.preparation_started"),
        ("EnvPreparing", "SanityChecking", "job.sanity_check_started"),
        ("SanityChecking", "Restarting", "job.sanity_check_failed"),
        ("Running", "SucceededReserving", "job.reservation_decided"),
    ],
)
def test_a_stage_is_known_by_the_status_and_the_second_it_began(before: str, after: str, kind: str) -> None:
    history = past((before, -9), (after, 10))
    _, told = watched(job(before, status_history=history[:1]), job(after, seconds=15, status_history=history))
    event = one(told, kind)
    assert event.id == deterministic_id(kind, REF, after, SECOND)
    assert (event.when.occurred_at, event.cause) == (at(10), CAUSE)


def between(old: JobSnapshot, new: JobSnapshot) -> tuple[Event, ...]:
    return diff(old, new, ordinal=7, cause=CAUSE)


def test_sizes_queues_and_spot_types_are_known_by_the_version_they_were_told_from() -> None:
    breathes = ElasticSpec(elastic_training=True)
    old = job(
        roles=(RoleSpec("Worker", 4), RoleSpec("PS", 1)),
        replicas=(ReplicaStatus("Chief", 1, 0, 0, None, "a"),),
        elastic=breathes,
    )
    new = job(
        seconds=15,
        roles=(RoleSpec("Worker", 6), RoleSpec("PS", 2)),
        replicas=(ReplicaStatus("Chief", 3, 0, 0, None, "b"),),
        elastic=breathes,
    )
    told = between(old, new)
    assert [event.id for event in told if event.kind == "job.scaled"] == [
        deterministic_id("job.scaled", REF, 7, role, measure)
        for role, measure in (("Chief", "present"), ("PS", "asked"), ("Worker", "asked"))
    ], "in the order of the roles"
    queue = one(told, "job.queue_changed")
    assert isinstance(queue, JobQueueChanged)
    assert (queue.old_dequeued, queue.new_dequeued) == (0, 0)
    assert queue.id == deterministic_id("job.queue_changed", REF, 7, "Chief")
    assert one(told, "job.spot_type_changed").id == deterministic_id("job.spot_type_changed", REF, 7, "Chief")


def test_what_has_no_time_of_its_own_is_known_by_the_version_and_both_values() -> None:
    old = job(sub_status="a", reason_code="R", reason_message="old words", priority=1)
    new = job(seconds=15, sub_status="b", reason_code="S", reason_message="new words", priority=9)
    assert {event.kind: event.id for event in between(old, new)} == {
        "job.sub_status_changed": deterministic_id("job.sub_status_changed", REF, 7, "a", "b"),
        "job.reason_changed": deterministic_id("job.reason_changed", REF, 7, "R", "old words", "S", "new words"),
        "job.priority_changed": deterministic_id("job.priority_changed", REF, 7, 1, 9),
    }


def test_a_restart_that_only_the_status_shows_is_known_by_the_entry_and_carries_the_reason() -> None:
    history = past(("Running", -9), ("Restarting", 10))
    _, told = watched(
        job("Running", status_history=history[:1]),
        job("Restarting", seconds=15, status_history=history, reason_code="R", reason_message="why it restarts"),
    )
    event = one(told, "job.restarted")
    assert isinstance(event, JobRestarted)
    assert event.id == deterministic_id("job.restarted", REF, "Restarting", SECOND)
    assert (event.reason_code, event.reason_message) == ("R", "why it restarts")


def test_several_restarts_that_only_the_status_shows_are_told_in_their_order() -> None:
    history = past(("Running", -9), ("Restarting", 10), ("Running", 12), ("Restarting", 14), ("Running", 15))
    _, told = watched(job("Running", status_history=history[:1]), job("Running", seconds=20, status_history=history))
    assert [event.used for event in told if isinstance(event, JobRestarted)] == [1, 2]


def test_an_explanation_is_known_by_what_it_corrects_and_what_it_says() -> None:
    record = RestartRecord("t", at(5), "Job", "Running", "NodeFault", "Done", "", timedelta(seconds=9), 1)
    _, told = watched(
        job(restarts="0/3"), job(seconds=10, restarts="1/3"), job(seconds=20, restarts="1/3", restart_records=(record,))
    )
    event = one(told, "job.restart_explained")
    assert isinstance(event, JobRestartExplained)
    corrected = deterministic_id("job.restarted", REF, 1)
    said = ("Job", "Running", "NodeFault", "Done", "", timedelta(seconds=9), "", "", "")
    assert event.id == deterministic_id("job.restart_explained", REF, corrected, *said)
    assert (event.corrected, event.corrected_nameless, event.used, event.pod_id) == (corrected, "", 1, "")


def test_records_without_a_number_date_the_restarts_that_came_with_them() -> None:
    records = tuple(RestartRecord(f"t{second}", at(second), "Job") for second in (4, 9))
    told = between(job(restarts="1/10"), job(seconds=15, restarts="3/10", restart_records=records))
    assert [event.when.occurred_at for event in told if isinstance(event, JobRestarted)] == [at(4), at(9)]
    assert between(job(restarts="3/10"), job(seconds=15, restarts="3/10")) == ()


def test_a_counter_that_leaps_from_high_up_still_tells_each_restart() -> None:
    told = between(job(restarts="90/999"), job(seconds=15, restarts="100/999"))
    assert [event.used for event in told if isinstance(event, JobRestarted)] == list(range(91, 101))
    (far,) = between(job(restarts="0/999"), job(seconds=15, restarts="500/999"))
    assert (far.when.observed_at, far.when.not_before) == (at(15), at(0))
