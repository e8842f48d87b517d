"""Answers as DLC writes them, and as it might, become snapshots."""

from __future__ import annotations

import dataclasses
import gc
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watcher.core.model import (
    ElasticSpec,
    JobId,
    JobSettings,
    JobSnapshot,
    PodSnapshot,
    ReplicaStatus,
    Resources,
    RestartCause,
    RestartCount,
    RestartRecord,
    RoleSpec,
    SourceName,
    StatusPeriod,
)
from watcher.errors import GarbledAnswer
from watcher.sources.dlc import schema
from watcher.sources.dlc.wire import listing_from_json, snapshot_from_json

PAYLOADS = Path(__file__).parents[1] / "payloads"
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
SOURCE = SourceName("s")


def payload(name: str) -> dict[str, Any]:
    return dict(json.loads((PAYLOADS / f"{name}.json").read_text())["payload"])


def read(told: object, **options: Any) -> JobSnapshot:
    data = told if isinstance(told, bytes) else json.dumps(told).encode()
    return snapshot_from_json(data, source=SOURCE, observed_at=NOW, **options)


def job(**members: object) -> JobSnapshot:
    return read({"JobId": "j", "Status": "Running", **members})


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


@pytest.mark.parametrize("file", sorted(PAYLOADS.glob("getjob-*.json")), ids=lambda file: file.stem)
def test_every_recorded_or_documented_answer_parses(file: Path) -> None:
    told = payload(file.stem)
    snapshot = read(told, region="cn-hangzhou")
    assert (snapshot.ref.job_id, snapshot.status, snapshot.region) == (told["JobId"], told["Status"], "cn-hangzhou")
    assert len(snapshot.roles) == len(told["JobSpecs"])
    assert (snapshot.pods is None) == ("Pods" not in told)


def test_the_real_recording_is_read_in_full() -> None:
    snapshot = read(payload("getjob-2022-09-pytorchjob-succeeded-cli"))
    assert snapshot.pods == (
        PodSnapshot(
            "dlc1fakeumbfm7aa-master-0",
            uid="a525e269-1553-4cfa-a107-0123456789ab",
            role="master",
            status="Succeeded",
            ip="10.224.0.178",
            created_at=at("2022-09-05T10:03:51Z"),
            started_at=at("2022-09-05T10:03:55Z"),
            finished_at=at("2022-09-05T10:06:42Z"),
        ),
    )
    assert snapshot.roles == (RoleSpec("Worker", 1, Resources("12", "1", "", "10Gi", "")),)
    assert snapshot.duration == timedelta(seconds=186)
    assert (snapshot.failed_at, snapshot.stopped_at) == (None, None)
    assert snapshot.gpus == 1


FULL: dict[str, object] = {
    "JobId": "j",
    "Status": "Running",
    "SubStatus": "Restarting",
    "DisplayName": "n",
    "JobType": "PyTorchJob",
    "ReasonCode": "rc",
    "ReasonMessage": "rm",
    "Priority": 3,
    "RestartTimes": "1/10",
    "WorkspaceId": "268",
    "WorkspaceName": "ws",
    "UserId": "12",
    "Username": "u",
    "ResourceId": "q",
    "ResourceQuotaName": "qn",
    "TemplateId": "tpl",
    "ResourceLevel": "L0",
    "ResourceType": "Lingjun",
    "ClusterId": "c",
    "Accessibility": "PRIVATE",
    "SchedulingStrategy": "ss",
    "GmtCreateTime": "2026-01-01T00:00:01Z",
    "GmtSubmittedTime": "2026-01-01T00:00:02Z",
    "GmtRunningTime": "2026-01-01T00:00:03Z",
    "GmtSuccessedTime": "2026-01-01T00:00:04Z",
    "GmtFailedTime": "2026-01-01T00:00:05Z",
    "GmtStoppedTime": "2026-01-01T00:00:06Z",
    "GmtFinishTime": "2026-01-01T00:00:07Z",
    "GmtModifiedTime": "2026-01-01T00:00:08Z",
    "Duration": 9,
    "JobMaxRunningTimeMinutes": 10,
    "RequestCPU": 11,
    "RequestGPU": 0.5,
    "RequestMemory": 12.0,
    "EnabledDebugger": True,
    "JobSpecs": [
        {
            "Type": "Worker",
            "PodCount": 2,
            "EcsSpec": "ecs.x",
            "UseSpotInstance": False,
            "QuotaId": "qq",
            "RestartPolicy": "Never",
            "SpotSpec": {"SpotStrategy": "SpotAsPriceGo"},
            "AutoScalingSpec": {"MinReplicas": 1, "MaxReplicas": 4},
            "ResourceConfig": {"CPU": "1", "GPU": "2", "GPUType": "A", "Memory": "3Gi", "SharedMemory": "4Gi"},
        }
    ],
    "Settings": {
        "Tags": {"b": "2", "a": "1"},
        "OversoldType": "ForceQuotaOverSold",
        "EnableTideResource": True,
        "EnableErrorMonitoringInAIMaster": True,
        "EnableSanityCheck": False,
        "JobReservedMinutes": 5,
        "JobReservedPolicy": "Always",
        "ElasticSpotJobMaxRestartTimes": 6,
        "Caller": "SilkFlow",
        "PipelineId": "p",
        "BusinessUserId": "b",
    },
    "ElasticSpec": {
        "EnableElasticTraining": True,
        "EnableAIMaster": False,
        "MinParallelism": 1,
        "MaxParallelism": 8,
        "ElasticStrategy": "e",
    },
    "Pods": [
        {
            "PodId": "p0",
            "PodUid": "u2",
            "Type": "Worker",
            "Status": "Running",
            "SubStatus": "Normal",
            "NodeName": "node",
            "PodIps": [{"InterfaceName": "eth0", "Ip": "10.0.0.1"}],
            "ResourceType": "Normal",
            "GmtCreateTime": "2026-01-01T00:00:01Z",
            "GmtStartTime": "2026-01-01T00:00:02Z",
            "GmtFinishTime": "",
            "Duration": 1.5,
            "HistoryPods": [{"PodUid": "u1", "SubStatus": "Evicted", "Status": "Failed"}],
        }
    ],
    "StatusHistory": [
        {
            "Status": "Queuing",
            "StartTime": "2026-01-01T00:00:01Z",
            "EndTime": "2026-01-01T00:00:02Z",
            "ReasonCode": "a",
            "ReasonMessage": "b",
        },
        {"Status": "Running", "StartTime": "2026-01-01T00:00:02Z", "EndTime": ""},
        {"Status": ""},
    ],
    "RestartRecord": [
        {
            "TriggerID": "t",
            "OccurTime": "2026-01-01T00:00:01Z",
            "RestartLevelType": "pod",
            "OccurPhase": "Running",
            "Reason": "r",
            "RestartStatus": "ok",
            "RestartFailReason": "f",
            "RestartDurationInSec": 7,
            "JobRestartCount": 1,
            "DetailErrorInfoList": [
                {
                    "ErrorCode": "e",
                    "ErrorMsg": "m",
                    "ErrorSource": "s",
                    "Node": "n",
                    "Pod": "p",
                    "AddNodeToBlacklist": True,
                    "TriggerRestart": False,
                }
            ],
        }
    ],
    "JobReplicaStatuses": [
        {
            "Type": "Worker",
            "Active": 1,
            "Queuing": 2,
            "Dequeued": 3,
            "EstimatedPodCount": 4,
            "CurrentSpotInstanceType": "ecs.y",
        }
    ],
}


def test_every_member_finds_its_place() -> None:
    second = [at(f"2026-01-01T00:00:0{n}Z") for n in range(10)]
    snapshot = read(FULL, region="r", asked_for=JobId("j"))
    assert snapshot.roles == (
        RoleSpec(
            "Worker", 2, Resources("1", "2", "A", "3Gi", "4Gi"), "ecs.x", True, "SpotAsPriceGo", "qq", "Never", 1, 4
        ),
    )
    assert snapshot.settings == JobSettings(
        (("a", "1"), ("b", "2")), "ForceQuotaOverSold", True, True, False, 5, "Always", 6, "SilkFlow", "p", "b"
    )
    assert snapshot.elastic == ElasticSpec(True, False, 1, 8, "e")
    gone = PodSnapshot("p0", "u1", status="Failed", sub_status="Evicted")
    assert snapshot.pods == (
        PodSnapshot(
            "p0", "u2", "worker", "Running", "Normal", "node", "10.0.0.1", "Normal",
            second[1], second[2], None, timedelta(seconds=1.5), (gone,),
        ),
    )  # fmt: skip
    assert snapshot.status_history == (
        StatusPeriod("Queuing", second[1], second[2], "a", "b"),
        StatusPeriod("Running", second[2]),
    )
    cause = RestartCause("e", "m", "s", "n", "p", True, False)
    assert snapshot.restart_records == (
        RestartRecord("t", second[1], "pod", "Running", "r", "ok", "f", timedelta(seconds=7), 1, (cause,)),
    )
    assert snapshot.replicas == (ReplicaStatus("Worker", 1, 2, 3, 4, "ecs.y"),)
    assert snapshot.restarts == RestartCount("1/10", 1, 10)
    times = (
        snapshot.created_at, snapshot.submitted_at, snapshot.running_at, snapshot.succeeded_at,
        snapshot.failed_at, snapshot.stopped_at, snapshot.finished_at, snapshot.modified_at,
    )  # fmt: skip
    assert times == tuple(second[1:9])
    assert (snapshot.max_running_time, snapshot.duration) == (timedelta(minutes=10), timedelta(seconds=9))
    assert (snapshot.requested_cpu, snapshot.requested_gpu, snapshot.requested_memory) == (11, 0.5, "12")


def test_no_field_of_a_snapshot_is_left_at_its_default() -> None:
    snapshot = read(FULL, region="r")
    for field in dataclasses.fields(JobSnapshot):
        if field.default is not dataclasses.MISSING:
            assert getattr(snapshot, field.name) != field.default, field.name


# secrets


def test_secrets_in_an_answer_stay_behind_in_the_parser() -> None:
    canary = "".join(["canary", "-5d2f"])
    told = {
        **FULL,
        "Envs": {"TOKEN": canary + "1"},
        "CustomEnvs": [{"Key": "K", "Value": canary + "2"}],
        "UserCommand": canary + "3",
        "CredentialConfig": {"AliyunEnvRoleKey": canary + "4"},
        "CodeSource": {"Commit": canary + "5", "Token": canary + "6"},
        "RoleSystemEnvs": {"Worker": {"K": canary + "7"}},
        "SystemEnvs": {"K": canary + "8"},
        "JobSpecs": [
            {
                **FULL["JobSpecs"][0],  # type: ignore[index]
                "UserCommand": canary + "9",
                "ImageConfig": {"Password": canary + "10"},
                "ExtraPodSpec": {"Env": [{"Value": canary + "11"}]},
            }
        ],
    }
    data = json.dumps(told).encode()
    told.clear()
    snapshot = read(data)
    listing = listing_from_json(b'{"TotalCount":1,"Jobs":[' + data + b"]}", source=SOURCE)
    assert snapshot == read(FULL)
    assert canary not in repr(snapshot) + repr(dataclasses.asdict(snapshot)) + repr(listing)
    with pytest.raises(GarbledAnswer) as caught:
        read(data.replace(b'"Status": "Running"', b'"Status": {"Running": "' + canary.encode() + b'"}', 1))
    assert canary not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    gc.collect()
    held = [thing for thing in gc.get_objects() if isinstance(thing, dict | list | tuple)]
    alive = [thing for thing in held if any(type(x) is str and x.startswith(canary + "1") for x in _inside(thing))]
    assert alive == []


def _inside(thing: object) -> list[object]:
    return list(thing.values()) if isinstance(thing, dict) else list(thing)  # type: ignore[call-overload]


# tolerance


@pytest.mark.parametrize(
    "unset", [None, "", "0001-01-01T00:00:00Z", "0001-01-01T00:00:00+08:00", "1970-01-01T00:00:00Z", {}, 5, "soon"]
)
def test_a_time_that_did_not_happen_is_none(unset: object) -> None:
    assert job(GmtFinishTime=unset).finished_at is None


def test_times_with_offsets_and_without_come_out_in_utc() -> None:
    assert job(GmtFinishTime="2026-01-01T08:00:00+08:00").finished_at == at("2026-01-01T00:00:00Z")
    assert job(GmtFinishTime="2026-01-01T00:00:00").finished_at == at("2026-01-01T00:00:00Z")
    assert job(GmtFinishTime="2026-01-01T00:00:00.250Z").finished_at == at("2026-01-01T00:00:00.250Z")


def test_an_unset_structure_where_a_text_belongs_is_an_empty_text() -> None:
    snapshot = job(JobSpecs=[{"Type": "Worker", "PodCount": 1, "EcsSpec": {}, "ResourceConfig": {}}], DisplayName={})
    assert snapshot.roles == (RoleSpec("Worker", 1),)
    assert snapshot.name == ""


def test_numbers_as_texts_and_texts_as_numbers_are_read() -> None:
    snapshot = job(Priority="7", RequestGPU="1.5", WorkspaceId=268, RestartTimes=3, JobSpecs=[{"PodCount": "2"}])
    assert (snapshot.priority, snapshot.requested_gpu, snapshot.workspace_id) == (7, 1.5, "268")
    assert snapshot.restarts.used == 3
    assert snapshot.roles[0].count == 2
    assert job(RequestMemory="1Gi").requested_memory == "1Gi"
    assert job(RequestMemory=1.5, UserId=10**30).requested_memory == "1.5"


def test_null_lists_null_members_and_wrong_members_are_dropped() -> None:
    assert job().pods is None
    assert job(Pods=None).pods is None
    assert job(Pods="none").pods is None
    assert job(Pods=[]).pods == ()
    pods = job(Pods=[None, 3, {}, {"PodId": "p", "HistoryPods": [None, {"PodUid": "u"}]}]).pods
    assert pods == (PodSnapshot("p", history=(PodSnapshot("p", "u"),)),)
    assert job(JobSpecs=None, StatusHistory={}, RestartRecord=[None], Settings=[], ElasticSpec="x").roles == ()


def test_not_spot_is_not_spot() -> None:
    roles = job(JobSpecs=[{"SpotSpec": {"SpotStrategy": "NoSpot"}}, {"UseSpotInstance": True}, {"SpotSpec": {}}]).roles
    assert [role.spot for role in roles] == [False, True, False]


@pytest.mark.parametrize(
    "body",
    [b"", b"null", b"[]", b'"x"', b"{}", b"<html>hello</html>", b'{"JobId":"j","Status":"Run', b'\xff{"JobId":"j"}',
     b'{"JobId":5,"Status":"Running"}', b'{"JobId":"","Status":"Running"}', b'{"JobId":"j"}',
     b'{"JobId":"j","Status":null}', b'{"JobId":"j","Status":["Running"]}', b'{"JobId":"j","Status":""}',
     b"[" * 100_000],
)  # fmt: skip
def test_what_is_not_an_answer_about_a_job_is_garbled(body: bytes) -> None:
    with pytest.raises(GarbledAnswer, match="cannot be read"):
        read(body)


def test_an_answer_about_another_job_is_garbled() -> None:
    with pytest.raises(GarbledAnswer, match="another job"):
        read(FULL, asked_for=JobId("other"))


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just("2026-01-01T00:00:00Z"),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["PodId", "Type", "Tags", "Status", "HistoryPods", "x"]), inner, max_size=3)
    ),
    max_leaves=8,
)
optional = st.sampled_from(sorted(set(schema.JobWire.model_fields) - {"JobId", "Status"}))


@given(st.dictionaries(optional, anything, max_size=8))
def test_no_optional_member_makes_a_job_unreadable(members: dict[str, object]) -> None:
    data = json.dumps({"JobId": "j", "Status": "Running", **members}).encode()
    snapshot = read(data)
    assert (snapshot.ref.job_id, snapshot.status) == ("j", "Running")
    hash(snapshot)
    page = listing_from_json(b'{"Jobs":[' + data + b"]}", source=SOURCE)
    assert (page.items, page.unreadable) == (1, 0)


# lists


def test_the_documented_list_is_read() -> None:
    page = listing_from_json(json.dumps(payload("listjobs-doc-example-values")).encode(), source=SOURCE)
    (listed,) = page.jobs
    assert (page.items, page.unreadable, page.total) == (1, 0, 1)
    assert (listed.status, listed.sub_status, listed.user_name, listed.quota_name) == (
        "Stopped", "Restarting", "pai-dlc-role", "test",
    )  # fmt: skip
    assert listed.restarts == RestartCount("1", 1, None)
    assert listed.max_running_time == timedelta(minutes=1)
    assert listed.modified_at == at("2021-01-12T15:36:08Z")


def test_deleted_jobs_are_left_out_and_unreadable_ones_counted() -> None:
    jobs = [
        {"JobId": "a", "Status": "Running"},
        {"JobId": "b", "Status": "Failed", "IsDeleted": True},
        None,
        {"JobId": 3},
    ]
    page = listing_from_json(json.dumps({"TotalCount": "9", "Jobs": jobs}).encode(), source=SOURCE)
    assert [listed.ref.job_id for listed in page.jobs] == ["a"]
    assert (page.items, page.unreadable, page.total) == (4, 2, 9)


def test_an_empty_list_must_say_so() -> None:
    assert listing_from_json(b'{"Jobs":null,"TotalCount":0}', source=SOURCE).jobs == ()
    assert listing_from_json(b'{"Jobs":[]}', source=SOURCE).items == 0
    for body in (b"{}", b'{"Jobs":{}}', b'{"TotalCount":3}', b"[]"):
        with pytest.raises(GarbledAnswer):
            listing_from_json(body, source=SOURCE)
