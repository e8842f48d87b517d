from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.strategies import happening
from watcher.core.events import JobFailed, PodEvicted
from watcher.core.order import Rank, Told, in_order, natural


def test_numbers_in_names_go_by_their_value() -> None:
    names = ["w-10", "w-2", "w", "w-1-10", "w-1-9", "10", "2", ""]
    assert sorted(names, key=natural) == ["", "2", "10", "w", "w-1-9", "w-1-10", "w-2", "w-10"]


@given(st.text(), st.text())
def test_any_two_names_can_be_compared(one: str, other: str) -> None:
    assert (natural(one) < natural(other)) or (natural(one) >= natural(other))
    assert natural(one) == natural(one)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (
            Told(Rank.EVICTION, happening(PodEvicted, node="1")),
            Told(Rank.JOB_END, happening(JobFailed, status="Failed")),
        ),
        (
            Told(Rank.EVICTION, happening(PodEvicted, node="1"), "master", "z-9", 9),
            Told(Rank.EVICTION, happening(PodEvicted, node="2"), "worker", "a-1", 1),
        ),
        (
            Told(Rank.EVICTION, happening(PodEvicted, node="1"), "worker", "w-2", 9),
            Told(Rank.EVICTION, happening(PodEvicted, node="2"), "worker", "w-10", 1),
        ),
        (
            Told(Rank.EVICTION, happening(PodEvicted, node="1"), "worker", "w-2", 1),
            Told(Rank.EVICTION, happening(PodEvicted, node="2"), "worker", "w-2", 2),
        ),
    ],
    ids=["rank", "role", "pod", "step"],
)
def test_events_go_by_rank_then_role_then_pod_then_step(first: Told, second: Told) -> None:
    assert in_order([second, first]) == (first.event, second.event)
