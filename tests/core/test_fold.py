from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.core.strategies import CAUSE, at, happening, job, pod, snapshots
from watcher.core.carry_over import carry_over
from watcher.core.diff import diff
from watcher.core.events import (
    JobAppeared,
    JobRestarted,
    JobScaled,
    PodMoved,
    PodPlaced,
    PodRestarted,
    PodStatusChanged,
    PodVanished,
)
from watcher.core.fold import Watched, WatchedPod, WatchedReplicas, fold, watched
from watcher.core.incarnations import lives, names, pair, pods_by_id
from watcher.core.model import JobSnapshot, PodKey, ReplicaStatus, RoleSpec
from watcher.core.phases import Phase
from watcher.core.roles import asked_for, replicas


def test_what_is_watched_of_a_job() -> None:
    former = pod("w-0", "u0", "Failed", created_at=at(0))
    live = pod("w-0", "u1", sub_status="Normal", node="n1", ip="10.0.0.1", created_at=at(9), history=(former,))
    snapshot = job(
        "Running",
        sub_status="S",
        reason_code="R",
        reason_message="m",
        priority=3,
        restarts="2/10",
        roles=(RoleSpec("Worker", 4), RoleSpec("Worker", 4)),
        replicas=(ReplicaStatus("Worker", active=3, queuing=1, spot_instance_type="ecs.a"),),
        pods=(live,),
    )
    held = watched(snapshot)
    assert held == Watched(
        status="Running",
        sub_status="S",
        reason_code="R",
        reason_message="m",
        priority=3,
        restarts_used=2,
        asked={"Worker": 4},
        replicas={"Worker": WatchedReplicas(3, 1, None, "ecs.a")},
        pods={"w-0": WatchedPod("u1", "Running", "Normal", "n1", "10.0.0.1")},
    )
    assert held.pods["w-0"].former == {"u0"}
    assert watched(job()).restarts_used == 0
    assert watched(job()).pods == {}


@settings(deadline=None, max_examples=250)
@given(st.lists(snapshots, min_size=2, max_size=4))
def test_folding_the_difference_over_the_old_snapshot_gives_the_new_one(answers: list[JobSnapshot]) -> None:
    """Whatever DLC answers: between what was held and what is held after it, nothing watched changes without an event."""
    held = answers[0]
    for answer in answers[1:]:
        new, _ = carry_over(held, answer, ())
        events = diff(held, new, ordinal=1, cause=CAUSE)
        assert unnamed(fold(watched(held), events), held, new) == unnamed(watched(new), held, new)
        held = new


def unnamed(side: Watched, old: JobSnapshot, new: JobSnapshot) -> Watched:
    """Without what was learnt since though it had not changed: names of lives, roles, types of spot instances, a counter."""
    before, after = pods_by_id(old.pods), pods_by_id(new.pods)
    named = {
        pod_id
        for pod_id in before.keys() & after.keys()
        if names(lives(before[pod_id]))[-1] != names(lives(after[pod_id]))[-1]
        and pair(lives(before[pod_id]), lives(after[pod_id]))[-1] is not None
    }
    pods = {pod_id: replace(held, incarnation="") if pod_id in named else held for pod_id, held in side.pods.items()}
    known = replicas(old)
    return replace(
        side,
        pods=pods,
        asked={role: count for role, count in side.asked.items() if role in asked_for(old)},
        replicas={
            role: held if role in known and known[role].spot_instance_type else replace(held, spot_type="")
            for role, held in side.replicas.items()
            if role in known or replace(held, spot_type="") != WatchedReplicas()
        },
        restarts_used=side.restarts_used if old.restarts.text else 0,
    )


def test_folding_nothing_changes_nothing() -> None:
    held = watched(job(pods=(pod(),)))
    assert fold(held, ()) == held
    assert fold(held, [happening(JobAppeared, status="Running", phase=Phase.RUNNING)]) == held


def test_a_count_of_restarts_never_goes_down() -> None:
    held = watched(job(restarts="5/10"))
    assert fold(held, [happening(JobRestarted, used=3, limit=10)]).restarts_used == 5
    assert fold(held, [happening(JobRestarted, used=6, limit=10)]).restarts_used == 6


def test_a_restart_that_dlc_does_not_count_is_not_counted() -> None:
    held = watched(job())
    assert fold(held, [happening(JobRestarted, used=3, limit=None, counted=False)]) == held


def test_pods_beside_the_specification_are_not_asked_for() -> None:
    held = watched(job(roles=(RoleSpec("Worker", 4),)))
    scaled = {"role": "Worker", "old_count": 4, "new_count": 6}
    assert fold(held, [happening(JobScaled, **scaled, measure="present")]) == held
    assert fold(held, [happening(JobScaled, **scaled, measure="asked")]).asked == {"Worker": 6}


def test_a_pending_pod_learns_its_uid_with_its_place() -> None:
    held = watched(job(pods=(pod("w-0", "", "Pending", created_at=at(0)),)))
    placed = fold(held, [happening(PodPlaced, node="n1", ip="10.0.0.1")])
    assert placed.pods["w-0"] == WatchedPod("u1", "Pending", "", "n1", "10.0.0.1")
    moved = fold(placed, [happening(PodMoved, node="n2", old_node="n1", old_ip="10.0.0.1")])
    assert moved.pods["w-0"] == WatchedPod("u1", "Pending", "", "n2", "10.0.0.1")


def test_news_of_a_former_life_changes_nothing_about_the_present_one() -> None:
    held = watched(job(pods=(pod("w-0", "u2", created_at=at(9), history=(pod("w-0", "u1", created_at=at(0)),)),)))
    ended = happening(PodStatusChanged, old_status="Running", new_status="Failed")
    late = happening(PodRestarted, old_incarnation="u0", status="Running")
    assert fold(held, [ended, late]) == held


def test_events_about_pods_that_are_not_held_pass_through() -> None:
    held = watched(job())
    unknown = [
        happening(PodVanished, last_status="Running"),
        happening(PodRestarted, old_incarnation="u0"),
        happening(PodStatusChanged, pod=PodKey("w-7", "u"), old_status="Running", new_status="Failed"),
    ]
    assert fold(held, unknown) == held
