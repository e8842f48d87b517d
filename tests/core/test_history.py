from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.core.strategies import CAUSE, at, job
from watcher.core.events import Event, JobFailed, JobHistoryCorrected, JobStatusChanged, Provenance
from watcher.core.history import MOST_ENTRIES, baseline, follow, reads_backwards
from watcher.core.model import JobSnapshot, StatusPeriod, Watch
from watcher.core.observation import first_sight, look


def past(*periods: tuple[str, int], ends: bool = False) -> tuple[StatusPeriod, ...]:
    """StatusHistory with these starts."""
    starts = [start for _, start in periods]
    closed = [*starts[1:], None] if ends else [None] * len(starts)
    return tuple(
        StatusPeriod(status, at(start), None if end is None else at(end), f"why {status}")
        for (status, start), end in zip(periods, closed, strict=True)
    )


def watched(*answers: JobSnapshot) -> tuple[Watch, list[Event]]:
    """What is held and was told after these answers."""
    held = first_sight(answers[0], now=answers[0].observed_at, cause=CAUSE, watching_since=None).watch
    told: list[Event] = []
    for answer in answers[1:]:
        observed = look(held, answer, now=answer.observed_at, cause=CAUSE)
        told += observed.events
        held = observed.watch
    return held, told


def changes(events: list[Event]) -> list[tuple[str, str, Any]]:
    return [
        (event.old_status, event.new_status, event.when.occurred_at)
        for event in events
        if isinstance(event, JobStatusChanged)
    ]


def test_a_chain_of_transitions_is_told_one_by_one_with_their_reasons_and_one_end() -> None:
    history = past(("Queuing", -9), ("EnvPreparing", 10), ("Running", 20), ("Failed", 50), ends=True)
    _, told = watched(
        job("Queuing", status_history=past(("Queuing", -9))),
        job("Failed", seconds=60, status_history=history[::-1], reason_code="Oom", failed_at=at(51)),
    )
    assert changes(told) == [
        ("Queuing", "EnvPreparing", at(10)),
        ("EnvPreparing", "Running", at(20)),
        ("Running", "Failed", at(50)),
    ]
    assert [event.reason_code for event in told if isinstance(event, JobStatusChanged)] == [
        "why EnvPreparing",
        "why Running",
        "Oom",
    ]
    assert isinstance(told[-1], JobFailed)
    assert told[-1].when.occurred_at == at(50)


def test_restarts_stand_before_the_change_that_shows_them() -> None:
    history = past(("Running", -9), ("Restarting", 10), ("Running", 20), ("Restarting", 30), ("Running", 40))
    _, told = watched(
        job("Running", status_history=history[:1], restarts="0/5"),
        job("Running", seconds=60, status_history=history, restarts="2/5"),
    )
    assert [event.kind.removeprefix("job.") for event in told] == [
        "restarted",
        "status_changed",
        "status_changed",
        "restarted",
        "status_changed",
        "status_changed",
    ]


def test_what_was_told_undated_keeps_its_id_and_is_corrected_once() -> None:
    lagging = past(("Queuing", -9), ("EnvPreparing", 1))
    full = past(("Queuing", -9), ("EnvPreparing", 1), ("Failed", 10))
    beginning = job("Queuing", status_history=lagging[:1])
    held, told = watched(
        beginning,
        job("EnvPreparing", seconds=5, status_history=lagging),
        job("Failed", seconds=15, status_history=lagging),
        job("Failed", seconds=30, status_history=full),
        job("Failed", seconds=45, status_history=full),
    )
    _, dated = watched(beginning, job("Failed", seconds=30, status_history=full))
    changed, end, corrected = told[-3:]
    assert isinstance(changed, JobStatusChanged)
    assert changed.when.occurred_at is None
    assert isinstance(corrected, JobHistoryCorrected)
    assert (corrected.corrected, corrected.corrected_end) == (changed.id, end.id)
    assert (corrected.status, corrected.occurred_at, corrected.told_at) == ("Failed", at(10), None)
    assert corrected.when.provenance is Provenance.REPORTED
    assert corrected.dated_id == dated[2].id
    assert corrected.corrected_end != dated[3].id
    assert held.phase_since == at(10)


def test_a_correction_that_ends_nothing_names_no_end() -> None:
    _, told = watched(
        job("Queuing", status_history=past(("Queuing", -9))),
        job("Running", seconds=15, status_history=past(("Queuing", -9)), running_at=at(9)),
        job("Running", seconds=30, status_history=past(("Queuing", -9), ("Running", 10))),
    )
    corrected = told[-1]
    assert isinstance(corrected, JobHistoryCorrected)
    assert (corrected.corrected_end, corrected.told_at, corrected.occurred_at) == ("", at(9), at(10))


def test_a_history_that_is_ahead_of_its_status_waits_for_the_next_answer() -> None:
    full = past(("Queuing", -9), ("EnvPreparing", 5), ("Running", 10), ends=True)
    _, told = watched(
        job("Queuing", status_history=full[:1]),
        job("EnvPreparing", seconds=15, status_history=full),
        job("Running", seconds=30, status_history=full),
    )
    assert changes(told) == [("Queuing", "EnvPreparing", at(5)), ("EnvPreparing", "Running", at(10))]
    assert [event.when.observed_at for event in told if isinstance(event, JobStatusChanged)] == [at(15), at(30)]


def test_a_history_that_lags_does_not_date_a_later_stay_by_an_earlier_one() -> None:
    full = past(("Queuing", -9), ("Running", 13), ("Restarting", 60), ("Running", 63))
    late = {"running_at": at(63), "restarts": "1/3"}
    _, told = watched(
        job("Queuing", status_history=full[:1], restarts="0/3"),
        job("Running", seconds=72, status_history=full[:1], **late),
        job("Running", seconds=74, status_history=full[:2], **late),
        job("Running", seconds=93, status_history=full, **late),
    )
    assert not any(isinstance(event, JobHistoryCorrected) for event in told)
    assert changes(told) == [
        ("Queuing", "Running", at(63)),
        ("Queuing", "Running", at(13)),
        ("Running", "Restarting", at(60)),
    ]


@pytest.mark.parametrize(
    ("status", "listed", "corrected"),
    [("Running", 58, True), ("Running", 57, False), ("Running", 68, True), ("Running", 90, True), ("Failed", 40, True)],
)
def test_a_gmt_time_is_mended_where_the_history_is_near_or_gets_as_far(
    status: str, listed: int, corrected: bool
) -> None:
    times = {"running_at": at(63)} if status == "Running" else {"failed_at": at(63)}
    beginning = past(("Queuing", -9))
    _, told = watched(
        job("Queuing", status_history=beginning),
        job(status, seconds=72, status_history=beginning, **times),
        job(status, seconds=94, status_history=past(("Queuing", -9), (status, listed)), **times),
    )
    assert any(isinstance(event, JobHistoryCorrected) for event in told) is corrected
    assert len(changes(told)) == 1


def test_what_comes_to_light_late_is_filled_in_and_does_not_become_the_present() -> None:
    late = past(("Queuing", -9), ("Bidding", 3), ("Running", 20))
    held, told = watched(
        job("Queuing", status_history=late[:1]),
        job("EnvPreparing", seconds=10),
        job("EnvPreparing", seconds=15, status_history=late[:2]),
        job("Running", seconds=30, status_history=late),
    )
    assert changes(told) == [
        ("Queuing", "EnvPreparing", None),
        ("Queuing", "Bidding", at(3)),
        ("EnvPreparing", "Running", at(20)),
    ]
    assert [event.filled_in for event in told if isinstance(event, JobStatusChanged)] == [False, True, False]
    assert held.phase_since == at(20)


def test_only_the_running_time_shows_a_run_between_two_looks() -> None:
    _, told = watched(job("Queuing"), job("Failed", seconds=60, running_at=at(20), failed_at=at(50)))
    assert changes(told) == [("Queuing", "Running", at(20)), ("Running", "Failed", at(50))]


@pytest.mark.parametrize("running_at", [None, at(-500), at(500)])
def test_nothing_is_made_up_where_no_time_shows_it(running_at: Any) -> None:
    _, told = watched(job("Queuing"), job("Failed", seconds=60, running_at=running_at))
    assert changes(told) == [("Queuing", "Failed", None)]


def test_an_old_answer_is_not_believed_twice_but_the_third_time() -> None:
    history = past(("Queuing", -9), ("Running", 5))
    old = job("Queuing", seconds=30, status_history=history[:1])
    held, told = watched(job("Queuing", status_history=history[:1]), job("Running", seconds=15, status_history=history))
    assert len(told) == 1
    for _ in range(2):
        observed = look(held, old, now=at(30), cause=CAUSE)
        assert (observed.events, observed.stale) == ((), True)
        held = observed.watch
    assert changes(list(look(held, old, now=at(30), cause=CAUSE).events)) == [("Running", "Queuing", None)]


def test_an_old_answer_that_dates_what_was_told_undated_is_still_an_old_one() -> None:
    history = past(("Queuing", -9), ("Running", 4), ("Restarting", 9))
    held, told = watched(
        job("Queuing", status_history=history[:1]),
        job("Restarting", seconds=15, status_history=history[:1]),
        job("Running", seconds=30, status_history=history[:2]),
    )
    assert [status for _, status, _ in changes(told)] == ["Restarting", "Running", "Running"]
    old = job("Restarting", seconds=45, status_history=history)
    observed = look(held, old, now=at(45), cause=CAUSE)
    assert (observed.events, observed.stale) == ((), True)
    again = (*history, *past(("Running", 20), ("Restarting", 40)))
    assert not look(held, job("Restarting", seconds=45, status_history=again), now=at(45), cause=CAUSE).stale


def test_without_a_course_nothing_reads_backwards() -> None:
    assert not reads_backwards(Watch(job(), 1, at(0), at(0)).course, job())


def test_so_many_entries_are_remembered_and_older_ones_are_old_news() -> None:
    states = [("Creating", -1), *((("Running", "Restarting")[turn % 2], turn) for turn in range(3 * MOST_ENTRIES))]
    history = past(*states)
    progress = follow(
        baseline(job("Creating", status_history=history[:1])),
        job("Creating", status_history=history[:1]),
        job("Restarting", seconds=400, status_history=history),
    )
    assert len(progress.steps) == 3 * MOST_ENTRIES
    course = progress.course
    assert len(course.entries) == MOST_ENTRIES + 1
    assert course.entries[0].status == "Creating"
    assert course.since == at(2 * MOST_ENTRIES - 1)
    latest = job("Restarting", seconds=500, status_history=history)
    assert follow(course, latest, latest).steps == ()
    first = baseline(job("Restarting", seconds=400, status_history=history))
    assert follow(first, latest, latest).steps == ()
    assert first.since == at(3 * MOST_ENTRIES - 1)


def test_the_same_facts_have_the_same_ids_however_often_one_looks() -> None:
    history = past(("Queuing", -9), ("EnvPreparing", 10), ("Running", 20), ("Succeeded", 50))
    answers = [
        job(status, seconds=10 * number + 5, status_history=history[: number + 1])
        for number, status in enumerate(("Queuing", "EnvPreparing", "Running"))
    ]
    last = job("Succeeded", seconds=60, status_history=history, created_at=at(-10))
    _, often = watched(*answers, last)
    _, seldom = watched(answers[0], last)
    assert [event.id for event in often] == [event.id for event in seldom]
    assert often[-1].when.at - at(-10) == timedelta(seconds=60)
