"""Scenarios: the lives of jobs, written as YAML. All are made up by hand, and say so.

```yaml
made_up: true                    # must be there: no scenario is a recording
description: what it shows
caller: "2000000000000001"       # user id of whoever asks (ListJobs ShowOwn); default as here
default_workspace: "268"         # used by ListJobs without WorkspaceId; default: the first job's
jobs:
  - id: dlc1prodllm0001
    name: prod-llm-pretrain
    type: PyTorchJob             # the first Worker of a PyTorchJob without a Master is reported as pod master-0, the rest as
                                 # worker-0, worker-1 ...; the pods of all others are <role>-<index>, role in lower case
    submit_at: 0s                # from the scenario's start; may be negative (-8d: submitted eight days before it)
    workspace: "268"
    user: "2000000000000001"
    user_name: alice
    quota: quota-a100
    priority: 5
    roles: {Worker: {count: 2, gpu: 8, gpu_type: A100, cpu: 96, memory: 960Gi}}
    tags: {team: nlp}
    restarts_max: 10
    life:
      - {at: 0s, status: Creating}
      - {at: 10s, status: Queuing, reason: JobEnqueue, message: Waiting for 16 GPUs}
      - {at: 40m, status: EnvPreparing}
      - {at: 42m, status: Running}
      - {at: 50m, pod: worker-0, status: Failed, sub_status: Evicted}
      - {at: 51m, status: Restarting, restart: {level: Job, reason: NodeFailure, node: cn-hangzhou.10.0.0.7}}
      - {at: 53m, status: Running, replace: [worker-0]}
      - {at: 80m, status: Succeeded}
    copies: 100                  # so many of the same, ids with -0001, -0002 ... at their end, each `stagger` after the one before
    stagger: 5s
faults:                          # see faults.Fault
  - {kind: unavailable, at: 30m, for: 2m}
```

A step stands at a time from the job's submission, and times do not go back. What it may say:

- `status` of the job, any text. Sub-status and reason are cleared unless given; Succeeded, Failed and Stopped bring their usual
  reason. What follows from it: pods are created (Pending) in the starting phase and run in the running phase; they end with the
  job; a job that goes back to a pending phase loses its pods; a job that starts again gets new ones: those in `replace` where
  given, else all after a restart of level Job, else those that had ended. Gmt times are set when they happen.
- `sub_status`, `reason`, `message`, `priority` of the job, with or without a status.
- `spot_instance: TYPE`: from now on its spot roles run on instances of this type.
- `pod: NAME` makes the step a fact about one pod: its `status`, `sub_status`, and `node` and `ip` when it moves.
- `replace: [NAME, ...]` or `replace: all`: a new incarnation with a new PodUid, node and address; the former goes to HistoryPods.
- `drop: [NAME, ...]`: these pods are no longer told of.
- `restart: {level: Job | Pod, reason, error_code, message, node, pod, blacklist}`: RestartTimes grows, a RestartRecord appears.
- `event: TEXT`, `log: TEXT`: a line for GetJobEvents / GetPodEvents, for GetPodLogs.
- `delete: true`: from now on DLC does not know the job. Must be the last step.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from itertools import pairwise
from typing import Annotated, Final, Literal

from pydantic import BeforeValidator, ConfigDict, Field, field_validator, model_validator

from watcher.core.duration import parse_duration
from watcher.settings import Duration, Settings
from watcher.simulator.faults import Fault

MAX_JOBS: Final = 20_000
"""In one scenario: a few hundred megabytes of memory."""


class Misplaced(ValueError):
    """A mistake inside a list or mapping; `where` is the path to it from the field that was validated."""

    def __init__(self, message: str, *where: str | int) -> None:
        self.where = where
        super().__init__(message)


def _offset(value: object) -> timedelta:
    if isinstance(value, timedelta):
        return value
    if isinstance(value, str):
        text = value.strip()
        return -parse_duration(text[1:]) if text.startswith("-") else parse_duration(text)
    raise ValueError("a time from the start has a unit: write for example 0s, 90s, 1h30m or -8d")


Offset = Annotated[timedelta, BeforeValidator(_offset)]
"""A time from the scenario's start; may be negative."""


class Part(Settings):
    """A part of a scenario: strict, but `268` is as good as `"268"` where a text belongs."""

    model_config = ConfigDict(coerce_numbers_to_str=True)


class Role(Part):
    """One entry of JobSpecs."""

    count: Annotated[int, Field(ge=1, le=5000)] = 1
    cpu: Annotated[str, Field(pattern=r"^\d{0,6}(\.\d+)?$")] = "8"
    gpu: Annotated[str, Field(pattern=r"^\d{0,4}(\.\d+)?$")] = "1"
    gpu_type: str = ""
    memory: Annotated[str, Field(pattern=r"^\d{1,6}Gi$")] = "64Gi"
    shared_memory: str = ""
    instance_type: str = ""
    """`EcsSpec`; a job without a quota runs on instances of this type."""
    spot: bool = False
    image: str = "registry-vpc.cn-hangzhou.aliyuncs.com/example/train:1.0"


class Restart(Part):
    """One entry of RestartRecord."""

    level: Literal["Job", "Pod"] = "Job"
    reason: str = "NodeFailure"
    error_code: str = "NODE_FAULT"
    message: str = ""
    node: str = ""
    pod: str = ""
    blacklist: bool = False


class Step(Part):
    """One thing that happens, as the module's docstring says."""

    at: Duration
    status: str | None = None
    sub_status: str | None = None
    reason: str | None = None
    message: str | None = None
    priority: int | None = None
    spot_instance: str | None = None
    pod: str | None = None
    node: str | None = None
    ip: str | None = None
    replace: Literal["all"] | tuple[str, ...] = ()
    drop: tuple[str, ...] = ()
    restart: Restart | None = None
    event: str | None = None
    log: str | None = None
    delete: bool = False

    @model_validator(mode="after")
    def _one_subject(self) -> Step:
        said = self.model_fields_set - {"at", "pod"}
        if not said:
            raise ValueError("a step says what happens: status, pod, restart, replace, delete ...")
        of_job = said & {"reason", "message", "priority", "spot_instance", "replace", "drop", "restart", "delete"}
        if self.pod is not None and of_job:
            raise ValueError(f"a step about a pod does not speak of the job: take out {', '.join(sorted(of_job))}")
        of_pod = said & {"node", "ip", "log"}
        if self.pod is None and of_pod:
            raise ValueError(f"{', '.join(sorted(of_pod))}: say which pod")
        return self


class Secrets(Part):
    """Fake secrets that every answer holds where a real one may: canaries. They must turn up nowhere else."""

    env: str = "canary-env-of-{id}"
    custom_env: str = "canary-customenv-of-{id}"
    command: str = "canary-command-of-{id}"
    image_password: str = "canary-imagepassword-of-{id}"  # noqa: S105 - made up
    image_auth: str = "canary-imageauth-of-{id}"
    credential: str = "canary-credential-of-{id}"


class ScriptedJob(Part):
    """A job and its life."""

    id: Annotated[str, Field(min_length=1, max_length=256, pattern=r"^[^/\s]+$")]
    name: str = ""
    type: str = "PyTorchJob"
    workspace: str = "268"
    workspace_name: str = "dlc-workspace"
    user: str = "2000000000000001"
    user_name: str = "alice"
    quota: str = ""
    """`ResourceId`; "" runs on public resources."""
    quota_name: str = ""
    """Default: the quota's id."""
    priority: int = 1
    submit_at: Offset = timedelta(0)
    roles: dict[str, Role] = Field(default={"Worker": Role()}, min_length=1)
    tags: dict[str, str] = Field(default={})
    description: str = ""
    resource_type: str = "ECS"
    accessibility: Literal["PUBLIC", "PRIVATE"] = "PUBLIC"
    restarts_max: Annotated[int, Field(ge=0)] = 10
    fault_tolerance: bool = False
    sanity_check: bool = False
    reserved_minutes: int | None = None
    reserved_policy: str = ""
    max_running_minutes: int | None = None
    oversold: str = ""
    pipeline: str = ""
    template: str = ""
    elastic: tuple[int, int] | None = None
    """Least and most pods of elastic training."""
    secrets: Secrets = Secrets()
    life: tuple[Step, ...]
    copies: Annotated[int, Field(ge=1, le=MAX_JOBS)] | None = None
    stagger: Duration = timedelta(0)

    @field_validator("life")
    @classmethod
    def _in_order(cls, life: tuple[Step, ...]) -> tuple[Step, ...]:
        if not life:
            raise ValueError("a life has at least one step")
        for index, (before, step) in enumerate(pairwise(life), start=1):
            if step.at < before.at:
                raise Misplaced("times do not go back: this step stands before the one above it", index, "at")
            if before.delete:
                raise Misplaced("nothing happens to a job after it was deleted", index)
        return life

    @model_validator(mode="after")
    def _known_pods(self) -> ScriptedJob:
        known = set(self.pod_names)
        for index, step in enumerate(self.life):
            places = [("pod", (step.pod,) if step.pod is not None else ()), ("drop", step.drop)]
            places.append(("replace", () if step.replace == "all" else tuple(step.replace)))
            for key, names in places:
                for name in names:
                    if name not in known:
                        shown = ", ".join(self.pod_names[:5]) + (" ..." if len(known) > 5 else "")  # noqa: PLR2004
                        raise Misplaced(f"there is no pod {name!r}; this job has {shown}", "life", index, key)
        return self

    @property
    def pod_names(self) -> tuple[str, ...]:
        """The names of its pods as they end a PodId: master-0, worker-0 ..."""
        promoted = self.type == "PyTorchJob" and "Master" not in self.roles
        names: list[str] = []
        for role, spec in self.roles.items():
            first = promoted and role == "Worker"
            names += ["master-0"] if first else []
            names += [f"{role.lower()}-{index}" for index in range(spec.count - first)]
        return tuple(names)

    @property
    def canaries(self) -> tuple[str, ...]:
        """The fake secrets of this job, as its answers hold them."""
        return tuple(str(text).replace("{id}", self.id) for _, text in self.secrets)

    def expanded(self) -> Iterator[ScriptedJob]:
        """Itself, or its copies."""
        if self.copies is None:
            yield self
            return
        for number in range(1, self.copies + 1):
            yield self.model_copy(
                update={
                    "id": f"{self.id}-{number:04d}",
                    "name": f"{self.name}-{number:04d}" if self.name else "",
                    "submit_at": self.submit_at + self.stagger * (number - 1),
                    "copies": None,
                }
            )


class Scenario(Part):
    """Jobs and faults over time."""

    made_up: Literal[True]
    """A promise in writing: nothing here was recorded from the service."""
    description: str = ""
    caller: str = "2000000000000001"
    region: str = "cn-hangzhou"
    default_workspace: str = ""
    jobs: tuple[ScriptedJob, ...]
    faults: tuple[Fault, ...] = ()

    @field_validator("jobs")
    @classmethod
    def _expanded(cls, jobs: tuple[ScriptedJob, ...]) -> Sequence[ScriptedJob]:
        if not jobs:
            raise ValueError("a scenario has at least one job")
        if sum(job.copies or 1 for job in jobs) > MAX_JOBS:
            raise ValueError(f"more than {MAX_JOBS} jobs in one scenario")
        seen: set[str] = set()
        every: list[ScriptedJob] = []
        for index, job in enumerate(jobs):
            for one in job.expanded():
                if one.id in seen:
                    raise Misplaced(f"the id {one.id!r} is taken by another job", index, "id")
                seen.add(one.id)
                every.append(one)
        return tuple(every)

    @property
    def workspace(self) -> str:
        """The workspace of a list that names none."""
        return self.default_workspace or self.jobs[0].workspace
