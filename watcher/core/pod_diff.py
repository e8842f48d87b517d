"""What happened to a job's pods between two snapshots. Part of `core.diff`; see there for the laws."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TypedDict

from watcher.core.events import (
    CauseId,
    EventId,
    PodAppeared,
    PodEvicted,
    PodMoved,
    PodPlaced,
    PodRestarted,
    PodStatusChanged,
    PodVanished,
    When,
    deterministic_id,
)
from watcher.core.incarnations import lives, pair, pods_by_id
from watcher.core.model import JobRef, JobSnapshot, PodKey, PodSnapshot
from watcher.core.order import Rank, Told


class _Common(TypedDict):
    id: EventId
    when: When
    cause: CauseId
    job: JobRef
    pod: PodKey
    role: str
    node: str
    ip: str


@dataclass(frozen=True, slots=True)
class _Pods:
    """One look at one job's pods: what all its events share."""

    job: JobSnapshot
    when: When
    ordinal: int
    cause: CauseId

    def common(self, kind: str, key: PodKey, pod: PodSnapshot, *natural: object) -> _Common:
        return {
            "id": EventId(deterministic_id(kind, self.job.ref, key.pod_id, *natural)),
            "when": self.when,
            "cause": self.cause,
            "job": self.job.ref,
            "pod": key,
            "role": pod.role,
            "node": pod.node,
            "ip": pod.ip,
        }

    def identity(self, key: PodKey) -> str:
        """What makes an incarnation one of a kind; where DLC says nothing at all, the look must do."""
        return key.incarnation or f"#{self.ordinal}"


def pod_changes(old: JobSnapshot, new: JobSnapshot, *, when: When, ordinal: int, cause: CauseId) -> Iterator[Told]:
    """Everything that differs between the pods of two snapshots. Nothing when the new one does not speak of pods."""
    if new.pods is None:
        return
    look = _Pods(new, when, ordinal, cause)
    before, after = pods_by_id(old.pods), pods_by_id(new.pods)
    for pod_id, pod in after.items():
        known = before.get(pod_id)
        if known is None:
            yield from _appeared(look, pod)
        elif not _alike(known, pod):
            yield from _changed(look, known, pod)
    for pod_id, pod in before.items():
        if pod_id not in after:
            common = look.common("pod.vanished", pod.key, pod, ordinal)
            yield Told(Rank.POD_VANISHING, PodVanished(**common, last_status=pod.status), pod.role, pod_id)


def _alike(old: PodSnapshot, new: PodSnapshot) -> bool:
    """Whether nothing that is watched differs. Most pods, most of the time: this is what makes 5,000 of them cheap."""
    return (
        old.status == new.status
        and old.uid == new.uid
        and old.sub_status == new.sub_status
        and old.node == new.node
        and old.ip == new.ip
        and old.created_at == new.created_at
        and old.history == new.history
    )


def _appeared(look: _Pods, pod: PodSnapshot) -> Iterator[Told]:
    chain = lives(pod)
    first = chain[0]
    key = _key(pod, first)
    common = look.common("pod.appeared", key, first, look.ordinal)
    event = PodAppeared(**common, status=first.status, sub_status=first.sub_status)
    yield Told(Rank.POD_APPEARANCE, event, first.role, pod.pod_id)
    for step, life in enumerate(chain):
        if step:
            yield _restarted(look, pod, chain[step - 1], life, step)
        if life.evicted:
            yield _evicted(look, pod, life, step)


@dataclass(frozen=True, slots=True)
class _Compared:
    """One pod before and after.

    Attributes:
        chain: its incarnations now, oldest first, the live one last.
        known: for each of them what was known of it, or None.
    """

    look: _Pods
    old: PodSnapshot
    new: PodSnapshot
    chain: tuple[PodSnapshot, ...]
    known: tuple[PodSnapshot | None, ...]


def _changed(look: _Pods, old: PodSnapshot, new: PodSnapshot) -> Iterator[Told]:
    chain = lives(new)
    pod = _Compared(look, old, new, chain, pair(lives(old), chain))
    for step, (life, was) in enumerate(zip(chain, pod.known, strict=True)):
        if was is None:
            yield _newly_known(pod, step)
        else:
            yield from _lived_on(pod, step, was)
        if life.evicted and not (was is not None and was.evicted):
            yield _evicted(look, new, life if life.node or was is None else replace(life, node=was.node), step)


def _newly_known(pod: _Compared, step: int) -> Told:
    """One restart for one incarnation that was not known: which pair it stands between depends on where it came to light.

    After all that was known, it took the place of the one that lived at the last look, or of its newly known forerunner. Elsewhere
    DLC's history was filled in late: it followed its forerunner, or, with none, gave way to its successor. (Where there are no
    times, the one that lived at the last look may stand in front; it is nobody's forerunner then.)
    """
    chain, known = pod.chain, pod.known
    forerunner = next((was for was in reversed(known[:step]) if was is not None), None)
    if all(was is None for was in known[step:]):
        first = step == 0 or known[step - 1] is not None
        former, life = (pod.old if first else chain[step - 1]), chain[step]
    elif forerunner is not None and forerunner is not pod.old:
        former, life = known[step - 1] or chain[step - 1], chain[step]
    else:
        former, life = chain[step], chain[step + 1]
    return _restarted(pod.look, pod.new, former, life, step)


def _lived_on(pod: _Compared, step: int, was: PodSnapshot) -> Iterator[Told]:
    """The same incarnation at both looks."""
    look, life = pod.look, pod.chain[step]
    live = life is pod.new
    key = _key(pod.new, life if live else was)  # a former life goes on under the name it was known by
    told = False
    if (was.status, was.sub_status) != (life.status, life.sub_status):
        told = True
        change = (was.status, life.status, was.sub_status, life.sub_status)
        event = PodStatusChanged(
            **look.common("pod.status_changed", key, life, key.incarnation, look.ordinal, *change),
            old_status=was.status,
            new_status=life.status,
            old_sub_status=was.sub_status,
            new_sub_status=life.sub_status,
        )
        yield Told(Rank.POD_STATUS if live else Rank.POD_LIFE_ENDED, event, life.role, key.pod_id, step)
    if not (live and was is pod.old):
        return
    places = ((was.node, life.node), (was.ip, life.ip))
    if any(before and after and before != after for before, after in places):
        common = look.common("pod.moved", key, life, key.incarnation, look.ordinal, *places)
        yield Told(Rank.POD_MOVE, PodMoved(**common, old_node=was.node, old_ip=was.ip), life.role, key.pod_id, step)
    elif not told and any(after and not before for before, after in places):
        common = look.common("pod.placed", key, life, key.incarnation, look.ordinal)
        yield Told(Rank.POD_PLACEMENT, PodPlaced(**common), life.role, key.pod_id, step)


def _restarted(look: _Pods, pod: PodSnapshot, former: PodSnapshot, life: PodSnapshot, step: int) -> Told:
    key = _key(pod, life)
    common = look.common("pod.restarted", key, life, look.identity(key))
    event = PodRestarted(
        **common,
        old_incarnation=former.key.incarnation,
        old_node=former.node,
        old_ip=former.ip,
        status=life.status,
        sub_status=life.sub_status,
    )
    return Told(Rank.POD_RESTART, event, life.role, pod.pod_id, step)


def _evicted(look: _Pods, pod: PodSnapshot, life: PodSnapshot, step: int) -> Told:
    key = _key(pod, life)
    common = look.common("pod.evicted", key, life, look.identity(key))
    event = PodEvicted(**common, reason_message=look.job.reason_message)
    return Told(Rank.EVICTION, event, life.role, pod.pod_id, step)


def _key(pod: PodSnapshot, life: PodSnapshot) -> PodKey:
    """The incarnation under the pod's own id: the entries of `HistoryPods` need not repeat it."""
    return PodKey(pod.pod_id, life.key.incarnation)
