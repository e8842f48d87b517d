from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.strategies import NOW, REF, at, job, pod, summary, watch
from watcher.core.model import (
    JobId,
    JobRef,
    JobSettings,
    JobSnapshot,
    Listed,
    Listing,
    PodKey,
    Resources,
    RestartCount,
    RoleSpec,
    SourceName,
)
from watcher.core.phases import LIVE, Phase, PodPhase


def test_a_job_is_named_by_source_and_id() -> None:
    assert str(REF) == "hangzhou/dlc1qwertyuiop23"
    assert JobRef(SourceName("a"), JobId("z")) < JobRef(SourceName("b"), JobId("a"))


@pytest.mark.parametrize(
    ("text", "used", "limit", "spoken"),
    [
        ("0/10", 0, 10, "0 of 10"),
        (" 3 / 10 ", 3, 10, "3 of 10"),
        ("1", 1, None, "1"),
        ("", None, None, ""),
        (None, None, None, ""),
        ("-1/10", None, None, "-1/10"),
        ("1/", None, None, "1/"),
        ("1/10/2", None, None, "1/10/2"),
        ("1234567890", None, None, "1234567890"),
        ("many", None, None, "many"),
    ],
)
def test_restart_times_are_read_with_care(text: str | None, used: int | None, limit: int | None, spoken: str) -> None:
    count = RestartCount.parse(text)
    assert (count.text, count.used, count.limit) == (text or "", used, limit)
    assert str(count) == spoken


@given(st.text())
def test_no_restart_text_is_too_odd_to_keep(text: str) -> None:
    assert RestartCount.parse(text).text == text


def test_a_pod_is_named_by_uid_else_by_creation_else_by_its_id_alone() -> None:
    assert pod("w-0", "u1", created_at=NOW).key == PodKey("w-0", "u1")
    assert pod("w-0", "", created_at=NOW).key == PodKey("w-0", "2026-03-01T12:00:00+00:00")
    assert pod("w-0", "").key == PodKey("w-0", "")
    assert str(PodKey("w-0", "u1")) == "w-0@u1"
    assert str(PodKey("w-0", "")) == "w-0"


def test_a_pod_knows_its_phase_and_whether_it_was_evicted() -> None:
    assert pod(status="Running").phase is PodPhase.RUNNING
    assert pod(sub_status="Evicted").evicted
    assert not pod(sub_status="Normal").evicted


def test_a_job_knows_its_phase_tags_and_title() -> None:
    named = job("Queuing", name="llm", settings=JobSettings(tags=(("team", "vision"),)))
    assert (named.phase, named.tags, named.title) == (Phase.PENDING, {"team": "vision"}, "llm")
    assert job().title == REF.job_id
    assert summary("Queuing").phase is Phase.PENDING


def role(count: int, gpu: str) -> RoleSpec:
    return RoleSpec("Worker", count, Resources(gpu=gpu))


@pytest.mark.parametrize(
    ("snapshot", "gpus"),
    [
        (job(requested_gpu=0.5, roles=(role(2, "8"),)), 0.5),
        (job(requested_gpu=0.0), 0.0),
        (job(roles=(role(2, "8"), role(1, "1"))), 17.0),
        (job(roles=(role(2, "8"), role(1, ""), role(1, "odd"))), 16.0),
        (job(roles=(role(2, ""),)), None),
        (job(), None),
    ],
)
def test_gpus_are_what_dlc_reports_else_what_the_roles_add_up_to(snapshot: JobSnapshot, gpus: float | None) -> None:
    assert snapshot.gpus == gpus


@pytest.mark.parametrize(
    ("status", "vanished", "live"),
    [("Running", False, True), ("Levitating", False, True), ("Failed", False, False), ("Running", True, False)],
)
def test_a_watch_lives_until_its_job_ended_or_vanished(status: str, vanished: bool, live: bool) -> None:
    assert watch(job(status), vanished=vanished).live is live
    assert (job(status).phase in LIVE) is (status != "Failed")


def test_values_without_anything_are_whole() -> None:
    assert Listing(()).complete
    bare = JobSnapshot(REF, at(0), "")
    assert (bare.pods, bare.max_running_time, bare.restarts.used) == (None, None, None)
    assert summary().max_running_time is None
    assert Listed.of(summary("Failed")) == Listed("Failed")
    assert Listed("Failed").phase is Phase.FAILED
    assert watch(bare).phase_since - at(0) == timedelta(0)
