from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings

from tests.core.strategies import at, job, pod, snapshots
from watcher.core.carry_over import carry_over, differ
from watcher.core.incarnations import lives
from watcher.core.model import JobSettings, JobSnapshot, PodSnapshot, RestartCount, StatusPeriod


def carried(held: PodSnapshot, answer: PodSnapshot) -> PodSnapshot:
    new, missing = carry_over(job(pods=(held,)), job(pods=(answer,)), ())
    assert missing == ()
    assert new.pods is not None
    (found,) = new.pods
    return found


@settings(deadline=None, max_examples=100)
@given(snapshots, snapshots)
def test_the_same_answer_again_changes_nothing_more(held: JobSnapshot, answer: JobSnapshot) -> None:
    once, missing = carry_over(held, answer, ())
    twice, _ = carry_over(once, answer, missing)
    assert not differ(once, replace(twice, pods=once.pods))


def test_what_only_lists_tell_is_kept() -> None:
    held = job(
        user_name="ann",
        quota_name="gold",
        template_id="t",
        max_running_time=timedelta(hours=1),
        modified_at=at(0),
        priority=3,
        user_id="1",
    )
    new, _ = carry_over(held, job("Failed", seconds=15), ())
    assert new == replace(held, status="Failed", observed_at=at(15), user_id="")
    told = job(
        user_name="bob",
        quota_name="iron",
        template_id="u",
        max_running_time=timedelta(1),
        modified_at=at(9),
        priority=0,
    )
    assert carry_over(held, told, ())[0] == told


@pytest.mark.parametrize(
    ("held", "answer", "expected"),
    [
        ("", "", ""),
        ("", "2/10", "2/10"),
        ("2/10", "", "2/10"),
        ("2/10", "1/10", "2/10"),
        ("2/10", "odd", "2/10"),
        ("2/10", "2/20", "2/20"),
        ("2/10", "3/10", "3/10"),
        ("odd", "", "odd"),
        ("odd", "3/10", "3/10"),
        ("", "odd", "odd"),
    ],
)
def test_a_restart_counter_is_kept_where_the_answer_knows_less(held: str, answer: str, expected: str) -> None:
    new, _ = carry_over(job(restarts=held), job(restarts=answer), ())
    assert new.restarts == RestartCount.parse(expected)


def test_an_answer_that_does_not_speak_of_pods_leaves_them_and_their_doubts() -> None:
    new, missing = carry_over(job(pods=(pod(),)), job(pods=None), ("w-0",))
    assert (new.pods, missing) == ((pod(),), ("w-0",))


def test_a_pod_left_out_is_kept_once_and_gone_the_second_time() -> None:
    held = job(pods=(pod("w-0"), pod("w-1")))
    once, missing = carry_over(held, job(pods=(pod("w-1"),)), ())
    assert ({each.pod_id for each in once.pods or ()}, missing) == ({"w-0", "w-1"}, ("w-0",))
    twice, missing = carry_over(once, job(pods=(pod("w-1"),)), missing)
    assert ({each.pod_id for each in twice.pods or ()}, missing) == ({"w-1"}, ())


def test_pods_that_are_new_or_nameless_come_as_they_are() -> None:
    answer = job(pods=(pod("w-1"), pod("", "x")))
    assert carry_over(job(pods=None), answer, ())[0].pods == answer.pods


def test_the_same_life_keeps_its_name_and_place() -> None:
    held = pod(uid="a", node="n1", ip="10.0.0.1", created_at=at(0))
    assert carried(held, pod(uid="", status="Failed")) == replace(held, status="Failed")
    moved = pod(uid="a", node="n2", ip="10.0.0.2", created_at=at(0))
    assert carried(held, moved) == moved


def test_a_new_life_brings_its_own_place_and_keeps_the_former_lives_known() -> None:
    held = pod(uid="b", node="n1", created_at=at(5), history=(pod(uid="a", created_at=at(0)),))
    new = carried(held, pod(uid="c", status="Pending", created_at=at(9)))
    assert (new.uid, new.node) == ("c", "")
    assert [life.uid for life in lives(new)] == ["a", "b", "c"]
    assert all(life.history == () for life in new.history)


@pytest.mark.parametrize("created_at", [None, at(0)])
def test_a_former_life_does_not_come_back_as_the_live_one(created_at: object) -> None:
    former = pod(uid="a", created_at=created_at)
    held = pod(uid="b", node="n1", created_at=at(5), history=(former,))
    found = carried(held, replace(former, history=(replace(held, history=()),)))
    assert (found.uid, found.node) == ("b", "n1")
    assert [life.uid for life in lives(found)] == ["a", "b"]
    assert carried(held, former) == held


def test_lives_that_share_a_uid_are_all_kept_when_an_older_one_is_shown_as_the_live_one() -> None:
    lived = [pod(uid="a", created_at=at(second)) for second in (0, 5, 9)]
    held = replace(lived[2], history=(lived[1], lived[0]))
    found = carried(held, lived[1])
    assert [life.created_at for life in lives(found)] == [at(0), at(5), at(9)]


def test_a_life_that_is_older_than_the_live_one_becomes_known_as_a_former_one() -> None:
    held = pod(uid="b", created_at=at(5))
    found = carried(held, pod(uid="a", created_at=at(0)))
    assert [life.uid for life in lives(found)] == ["a", "b"]


# --- whether anything differs -------------------------------------------------------------------------------------------------

FULL = job(
    pods=(pod("w-0", history=(pod(uid="a"), pod(uid="b"))), pod("w-1")),
    settings=JobSettings(tags=(("a", "1"), ("b", "2"))),
    status_history=(StatusPeriod("Queuing"), StatusPeriod("Running")),
)


def test_clocks_and_the_order_of_lists_make_no_difference() -> None:
    later = replace(
        FULL,
        observed_at=at(15),
        modified_at=at(15),
        duration=timedelta(15),
        pods=(pod("w-1", duration=timedelta(15)), pod("w-0", history=(pod(uid="b"), pod(uid="a")))),
        settings=JobSettings(tags=(("b", "2"), ("a", "1"))),
        status_history=(StatusPeriod("Running"), StatusPeriod("Queuing")),
    )
    assert not differ(FULL, FULL)
    assert not differ(FULL, later)


@pytest.mark.parametrize(
    "change",
    [
        {"status": "Failed"},
        {"requested_gpu": 8.0},
        {"pods": None},
        {"pods": (pod("w-0"),)},
        {"pods": (pod("w-0", history=(pod(uid="a"),)), pod("w-1"))},
        {"pods": (pod("w-0", history=(pod(uid="a"), pod(uid="b"))), pod("w-1", node="n1"))},
        {"settings": JobSettings(tags=(("a", "1"), ("b", "3")))},
        {"status_history": (StatusPeriod("Queuing"),)},
    ],
)
def test_everything_else_makes_a_difference(change: dict[str, object]) -> None:
    assert differ(FULL, replace(FULL, **change))  # type: ignore[arg-type]
