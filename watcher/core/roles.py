"""The roles of a job: how many pods of each are asked for, and how they fare. DLC may list a role twice; order means nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from watcher.core.model import JobSnapshot, ReplicaStatus, RoleSpec


def asked_for(job: JobSnapshot) -> Mapping[str, int]:
    """Role -> how many pods of it the specification asks for; the same entry twice counts once."""
    counts: dict[str, int] = {}
    for role in sorted(set(job.roles), key=str):
        counts[role.role] = counts.get(role.role, 0) + role.count
    return counts


def replicas(job: JobSnapshot) -> Mapping[str, ReplicaStatus]:
    """Role -> its counters; of entries that contradict each other always the same one."""
    return {status.role: status for status in sorted(job.replicas, key=str)}


def present(status: ReplicaStatus) -> int | None:
    """How many pods of a role there are, active or not yet; None where DLC does not say how many are active."""
    if status.active is None:
        return None
    return status.active + (status.queuing or 0) + (status.dequeued or 0)


def carried_roles(held: JobSnapshot, answer: JobSnapshot) -> tuple[RoleSpec, ...]:
    """The roles of an answer, and those that it does not speak of."""
    if held.roles == answer.roles:
        return answer.roles
    told = {role.role for role in answer.roles}
    return (*answer.roles, *(role for role in held.roles if role.role not in told))


def carried_replicas(held: JobSnapshot, answer: JobSnapshot) -> tuple[ReplicaStatus, ...]:
    """The counters of an answer, completed by what it does not speak of."""
    if not held.replicas or held.replicas == answer.replicas:
        return answer.replicas
    known, told = replicas(held), replicas(answer)
    return (
        *(_completed(known[role], status) if role in known else status for role, status in told.items()),
        *(status for role, status in known.items() if role not in told),
    )


def _completed(was: ReplicaStatus, now: ReplicaStatus) -> ReplicaStatus:
    return replace(
        now,
        active=was.active if now.active is None else now.active,
        queuing=was.queuing if now.queuing is None else now.queuing,
        dequeued=was.dequeued if now.dequeued is None else now.dequeued,
        spot_instance_type=now.spot_instance_type or was.spot_instance_type,
    )
