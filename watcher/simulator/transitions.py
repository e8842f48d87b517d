"""What truly happens in a scenario, as a list: the measure for whoever watches it. Pure.

It is made without the watcher's own diff, on purpose.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise
from typing import Literal

from watcher.simulator.life import Pod, State, states
from watcher.simulator.scenario import Scenario, ScriptedJob

Kind = Literal[
    "job.appeared",
    "job.status_changed",
    "job.sub_status_changed",
    "job.reason_changed",
    "job.priority_changed",
    "job.restarted",
    "job.deleted",
    "pod.appeared",
    "pod.status_changed",
    "pod.evicted",
    "pod.restarted",
    "pod.moved",
    "pod.vanished",
]


@dataclass(frozen=True, slots=True)
class Transition:
    """One thing that happened.

    Attributes:
        at: from the scenario's start.
        job_id: which job.
        kind: what.
        old: before, as text; "" where there was nothing.
        new: after, as text; of a restarted pod the PodUid, of an evicted one its node.
        pod: the PodId, or "" when it is about the job.
    """

    at: timedelta
    job_id: str
    kind: Kind
    old: str = ""
    new: str = ""
    pod: str = ""


def truth(scenario: Scenario) -> tuple[Transition, ...]:
    """Everything that happens, in order of time; at the same time in order of the jobs in the scenario."""
    told = [one for job in scenario.jobs for one in transitions(job, states(job))]
    return tuple(sorted(told, key=lambda one: one.at))


def transitions(job: ScriptedJob, told: Sequence[State]) -> Iterator[Transition]:
    """Everything that happens to one job, in order."""
    yield Transition(told[0].at, job.id, "job.appeared", "", told[0].status)
    for old, new in pairwise(told):
        if new.deleted:
            yield Transition(new.at, job.id, "job.deleted", old.status, "")
            return
        yield from _of_job(job.id, old, new)
        yield from _of_pods(job.id, old.pods or (), new.pods or (), new.at)


def _of_job(job_id: str, old: State, new: State) -> Iterator[Transition]:
    if len(new.restarts) > len(old.restarts):
        yield Transition(new.at, job_id, "job.restarted", str(len(old.restarts)), str(len(new.restarts)))
    pairs: tuple[tuple[Kind, str, str], ...] = (
        ("job.status_changed", old.status, new.status),
        ("job.sub_status_changed", old.sub_status, new.sub_status),
        ("job.reason_changed", old.reason, new.reason),
        ("job.priority_changed", str(old.priority), str(new.priority)),
    )
    for kind, before, after in pairs:
        if before != after:
            yield Transition(new.at, job_id, kind, before, after)


def _of_pods(job_id: str, old: Sequence[Pod], new: Sequence[Pod], at: timedelta) -> Iterator[Transition]:
    before = {pod.name: pod for pod in old}
    for pod in new:
        past = before.pop(pod.name, None)
        pod_id = f"{job_id}-{pod.name}"
        if past is None:
            yield Transition(at, job_id, "pod.appeared", "", pod.status, pod_id)
        elif past.uid != pod.uid:
            yield Transition(at, job_id, "pod.restarted", past.uid, pod.uid, pod_id)
        else:
            if pod.sub_status == "Evicted" != past.sub_status:
                yield Transition(at, job_id, "pod.evicted", past.sub_status, pod.node, pod_id)
            if past.status != pod.status:
                yield Transition(at, job_id, "pod.status_changed", past.status, pod.status, pod_id)
            if past.node != pod.node:
                yield Transition(at, job_id, "pod.moved", past.node, pod.node, pod_id)
    for name, pod in before.items():
        yield Transition(at, job_id, "pod.vanished", pod.status, "", f"{job_id}-{name}")
