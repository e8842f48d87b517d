"""A scripted job over time, as GetJob tells it."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from watcher.simulator.answers import Moment, get_job, list_item
from watcher.simulator.behaviour import Behaviour
from watcher.simulator.life import state_at, states
from watcher.simulator.reading import bundled, bundled_names, load_scenario
from watcher.simulator.scenario import ScriptedJob, Step

ORIGIN = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
EVERY_JOB = [job for name in bundled_names() for job in bundled(name).jobs]


def minutes(count: float) -> timedelta:
    return timedelta(minutes=count)


def told(job: ScriptedJob, elapsed: timedelta, **switches: Any) -> dict[str, Any] | None:
    state = state_at(states(job), elapsed)
    return None if state is None else get_job(job, state, Moment(ORIGIN, elapsed, Behaviour(**switches)))


def job_of(life: str, **more: str) -> ScriptedJob:
    extra = "".join(f"    {name}: {value}\n" for name, value in more.items())
    return load_scenario(f"made_up: true\njobs:\n  - id: dlc1\n{extra}    life:\n{life}").jobs[0]


RESTARTED = """
      - {at: 0s, status: Creating}
      - {at: 1m, status: Queuing}
      - {at: 2m, status: EnvPreparing}
      - {at: 3m, status: Running}
      - {at: 10m, pod: worker-0, status: Failed, sub_status: Evicted}
      - {at: 11m, status: Restarting, restart: {level: LEVEL, reason: NodeFailure, node: n1, pod: worker-0}}
      - {at: 13m, status: Running}
      - {at: 20m, status: Succeeded}
"""


def test_times_are_absent_until_they_come() -> None:
    job = job_of(RESTARTED.replace("LEVEL", "Pod"), roles="{Worker: {count: 2}}")
    created, running, done = told(job, minutes(0)), told(job, minutes(5)), told(job, minutes(25))
    assert created
    assert running
    assert done
    assert {name for name in created if name.startswith("Gmt")} == {"GmtCreateTime"}
    assert "GmtFinishTime" not in running
    assert running["GmtRunningTime"] == "2026-01-02T03:07:05Z"
    assert done["GmtSuccessedTime"] == done["GmtFinishTime"] == "2026-01-02T03:24:05Z"
    assert "GmtFailedTime" not in done


@pytest.mark.parametrize("job", EVERY_JOB, ids=lambda job: job.name)
@given(seconds=st.tuples(st.integers(0, 6000), st.integers(0, 6000)))
@settings(max_examples=25, deadline=None)
def test_what_came_stays_and_counters_only_grow(job: ScriptedJob, seconds: tuple[int, int]) -> None:
    early, late = (told(job, timedelta(seconds=count)) for count in sorted(seconds))
    if early is None or late is None:
        return
    times = {name: value for name, value in early.items() if name.startswith("Gmt")}
    assert times.items() <= late.items()
    assert early["Duration"] <= late["Duration"]
    assert len(early["RestartRecord"]) <= len(late["RestartRecord"])
    before = {pod["PodId"]: pod for pod in early.get("Pods", [])}
    for pod in late.get("Pods", []):
        known = before.get(pod["PodId"])
        if known is not None:
            assert [one["PodUid"] for one in known["HistoryPods"]] == [
                one["PodUid"] for one in pod["HistoryPods"][: len(known["HistoryPods"])]
            ]
            if known["PodUid"] != pod["PodUid"]:
                assert known["PodUid"] in [one["PodUid"] for one in pod["HistoryPods"]]


@pytest.mark.parametrize("job", EVERY_JOB, ids=lambda job: job.name)
def test_every_answer_is_json_and_the_same_when_asked_again(job: ScriptedJob) -> None:
    for state in states(job):
        one, two = told(job, state.at), told(job, state.at)
        assert json.dumps(one) == json.dumps(two)


def test_a_pod_level_restart_replaces_only_what_had_ended() -> None:
    job = job_of(RESTARTED.replace("LEVEL", "Pod"), roles="{Worker: {count: 2}}")
    before, after = told(job, minutes(9)), told(job, minutes(14))
    assert before
    assert after
    old, new = ({pod["PodId"]: pod for pod in body["Pods"]} for body in (before, after))
    assert old["dlc1-master-0"]["PodUid"] == new["dlc1-master-0"]["PodUid"]
    assert old["dlc1-worker-0"]["PodUid"] != new["dlc1-worker-0"]["PodUid"]
    (past,) = new["dlc1-worker-0"]["HistoryPods"]
    assert (past["PodUid"], past["SubStatus"], past["Status"]) == (old["dlc1-worker-0"]["PodUid"], "Evicted", "Failed")
    assert past["GmtFinishTime"] == "2026-01-02T03:14:05Z"
    assert new["dlc1-worker-0"]["Ip"] != old["dlc1-worker-0"]["Ip"]


def test_a_job_level_restart_replaces_all_pods_and_is_on_record() -> None:
    job = job_of(RESTARTED.replace("LEVEL", "Job"), roles="{Worker: {count: 2}}")
    during, after = told(job, minutes(12)), told(job, minutes(14))
    assert during
    assert after
    assert all(len(pod["HistoryPods"]) == 1 for pod in after["Pods"])
    assert after["RestartTimes"] == "1/10"
    (record,) = after["RestartRecord"]
    assert record["OccurTime"] == "2026-01-02T03:15:05Z"
    assert (record["OccurPhase"], record["RestartLevelType"], record["RestartStatus"]) == (
        "Running",
        "Job",
        "Succeeded",
    )
    assert record["RestartDurationInSec"] == 120
    assert record["DetailErrorInfoList"][0]["Pod"] == "dlc1-worker-0"
    assert during["RestartRecord"][0]["RestartStatus"] == "Restarting"
    assert "RestartDurationInSec" not in during["RestartRecord"][0]


def test_an_explicit_list_of_replacements_wins() -> None:
    life = RESTARTED.replace("LEVEL", "Job").replace(
        "13m, status: Running", "13m, status: Running, replace: [worker-0]"
    )
    after = told(job_of(life, roles="{Worker: {count: 2}}"), minutes(14))
    assert after
    assert {pod["PodId"]: len(pod["HistoryPods"]) for pod in after["Pods"]} == {"dlc1-master-0": 0, "dlc1-worker-0": 1}


def test_status_history_tells_every_period_with_its_bounds() -> None:
    job = job_of(RESTARTED.replace("LEVEL", "Pod"), roles="{Worker: {count: 2}}")
    done = told(job, minutes(30))
    assert done
    history = done["StatusHistory"]
    assert [one["Status"] for one in history] == [
        "Creating", "Queuing", "EnvPreparing", "Running", "Restarting", "Running", "Succeeded",
    ]  # fmt: skip
    assert [one.get("EndTime") for one in history[:-1]] == [one["StartTime"] for one in history[1:]]
    assert "EndTime" not in history[-1]


def test_switches_change_what_is_told() -> None:
    job = job_of(RESTARTED.replace("LEVEL", "Job"), roles="{Worker: {count: 2}}")
    bare = told(job, minutes(30), status_history=False, restart_records=False, history_pods=False, pod_uids=False)
    assert bare
    assert not {"StatusHistory", "RestartRecord"} & set(bare)
    assert all("HistoryPods" not in pod and pod["PodUid"] == "" for pod in bare["Pods"])
    newest = told(job, minutes(30), history_newest_first=True, history_includes_current=False, running_time="last")
    assert newest
    assert [one["Status"] for one in newest["StatusHistory"]][:2] == ["Running", "Restarting"]
    assert newest["GmtRunningTime"] == "2026-01-02T03:17:05Z"


def test_the_first_worker_of_a_pytorch_job_is_the_master_and_of_no_other() -> None:
    life = (Step(at=timedelta(0), status="Running"),)
    roles = {"Worker": {"count": 2}}
    assert ScriptedJob(id="a", type="PyTorchJob", roles=roles, life=life).pod_names == ("master-0", "worker-0")
    assert ScriptedJob(id="a", type="TFJob", roles=roles, life=life).pod_names == ("worker-0", "worker-1")
    with_master = {"Master": {"count": 1}, **roles}
    assert ScriptedJob(id="a", roles=with_master, life=life).pod_names == ("master-0", "worker-0", "worker-1")


def test_pods_are_absent_before_they_are_made_and_end_with_the_job() -> None:
    (job,) = bundled("clean-run").jobs
    queued, preparing, done = told(job, minutes(1)), told(job, minutes(2)), told(job, minutes(34))
    assert queued
    assert preparing
    assert done
    assert "Pods" not in queued
    assert queued["JobReplicaStatuses"] == [{"Type": "Worker", "Active": 0, "Queuing": 2, "Dequeued": 0}]
    assert {(pod["Status"], pod["Ip"]) for pod in preparing["Pods"]} == {("Pending", "")}
    assert {pod["Status"] for pod in done["Pods"]} == {"Succeeded"}


def test_a_job_that_goes_back_to_the_queue_loses_its_pods() -> None:
    (job,) = bundled("restart-loop").jobs
    queued = told(job, minutes(22))
    assert queued
    assert {pod["Status"] for pod in queued["Pods"]} == {"Failed"}
    again = told(job, minutes(25))
    assert again
    assert [len(pod["HistoryPods"]) for pod in again["Pods"]] == [2, 2]


def test_pods_stay_while_a_result_is_reserved() -> None:
    job = bundled("reservation").jobs[0]
    kept = told(job, minutes(25))
    assert kept
    assert (kept["Status"], {pod["Status"] for pod in kept["Pods"]}) == ("SucceededReserving", {"Running"})
    assert "GmtFinishTime" not in kept


def test_a_moved_pod_keeps_its_uid() -> None:
    (job,) = bundled("eviction").jobs
    before, after = (
        next(pod for pod in body["Pods"] if pod["PodId"].endswith("worker-1"))
        for body in (told(job, minutes(19)) or {}, told(job, minutes(21)) or {})
    )
    assert before["PodUid"] == after["PodUid"]
    assert after["NodeName"] == "cn-hangzhou.10.0.99.9"
    assert after["Ip"] != before["Ip"]


def test_nothing_is_told_before_submission_or_after_deletion() -> None:
    job = bundled("deletion").jobs[0]
    assert told(job, minutes(-1)) is None
    assert told(job, minutes(19)) is not None
    assert told(job, minutes(20)) is None


def test_a_dropped_pod_is_not_told_of() -> None:
    job = job_of(
        "      - {at: 0s, status: Running}\n      - {at: 1m, drop: [worker-0]}\n", roles="{Worker: {count: 2}}"
    )
    body = told(job, minutes(2))
    assert body
    assert [pod["PodId"] for pod in body["Pods"]] == ["dlc1-master-0"]


def test_get_job_tells_every_field_of_the_reference_page(request: pytest.FixtureRequest) -> None:
    sample = json.loads((request.config.rootpath / "tests/payloads/getjob-doc-sample.json").read_text())["payload"]
    (job,) = bundled("clean-run").jobs
    body = told(job, minutes(34))
    assert body
    cannot_be = {"RequestId", "GmtStoppedTime", "GmtFailedTime"}
    assert set(sample) - cannot_be <= set(body)
    assert set(sample["Pods"][0]) <= set(body["Pods"][0])


def test_every_answer_carries_the_canaries_and_a_thin_item_is_thin() -> None:
    (job,) = bundled("clean-run").jobs
    state = state_at(states(job), minutes(5))
    assert state
    text = json.dumps(get_job(job, state, Moment(ORIGIN, minutes(5))))
    assert len(job.canaries) == 6
    assert all(canary in text for canary in job.canaries)
    thin = list_item(job, state, Moment(ORIGIN, minutes(5), Behaviour(list_items="thin")))
    full = list_item(job, state, Moment(ORIGIN, minutes(5)))
    assert not {"Pods", "StatusHistory", "SubStatus", "RestartTimes", "GmtModifiedTime"} & set(thin)
    assert {"Pods", "StatusHistory", "SubStatus", "RestartTimes", "GmtModifiedTime"} <= set(full)
    assert (full["RequestGPU"], full["RequestMemory"], full["NodeCount"]) == ("2", "120Gi", "2")
    assert "RestartRecord" not in full
