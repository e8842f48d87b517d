"""From the bytes of an answer to `JobSnapshot` and `JobSummary`.

What is read and how strictly stands in `schema`; here each member finds its place in the program's own values. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, TypeVar

from watcher.core import model
from watcher.core.capabilities import WATCHED
from watcher.core.model import JobId, JobRef, JobSnapshot, JobSummary, RestartCount, SourceName
from watcher.errors import GarbledAnswer
from watcher.sources.dlc import schema
from watcher.sources.dlc.pods import length, pods_of

T = TypeVar("T")


def _minutes(minutes: int | None) -> timedelta | None:
    return length(minutes * 60) if minutes is not None and minutes > 0 else None


def _present(members: Iterable[T | None] | None) -> list[T]:
    return [member for member in members or () if member is not None]


def _tags(settings: schema.SettingsWire | None) -> tuple[tuple[str, str], ...]:
    return tuple(sorted((settings.Tags or {}).items())) if settings else ()


def _role(spec: schema.JobSpecWire) -> model.RoleSpec:
    size = spec.ResourceConfig or schema.ResourceConfigWire()
    scaling = spec.AutoScalingSpec or schema.AutoScalingSpecWire()
    offers = ([spec.SpotSpec] if spec.SpotSpec else []) + _present(spec.ElasticSpotSpecs)
    strategy = next((offer.SpotStrategy for offer in offers if offer.SpotStrategy), "")
    return model.RoleSpec(
        role=spec.Type,
        count=spec.PodCount or 0,
        resources=model.Resources(size.CPU, size.GPU, size.GPUType, size.Memory, size.SharedMemory),
        instance_type=spec.EcsSpec,
        spot=bool(spec.UseSpotInstance) or strategy not in {"", "NoSpot"},
        spot_strategy=strategy,
        quota_id=spec.QuotaId,
        restart_policy=spec.RestartPolicy,
        min_replicas=scaling.MinReplicas,
        max_replicas=scaling.MaxReplicas,
    )


def _job_settings(settings: schema.SettingsWire | None) -> model.JobSettings:
    if settings is None:
        return model.JobSettings()
    return model.JobSettings(
        tags=_tags(settings),
        oversold_type=settings.OversoldType,
        tide_resource=settings.EnableTideResource,
        fault_tolerance=settings.EnableErrorMonitoringInAIMaster,
        sanity_check=settings.EnableSanityCheck,
        reserved_minutes=settings.JobReservedMinutes,
        reserved_policy=settings.JobReservedPolicy,
        spot_max_restarts=settings.ElasticSpotJobMaxRestartTimes,
        caller=settings.Caller,
        pipeline_id=settings.PipelineId,
        business_user_id=settings.BusinessUserId,
    )


def _elastic(spec: schema.ElasticSpecWire | None) -> model.ElasticSpec:
    if spec is None:
        return model.ElasticSpec()
    return model.ElasticSpec(
        elastic_training=spec.EnableElasticTraining,
        ai_master=spec.EnableAIMaster,
        min_parallelism=spec.MinParallelism,
        max_parallelism=spec.MaxParallelism,
        strategy=spec.ElasticStrategy,
    )


def _restart(record: schema.RestartRecordWire) -> model.RestartRecord:
    return model.RestartRecord(
        trigger_id=record.TriggerID,
        occurred_at=record.OccurTime,
        level=record.RestartLevelType,
        occurred_phase=record.OccurPhase,
        reason=record.Reason,
        status=record.RestartStatus,
        fail_reason=record.RestartFailReason,
        duration=length(record.RestartDurationInSec),
        job_restart_count=record.JobRestartCount,
        causes=tuple(
            model.RestartCause(
                error_code=info.ErrorCode,
                error_message=info.ErrorMsg or info.DetailErrorMsg,
                error_source=info.ErrorSource,
                node=info.Node,
                pod=info.Pod,
                node_blacklisted=info.AddNodeToBlacklist,
                triggered_restart=info.TriggerRestart,
            )
            for info in _present(record.DetailErrorInfoList)
        ),
    )


def _replica(status: schema.ReplicaStatusWire) -> model.ReplicaStatus:
    return model.ReplicaStatus(
        role=status.Type,
        active=status.Active,
        queuing=status.Queuing,
        dequeued=status.Dequeued,
        estimated_pods=status.EstimatedPodCount,
        spot_instance_type=status.CurrentSpotInstanceType,
    )


def snapshot_from_json(
    data: bytes, *, source: SourceName, observed_at: datetime, region: str = "", asked_for: JobId | None = None
) -> JobSnapshot:
    """Read one GetJob answer.

    Args:
        data: the body.
        source: the source it came through.
        observed_at: when it was received, aware.
        region: the region asked.
        asked_for: the job id of the question; an answer about another job is refused. None takes the id from the answer.

    Raises:
        GarbledAnswer: not JSON, not an object, without a readable JobId or Status, or about another job.
    """
    job = schema.read(schema.JobWire, data, "GetJob")
    return snapshot_of(
        job, pods_of(job.Pods), source=source, observed_at=observed_at, region=region, asked_for=asked_for
    )


def snapshot_of(
    job: schema.JobWire,
    pods: tuple[model.PodSnapshot, ...] | None,
    *,
    source: SourceName,
    observed_at: datetime,
    region: str = "",
    asked_for: JobId | None = None,
) -> JobSnapshot:
    """The same of an answer that was parsed already.

    Raises:
        GarbledAnswer: about another job.
    """
    if asked_for is not None and job.JobId != asked_for:
        raise GarbledAnswer(f"DLC answered about another job than {asked_for!r}")
    return JobSnapshot(
        ref=JobRef(source, JobId(job.JobId)),
        observed_at=observed_at,
        status=job.Status,
        name=job.DisplayName,
        job_type=job.JobType,
        sub_status=job.SubStatus,
        reason_code=job.ReasonCode,
        reason_message=job.ReasonMessage,
        priority=job.Priority,
        restarts=RestartCount.parse(job.RestartTimes),
        region=region,
        workspace_id=job.WorkspaceId,
        workspace_name=job.WorkspaceName,
        user_id=job.UserId,
        user_name=job.Username,
        quota_id=job.ResourceId,
        quota_name=job.ResourceQuotaName,
        template_id=job.TemplateId,
        resource_level=job.ResourceLevel,
        resource_type=job.ResourceType,
        cluster_id=job.ClusterId,
        accessibility=job.Accessibility,
        scheduling_strategy=job.SchedulingStrategy,
        created_at=job.GmtCreateTime,
        submitted_at=job.GmtSubmittedTime,
        running_at=job.GmtRunningTime,
        succeeded_at=job.GmtSuccessedTime,
        failed_at=job.GmtFailedTime,
        stopped_at=job.GmtStoppedTime,
        finished_at=job.GmtFinishTime,
        modified_at=job.GmtModifiedTime,
        duration=length(job.Duration),
        max_running_time=_minutes(job.JobMaxRunningTimeMinutes),
        roles=tuple(_role(spec) for spec in _present(job.JobSpecs)),
        requested_cpu=job.RequestCPU,
        requested_gpu=job.RequestGPU,
        requested_memory=job.RequestMemory,
        settings=_job_settings(job.Settings),
        elastic=_elastic(job.ElasticSpec),
        debugger=job.EnabledDebugger,
        pods=pods,
        status_history=tuple(
            model.StatusPeriod(p.Status, p.StartTime, p.EndTime, p.ReasonCode, p.ReasonMessage)
            for p in _present(job.StatusHistory)
            if p.Status
        ),
        restart_records=tuple(_restart(record) for record in _present(job.RestartRecord)),
        replicas=tuple(_replica(status) for status in _present(job.JobReplicaStatuses)),
    )


@dataclass(frozen=True, slots=True)
class ListingPage:
    """One page of a ListJobs answer.

    Attributes:
        jobs: its readable jobs that are not deleted, in the order given; those that were recognised apart.
        items: how many entries the page had, of whatever kind: a page is short by this number.
        unreadable: entries without a readable JobId and Status; they may be jobs that we cannot name.
        total: TotalCount as told, or None.
        unchanged: jobs whose item was recognised and not read.
        digests: by what the items in `jobs` can be recognised, where they can.
    """

    jobs: tuple[JobSummary, ...]
    items: int
    unreadable: int
    total: int | None
    unchanged: tuple[JobId, ...] = ()
    digests: Mapping[JobId, bytes] = field(default_factory=dict)


def listing_from_json(data: bytes, *, source: SourceName) -> ListingPage:
    """Read one page of a ListJobs answer.

    Raises:
        GarbledAnswer: not JSON, not an object, or without a list of jobs although it does not say there are none.
    """
    page = schema.read(schema.ListingWire, data, "ListJobs")
    if page.Jobs is None and page.TotalCount != 0:
        raise GarbledAnswer("DLC's answer to ListJobs has no list of jobs")
    items = page.Jobs or []
    jobs = _present(items)
    return ListingPage(
        jobs=tuple(summary_of(job, source) for job in jobs if not job.IsDeleted),
        items=len(items),
        unreadable=len(items) - len(jobs),
        total=page.TotalCount,
    )


def summary_of(job: schema.ListedJobWire, source: SourceName) -> JobSummary:
    """One item of a list."""
    return JobSummary(
        ref=JobRef(source, JobId(job.JobId)),
        status=job.Status,
        name=job.DisplayName,
        sub_status=job.SubStatus,
        reason_code=job.ReasonCode,
        restarts=RestartCount.parse(job.RestartTimes),
        job_type=job.JobType,
        priority=job.Priority,
        workspace_id=job.WorkspaceId,
        user_id=job.UserId,
        user_name=job.Username,
        quota_id=job.ResourceId,
        quota_name=job.ResourceQuotaName,
        template_id=job.TemplateId,
        tags=_tags(job.Settings),
        created_at=job.GmtCreateTime,
        finished_at=job.GmtFinishTime,
        modified_at=job.GmtModifiedTime,
        max_running_time=_minutes(job.JobMaxRunningTimeMinutes),
        carries=frozenset(name for name in WATCHED if getattr(job, name)),
    )


LONGEST_LINE: Final = 2_000
"""Characters of one line that are kept: a log may hold a whole model's weights in one."""
MOST_TEXT: Final = 400_000
"""Characters of all lines together, the last ones."""


def lines_from_json(data: bytes, *, action: str, most: int, pod_uid: str = "") -> tuple[str, ...]:
    """Read one answer of GetJobEvents, GetPodEvents or GetPodLogs: the last lines, within `LONGEST_LINE` and `MOST_TEXT`.

    Args:
        data: the body.
        action: what was asked.
        most: the most lines wanted.
        pod_uid: the incarnation asked about; "" for whichever there is.

    Raises:
        GarbledAnswer: not JSON, not an object, or about another incarnation.
    """
    told = schema.read(schema.LinesWire, data, action)
    if pod_uid and told.PodUid and told.PodUid != pod_uid:
        raise GarbledAnswer(f"DLC answered {action} about another incarnation of the pod")
    given: list[str | schema.LineWire] = _present(told.Logs if action == "GetPodLogs" else told.Events)
    texts = [one if isinstance(one, str) else one.Content for one in given]
    lines: list[str] = []
    left = MOST_TEXT
    for text in reversed(texts):
        for line in reversed(text[-MOST_TEXT:].splitlines()):  # one text may hold several lines
            cut = line[:LONGEST_LINE]
            left -= len(cut) + 1
            if left < 0 or len(lines) >= most:
                return tuple(reversed(lines))
            lines.append(cut)
    return tuple(reversed(lines))
