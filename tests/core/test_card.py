from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given

from tests.core.strategies import at, job, pod, snapshots
from watcher.core.card import MOST_STRETCHES, Card, PodCount, Stretch, cells, standing, status_card
from watcher.core.model import Course, StatusEntry, StatusPeriod
from watcher.core.phases import Phase, PodPhase


def course(*entries: tuple[str, float | None]) -> Course:
    made = [
        StatusEntry(status, f"#{number}", 1, at(0), started_at=None if began is None else at(began))
        for number, (status, began) in enumerate(entries)
    ]
    return Course(tuple(made))


def bar(card: Card) -> list[tuple[str, float | None]]:
    return [(one.phase.value, None if one.length is None else one.length.total_seconds()) for one in card.bar]


def seconds(length: timedelta | None) -> float | None:
    return None if length is None else length.total_seconds()


def test_a_running_job_shows_how_it_came_there() -> None:
    way = course(("Creating", 0), ("Queuing", 10), ("EnvPreparing", 100), ("Running", 160))
    card = status_card(job(created_at=at(0), restarts="0/3", seconds=400), way, url="https://x")
    assert bar(card) == [("pending", 100), ("starting", 60), ("running", 240)]
    assert [one.status for one in card.bar] == ["Queuing", "EnvPreparing", "Running"]
    assert [one.current for one in card.bar] == [False, False, True]
    assert (card.attempt, card.attempts, seconds(card.waited), card.waiting) == (1, 4, 160, False)
    assert (card.url, card.as_of, card.since, card.ended) == ("https://x", at(400), at(160), False)


def test_a_waiting_job_has_waited_until_now() -> None:
    card = status_card(job("Queuing", created_at=at(0), requested_gpu=8, seconds=30), as_of=at(90))
    assert (seconds(card.waited), card.waiting, card.as_of) == (90, True, at(90))
    assert card.gpu_hours == 0


def test_what_has_no_time_has_no_length() -> None:
    card = status_card(job("Restarting"), course(("Queuing", None), ("Running", 50), ("Restarting", 20)))
    assert bar(card) == [("pending", None), ("running", None), ("restarting", None)]
    assert card.waited is None
    assert not card.waiting


def test_the_end_is_no_stretch_of_time() -> None:
    way = course(("Running", 0), ("Succeeded", 7200))
    card = status_card(job("Succeeded", requested_gpu=8, finished_at=at(7200), seconds=9000), way)
    assert bar(card) == [("running", 7200), ("succeeded", None)]
    assert card.gpu_hours == 16
    assert card.ended


def test_a_job_that_is_gone_has_ended_whatever_it_did() -> None:
    assert status_card(job(), gone=True).ended
    assert not status_card(job()).ended


def test_only_the_newest_stretches_are_kept() -> None:
    way = course(*((("Running", "Restarting")[number % 2], number * 60.0) for number in range(31)))
    card = status_card(job(seconds=1860), way)
    assert (len(card.bar), card.left_out) == (MOST_STRETCHES, 31 - MOST_STRETCHES)
    assert card.bar[-1] == Stretch(
        phase=Phase.RUNNING, status="Running", since=at(1800), length=timedelta(seconds=60), current=True
    )


def test_pods_are_counted_by_role_and_phase_and_evictions_over_all_lives() -> None:
    pods = (
        pod("w-0", role="worker", history=(pod("w-0", "u0", "Failed", sub_status="Evicted"),)),
        pod("w-1", role="worker"),
        pod("w-2", role="worker", status="Pending"),
        pod("m-0", role="master", status="Levitating"),
    )
    card = status_card(job(pods=pods))
    assert card.pods == (
        PodCount("master", PodPhase.UNKNOWN, 1),
        PodCount("worker", PodPhase.RUNNING, 2),
        PodCount("worker", PodPhase.PENDING, 1),
    )
    assert card.evicted == 1
    assert status_card(job()).pods == ()


RESTARTED = course(("Running", 0), ("Restarting", 3600), ("Running", 5400))

DOWN = course(("Running", 0), ("Restarting", 3600))


@pytest.mark.parametrize(
    ("members", "way", "hours", "down"),
    [
        ({"requested_gpu": 2, "restarts": "1/3", "seconds": 9000}, RESTARTED, 4, 1),
        ({"restarts": "1/3", "seconds": 9000}, RESTARTED, None, None),
        ({"requested_gpu": 2, "restarts": "1/3", "seconds": 4000, "status": "Restarting"}, DOWN, 2, None),
        ({"requested_gpu": 2, "restarts": "1/3"}, Course(), None, None),
        ({"requested_gpu": 2}, Course(), None, None),
        ({"requested_gpu": 2, "restarts": "5000"}, Course(), None, None),
    ],
    ids=["two runs", "no GPUs", "down", "a run without dates", "a start without date", "more attempts than are told"],
)  # fmt: skip
def test_gpu_hours_are_told_where_every_run_is_known(members: Any, way: Course, hours: float, down: float) -> None:
    card = status_card(job(**members), way)
    assert (card.gpu_hours, card.gpu_hours_down) == (hours, down)


def test_who_and_where_by_name_else_by_id() -> None:
    named = status_card(job(workspace_name="nlp", quota_name="h800", user_name="wei", job_type="PyTorchJob"))
    assert (named.workspace, named.quota, named.owner, named.job_type) == ("nlp", "h800", "wei", "PyTorchJob")
    numbered = status_card(job(workspace_id="268", quota_id="quota1", user_id="17"))
    assert (numbered.workspace, numbered.quota, numbered.owner) == ("268", "quota1", "17")


def test_the_last_reason_is_that_of_now_else_the_last_that_was_given() -> None:
    past = (
        StatusPeriod("Queuing", at(0), reason_code="JobEnqueue"),
        StatusPeriod("Restarting", at(10), reason_message="a node was lost"),
        StatusPeriod("Running", at(20)),
    )
    card = status_card(job(status_history=past))
    assert (card.reason_code, card.reason) == ("", "a node was lost")
    card = status_card(job("Failed", status_history=past, reason_code="JobFailed", reason_message="exit 137"))
    assert (card.reason_code, card.reason) == ("JobFailed", "exit 137")
    assert status_card(job()).reason == ""


def test_what_runs_on_by_itself_is_no_news() -> None:
    way = course(("Queuing", 0), ("Running", 100))
    held = job(created_at=at(0), requested_gpu=8, seconds=200)
    card = status_card(held, way)
    later = status_card(held, way, as_of=at(5000))
    assert card != later
    assert standing(card) == standing(later)
    waiting = job("Queuing", created_at=at(0), requested_gpu=8)
    assert standing(status_card(waiting)) == standing(status_card(waiting, as_of=at(50)))
    assert standing(status_card(replace(held, restarts=job(restarts="1/3").restarts), way)) != standing(card)


def test_an_end_stands_for_good() -> None:
    ended = job("Failed", finished_at=at(50), seconds=60)
    assert standing(status_card(ended)) == standing(status_card(ended, as_of=at(9000)))
    left = course(("Running", 0))
    assert standing(status_card(job(), left, gone=True)) == standing(
        status_card(job(), left, gone=True, as_of=at(9000))
    )


@given(snapshots)
def test_every_job_has_a_card_and_its_standing_stands(held: Any) -> None:
    card = status_card(held)
    assert card.bar[-1].current
    assert standing(standing(card)) == standing(card)


def test_the_bar_as_a_row_of_cells() -> None:
    way = course(("Queuing", 0), ("EnvPreparing", 100), ("Running", 110), ("Succeeded", 1000))
    row = cells(status_card(job("Succeeded", seconds=1000), way).bar, 14)
    assert [(phase, row.count(phase)) for phase in dict.fromkeys(row)] == [
        (Phase.PENDING, 2),
        (Phase.STARTING, 1),
        (Phase.RUNNING, 10),
        (Phase.SUCCEEDED, 1),
    ]
    assert cells(status_card(job()).bar, 14) == (Phase.RUNNING,)
    narrow = cells(status_card(job("Succeeded", seconds=1000), way).bar, 2)
    assert narrow == (Phase.PENDING, Phase.STARTING, Phase.RUNNING, Phase.SUCCEEDED)
