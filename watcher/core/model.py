"""What one answer of DLC told us about a job, as frozen values.

These types hold only what the program uses. Environment variables, user commands, image credentials and code-source tokens have
no field here, so they cannot be stored, logged or sent: secrets stay out by construction.

Field facts come from the GetJob reference page and the official SDK's schema (version 2020-12-03). "Absent" (None) and "empty"
are kept apart wherever the difference matters: `pods=None` says that the answer did not speak of pods.

Long, because DLC's answer is: one flat list of values, with no behaviour that could move elsewhere. All
datetimes are aware and in UTC. DLC gives whole seconds.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, NewType

from watcher.core.phases import EVICTED_POD_SUB_STATUSES, TERMINAL, Phase, PodPhase, phase_of, pod_phase_of

SourceName = NewType("SourceName", str)
JobId = NewType("JobId", str)


@dataclass(frozen=True, slots=True, order=True)
class JobRef:
    """Which job: the configured source it was seen through, and DLC's job id."""

    source: SourceName
    job_id: JobId

    def __str__(self) -> str:
        return f"{self.source}/{self.job_id}"


_RESTARTS: Final = re.compile(r"\s*(\d{1,9})(?:\s*/\s*(\d{1,9}))?\s*")


@dataclass(frozen=True, slots=True)
class RestartCount:
    """DLC's `RestartTimes`: "used/max" in GetJob ("0/10"), sometimes a bare "used" in lists ("1").

    Attributes:
        text: as it came; "" when absent.
        used: restarts so far, or None when the text cannot be read.
        limit: the most there may be, or None.
    """

    text: str = ""
    used: int | None = None
    limit: int | None = None

    @classmethod
    def parse(cls, text: str | None) -> RestartCount:
        """Read the text; what does not fit the pattern is kept as text only."""
        match = _RESTARTS.fullmatch(text or "")
        if match is None:
            return cls(text or "")
        used, limit = match.groups()
        return cls(text or "", int(used), None if limit is None else int(limit))

    def __str__(self) -> str:
        if self.used is None:
            return self.text
        return str(self.used) if self.limit is None else f"{self.used} of {self.limit}"


@dataclass(frozen=True, slots=True)
class Resources:
    """Size of one pod of a role, as DLC writes it: numbers as text ("12"), memory with a unit ("10Gi"); "" when unset."""

    cpu: str = ""
    gpu: str = ""
    gpu_type: str = ""
    memory: str = ""
    shared_memory: str = ""


@dataclass(frozen=True, slots=True)
class RoleSpec:
    """One entry of `JobSpecs`: a role (Worker, PS, Chief ...), how many pods of it, and their size."""

    role: str
    count: int
    resources: Resources = Resources()
    instance_type: str = ""
    """`EcsSpec`, for example ecs.gn6i-c4g1.xlarge; "" on quota resources."""
    spot: bool = False
    """`UseSpotInstance`, or a SpotSpec with a strategy."""
    spot_strategy: str = ""
    quota_id: str = ""
    restart_policy: str = ""
    min_replicas: int | None = None
    max_replicas: int | None = None


@dataclass(frozen=True, slots=True)
class JobSettings:
    """The members of `Settings` that say what may happen to a job: tags, and what decides on priority, retry and reservation."""

    tags: tuple[tuple[str, str], ...] = ()
    oversold_type: str = ""
    """ForbiddenQuotaOverSold, ForceQuotaOverSold or AcceptQuotaOverSold: whether it runs on idle resources it may lose."""
    tide_resource: bool | None = None
    fault_tolerance: bool | None = None
    """`EnableErrorMonitoringInAIMaster`: AIMaster restarts the job after faults."""
    sanity_check: bool | None = None
    reserved_minutes: int | None = None
    reserved_policy: str = ""
    spot_max_restarts: int | None = None
    caller: str = ""
    pipeline_id: str = ""
    business_user_id: str = ""


@dataclass(frozen=True, slots=True)
class ElasticSpec:
    """`ElasticSpec`: whether and between which pod counts the job may breathe."""

    elastic_training: bool | None = None
    ai_master: bool | None = None
    min_parallelism: int | None = None
    max_parallelism: int | None = None
    strategy: str = ""


@dataclass(frozen=True, slots=True)
class PodKey:
    """Which incarnation of which pod.

    A replaced pod keeps its `pod_id` and gets a new `uid`. DLC may leave the uid empty or repeat it, so the creation time is
    part of the key then (see `core.incarnations`).
    """

    pod_id: str
    incarnation: str

    def __str__(self) -> str:
        return f"{self.pod_id}@{self.incarnation}" if self.incarnation else self.pod_id


@dataclass(frozen=True, slots=True)
class PodSnapshot:
    """One entry of `Pods` or, with `history` empty, of `HistoryPods` (an earlier incarnation of the same pod id)."""

    pod_id: str
    uid: str = ""
    role: str = ""
    """Lower-case role as DLC reports it; the first Worker of a PyTorchJob comes as "master"."""
    status: str = ""
    sub_status: str = ""
    node: str = ""
    ip: str = ""
    resource_type: str = ""
    created_at: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    duration: timedelta | None = None
    """Grows with every answer while the pod lives: never compared."""
    history: tuple[PodSnapshot, ...] = ()

    @property
    def phase(self) -> PodPhase:
        """The folded status."""
        return pod_phase_of(self.status)

    @property
    def evicted(self) -> bool:
        """Whether DLC says it was taken off its node."""
        return self.sub_status in EVICTED_POD_SUB_STATUSES

    @property
    def key(self) -> PodKey:
        """Its incarnation: the uid, else the creation time. `core.incarnations.names` tells lives with one uid apart."""
        return PodKey(self.pod_id, self.uid or (self.created_at.isoformat() if self.created_at else ""))


@dataclass(frozen=True, slots=True)
class StatusPeriod:
    """One entry of `StatusHistory`: a state the job was in. Order of entries is not promised; the end may be unknown."""

    status: str
    started_at: datetime | None = None
    ended_at: datetime | None = None
    reason_code: str = ""
    reason_message: str = ""


@dataclass(frozen=True, slots=True)
class RestartCause:
    """One entry of a restart record's `DetailErrorInfoList`."""

    error_code: str = ""
    error_message: str = ""
    error_source: str = ""
    node: str = ""
    pod: str = ""
    node_blacklisted: bool | None = None
    triggered_restart: bool | None = None


@dataclass(frozen=True, slots=True)
class RestartRecord:
    """One entry of `RestartRecord`: a restart by AIMaster or self-healing, with its reason."""

    trigger_id: str = ""
    occurred_at: datetime | None = None
    level: str = ""
    """`RestartLevelType`: of one pod, or of the whole job."""
    occurred_phase: str = ""
    reason: str = ""
    status: str = ""
    fail_reason: str = ""
    duration: timedelta | None = None
    job_restart_count: int | None = None
    causes: tuple[RestartCause, ...] = ()

    @property
    def key(self) -> tuple[object, ...]:
        """What it is known by: its own id, else its time, level and count."""
        return (self.trigger_id,) if self.trigger_id else (self.occurred_at, self.level, self.job_restart_count)


@dataclass(frozen=True, slots=True)
class ReplicaStatus:
    """One entry of `JobReplicaStatuses`: how many pods of a role are active, queuing, dequeued."""

    role: str
    active: int | None = None
    queuing: int | None = None
    dequeued: int | None = None
    estimated_pods: int | None = None
    spot_instance_type: str = ""


@dataclass(frozen=True, slots=True)
class JobSnapshot:
    """What one GetJob answer told us at `observed_at`.

    Not compared between snapshots, because they change without anything having happened: `observed_at`, `duration`,
    `modified_at`, and every pod's `duration`.
    """

    ref: JobRef
    observed_at: datetime
    status: str
    name: str = ""
    job_type: str = ""
    sub_status: str = ""
    reason_code: str = ""
    reason_message: str = ""
    priority: int | None = None
    restarts: RestartCount = RestartCount()
    # who and where
    region: str = ""
    workspace_id: str = ""
    workspace_name: str = ""
    user_id: str = ""
    user_name: str = ""
    """Only lists tell it (`Username`)."""
    quota_id: str = ""
    """`ResourceId`; "" on public resources."""
    quota_name: str = ""
    """Only lists tell it (`ResourceQuotaName`)."""
    template_id: str = ""
    """Only lists tell it (`TemplateId`): the job template it was made from."""
    resource_level: str = ""
    resource_type: str = ""
    """ECS, Lingjun or ACS."""
    cluster_id: str = ""
    accessibility: str = ""
    scheduling_strategy: str = ""
    # when
    created_at: datetime | None = None
    submitted_at: datetime | None = None
    running_at: datetime | None = None
    succeeded_at: datetime | None = None
    failed_at: datetime | None = None
    stopped_at: datetime | None = None
    finished_at: datetime | None = None
    modified_at: datetime | None = None
    duration: timedelta | None = None
    max_running_time: timedelta | None = None
    """`JobMaxRunningTimeMinutes`: lists tell it, GetJob mostly does not."""
    # how large
    roles: tuple[RoleSpec, ...] = ()
    requested_cpu: float | None = None
    requested_gpu: float | None = None
    """May be fractional."""
    requested_memory: str = ""
    """As DLC writes it: a number in GetJob, "1Gi" in lists."""
    settings: JobSettings = JobSettings()
    elastic: ElasticSpec = ElasticSpec()
    debugger: bool | None = None
    # what is there, and what was
    pods: tuple[PodSnapshot, ...] | None = None
    status_history: tuple[StatusPeriod, ...] = ()
    restart_records: tuple[RestartRecord, ...] = ()
    replicas: tuple[ReplicaStatus, ...] = ()

    @property
    def phase(self) -> Phase:
        """The folded status."""
        return phase_of(self.status)

    @property
    def tags(self) -> Mapping[str, str]:
        """`Settings.Tags`."""
        return dict(self.settings.tags)

    @property
    def gpus(self) -> float | None:
        """GPUs in all: what DLC reports as requested, else the sum over the roles, else None."""
        if self.requested_gpu is not None:
            return self.requested_gpu
        counts = [(role.count, _number(role.resources.gpu)) for role in self.roles]
        known = [count * gpus for count, gpus in counts if gpus is not None]
        return sum(known) if known else None

    @property
    def title(self) -> str:
        """What people call it: its name, else its id."""
        return self.name or self.ref.job_id


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


@dataclass(frozen=True, slots=True)
class JobSummary:
    """What one ListJobs item told us: enough to choose jobs and to notice that one of them changed.

    Whether the service fills SubStatus, RestartTimes and GmtModifiedTime in lists is not known for certain; what is absent is
    "" or None here and never counts as a change.
    """

    ref: JobRef
    status: str
    name: str = ""
    sub_status: str = ""
    reason_code: str = ""
    restarts: RestartCount = RestartCount()
    job_type: str = ""
    priority: int | None = None
    workspace_id: str = ""
    user_id: str = ""
    user_name: str = ""
    quota_id: str = ""
    quota_name: str = ""
    tags: tuple[tuple[str, str], ...] = ()
    created_at: datetime | None = None
    finished_at: datetime | None = None
    modified_at: datetime | None = None
    max_running_time: timedelta | None = None
    template_id: str = ""
    carries: frozenset[str] = frozenset()
    """Which of the members that lists may leave out it had (`core.capabilities.WATCHED`)."""

    @property
    def phase(self) -> Phase:
        """The folded status."""
        return phase_of(self.status)


@dataclass(frozen=True, slots=True)
class Listed:
    """What is kept of a list item between two passes: what is compared with an answer, and what only lists tell.

    It names no job, so that the many jobs of one user that run in one quota can share one.
    """

    status: str
    sub_status: str = ""
    reason_code: str = ""
    restarts: RestartCount = RestartCount()
    user_name: str = ""
    quota_name: str = ""
    template_id: str = ""
    max_running_time: timedelta | None = None

    @classmethod
    def of(cls, summary: JobSummary) -> Listed:
        """Of this item."""
        return cls(
            status=summary.status,
            sub_status=summary.sub_status,
            reason_code=summary.reason_code,
            restarts=summary.restarts,
            user_name=summary.user_name,
            quota_name=summary.quota_name,
            template_id=summary.template_id,
            max_running_time=summary.max_running_time,
        )

    @property
    def phase(self) -> Phase:
        """The folded status."""
        return phase_of(self.status)


@dataclass(frozen=True, slots=True)
class Listing:
    """One pass over ListJobs.

    Attributes:
        jobs: each job once, in the order first seen, but for those in `unchanged`.
        complete: every page of every workspace was read; only then does absence mean anything.
        unchanged: jobs whose item said what the one with the known digest said; it was not read again.
        digests: by what the items in `jobs` can be recognised next time, where they can. They mean something to their source only,
            and only in this run of the program.
    """

    jobs: tuple[JobSummary, ...]
    complete: bool = True
    unchanged: tuple[JobId, ...] = ()
    digests: Mapping[JobId, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Doubts:
    """Readings seen once that are believed only when seen again.

    Attributes:
        not_found_since: first of an unbroken row of not-found answers.
        not_found_count: how many there were.
        live_again: a terminal job was seen live once.
        missing_pods: pod ids that the last answer left out.
        backwards: how many answers in a row told of an earlier state than the one held.
    """

    not_found_since: datetime | None = None
    not_found_count: int = 0
    live_again: bool = False
    missing_pods: tuple[str, ...] = ()
    backwards: int = 0


@dataclass(frozen=True, slots=True)
class StatusEntry:
    """One entry of a job into a status, as far as we know of it (`core.history`).

    Attributes:
        status: the raw status.
        key: what the ids of its events are made from: the second it began, or "#n" where that was not known when it was told.
        nth: the how-manieth entry into this status that we know of, from 1.
        seen_by: the look that first showed it.
        seen_after: the look before that one; None at first sight.
        started_at: when it began, where DLC tells.
        listed: its date is the StartTime of `StatusHistory` and final; other dates may be mended.
        told: there was an event for it; what was there at first sight has none.
    """

    status: str
    key: str
    nth: int
    seen_by: datetime
    seen_after: datetime | None = None
    started_at: datetime | None = None
    listed: bool = False
    told: bool = False

    @property
    def phase(self) -> Phase:
        """The folded status."""
        return phase_of(self.status)


@dataclass(frozen=True, slots=True)
class Course:
    """The way of a job through its statuses, oldest first; the last entry is the present one.

    Attributes:
        entries: what we know of it since we look.
        since: what began at or before this and is not among the entries is old news and is never told.
        lists_present: `StatusHistory` of this job has named the present status at least once.
        restarts_inferred: how many restarts were told because of the status Restarting alone (`core.restart_diff`).
    """

    entries: tuple[StatusEntry, ...] = ()
    since: datetime | None = None
    lists_present: bool = False
    restarts_inferred: int = 0


@dataclass(frozen=True, slots=True)
class Watch:
    """What we hold about one job between two polls: the last accepted snapshot and what is still in doubt.

    Attributes:
        snapshot: the last accepted answer, with pods carried over where an answer did not speak of them.
        version: grows by one with every commit; compare-and-set goes by it.
        phase_since: when the job entered its phase, as far as DLC or our polls tell.
        first_seen_at: when this watcher first saw the job.
        vanished: we have told that the job is gone.
        doubts: readings that need a second look before they are believed (see `core.observation`).
        course: the statuses the job went through, as far as they are known; empty in a watch written by an earlier version,
            for which the held snapshot is the beginning.
    """

    snapshot: JobSnapshot
    version: int
    phase_since: datetime
    first_seen_at: datetime
    vanished: bool = False
    doubts: Doubts = Doubts()
    course: Course = Course()

    @property
    def live(self) -> bool:
        """Whether it is still to be polled."""
        return not self.vanished and self.snapshot.phase not in TERMINAL
