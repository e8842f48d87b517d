"""Rules that remember what they sought for one look answer every event as one that was just made would."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.flapping import FlappingRule
from rules.pod_stuck import PodStuckRule
from rules.storm import StormOptions, StormRule
from watcher.api import Context, Fleet, JobRef, JobSnapshot, PodSnapshot, Rule
from watcher.core.evaluation import evaluate
from watcher.core.events import CauseId
from watcher.core.model import JobId, SourceName, Watch
from watcher.core.observation import first_sight, look
from watcher.core.rule import BoundRule

START = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
CAUSE = CauseId("c")

pod_states = st.tuples(
    st.sampled_from(["Pending", "Running", "Failed"]), st.sampled_from(["", "Evicted"]), st.sampled_from("uvw")
)
looks = st.tuples(
    st.integers(0, 2), st.sampled_from(["Queuing", "Running"]), st.lists(pod_states, max_size=5), st.integers(1, 30)
)


def answer(number: int, status: str, pods: list[tuple[str, str, str]], at: datetime) -> JobSnapshot:
    told = tuple(
        PodSnapshot(f"w-{place}", uid, "worker", state, sub, f"node-{place % 2}", created_at=START)
        for place, (state, sub, uid) in enumerate(pods)
    )
    return JobSnapshot(JobRef(SourceName("s"), JobId(f"j{number}")), at, status, quota_id="q", pods=told)


@pytest.mark.parametrize("made", [PodStuckRule, FlappingRule, lambda: StormRule(StormOptions(count=2))])
@given(course=st.lists(looks, min_size=1, max_size=12))
def test_what_is_remembered_makes_no_difference(
    made: Callable[[], Rule], course: list[tuple[int, str, list[tuple[str, str, str]], int]]
) -> None:
    old, fleet, now = made(), Fleet(), START
    held: dict[int, Watch] = {}
    for number, status, pods, minutes in course:
        now += timedelta(minutes=minutes)
        told = answer(number, status, pods, now)
        before = held.get(number)
        seen = (
            first_sight(told, now=now, cause=CAUSE, watching_since=START)
            if before is None
            else look(before, told, now=now, cause=CAUSE)
        )
        held[number] = seen.watch
        fleet.note(seen.watch, seen.events, now)
        context = Context(now=now, job=seen.watch.snapshot, phase_since=seen.watch.phase_since, fleet=fleet)
        for event in seen.events:
            answers = [evaluate([BoundRule(name=old.name, rule=rule)], [event], context) for rule in (old, made())]
            assert answers[0] == answers[1]
            assert not answers[0].faults
