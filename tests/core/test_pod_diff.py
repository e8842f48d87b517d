from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from tests.core.strategies import CAUSE, at, job, pod
from watcher.core.diff import diff
from watcher.core.events import (
    Event,
    PodAppeared,
    PodEvicted,
    PodMoved,
    PodPlaced,
    PodRestarted,
    PodStatusChanged,
    PodVanished,
    Provenance,
    When,
)
from watcher.core.model import PodKey, PodSnapshot

NINE = at(9)


def between(old: PodSnapshot | None, new: PodSnapshot | None, **members: Any) -> tuple[Any, ...]:
    pods = tuple(() if each is None else (each,) for each in (old, new))
    return diff(job(pods=pods[0]), job(seconds=15, pods=pods[1], **members), ordinal=7, cause=CAUSE)


def kinds(events: tuple[Event, ...]) -> list[str]:
    return [event.kind for event in events]


# --- appearing and vanishing --------------------------------------------------------------------------------------------------


def test_a_new_pod_id_appears_with_its_place() -> None:
    (event,) = between(None, pod("w-0", "a", "Pending", role="worker", sub_status="Normal", node="n1", ip="10.0.0.1"))
    assert isinstance(event, PodAppeared)
    assert (event.pod, event.role, event.node, event.ip) == (PodKey("w-0", "a"), "worker", "n1", "10.0.0.1")
    assert (event.status, event.sub_status) == ("Pending", "Normal")


def test_a_new_pod_id_with_former_lives_appeared_and_was_restarted() -> None:
    former = (pod("", "b", "Failed", created_at=at(5)), pod("", "a", "Failed", node="n1", created_at=at(1)))
    first, second, third = between(None, pod("w-0", "c", created_at=at(9), history=former))
    assert isinstance(first, PodAppeared)
    assert first.pod == PodKey("w-0", "a")
    assert isinstance(second, PodRestarted)
    assert isinstance(third, PodRestarted)
    assert (second.old_incarnation, second.pod.incarnation, second.old_node) == ("a", "b", "n1")
    assert (third.old_incarnation, third.pod.incarnation) == ("b", "c")


def test_a_pod_that_appears_evicted_is_evicted() -> None:
    former = pod("", "a", "Failed", sub_status="Evicted", node="n1", created_at=at(1))
    events = between(None, pod("w-0", "b", created_at=at(9), history=(former,)))
    assert kinds(events) == ["pod.evicted", "pod.appeared", "pod.restarted"]


def test_a_pod_id_that_is_left_out_vanished() -> None:
    (event,) = between(pod("w-0", "a", node="n1"), None)
    assert isinstance(event, PodVanished)
    assert (event.pod, event.last_status, event.node) == (PodKey("w-0", "a"), "Running", "n1")


# --- restarts -----------------------------------------------------------------------------------------------------------------


def test_a_new_uid_is_one_restart() -> None:
    old = pod("w-0", "a", node="n1", ip="10.0.0.1")
    (event,) = between(old, pod("w-0", "b", "Pending", sub_status="Normal", node="n2", ip="10.0.0.2"))
    assert isinstance(event, PodRestarted)
    assert (event.old_incarnation, event.pod.incarnation) == ("a", "b")
    assert (event.old_node, event.node, event.old_ip, event.ip) == ("n1", "n2", "10.0.0.1", "10.0.0.2")
    assert (event.status, event.sub_status) == ("Pending", "Normal")


def test_a_new_uid_and_the_history_that_grew_by_it_are_one_restart() -> None:
    old = pod("w-0", "a", created_at=at(0))
    assert kinds(between(old, pod("w-0", "b", created_at=at(9), history=(old,)))) == ["pod.restarted"]


def test_two_lives_between_two_looks_are_two_restarts() -> None:
    old = pod("w-0", "a", created_at=at(0))
    lived = pod("", "b", "Failed", created_at=at(5))
    first, second = between(old, pod("w-0", "c", created_at=at(9), history=(lived, old)))
    assert isinstance(first, PodRestarted)
    assert isinstance(second, PodRestarted)
    assert (first.old_incarnation, first.pod.incarnation) == ("a", "b")
    assert (second.old_incarnation, second.pod.incarnation) == ("b", "c")


def test_a_restart_has_the_same_id_whenever_it_is_seen() -> None:
    old, new = pod("w-0", "a"), pod("w-0", "b")
    early = diff(job(pods=(old,)), job(pods=(new,)), ordinal=7, cause=CAUSE)
    late = diff(job(pods=(old,)), job(pods=(replace(new, status="Failed"),)), ordinal=9, cause=CAUSE)
    assert early[0].id == late[0].id


def test_lives_that_nothing_tells_apart_are_told_apart_by_the_look() -> None:
    def evicted(ordinal: int) -> str:
        old = pod("w-0", "")
        events = diff(job(pods=(old,)), job(pods=(replace(old, sub_status="Evicted"),)), ordinal=ordinal, cause=CAUSE)
        return next(event.id for event in events if isinstance(event, PodEvicted))

    assert evicted(7) != evicted(9)
    assert evicted(7) == evicted(7)


def test_the_documentations_history_entry_that_repeats_the_live_uid_is_no_restart() -> None:
    former = pod("Worker", "fe84", "Failed", ip="10.0.1.3", created_at=at(0))
    live = pod("Worker", "fe84", "Running", ip="10.0.1.2", created_at=at(0), history=(former,))
    assert kinds(between(None, live)) == ["pod.appeared"]
    assert between(replace(live, history=()), live) == ()


def test_a_pending_pod_that_gets_its_uid_later_is_the_same_life() -> None:
    waiting = pod("w-0", "", "Pending", created_at=at(0))
    (event,) = between(waiting, pod("w-0", "a", "Running", node="n1", created_at=at(0)))
    assert isinstance(event, PodStatusChanged)
    assert (event.pod.incarnation, event.node) == ("a", "n1")
    nameless = pod("w-0", "", "Pending")
    assert kinds(between(nameless, pod("w-0", "a", "Running", created_at=at(0)))) == ["pod.status_changed"]


def test_lives_without_uid_are_told_apart_by_their_creation() -> None:
    (event,) = between(pod("w-0", "", created_at=at(0)), pod("w-0", "", created_at=at(60)))
    assert isinstance(event, PodRestarted)
    assert event.old_incarnation == at(0).isoformat()


# --- history that is filled in late -------------------------------------------------------------------------------------------


def chain_of(*uids: str, first: int = 0) -> PodSnapshot:
    """A pod whose lives have these uids, oldest first; ages are alphabetical so that they stay the same as lives are added."""
    *former, live = (pod("w-0", uid, created_at=at(ord(uid))) for uid in uids)
    return replace(live, history=tuple(former))


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("b", "ab", [("a", "b")]),
        ("c", "abc", [("a", "b"), ("b", "c")]),
        ("ac", "abc", [("a", "b")]),
        ("bd", "abcd", [("a", "b"), ("b", "c")]),
        ("b", "abc", [("a", "b"), ("b", "c")]),
        ("ad", "abcd", [("a", "b"), ("b", "c")]),
    ],
)
def test_each_life_that_comes_to_light_late_is_one_restart(old: str, new: str, expected: list[tuple[str, str]]) -> None:
    events = between(chain_of(*old), chain_of(*new))
    assert len({event.id for event in events}) == len(events)
    told = [(event.old_incarnation, event.pod.incarnation) for event in events if isinstance(event, PodRestarted)]
    assert told == expected
    assert len(told) == len(events)


def test_a_late_life_never_displaces_the_present_one() -> None:
    old = pod("w-0", "a", history=(pod("w-0", "c"),))  # no times: "a" sorts first though it lives
    new = pod("w-0", "d", history=(pod("w-0", "a"), pod("w-0", "b"), pod("w-0", "c")))
    told = [(event.old_incarnation, event.pod.incarnation) for event in between(old, new)]  # type: ignore[union-attr]
    assert told == [("b", "c"), ("a", "d")]


# --- status -------------------------------------------------------------------------------------------------------------------


def test_a_status_that_changes_is_told_with_both_sides() -> None:
    (event,) = between(pod(status="Running", sub_status="Normal"), pod(status="Failed", sub_status="Odd", node="n1"))
    assert isinstance(event, PodStatusChanged)
    assert (event.old_status, event.new_status) == ("Running", "Failed")
    assert (event.old_sub_status, event.new_sub_status) == ("Normal", "Odd")
    assert event.node == "n1"


def test_a_life_that_went_to_history_with_another_status_is_told_before_the_next_one() -> None:
    old = pod("w-0", "a", created_at=at(0))
    new = pod("w-0", "b", created_at=at(9), history=(replace(old, status="Failed"),))
    ended, restarted = between(old, new)
    assert isinstance(ended, PodStatusChanged)
    assert (ended.pod.incarnation, ended.old_status, ended.new_status) == ("a", "Running", "Failed")
    assert isinstance(restarted, PodRestarted)


# --- evictions ----------------------------------------------------------------------------------------------------------------


def test_an_eviction_is_told_once_with_its_node_and_the_jobs_reason() -> None:
    old = pod("w-0", "a", node="n1", created_at=at(0))
    gone = replace(old, status="Failed", sub_status="Evicted", node="")
    events = between(old, gone, reason_message="preempted by a higher priority")
    assert kinds(events)[0] == "pod.evicted"
    (event,) = (event for event in events if isinstance(event, PodEvicted))
    assert (event.pod.incarnation, event.node) == ("a", "n1")
    assert event.reason_message == "preempted by a higher priority"
    assert between(gone, gone) == ()
    later = pod("w-0", "b", created_at=at(9), history=(gone,))
    assert kinds(between(gone, later)) == ["pod.restarted"]


def test_an_eviction_is_seen_in_a_life_that_came_and_went_between_two_looks() -> None:
    old = pod("w-0", "a", created_at=at(0))
    lived = pod("w-0", "b", "Failed", sub_status="Evicted", node="n2", created_at=at(5))
    events = between(old, pod("w-0", "c", created_at=at(9), history=(old, lived)))
    assert kinds(events) == ["pod.evicted", "pod.restarted", "pod.restarted"]
    assert isinstance(events[0], PodEvicted)
    assert (events[0].pod.incarnation, events[0].node) == ("b", "n2")


def test_an_eviction_seen_only_in_history_is_told_of_the_life_it_ended() -> None:
    old = pod("w-0", "a", node="n1", created_at=at(0))
    gone = replace(old, status="Failed", sub_status="Evicted")
    assert kinds(between(old, pod("w-0", "b", created_at=at(9), history=(gone,)))) == [
        "pod.evicted",
        "pod.status_changed",
        "pod.restarted",
    ]


# --- dates --------------------------------------------------------------------------------------------------------------------


def test_a_life_appears_and_takes_the_place_of_another_when_it_was_created() -> None:
    (appeared,) = between(None, pod("w-0", "a", created_at=at(5)))
    (restarted,) = between(pod("w-0", "a", created_at=at(-9)), pod("w-0", "b", created_at=at(7)))
    for event, second in ((appeared, 5), (restarted, 7)):
        assert event.when == When(
            observed_at=at(15), occurred_at=at(second), not_before=at(0), provenance=Provenance.REPORTED
        )
    (timeless,) = between(None, pod("w-0", "a"))
    assert timeless.when == When(observed_at=at(15), not_before=at(0))


def test_a_pod_that_appears_anew_is_known_by_its_life_and_one_that_was_there_before_by_the_look() -> None:
    def appeared(second: int | None, ordinal: int) -> str:
        new = pod("w-0", "a", created_at=None if second is None else at(second))
        events = diff(job(pods=()), job(seconds=15, pods=(new,)), ordinal=ordinal, cause=CAUSE)
        return events[0].id

    assert appeared(0, 7) == appeared(0, 9) == appeared(5, 9)
    assert appeared(-1, 7) != appeared(-1, 9)
    assert appeared(None, 7) != appeared(None, 9)


@pytest.mark.parametrize(
    ("status", "sub_status", "second"),
    [
        ("Running", "", 5),
        ("Running", "Evicted", 9),
        ("Failed", "", 9),
        ("Succeeded", "", 9),
        ("Failed", "Evicted", 9),
        ("Unknown", "Evicted", 9),
        ("Unknown", "", None),
        ("Levitating", "", None),
    ],
)
def test_a_change_of_status_is_dated_by_the_start_or_the_end(status: str, sub_status: str, second: int | None) -> None:
    new = pod(status=status, sub_status=sub_status, started_at=at(5), finished_at=at(9))
    event = next(event for event in between(pod(status="Pending"), new) if isinstance(event, PodStatusChanged))
    assert event.when.occurred_at == (None if second is None else at(second))
    assert event.when.provenance is (Provenance.OBSERVED if second is None else Provenance.REPORTED)


@pytest.mark.parametrize(("second", "dated"), [(-121, False), (-120, True), (135, True), (136, False)])
def test_a_date_that_cannot_lie_between_the_looks_is_not_that_of_the_change(second: int, dated: bool) -> None:
    (event,) = between(pod(status="Pending"), pod(started_at=at(second)))
    assert event.when.occurred_at == (at(second) if dated else None)


def test_a_date_that_was_known_before_the_change_is_not_that_of_the_change() -> None:
    (event,) = between(pod(status="Unknown", started_at=at(-5)), pod(started_at=at(-5)))
    assert event.when == When(observed_at=at(15), not_before=at(0))


def test_a_change_of_status_with_a_date_has_one_id_however_often_one_looks() -> None:
    def changed(was: str, ordinal: int, *, end: datetime | None = NINE) -> str:
        old, new = job(pods=(pod(status=was),)), job(seconds=15, pods=(pod(status="Failed", finished_at=end),))
        return diff(old, new, ordinal=ordinal, cause=CAUSE)[0].id

    assert changed("Pending", 7) == changed("Running", 9)
    assert changed("Running", 7) != changed("Running", 7, end=at(10))
    assert changed("Running", 7, end=None) != changed("Running", 9, end=None)


def test_an_eviction_happened_when_the_life_ended_or_before_the_next_one_was_created() -> None:
    old = pod("w-0", "a", created_at=at(-9))
    gone = replace(old, status="Failed", sub_status="Evicted", finished_at=at(3))
    (dated, *_) = between(old, pod("w-0", "b", created_at=at(7), history=(gone,)))
    assert (dated.when.occurred_at, dated.when.not_after) == (at(3), None)
    timeless = replace(gone, finished_at=None)
    bounded, ended, _ = between(old, pod("w-0", "b", created_at=at(7), history=(timeless,)))
    for event in (bounded, ended):
        assert event.when == When(observed_at=at(15), not_before=at(0), not_after=at(7))
    (behind, *_) = between(old, pod("w-0", "b", created_at=at(-3), history=(timeless,)))
    assert (behind.when.not_before, behind.when.not_after) == (None, at(-3))
    (ahead, *_) = between(old, pod("w-0", "b", created_at=at(20), history=(timeless,)))
    assert ahead.when == When(observed_at=at(15), not_before=at(0))
    (live, *_) = between(old, timeless)
    assert live.when == When(observed_at=at(15), not_before=at(0))


def test_a_uid_that_is_repeated_with_another_creation_time_is_another_life() -> None:
    old = pod("w-0", "a", created_at=at(0))
    middle = pod("w-0", "a", "Failed", sub_status="Evicted", created_at=at(5), finished_at=at(8))
    evicted, first, second = between(old, pod("w-0", "a", created_at=at(9), history=(middle, old)))
    assert isinstance(first, PodRestarted)
    assert isinstance(second, PodRestarted)
    assert (first.old_incarnation, first.pod.incarnation) == ("a", f"a@{at(5)}")
    assert (second.old_incarnation, second.pod.incarnation) == (f"a@{at(5)}", f"a@{at(9)}")
    assert evicted.pod == first.pod
    assert len({event.id for event in (evicted, first, second)}) == 3


# --- places -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("place", [{"node": "n1"}, {"ip": "10.0.0.1"}])
def test_a_pod_that_gets_its_place_is_placed(place: dict[str, str]) -> None:
    (event,) = between(pod(), pod(**place))
    assert isinstance(event, PodPlaced)
    assert {event.node, event.ip} == {"", *place.values()}


def test_a_place_that_a_status_change_tells_is_not_told_again() -> None:
    assert kinds(between(pod(status="Pending"), pod(node="n1"))) == ["pod.status_changed"]


@pytest.mark.parametrize(("old", "new"), [({"node": "n1"}, {"node": "n2"}), ({"ip": "10.0.0.1"}, {"ip": "10.0.0.2"})])
def test_another_place_of_the_same_life_is_a_move(old: dict[str, str], new: dict[str, str]) -> None:
    (event,) = between(pod(**old), pod(**new))
    assert isinstance(event, PodMoved)
    assert {event.old_node, event.old_ip} == {"", *old.values()}
    assert {event.node, event.ip} == {"", *new.values()}


def test_a_move_is_told_beside_a_change_of_status() -> None:
    assert kinds(between(pod(status="Pending", node="n1"), pod(node="n2"))) == ["pod.status_changed", "pod.moved"]


def test_a_place_that_is_left_out_is_no_news() -> None:
    assert between(pod(node="n1", ip="10.0.0.1"), pod()) == ()


def test_a_former_life_does_not_move() -> None:
    former = pod("w-0", "a", node="n1", created_at=at(0))
    old = pod("w-0", "b", created_at=at(9), history=(former,))
    assert between(old, replace(old, history=(replace(former, node="n2"),))) == ()


def test_an_answer_that_does_not_speak_of_pods_tells_nothing_of_them() -> None:
    assert diff(job(pods=(pod(),)), job(seconds=15, pods=None), ordinal=7, cause=CAUSE) == ()
