"""What was ordered, on the wire: JobSpecs, Settings, sums and the fake secrets. It does not change while a job lives. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from watcher.simulator.scenario import Role, ScriptedJob


def settings_of(job: ScriptedJob) -> dict[str, Any]:
    """`Settings`."""
    settings: dict[str, Any] = {
        "Tags": dict(job.tags),
        "BusinessUserId": "",
        "Caller": "",
        "PipelineId": job.pipeline,
        "EnableErrorMonitoringInAIMaster": job.fault_tolerance,
        "ErrorMonitoringArgs": "",
        "EnableSanityCheck": job.sanity_check,
        "EnableTideResource": bool(job.oversold),
        "EnableRDMA": True,
        "OversoldType": job.oversold or "ForbiddenQuotaOverSold",
        "AdvancedSettings": {},
    }
    if job.reserved_minutes is not None:
        settings |= {"JobReservedMinutes": job.reserved_minutes, "JobReservedPolicy": job.reserved_policy or "Always"}
    return settings


def job_spec(job: ScriptedJob, name: str, role: Role) -> dict[str, Any]:
    """One entry of `JobSpecs`."""
    return {
        "Type": name,
        "PodCount": role.count,
        "Image": role.image,
        "ImageConfig": {
            "DockerRegistry": "registry.example.com",
            "Username": "puller",
            "Password": secret(job, "image_password"),
            "Auth": secret(job, "image_auth"),
        },
        "EcsSpec": role.instance_type,
        "UseSpotInstance": role.spot,
        "SpotSpec": {"SpotStrategy": "SpotAsPriceGo"} if role.spot else {},
        "QuotaId": job.quota,
        "RestartPolicy": "Never",
        "AssignNodeSpec": {"EnableAssignNode": False, "NodeNames": ""},
        "ResourceConfig": {
            "CPU": role.cpu,
            "GPU": role.gpu,
            "GPUType": role.gpu_type,
            "Memory": role.memory,
            "SharedMemory": role.shared_memory,
        },
    }


@dataclass(frozen=True, slots=True)
class Totals:
    """What all pods of a job ask for together: cores, GPUs, GiB."""

    cpu: int
    gpu: float
    memory: int


def totals_of(job: ScriptedJob) -> Totals:
    """The sum over the roles."""
    roles = job.roles.values()
    return Totals(
        cpu=int(sum(role.count * float(role.cpu or "0") for role in roles)),
        gpu=sum(role.count * float(role.gpu or "0") for role in roles),
        memory=sum(role.count * int(role.memory.removesuffix("Gi")) for role in roles),
    )


def secret(job: ScriptedJob, name: str) -> str:
    """One of the canaries, by its name in `Secrets`, with the job's id put in."""
    return str(getattr(job.secrets, name)).replace("{id}", job.id)
