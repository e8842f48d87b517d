"""Restarts, of jobs and of pods, and the records that explain them, at once or later."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tests.core.strategies import CAUSE, at, job, pod
from watcher.core.diff import diff
from watcher.core.events import (
    Event,
    JobRestarted,
    JobRestartExplained,
    JobStatusChanged,
    PodRestarted,
    Provenance,
    When,
)
from watcher.core.model import JobSnapshot, RestartCause, RestartRecord, StatusPeriod
from watcher.core.observation import first_sight, look
from watcher.core.restart_records import by_life, by_number, culprit, pod_records


def record(number: int | None = None, second: float | None = None, **members: Any) -> RestartRecord:
    trigger = members.pop("trigger_id", f"t{number}{second}")
    occurred_at = None if second is None else at(second)
    return RestartRecord(trigger_id=trigger, occurred_at=occurred_at, job_restart_count=number, **members)


def of_pod(second: float | None, *pods: str, reason: str = "ProcessExit", **members: Any) -> RestartRecord:
    causes = tuple(RestartCause(pod=name, node="n1", triggered_restart=True, error_code="137") for name in pods)
    return record(None, second, level="pod-level", reason=reason, causes=causes, **members)


def told(*answers: JobSnapshot) -> list[Event]:
    held = first_sight(answers[0], now=answers[0].observed_at, cause=CAUSE, watching_since=None).watch
    events: list[Event] = []
    for answer in answers[1:]:
        observed = look(held, answer, now=answer.observed_at, cause=CAUSE)
        events += observed.events
        held = observed.watch
    return events


def between(old: JobSnapshot, new: JobSnapshot, **members: Any) -> tuple[Event, ...]:
    return diff(old, new, ordinal=7, cause=CAUSE, **members)


# --- of the whole job ---------------------------------------------------------------------------------------------------------


def test_a_record_that_came_before_its_counter_reaches_the_restart() -> None:
    early = record(1, 20, reason="NodeFault", duration=timedelta(minutes=3), fail_reason="no")
    events = told(
        job(restarts="0/3"),
        job(seconds=30, restarts="0/3", restart_records=(early,)),
        job(seconds=60, restarts="1/3", restart_records=(early,)),
    )
    (event,) = events
    assert isinstance(event, JobRestarted)
    assert (event.used, event.reason, event.took, event.fail_reason) == (1, "NodeFault", timedelta(minutes=3), "no")
    assert event.when == When(observed_at=at(60), occurred_at=at(20), not_before=at(30), provenance=Provenance.REPORTED)
    assert event.counted


def test_a_record_that_comes_after_its_restart_explains_it_once() -> None:
    late = record(
        1,
        20,
        level="job-level",
        occurred_phase="Running",
        reason="NodeFault",
        status="Succeeded",
        causes=(RestartCause("Xid79", "fell off the bus", "", "n1", "w-0", triggered_restart=True),),
    )
    counted = job(seconds=30, restarts="1/3")
    explained = job(seconds=60, restarts="1/3", restart_records=(late,))
    restarted, event = told(job(restarts="0/3"), counted, explained, replace(explained, observed_at=at(90)))
    assert isinstance(event, JobRestartExplained)
    assert (event.corrected, event.used, event.pod_id) == (restarted.id, 1, "")
    assert (event.level, event.occurred_phase, event.reason, event.result) == (
        "job-level",
        "Running",
        "NodeFault",
        "Succeeded",
    )
    assert (event.culprit_node, event.culprit_pod) == ("n1", "w-0")
    assert (event.error_code, event.error_message) == ("Xid79", "fell off the bus")
    assert (event.when.occurred_at, event.when.provenance) == (at(20), Provenance.REPORTED)


def test_a_record_that_says_more_than_before_explains_again_and_one_that_says_the_same_does_not() -> None:
    begun = record(1, 20, trigger_id="t", reason="NodeFault", status="Restarting")
    done = replace(begun, status="Succeeded", duration=timedelta(minutes=2))
    first = job(seconds=30, restarts="1/3", restart_records=(begun,))
    second = job(seconds=60, restarts="1/3", restart_records=(done,))
    renamed = job(seconds=90, restarts="1/3", restart_records=(replace(done, occurred_at=at(21)),))
    restarted, explained = told(job(restarts="0/3"), first, second, renamed)
    assert isinstance(restarted, JobRestarted)
    assert isinstance(explained, JobRestartExplained)
    assert (restarted.result, explained.result, explained.took) == ("Restarting", "Succeeded", timedelta(minutes=2))
    assert explained.corrected == restarted.id


@pytest.mark.parametrize("second", [-10.0, 0.0, None])
def test_a_record_of_a_restart_from_before_the_first_look_explains_nothing(second: float | None) -> None:
    late = job(seconds=30, restarts="2/3", restart_records=(record(1, second, reason="NodeFault"),))
    assert told(job(restarts="2/3"), late) == []
    explained = between(job(restarts="2/3"), late)
    assert [event.kind for event in explained] == ["job.restart_explained"]


def test_a_record_of_a_restart_that_is_not_counted_yet_waits() -> None:
    assert told(job(restarts="1/3"), job(seconds=30, restarts="1/3", restart_records=(record(2, 20),))) == []


def test_records_without_numbers_count_in_their_order_when_they_are_all_there() -> None:
    records = (record(None, 9, reason="b"), record(None, 4, reason="a"))
    assert [each.reason for each in by_number(job(restarts="2/3", restart_records=records)).values()] == ["a", "b"]
    assert by_number(job(restarts="3/3", restart_records=records)) == {}
    assert by_number(job(restarts="3/3", restart_records=(*records, record(None, None)))) == {}
    assert list(by_number(job(restarts="2/3", restart_records=(*records, record(1, 4))))) == [1]
    assert by_number(job(restarts="2/3", restart_records=(*records, of_pod(5, "w-0"))))[2].reason == "b"


def test_a_record_of_a_pod_dates_no_restart_of_the_job() -> None:
    (event,) = between(job(restarts="0/3"), job(seconds=30, restarts="1/3", restart_records=(of_pod(9, "w-0"),)))
    assert isinstance(event, JobRestarted)
    assert (event.when.occurred_at, event.level) == (None, "")


def test_the_record_of_another_restart_is_not_taken_for_that_of_this_one() -> None:
    (event, *_) = between(
        job(restarts="1/3"),
        job(seconds=30, restarts="2/3", restart_records=(record(1, -50, reason="old"),)),
        since=at(0),
    )
    assert isinstance(event, JobRestarted)
    assert (event.used, event.reason, event.when.occurred_at) == (2, "", None)


def test_the_culprit_is_the_error_that_caused_the_restart_and_always_the_same_one() -> None:
    follow = RestartCause("143", node="a")
    first, second = (
        RestartCause("1", node="b", triggered_restart=True),
        RestartCause("2", node="b", triggered_restart=True),
    )
    for causes in ((follow, second, first), (first, follow, second)):
        assert culprit(record(causes=causes)) is first
    assert culprit(record(causes=(follow,))) is follow
    assert culprit(record()) == RestartCause()


# --- where nothing counts -----------------------------------------------------------------------------------------------------


def past(*periods: tuple[str, int]) -> tuple[StatusPeriod, ...]:
    return tuple(StatusPeriod(status, at(second)) for status, second in periods)


def test_where_nothing_counts_each_entry_into_restarting_is_one_restart() -> None:
    history = past(("Running", -9), ("Restarting", 10), ("Running", 20), ("Restarting", 30), ("Queuing", 40))
    events = told(
        job("Running", status_history=history[:1]),
        job("Restarting", seconds=15, status_history=history[:2], reason_code="R"),
        job("Queuing", seconds=60, status_history=history),
        job("Queuing", seconds=90, status_history=history),
    )
    restarts = [event for event in events if isinstance(event, JobRestarted)]
    assert [(event.used, event.counted, event.limit) for event in restarts] == [(1, False, None), (2, False, None)]
    assert [event.when.provenance for event in restarts] == [Provenance.INFERRED] * 2
    assert [(event.when.not_before, event.when.not_after) for event in restarts] == [(at(0), at(10)), (at(15), at(30))]
    assert restarts[0].reason_code == "R"
    (direct, _) = (
        event
        for event in told(
            job("Running", status_history=history[:1]), job("Queuing", seconds=60, status_history=history)
        )
        if isinstance(event, JobRestarted)
    )
    assert direct.id == restarts[0].id


@pytest.mark.parametrize(("counter", "numbers"), [("1/9", [1]), ("2/9", [1, 2]), ("3/9", [1, 2, 3])])
def test_a_counter_that_comes_up_later_does_not_tell_again_what_was_inferred(counter: str, numbers: list[int]) -> None:
    events = told(
        job("Running"),
        job("Restarting", seconds=10),
        job("Running", seconds=20),
        job("Running", seconds=30, restarts=counter),
    )
    restarts = [event for event in events if isinstance(event, JobRestarted)]
    assert [event.used for event in restarts] == numbers
    assert [event.counted for event in restarts] == [False] + [True] * (len(numbers) - 1)


def test_records_that_come_up_later_do_not_tell_again_what_was_inferred() -> None:
    one, two = record(1, 9, reason="a"), record(2, 25, reason="b")
    events = told(
        job("Running"),
        job("Restarting", seconds=10),
        job("Running", seconds=20, restart_records=(one,)),
        job("Restarting", seconds=30, restart_records=(one, two)),
        job("Running", seconds=40, restart_records=(one, two)),
        job("Running", seconds=50, restart_records=(one, replace(two, status="Succeeded"))),
    )
    restarts = [event for event in events if isinstance(event, JobRestarted)]
    assert [(event.used, event.reason, event.counted) for event in restarts] == [(1, "", False), (2, "b", False)]
    (explained,) = (event for event in events if isinstance(event, JobRestartExplained))
    assert (explained.corrected, explained.result) == (restarts[1].id, "Succeeded")


def test_beside_a_counter_the_status_infers_nothing() -> None:
    events = told(job("Running", restarts="1/9"), job("Restarting", seconds=10, restarts="1/9"))
    assert [type(event) for event in events] == [JobStatusChanged]


# --- of one pod ---------------------------------------------------------------------------------------------------------------

OLD = pod("w-0", "a", created_at=at(-50))
GONE = replace(OLD, status="Failed", finished_at=at(5))
NEXT = pod("w-0", "b", created_at=at(9), history=(GONE,))


def test_the_record_of_a_pods_restart_reaches_it() -> None:
    said = of_pod(
        5, "w-0", duration=timedelta(seconds=4), status="Succeeded", fail_reason="f", occurred_phase="Running"
    )
    events = between(job(pods=(OLD,)), job(seconds=30, pods=(NEXT,), restart_records=(said,)))
    event = events[-1]
    assert isinstance(event, PodRestarted)
    assert (event.level, event.reason, event.result, event.fail_reason) == (
        "pod-level",
        "ProcessExit",
        "Succeeded",
        "f",
    )
    assert (event.took, event.culprit_node, event.error_code) == (timedelta(seconds=4), "n1", "137")
    assert event.occurred_phase == "Running"


def test_the_record_of_a_pods_restart_that_comes_later_explains_it_once() -> None:
    said = of_pod(5, "w-0")
    later = job(seconds=60, pods=(NEXT,), restart_records=(said,))
    *_, restarted, explained = told(
        job(pods=(OLD,)), job(seconds=30, pods=(NEXT,)), later, replace(later, observed_at=at(90))
    )
    assert isinstance(explained, JobRestartExplained)
    assert (explained.corrected, explained.pod_id, explained.used) == (restarted.id, "w-0", 0)
    assert (explained.reason, explained.culprit_node, explained.culprit_pod) == ("ProcessExit", "n1", "w-0")
    more = job(seconds=90, pods=(NEXT,), restart_records=(replace(said, status="Succeeded"),))
    assert [event.kind for event in between(later, more)] == ["job.restart_explained"]
    assert between(later, replace(more, restart_records=(replace(said, trigger_id="other"), said))) == ()


def test_an_explanation_finds_the_restart_of_a_pod_that_had_no_uid_yet() -> None:
    nameless = replace(NEXT, uid="", status="Pending")
    early = between(job(pods=(OLD,)), job(seconds=30, pods=(nameless,)))[-1]
    late = between(job(pods=(OLD,)), job(seconds=30, pods=(NEXT,)))[-1]
    (explained,) = between(job(pods=(NEXT,)), job(seconds=60, pods=(NEXT,), restart_records=(of_pod(5, "w-0"),)))
    assert isinstance(explained, JobRestartExplained)
    assert (explained.corrected, explained.corrected_nameless) == (late.id, early.id)
    (explained,) = between(
        job(pods=(nameless,)), job(seconds=60, pods=(nameless,), restart_records=(of_pod(5, "w-0"),))
    )
    assert isinstance(explained, JobRestartExplained)
    assert (explained.corrected, explained.corrected_nameless) == (early.id, "")


def test_a_pods_restart_from_before_the_first_look_is_not_explained() -> None:
    said = job(seconds=60, pods=(NEXT,), restart_records=(of_pod(5, "w-0"),))
    assert told(job(seconds=30, pods=(NEXT,)), said) == []
    first = job(seconds=60, pods=(replace(NEXT, history=()),), restart_records=(of_pod(5, "w-0"),))
    assert told(job(pods=()), job(seconds=30, pods=(replace(NEXT, history=()),)), first)[1:] == []


def test_a_pod_that_appears_with_former_lives_has_the_records_of_its_restarts() -> None:
    *_, event = between(job(pods=()), job(seconds=30, pods=(NEXT,), restart_records=(of_pod(5, "w-0", reason="x"),)))
    assert isinstance(event, PodRestarted)
    assert event.reason == "x"


def test_a_record_belongs_to_the_next_life_after_it_if_the_former_one_was_over_by_then() -> None:
    chain = (
        OLD,
        replace(OLD, uid="b", created_at=at(100), finished_at=at(5000)),
        replace(OLD, uid="c", created_at=at(5001)),
    )
    assert by_life(chain, (of_pod(99, "w-0"),)) == {1: of_pod(99, "w-0")}
    assert by_life(chain, (of_pod(100, "w-0"),)) == {1: of_pod(100, "w-0")}
    assert by_life(chain, (of_pod(98, "w-0"), of_pod(99, "w-0"))) == {1: of_pod(99, "w-0")}
    assert by_life(chain, (of_pod(101, "w-0"),)) == {}
    assert by_life(chain, (of_pod(4400, "w-0"),)) == {2: of_pod(4400, "w-0")}
    assert by_life(chain, (of_pod(4399, "w-0"),)) == {}
    assert by_life(chain, (of_pod(-60, "w-0"),)) == {0: of_pod(-60, "w-0")}
    assert by_life(chain, (of_pod(6000, "w-0"),)) == {}
    assert by_life((replace(OLD, created_at=None),), (of_pod(5, "w-0"),)) == {}


def test_a_record_is_about_the_pods_that_its_causes_name() -> None:
    two = of_pod(5, "w-1", "w-0")
    bystander = RestartCause(pod="w-7", triggered_restart=False)
    unsure = RestartCause(pod="w-2")
    mixed = replace(of_pod(6, "w-0"), causes=(bystander, unsure, RestartCause()))
    found = pod_records(job(restart_records=(two, mixed, of_pod(None, "w-9"), record(1, 5))))
    assert found == {"w-0": (two,), "w-1": (two,), "w-2": (mixed,)}
