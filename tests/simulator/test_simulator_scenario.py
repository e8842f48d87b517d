"""Scenario files, the bundled ones, and the truth about them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from watcher.errors import ConfigurationError
from watcher.simulator import bundled, bundled_names, load_scenario, truth
from watcher.simulator.answers import Moment
from watcher.simulator.faults import Armed, Fault, FaultKind, strike
from watcher.simulator.life import state_at, states
from watcher.simulator.records import incarnation, job_events, pod_events, pod_logs
from watcher.simulator.throttle import Bucket
from watcher.simulator.transitions import transitions

ORIGIN = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
TWICE = "{id: a, copies: 20000, life: [{at: 5s, status: R}]}"
LAUGHS = "a: &a [1,1,1,1,1,1,1,1,1,1]\n" + "".join(
    f"{name}: &{name} [{','.join([f'*{before}'] * 10)}]\n" for before, name in zip("abcde", "bcdef", strict=True)
)


def problems(text: str) -> list[str]:
    with pytest.raises(ConfigurationError) as refused:
        load_scenario(text)
    return [str(problem) for problem in refused.value.problems]


def test_the_bundled_scenarios_are_those_that_are_named() -> None:
    assert set(bundled_names()) == {
        "demo", "clean-run", "eviction", "restart-loop", "stop-while-queuing", "deletion", "reservation", "unknown-status",
        "queue-then-run", "bidding-lost", "sanity-check", "spot-reclaimed", "idle-preempted", "budget-exhausted",
        "one-pod-restarts", "quota-storm", "many-pods",
    }  # fmt: skip


@pytest.mark.parametrize("name", sorted(set(bundled_names())))
def test_every_bundled_scenario_has_a_description_and_a_truth_in_order(name: str) -> None:
    scenario = bundled(name)
    assert scenario.description
    told = truth(scenario)
    assert [one.at for one in told] == sorted(one.at for one in told)
    assert {one.job_id for one in told if one.kind == "job.appeared"} == {job.id for job in scenario.jobs}
    assert len(set(told)) == len(told)


def test_the_demo_tells_the_whole_story() -> None:
    told = truth(bundled("demo"))
    statuses = {one.new for one in told if one.kind == "job.status_changed"}
    assert {"Queuing", "Running", "Restarting", "Succeeded", "Failed", "Stopped", "FailedReserving"} <= statuses
    kinds = {one.kind for one in told}
    assert {"pod.evicted", "pod.restarted", "job.restarted", "job.deleted", "job.priority_changed"} <= kinds
    assert sum(one.at <= timedelta(minutes=5) and one.kind == "job.status_changed" for one in told) >= 8
    assert max(one.at for one in told) <= timedelta(minutes=90)
    late = {job.name: state_at(states(job), timedelta(minutes=89)) for job in bundled("demo").jobs}
    assert [name for name, state in late.items() if state is not None and state.status == "Queuing"] == [
        "prod-moe-128gpu"
    ]


def test_the_truth_of_an_eviction_is_exactly_this() -> None:
    told = [
        (one.at.total_seconds() / 60, one.kind, one.pod.rpartition("1-")[2], one.new)
        for one in truth(bundled("eviction"))
    ]
    assert [line for line in told if line[0] in (10, 20)] == [
        (
            10,
            "pod.evicted",
            "worker-0",
            next(one.new for one in truth(bundled("eviction")) if one.kind == "pod.evicted"),
        ),
        (10, "pod.status_changed", "worker-0", "Failed"),
        (20, "pod.moved", "worker-1", "cn-hangzhou.10.0.99.9"),
    ]
    assert [line[:3] for line in told if line[0] == 11] == [
        (11, "job.restarted", ""),
        (11, "pod.restarted", "worker-0"),
    ]


def test_mistakes_are_told_with_their_place() -> None:
    assert problems("made_up: true\njobs:\n  - id: a\n    nam: x\n    life: [{at: 0s, status: Running}]\n") == [
        "<text>:4:5: jobs.0.nam: there is no such key here"
    ]
    assert problems(
        "made_up: true\njobs:\n  - id: a\n    life:\n      - {at: 1m, status: R}\n      - {at: 5s, status: Q}\n"
    ) == ["<text>:6:10: jobs.0.life.1.at: times do not go back: this step stands before the one above it"]
    assert problems("made_up: true\njobs:\n  - id: a\n    life:\n      - {at: 1m, pod: chief-0, status: Failed}\n") == [
        "<text>:5:18: jobs.0.life.0.pod: there is no pod 'chief-0'; this job has master-0"
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("made_up: false\njobs: [{id: a, life: [{at: 0s, status: R}]}]\n", "no scenario is a recording"),
        ("jobs: [{id: a, life: [{at: 0s, status: R}]}]\n", "made_up: this key is missing"),
        ("made_up: true\nmade_up: true\njobs: []\n", "duplicate key"),
        ("made_up: true\njobs: []\n", "at least one job"),
        ("made_up: true\njobs: [{id: a, life: []}]\n", "at least one step"),
        ("made_up: true\njobs: [{id: a, life: [{at: 5, status: R}]}]\n", "has a unit"),
        ("made_up: true\njobs: [{id: a, life: [{at: 5s}]}]\n", "says what happens"),
        ("made_up: true\njobs: [{id: a, life: [{at: 5s, node: n}]}]\n", "say which pod"),
        ("made_up: true\njobs: [{id: a, life: [{at: 5s, pod: master-0, delete: true}]}]\n", "does not speak of the job"),
        ("made_up: true\njobs: [{id: a, life: [{at: 5s, delete: true}, {at: 6s, status: R}]}]\n", "after it was deleted"),
        ("made_up: true\njobs: [{id: a, life: [{at: 5s, status: R}]}, {id: a, life: [{at: 5s, status: R}]}]\n", "taken"),
        (f"made_up: true\njobs: [{TWICE}, {TWICE.replace('a,', 'b,')}]\n", "more than"),
        ("- 1\n- 2\n", "must be a mapping"),
        ("a: [\n", "<text>:2:1"),
        ("a: &a {b: *a}\n", "no such key"),
        (LAUGHS, "aliases"),
    ],
)  # fmt: skip
def test_what_is_not_a_scenario_is_refused(text: str, said: str) -> None:
    assert said in "\n".join(problems(text))


def test_files_are_read_and_missing_ones_told(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("made_up: true\njobs: [{id: a, life: [{at: 0s, status: R}]}]\n")
    assert load_scenario(file).jobs[0].id == load_scenario(str(file)).jobs[0].id == "a"
    with pytest.raises(ConfigurationError, match="cannot be read"):
        load_scenario(tmp_path / "none.yaml")
    file.write_bytes(b"\xff\xfe\n")
    with pytest.raises(ConfigurationError, match="not UTF-8"):
        load_scenario(file)
    with pytest.raises(ConfigurationError, match="demo"):
        bundled("../faults")


def test_events_and_logs_are_lines_within_their_window() -> None:
    (job,) = bundled("eviction").jobs
    moment = Moment(ORIGIN, timedelta(minutes=12))
    told = tuple(transitions(job, states(job)))
    state = state_at(states(job), moment.elapsed)
    assert state is not None
    lines = job_events(job, told, {}, moment)["Events"]
    assert lines[0].startswith("2026-01-02T03:04:05Z job.appeared")
    assert len(job_events(job, told, {"MaxEventsNum": "2"}, moment)["Events"]) == 2
    assert job_events(job, told, {"StartTime": "2026-01-02T04:00:00Z"}, moment)["Events"] == []
    now = incarnation(state, "worker-0", "")
    assert now is not None
    before = incarnation(state, "worker-0", now.history[0].uid)
    assert before is not None
    assert before.status == "Failed"
    assert incarnation(state, "worker-0", "no such uid") is None
    assert all("worker" not in line or "->" in line for line in pod_events(job, now, told, {}, moment)["Events"])
    logs = pod_logs(job, before, {"MaxLines": "3"}, moment)["Logs"]
    assert [line[:20] for line in logs] == ["2026-01-02T03:13:05Z", "2026-01-02T03:13:35Z", "2026-01-02T03:14:05Z"]
    assert len(pod_logs(job, before, {}, moment)["Logs"]) == 17


def test_a_scripted_log_line_stands_in_its_place() -> None:
    job = next(job for job in bundled("demo").jobs if job.name == "nightly-eval")
    moment = Moment(ORIGIN, timedelta(minutes=30))
    state = state_at(states(job), moment.elapsed)
    assert state is not None
    assert state.pods is not None
    assert "OutOfMemoryError" in pod_logs(job, state.pods[0], {}, moment)["Logs"][-1]


def test_a_bucket_lets_through_what_it_holds_and_fills_with_time() -> None:
    bucket = Bucket.full(2.0, 100.0)
    waits = []
    for _ in range(3):
        bucket, wait = bucket.take(100.0)
        waits.append(wait)
    assert waits == [0.0, 0.0, 0.5]
    bucket, wait = bucket.take(100.5)
    assert wait == 0.0
    bucket, wait = bucket.take(99.0)  # a clock that goes back gives nothing away
    assert wait > 0
    for _ in range(2):
        bucket, wait = bucket.take(1000.0)
        assert wait == 0.0
    assert bucket.take(1000.0)[1] == 0.5
    assert Bucket.full(0.5, 0.0).take(0.0)[1] == 0.0
    with pytest.raises(ValueError, match="more than 0"):
        Bucket.full(0, 0)


def test_a_fault_strikes_only_within_its_limits() -> None:
    fault = Fault.model_validate({"kind": "hang", "action": "GetJob", "job": "a", "count": 2, "at": "1m", "for": "1m"})
    plan: tuple[Armed, ...] = (Armed.of(fault),)
    for action, job, at in (("ListJobs", "a", 60), ("GetJob", "b", 60), ("GetJob", "a", 59), ("GetJob", "a", 120)):
        hit, plan = strike(plan, action, job, timedelta(seconds=at))
        assert hit is None
    for _ in range(2):
        hit, plan = strike(plan, "GetJob", "a", timedelta(seconds=60))
        assert hit is fault
    assert plan == ()


def test_the_first_fault_that_fits_wins_and_an_unlimited_one_stays() -> None:
    always, once = Fault(kind=FaultKind.FORBIDDEN), Fault(kind=FaultKind.HTML, count=1)
    hit, plan = strike((Armed.of(once), Armed.of(always)), "GetJob", "a", timedelta(0))
    assert hit is once
    for _ in range(3):
        hit, plan = strike(plan, "GetJob", "a", timedelta(0))
        assert hit is always
