from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watcher.core.phases import (
    EVICTED_POD_SUB_STATUSES,
    JOB_PHASES,
    LIVE,
    POD_PHASES,
    RESERVED,
    TERMINAL,
    Phase,
    PodPhase,
    phase_of,
    pod_phase_of,
)

DOCUMENTED = {
    "Creating",
    "Queuing",
    "Bidding",
    "EnvPreparing",
    "SanityChecking",
    "Running",
    "Restarting",
    "Stopping",
    "SucceededReserving",
    "FailedReserving",
    "Succeeded",
    "Failed",
    "Stopped",
}


def test_every_documented_status_of_both_editions_has_a_phase() -> None:
    assert DOCUMENTED | {"Created", "Dequeued"} <= JOB_PHASES.keys()
    assert set(POD_PHASES) == {"Pending", "Running", "Succeeded", "Failed", "Unknown"}


def test_only_three_documented_statuses_end_a_job() -> None:
    assert {status for status in DOCUMENTED if phase_of(status) in TERMINAL} == {"Succeeded", "Failed", "Stopped"}


def test_every_phase_is_live_or_terminal_and_the_reserved_ones_live() -> None:
    assert set(Phase) == LIVE | TERMINAL
    assert not LIVE & TERMINAL
    assert RESERVED <= LIVE


def test_every_phase_is_reached_by_some_status_but_unknown() -> None:
    assert set(JOB_PHASES.values()) == set(Phase) - {Phase.UNKNOWN}


@given(st.text())
def test_any_text_has_a_phase_and_an_unlisted_one_keeps_the_job_alive(status: str) -> None:
    assert phase_of(status) is JOB_PHASES.get(status, Phase.UNKNOWN)
    assert pod_phase_of(status) is POD_PHASES.get(status, PodPhase.UNKNOWN)


@pytest.mark.parametrize("status", ["", "running", "Deleted", "RUNNING"])
def test_what_is_not_in_the_table_is_unknown_and_alive(status: str) -> None:
    assert phase_of(status) is Phase.UNKNOWN
    assert Phase.UNKNOWN in LIVE


def test_evicted_is_the_word_for_an_eviction() -> None:
    assert {"Evicted"} == EVICTED_POD_SUB_STATUSES
