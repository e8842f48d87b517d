"""Events folded over what was known: the other direction of `core.diff`.

`watched(snapshot)` picks the fields whose changes are events; `fold` lets events change them. That folding `diff(a, b)` over `a`
gives `b` is what makes the events complete: nothing that is watched can change without an event, and a replay of stored events
tells the same as the snapshots did. To learn what was not known at all is no change: the uid of a Pending pod, a role or its type
of spot instance named for the first time, a counter of restarts that was absent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from watcher.core.events import (
    Event,
    JobPriorityChanged,
    JobQueueChanged,
    JobReasonChanged,
    JobRestarted,
    JobScaled,
    JobSpotTypeChanged,
    JobStatusChanged,
    JobSubStatusChanged,
    PodAppeared,
    PodMoved,
    PodPlaced,
    PodRestarted,
    PodStatusChanged,
    PodVanished,
)
from watcher.core.incarnations import lives, names, pods_by_id
from watcher.core.model import JobSnapshot, PodSnapshot
from watcher.core.roles import asked_for, replicas


@dataclass(frozen=True, slots=True)
class WatchedPod:
    """The watched fields of one pod id.

    Attributes:
        incarnation: which life it lives, as in `PodKey`.
        former: earlier lives, as far as known; what is said of them changes nothing here. Not compared.
    """

    incarnation: str
    status: str
    sub_status: str
    node: str
    ip: str
    former: frozenset[str] = field(default=frozenset(), compare=False)


@dataclass(frozen=True, slots=True)
class WatchedReplicas:
    """The watched counters of one role; None where DLC does not say."""

    active: int | None = None
    queuing: int | None = None
    dequeued: int | None = None
    spot_type: str = ""


@dataclass(frozen=True, slots=True)
class Watched:
    """The fields of a job whose changes are events."""

    status: str
    sub_status: str
    reason_code: str
    reason_message: str
    priority: int | None
    restarts_used: int
    """0 where DLC does not say."""
    asked: Mapping[str, int]
    """Role -> how many pods its specification asks for."""
    replicas: Mapping[str, WatchedReplicas]
    pods: Mapping[str, WatchedPod]


def watched(snapshot: JobSnapshot) -> Watched:
    """The watched fields of a snapshot."""
    return Watched(
        status=snapshot.status,
        sub_status=snapshot.sub_status,
        reason_code=snapshot.reason_code,
        reason_message=snapshot.reason_message,
        priority=snapshot.priority,
        restarts_used=snapshot.restarts.used or 0,
        asked=asked_for(snapshot),
        replicas={
            role: WatchedReplicas(status.active, status.queuing, status.dequeued, status.spot_instance_type)
            for role, status in replicas(snapshot).items()
        },
        pods={pod_id: _watched_pod(pod) for pod_id, pod in pods_by_id(snapshot.pods).items()},
    )


def fold(held: Watched, events: Iterable[Event]) -> Watched:
    """What is watched, after these events. An event that changes nothing watched passes through."""
    pods = dict(held.pods)
    for event in events:
        if (change := _JOB_CHANGES.get(type(event))) is not None:
            held = change(held, event)
        elif (pod_change := _POD_CHANGES.get(type(event))) is not None:
            pod_change(pods, event)
    return replace(held, pods=pods)


def _watched_pod(pod: PodSnapshot) -> WatchedPod:
    chain = lives(pod)
    live = chain[-1]
    *former, name = names(chain)
    return WatchedPod(
        incarnation=name,
        status=live.status,
        sub_status=live.sub_status,
        node=live.node,
        ip=live.ip,
        former=frozenset(former),
    )


def _status(held: Watched, event: JobStatusChanged) -> Watched:
    """A change that was filled in belongs before the status that is held."""
    if event.filled_in:
        return held
    return replace(held, status=event.new_status, reason_code=event.reason_code, reason_message=event.reason_message)


def _sub_status(held: Watched, event: JobSubStatusChanged) -> Watched:
    return replace(held, sub_status=event.new_sub_status)


def _reason(held: Watched, event: JobReasonChanged) -> Watched:
    return replace(held, reason_code=event.new_code, reason_message=event.new_message)


def _priority(held: Watched, event: JobPriorityChanged) -> Watched:
    return replace(held, priority=event.new_priority)


def _restart(held: Watched, event: JobRestarted) -> Watched:
    return replace(held, restarts_used=max(held.restarts_used, event.used)) if event.counted else held


def _scaled(held: Watched, event: JobScaled) -> Watched:
    if event.measure != "asked":
        return held
    return replace(held, asked={**held.asked, event.role: event.new_count})


def _queue(held: Watched, event: JobQueueChanged) -> Watched:
    was = held.replicas.get(event.role, WatchedReplicas())
    now = replace(was, active=event.new_active, queuing=event.new_queuing, dequeued=event.new_dequeued)
    return replace(held, replicas={**held.replicas, event.role: now})


def _spot_type(held: Watched, event: JobSpotTypeChanged) -> Watched:
    was = held.replicas.get(event.role, WatchedReplicas())
    return replace(held, replicas={**held.replicas, event.role: replace(was, spot_type=event.new_type)})


def _appeared(pods: _PodTable, event: PodAppeared) -> None:
    pods[event.pod.pod_id] = WatchedPod(event.pod.incarnation, event.status, event.sub_status, event.node, event.ip)


def _restarted(pods: _PodTable, event: PodRestarted) -> None:
    """The new life takes the place of the one that is held. A restart between two former lives came to light late."""
    pod = pods.get(event.pod.pod_id)
    if pod is not None and pod.incarnation == event.old_incarnation:
        former = pod.former | {pod.incarnation}
        pods[event.pod.pod_id] = WatchedPod(
            event.pod.incarnation, event.status, event.sub_status, event.node, event.ip, former
        )


def _lived_on(pods: _PodTable, event: PodStatusChanged | PodPlaced | PodMoved) -> None:
    """News of the present life. Its name may be news, too: a Pending pod gets its uid later."""
    pod = pods.get(event.pod.pod_id)
    if pod is None or event.pod.incarnation in pod.former:
        return
    pod = replace(pod, incarnation=event.pod.incarnation, node=event.node or pod.node, ip=event.ip or pod.ip)
    if isinstance(event, PodStatusChanged):
        pod = replace(pod, status=event.new_status, sub_status=event.new_sub_status)
    pods[event.pod.pod_id] = pod


def _vanished(pods: _PodTable, event: PodVanished) -> None:
    pods.pop(event.pod.pod_id, None)


_PodTable = dict[str, WatchedPod]

_JOB_CHANGES: Final[Mapping[type, Callable[[Watched, Any], Watched]]] = {
    JobStatusChanged: _status,
    JobSubStatusChanged: _sub_status,
    JobReasonChanged: _reason,
    JobPriorityChanged: _priority,
    JobRestarted: _restart,
    JobScaled: _scaled,
    JobQueueChanged: _queue,
    JobSpotTypeChanged: _spot_type,
}

_POD_CHANGES: Final[Mapping[type, Callable[[_PodTable, Any], None]]] = {
    PodAppeared: _appeared,
    PodRestarted: _restarted,
    PodStatusChanged: _lived_on,
    PodPlaced: _lived_on,
    PodMoved: _lived_on,
    PodVanished: _vanished,
}
