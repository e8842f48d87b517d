"""What a watcher has to tell of some answers about a life: worked out beside the watcher, by the truth instead of by uids.

Each entry of `Pods` and `HistoryPods` in a made-up answer bears its creation time, which no two lives of a pod share. So an
expectation knows without any doubt which life an entry is, whatever its uid says; the watcher has to find that out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from watcher.core.model import JobSnapshot, PodSnapshot, ReplicaStatus
from watcher.core.phases import RESERVED, TERMINAL, Phase, phase_of
from watcher.testing.lives.answers import View, listed_stays
from watcher.testing.lives.truth import Life, Stay, moment

_BEFORE_RUNNING = frozenset({Phase.PENDING, Phase.STARTING})
_AFTER_RUNNING = frozenset({Phase.RESTARTING, Phase.STOPPING}) | RESERVED | TERMINAL


class PodFact(NamedTuple):
    """A life of a pod."""

    pod_id: str
    created: datetime


class _Seen(NamedTuple):
    status: str
    sub_status: str


@dataclass
class Expectation:
    """What has to be told, as it grows answer by answer. Only answers that are believed count.

    Attributes:
        life: the truth.
        view: how much the answers show of it.
        entered: the entries into a status, first look excluded.
        appeared: first lives of pods that were not there.
        restarted: lives that took the place of others.
        evicted: lives that were taken off their nodes.
        changed: how often a pod changed to a status and sub-status.
        vanished: how many pods were gone.
        priorities: each new priority, in order.
        asked: each new count of workers in the specification.
        present: each new count of workers by the counters, while a job that breathes ran and nothing else was asked for.
        queues: each new set of counters.
        spot_types: each new type of spot instance.
    """

    life: Life
    view: View
    entered: set[Stay] = field(default_factory=set)
    appeared: Counter[PodFact] = field(default_factory=Counter)
    restarted: Counter[PodFact] = field(default_factory=Counter)
    evicted: Counter[PodFact] = field(default_factory=Counter)
    changed: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    vanished: int = 0
    priorities: list[int | None] = field(default_factory=list)
    asked: list[int] = field(default_factory=list)
    present: list[int] = field(default_factory=list)
    queues: list[tuple[int | None, ...]] = field(default_factory=list)
    spot_types: list[str] = field(default_factory=list)
    _pods: dict[str, dict[datetime, _Seen]] = field(default_factory=dict)
    _missing: set[str] = field(default_factory=set)
    _status: str = ""
    _priority: int | None = None
    _asked: int = 0
    _replica: ReplicaStatus | None = None

    def first(self, reply: JobSnapshot) -> None:
        """The first answer: nothing of it is told."""
        self._pods = {pod.pod_id: _shown(pod) for pod in reply.pods or ()}
        self._status, self._priority = reply.status, reply.priority
        self._asked = _workers(reply)
        self._replica = next(iter(reply.replicas), None)

    def then(self, previous: JobSnapshot, reply: JobSnapshot, *, second: float, lag: int) -> None:
        """A further answer.

        Args:
            previous: the answer before it, believed or not.
            reply: the answer.
            second: the second that it tells of.
            lag: how far its history is behind.
        """
        self.entered |= self._entered(previous, reply, second, lag)
        pods = {pod.pod_id: pod for pod in reply.pods or ()}
        for pod_id, pod in pods.items():
            if pod_id in self._pods:
                self._lived_on(pod_id, pod)
            else:
                self._came(pod_id, pod)
        self._left_out(pods)
        self._numbers(reply)
        self._status = reply.status

    def _entered(self, previous: JobSnapshot, reply: JobSnapshot, second: float, lag: int) -> set[Stay]:
        present = self.life.present(second)
        if self.view.history:
            return {present, *listed_stays(self.life, second - lag, self.view)}
        found = {present} if present.status != previous.status else set()
        began = reply.running_at
        if (
            phase_of(previous.status) in _BEFORE_RUNNING
            and reply.phase in _AFTER_RUNNING
            and began is not None
            and began > previous.observed_at
        ):
            found |= {stay for stay in self.life.stays if moment(stay.began) == began}
        return found

    def _came(self, pod_id: str, pod: PodSnapshot) -> None:
        shown = self._pods[pod_id] = _shown(pod)
        first, *others = sorted(shown)
        self.appeared[PodFact(pod_id, first)] += 1
        for created in others:
            self.restarted[PodFact(pod_id, created)] += 1
        self._take_off(pod_id, (created for created, seen in shown.items() if seen.sub_status == "Evicted"))

    def _lived_on(self, pod_id: str, pod: PodSnapshot) -> None:
        known, shown = self._pods[pod_id], _shown(pod)
        chain = sorted({*known, *shown})
        for created in shown.keys() - known.keys():
            # what comes to light from before all that was known gave way to its successor
            late = created < min(known)
            told = chain[chain.index(created) + 1] if late else created
            self.restarted[PodFact(pod_id, told)] += 1
        off = [
            created
            for created, seen in shown.items()
            if seen.sub_status == "Evicted" and (created not in known or known[created].sub_status != "Evicted")
        ]
        self._take_off(pod_id, off)
        for created, seen in shown.items():
            was = known.get(created)
            if was is None or (was != seen and was.sub_status != "Evicted"):
                known[created] = seen
                if was is not None:
                    self.changed[pod_id, seen.status, seen.sub_status] += 1

    def _take_off(self, pod_id: str, lives: Iterable[datetime]) -> None:
        for created in lives:
            self.evicted[PodFact(pod_id, created)] += 1

    def _left_out(self, pods: dict[str, PodSnapshot]) -> None:
        absent = self._pods.keys() - pods.keys()
        for pod_id in absent & self._missing:
            del self._pods[pod_id]
            self.vanished += 1
        self._missing = absent - self._missing

    def _numbers(self, reply: JobSnapshot) -> None:
        if reply.priority not in (None, self._priority):
            self.priorities.append(reply.priority)
            self._priority = reply.priority
        asked = _workers(reply)
        scaled = asked != self._asked
        if scaled:
            self.asked.append(asked)
            self._asked = asked
        was, now = self._replica, next(iter(reply.replicas), self._replica)
        self._replica = now
        if now is None or was == now:
            return
        if was is None or _counts(was) != _counts(now):
            self.queues.append(_counts(now))
        if was is None:
            return
        if was.spot_instance_type != now.spot_instance_type:
            self.spot_types.append(now.spot_instance_type)
        breathes = self.view.elastic and self._status == reply.status == "Running"
        if breathes and not scaled and sum(_counts(was)) != sum(_counts(now)):
            self.present.append(sum(_counts(now)))


def _shown(pod: PodSnapshot) -> dict[datetime, _Seen]:
    return {
        each.created_at: _Seen(each.status, each.sub_status)
        for each in (*pod.history, pod)
        if each.created_at is not None
    }


def _workers(reply: JobSnapshot) -> int:
    return next(role.count for role in reply.roles if role.role == "Worker")


def _counts(status: ReplicaStatus) -> tuple[int, ...]:
    return (status.active or 0, status.queuing or 0, status.dequeued or 0)
