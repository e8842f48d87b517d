"""What DLC writes, and how far it may stray: models of GetJob and ListJobs answers under their wire names.

The models hold only the members the program uses. Everything else is skipped inside the parser and never
becomes a Python object: environment variables, user commands, image passwords, credential configuration, code sources. Pods alone
come as plain values, because there may be thousands (`pods`).

Tolerance. The schema is a promise that DLC itself does not always keep: unset structures come as `{}` even where a text belongs
(EcsSpec), numbers as texts and texts as numbers (RequestGPU, ResourceConfig), lists as null. So an optional member of a wrong
type is as good as absent, and a list member of a wrong type is left out. Two members are not optional: an answer without a
readable JobId and Status is no answer.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Final, TypeVar

from pydantic import BaseModel, ConfigDict, Field, PlainValidator, TypeAdapter, ValidationError

from watcher.errors import GarbledAnswer

_EARLIEST: Final = 1971
"""Years before it mean "never happened": Go's zero time is 0001-01-01, the epoch's is 1970-01-01."""


def as_text(value: object) -> str:
    """What is no text but may stand for one; "" for what may not."""
    match value:
        case bool():
            return "true" if value else "false"
        case float() if value.is_integer() and abs(value) < 1e15:  # noqa: PLR2004 - exactly representable
            return str(int(value))
        case int() if value.bit_length() > 64:  # noqa: PLR2004 - Python refuses to spell very long numbers
            return ""
        case int() | float():
            return str(value)
        case _:
            return ""


def as_time(value: object) -> datetime | None:
    """A time that can be one, else None."""
    if not isinstance(value, str) or not value:
        return None
    try:
        read = datetime.fromisoformat(value)
        time = read.replace(tzinfo=UTC) if read.tzinfo is None else read.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return time if time.year >= _EARLIEST else None


T = TypeVar("T")
W = TypeVar("W", bound="WireModel")

# The left side is decided inside the parser; the right side, in Python, sees only what the left would not have.
_Lost = Annotated[None, PlainValidator(lambda _: None)]
_OrLost = Field(union_mode="left_to_right")
_Text = Annotated[str | Annotated[str, PlainValidator(as_text)], _OrLost]
_Int = Annotated[int | _Lost, _OrLost]
_Float = Annotated[Annotated[float, Field(allow_inf_nan=False)] | _Lost, _OrLost]
_Bool = Annotated[bool | _Lost, _OrLost]
_Time = Annotated[datetime | None, PlainValidator(as_time)]
_Member = Annotated[T | _Lost, _OrLost]
_Members = Annotated[list[Annotated[T | _Lost, _OrLost]] | _Lost, _OrLost]
_Needed = Annotated[str, Field(strict=True, min_length=1)]


_NUMBER: Final = TypeAdapter[float | None](_Float)


def as_number(value: object) -> float | None:
    """A number, also one that is written as a text; None for what is none."""
    return _NUMBER.validate_python(value)


class WireModel(BaseModel):
    """Skips what it does not know, and keeps inputs out of its complaints."""

    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True, defer_build=True)


class ResourceConfigWire(WireModel):
    """`JobSpecs[].ResourceConfig`."""

    CPU: _Text = ""
    GPU: _Text = ""
    GPUType: _Text = ""
    Memory: _Text = ""
    SharedMemory: _Text = ""


class SpotSpecWire(WireModel):
    """`JobSpecs[].SpotSpec`, and an entry of `ElasticSpotSpecs`."""

    SpotStrategy: _Text = ""


class AutoScalingSpecWire(WireModel):
    """`JobSpecs[].AutoScalingSpec`."""

    MinReplicas: _Int = None
    MaxReplicas: _Int = None


class JobSpecWire(WireModel):
    """An entry of `JobSpecs`: one role."""

    Type: _Text = ""
    PodCount: _Int = None
    EcsSpec: _Text = ""
    UseSpotInstance: _Bool = None
    QuotaId: _Text = ""
    RestartPolicy: _Text = ""
    ResourceConfig: _Member[ResourceConfigWire] = None
    SpotSpec: _Member[SpotSpecWire] = None
    ElasticSpotSpecs: _Members[SpotSpecWire] = None
    AutoScalingSpec: _Member[AutoScalingSpecWire] = None


class SettingsWire(WireModel):
    """`Settings`."""

    Tags: _Member[dict[str, _Text]] = None
    OversoldType: _Text = ""
    EnableTideResource: _Bool = None
    EnableErrorMonitoringInAIMaster: _Bool = None
    EnableSanityCheck: _Bool = None
    JobReservedMinutes: _Int = None
    JobReservedPolicy: _Text = ""
    ElasticSpotJobMaxRestartTimes: _Int = None
    Caller: _Text = ""
    PipelineId: _Text = ""
    BusinessUserId: _Text = ""


class ElasticSpecWire(WireModel):
    """`ElasticSpec`."""

    EnableElasticTraining: _Bool = None
    EnableAIMaster: _Bool = None
    MinParallelism: _Int = None
    MaxParallelism: _Int = None
    ElasticStrategy: _Text = ""


class StatusPeriodWire(WireModel):
    """An entry of `StatusHistory`."""

    Status: _Text = ""
    StartTime: _Time = None
    EndTime: _Time = None
    ReasonCode: _Text = ""
    ReasonMessage: _Text = ""


class ErrorInfoWire(WireModel):
    """An entry of `DetailErrorInfoList`."""

    ErrorCode: _Text = ""
    ErrorMsg: _Text = ""
    DetailErrorMsg: _Text = ""
    ErrorSource: _Text = ""
    Node: _Text = ""
    Pod: _Text = ""
    AddNodeToBlacklist: _Bool = None
    TriggerRestart: _Bool = None


class RestartRecordWire(WireModel):
    """An entry of `RestartRecord`."""

    TriggerID: _Text = ""
    OccurTime: _Time = None
    RestartLevelType: _Text = ""
    OccurPhase: _Text = ""
    Reason: _Text = ""
    RestartStatus: _Text = ""
    RestartFailReason: _Text = ""
    RestartDurationInSec: _Float = None
    JobRestartCount: _Int = None
    DetailErrorInfoList: _Members[ErrorInfoWire] = None


class ReplicaStatusWire(WireModel):
    """An entry of `JobReplicaStatuses`."""

    Type: _Text = ""
    Active: _Int = None
    Queuing: _Int = None
    Dequeued: _Int = None
    EstimatedPodCount: _Int = None
    CurrentSpotInstanceType: _Text = ""


class ListedJobWire(WireModel):
    """An entry of ListJobs' `Jobs`: what is needed to choose jobs and to see that one changed."""

    JobId: _Needed
    Status: _Needed
    SubStatus: _Text = ""
    DisplayName: _Text = ""
    JobType: _Text = ""
    ReasonCode: _Text = ""
    Priority: _Int = None
    RestartTimes: _Text = ""
    WorkspaceId: _Text = ""
    UserId: _Text = ""
    Username: _Text = ""
    ResourceId: _Text = ""
    ResourceQuotaName: _Text = ""
    TemplateId: _Text = ""
    JobMaxRunningTimeMinutes: _Int = None
    IsDeleted: _Bool = None
    GmtCreateTime: _Time = None
    GmtFinishTime: _Time = None
    GmtModifiedTime: _Time = None
    Settings: _Member[SettingsWire] = None
    Pods: Any = None
    """Read by `pods`; of an item only that they are there."""
    StatusHistory: _Members[StatusPeriodWire] = None


class JobWire(ListedJobWire):
    """A whole GetJob answer."""

    ReasonMessage: _Text = ""
    WorkspaceName: _Text = ""
    ResourceLevel: _Text = ""
    ResourceType: _Text = ""
    ClusterId: _Text = ""
    Accessibility: _Text = ""
    SchedulingStrategy: _Text = ""
    GmtSubmittedTime: _Time = None
    GmtRunningTime: _Time = None
    GmtSuccessedTime: _Time = None
    GmtFailedTime: _Time = None
    GmtStoppedTime: _Time = None
    Duration: _Float = None
    RequestCPU: _Float = None
    RequestGPU: _Float = None
    RequestMemory: _Text = ""
    EnabledDebugger: _Bool = None
    ElasticSpec: _Member[ElasticSpecWire] = None
    JobSpecs: _Members[JobSpecWire] = None
    RestartRecord: _Members[RestartRecordWire] = None
    JobReplicaStatuses: _Members[ReplicaStatusWire] = None


class ListingWire(WireModel):
    """A whole ListJobs answer."""

    Jobs: _Members[ListedJobWire] = None
    TotalCount: _Int = None


class LineWire(WireModel):
    """A line as an object, as the SDK's unused types EventInfo and LogInfo have it."""

    Content: _Text = ""


_Lines = Annotated[list[Annotated[str | LineWire | _Lost, _OrLost]] | _Lost, _OrLost]


class LinesWire(WireModel):
    """An answer of GetJobEvents, GetPodEvents or GetPodLogs: documented as lists of plain texts."""

    PodUid: _Text = ""
    Events: _Lines = None
    Logs: _Lines = None


def read(kind: type[W], data: bytes, what: str) -> W:
    """Parse one answer.

    Raises:
        GarbledAnswer: it is not JSON, or a member that is needed is absent or of a wrong type.
    """
    complaint = ""
    try:
        return kind.model_validate_json(data)
    except ValidationError as exc:
        # Only the place and the kind of the fault are told: the exception itself holds what was sent.
        first = exc.errors(include_url=False, include_context=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        complaint = f"{place}: {first['type']}" if place else str(first["type"])
    raise GarbledAnswer(f"DLC's answer to {what} cannot be read ({complaint})")
