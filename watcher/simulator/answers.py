"""States on the wire: what GetJob and ListJobs say about a job, member by member as the API writes them. Pure.

Types differ between the two as the SDK's schema has them: RequestGPU and RequestMemory are numbers in GetJob and texts in lists,
RestartTimes is "used/max" here and "used" there. Keys of times that have not come are absent. RequestId is the server's to add.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from watcher.core.phases import Phase, phase_of
from watcher.simulator.behaviour import Behaviour
from watcher.simulator.life import Period, Pod, Restarted, State
from watcher.simulator.scenario import Role, ScriptedJob
from watcher.simulator.specs import job_spec, secret, settings_of, totals_of

Wire = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Moment:
    """When an answer is given, and how.

    Attributes:
        origin: when the scenario started, aware.
        elapsed: scenario time since then.
        behaviour: the switches.
    """

    origin: datetime
    elapsed: timedelta
    behaviour: Behaviour = Behaviour()

    def stamp(self, offset: timedelta) -> str:
        """An offset as the API writes times: UTC, whole seconds."""
        return (self.origin + offset).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    def stamps(self, **offsets: timedelta | None) -> Wire:
        """Those that have come."""
        return {name: self.stamp(offset) for name, offset in offsets.items() if offset is not None}


def get_job(job: ScriptedJob, state: State, moment: Moment) -> Wire:
    """GetJob's body, without RequestId. `NeedDetail=false` is answered in full too: what it leaves out is not known."""
    totals = totals_of(job)
    body = {
        **_common(job, state, moment),
        **_detail(job, state, moment),
        "Description": job.description,
        "RequestCPU": totals.cpu,
        "RequestGPU": totals.gpu,
        "RequestMemory": float(totals.memory),
        "RestartTimes": f"{len(state.restarts)}/{job.restarts_max}",
        "CustomEnvs": [
            {"Key": "WANDB_API_KEY", "Value": secret(job, "custom_env"), "Visible": "private"},
            {"Key": "EPOCHS", "Value": "3", "Visible": "public"},
        ],
        "RoleSystemEnvs": {},
        "supportedProfilingTypes": "",
    }
    if moment.behaviour.restart_records:
        body["RestartRecord"] = [
            _restart_record(job, number, one, moment) for number, one in enumerate(state.restarts, start=1)
        ]
    if state.pods is not None:
        body["Pods"] = [_pod(job, pod, moment, history=True) for pod in state.pods]
    return body


def list_item(job: ScriptedJob, state: State, moment: Moment) -> Wire:
    """One entry of ListJobs' Jobs, thin or full as the behaviour says."""
    totals = totals_of(job)
    item = {
        **_common(job, state, moment),
        "Username": job.user_name,
        "ResourceQuotaName": job.quota_name or job.quota,
        "RequestCPU": totals.cpu,
        "RequestGPU": f"{totals.gpu:g}",
        "RequestMemory": f"{totals.memory}Gi",
        "NodeCount": str(sum(role.count for role in job.roles.values())),
        "IsDeleted": False,
        "TemplateId": job.template,
    }
    if job.max_running_minutes is not None:
        item["JobMaxRunningTimeMinutes"] = job.max_running_minutes
    if moment.behaviour.list_items == "thin":
        return item
    item |= _detail(job, state, moment)
    item["RestartTimes"] = str(len(state.restarts))
    item["RetryCount"] = len(state.restarts)
    item["GmtModifiedTime"] = moment.stamp(state.at)
    item["UseOversoldResource"] = bool(job.oversold)
    if state.pods is not None:
        item["Pods"] = [_listed(_pod(job, pod, moment, history=True)) for pod in state.pods]
    return item


_NOT_IN_LISTS: Final = frozenset({"Duration", "ResourceType"})


def _listed(pod: Wire) -> Wire:
    """A pod as lists have it."""
    told = {name: value for name, value in pod.items() if name not in _NOT_IN_LISTS}
    if "HistoryPods" in told:
        told["HistoryPods"] = [_listed(past) for past in told["HistoryPods"]]
    return told


def _common(job: ScriptedJob, state: State, moment: Moment) -> Wire:
    """What even thin lists are known to have."""
    behaviour = moment.behaviour
    running = state.running_first if behaviour.running_time == "first" else state.running_last
    end = moment.elapsed if state.finished is None else state.finished
    return {
        "JobId": job.id,
        "JobType": job.type,
        "DisplayName": job.name or job.id,
        "Status": state.status,
        "UserId": job.user,
        "WorkspaceId": job.workspace,
        "WorkspaceName": job.workspace_name,
        "ResourceId": job.quota,
        "ResourceLevel": "L0",
        "ResourceType": job.resource_type,
        "Priority": state.priority,
        "Accessibility": job.accessibility,
        "JobSpecs": [job_spec(job, name, role) for name, role in job.roles.items()],
        "Envs": {"EPOCHS": "3", "WANDB_API_KEY": secret(job, "env")},
        "UserCommand": f"python train.py --token {secret(job, 'command')}",
        "Settings": settings_of(job),
        "Duration": int((end - job.submit_at).total_seconds()),
        **moment.stamps(
            GmtCreateTime=job.submit_at,
            GmtSubmittedTime=state.submitted,
            GmtRunningTime=running,
            GmtSuccessedTime=state.succeeded,
            GmtFailedTime=state.failed,
            GmtStoppedTime=state.stopped,
            GmtFinishTime=state.finished,
        ),
    }


def _detail(job: ScriptedJob, state: State, moment: Moment) -> Wire:
    """What GetJob and full list items share beyond that."""
    low, high = job.elastic or (0, 0)
    body: Wire = {
        "SubStatus": state.sub_status,
        "ReasonCode": state.reason,
        "ReasonMessage": state.message,
        "ClusterId": "" if not job.quota else "asi_cn-hangzhou_pai_g01",
        "TenantId": "fake0000000000000",
        "SchedulingStrategy": "",
        "CodeSource": {"CodeSourceId": "", "Branch": "", "Commit": "", "MountPath": ""},
        "DataSources": [{"DataSourceId": "d-fake0000000000000a", "MountPath": "/mnt/data"}],
        "ThirdpartyLibs": [],
        "ThirdpartyLibDir": "",
        "EnabledDebugger": False,
        "CredentialConfig": {
            "EnableCredentialInject": True,
            "AliyunEnvRoleKey": "0",
            "CredentialConfigItems": [{"Key": "0", "Type": "Role", "Roles": [{"RoleArn": secret(job, "credential")}]}],
        },
        "UserVpc": {"VpcId": "", "SwitchId": "", "SecurityGroupId": "", "DefaultRoute": "", "ExtendedCidrs": []},
        "ElasticSpec": {
            "AIMasterType": "",
            "AIMasterDockerImage": "",
            "EnableAIMaster": job.fault_tolerance,
            "EnableElasticTraining": job.elastic is not None,
            "EnablePsJobElasticWorker": False,
            "MinParallelism": low,
            "MaxParallelism": high,
        },
        "JobReplicaStatuses": [_replicas(job, state, name, role) for name, role in job.roles.items()],
    }
    if moment.behaviour.status_history:
        body["StatusHistory"] = _status_history(state, moment)
    return body


def _pod(job: ScriptedJob, pod: Pod, moment: Moment, *, history: bool) -> Wire:
    end = moment.elapsed if pod.finished is None else pod.finished
    told: Wire = {
        "PodId": f"{job.id}-{pod.name}",
        "PodUid": pod.uid if moment.behaviour.pod_uids else "",
        "Type": pod.name.rpartition("-")[0],
        "Status": pod.status,
        "SubStatus": pod.sub_status,
        "ResourceType": "Normal",
        "Ip": pod.ip,
        "PodIps": [{"InterfaceName": "eth0", "Ip": pod.ip}] if pod.ip else [],
        "NodeName": pod.node,
        "Duration": float(int((end - pod.created).total_seconds())),
        **moment.stamps(GmtCreateTime=pod.created, GmtStartTime=pod.started, GmtFinishTime=pod.finished),
    }
    if history and moment.behaviour.history_pods:
        told["HistoryPods"] = [_pod(job, past, moment, history=False) for past in pod.history]
    return told


def _status_history(state: State, moment: Moment) -> list[Wire]:
    ends: list[timedelta | None] = [period.since for period in state.periods[1:]]
    ends.append(None)
    spans: list[tuple[Period, timedelta | None]] = list(zip(state.periods, ends, strict=True))
    told = [
        {
            "Status": period.status,
            "ReasonCode": period.reason,
            "ReasonMessage": period.message,
            **moment.stamps(StartTime=period.since, EndTime=end),
        }
        for period, end in (spans if moment.behaviour.history_includes_current else spans[:-1])
    ]
    return told[::-1] if moment.behaviour.history_newest_first else told


def _restart_record(job: ScriptedJob, number: int, one: Restarted, moment: Moment) -> Wire:
    what = one.restart
    took = None if one.resumed is None else int((one.resumed - one.at).total_seconds())
    return {
        "TriggerID": f"{job.id}-restart-{number}",
        "OccurTime": moment.stamp(one.at),
        "OccurPhase": one.status_before,
        "RestartLevelType": what.level,
        "Reason": what.reason,
        "RestartStatus": "Restarting" if took is None else "Succeeded",
        "RestartFailReason": "",
        "JobRestartCount": number,
        **({} if took is None else {"RestartDurationInSec": took}),
        "DetailErrorInfoList": [
            {
                "ErrorCode": what.error_code,
                "ErrorMsg": what.message,
                "DetailErrorMsg": "",
                "ErrorSource": "AIMaster",
                "Node": what.node,
                "Pod": f"{job.id}-{what.pod}" if what.pod else "",
                "AddNodeToBlacklist": what.blacklist,
                "AddJobLevelBlacklist": False,
                "TriggerRestart": True,
            }
        ],
    }


def _replicas(job: ScriptedJob, state: State, name: str, role: Role) -> Wire:
    promoted = name == "Worker" and "Master" not in job.roles
    mine = [
        pod
        for pod in state.pods or ()
        if (kind := pod.name.rpartition("-")[0]) == name.lower() or (promoted and kind == "master")
    ]
    live = sum(not pod.ended for pod in mine)
    waiting = role.count if phase_of(state.status) is Phase.PENDING else 0
    told: Wire = {"Type": name, "Active": live, "Queuing": waiting, "Dequeued": 0}
    if role.spot and state.spot_instance:
        told["CurrentSpotInstanceType"] = state.spot_instance
    return told
