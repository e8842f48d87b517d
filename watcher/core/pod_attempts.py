"""The lives of pods within the attempts of their job. Part of `core.attempts`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from watcher.core.attempt_causes import AttemptCause
from watcher.core.incarnations import lives, names, pods_by_id
from watcher.core.model import JobSnapshot, PodKey, PodSnapshot
from watcher.core.phases import PodPhase
from watcher.core.times import CLOCK_LEEWAY


@dataclass(frozen=True, slots=True)
class PodIncarnation:
    """One life of a pod.

    Attributes:
        key: which.
        node: where it ran, or "".
        started_at: when it was created, else when it started.
        ended_at: when it ended.
        cause: why it ended, as far as its own status tells; None while it lives.
    """

    key: PodKey
    node: str = ""
    started_at: datetime | None = None
    ended_at: datetime | None = None
    cause: AttemptCause | None = None


@dataclass(frozen=True, slots=True)
class PodAttempt:
    """One pod id within one job attempt: its incarnations that began in it, oldest first, never empty."""

    pod_id: str
    role: str
    incarnations: tuple[PodIncarnation, ...]


class Placed(NamedTuple):
    """A pod, one of its lives, and what that is called."""

    pod: PodSnapshot
    life: PodSnapshot
    name: str


def by_attempt(job: JobSnapshot, ends: Sequence[datetime | None]) -> tuple[list[Placed], ...]:
    """Every life of every pod, by the attempt in which it began.

    Replacements may be created a moment before the job is called Restarting. A former life that nothing dates goes to the attempt
    of the one before it; a live one to the present attempt.

    Args:
        job: the last accepted answer.
        ends: when each attempt ended, in order.
    """
    borders = [(place, end) for place, end in enumerate(ends[:-1], start=1) if end is not None]
    last = len(ends) - 1
    lots: tuple[list[Placed], ...] = tuple([] for _ in ends)
    for pod in pods_by_id(job.pods).values():
        place, chain = 0, lives(pod)
        for number, (life, name) in enumerate(zip(chain, names(chain), strict=True)):
            began = life.created_at or life.started_at
            early = CLOCK_LEEWAY if number else timedelta(0)
            if began is not None:
                place = max((place, *(at for at, border in borders if began >= border - early)))
            live = life is pod
            if live and (began is None or ends[last - 1] is None):
                place = last
            lots[place].append(Placed(pod, life, name))
    return lots


def pod_attempts(lot: Iterable[Placed]) -> tuple[PodAttempt, ...]:
    """The lives that began in one attempt, by pod id."""
    by_id: dict[str, list[Placed]] = {}
    for each in lot:
        by_id.setdefault(each.pod.pod_id, []).append(each)
    return tuple(
        PodAttempt(pod_id, placed[0].pod.role or placed[0].life.role, tuple(map(_incarnation, placed)))
        for pod_id, placed in sorted(by_id.items())
    )


def _incarnation(placed: Placed) -> PodIncarnation:
    pod, life = placed.pod, placed.life
    return PodIncarnation(
        key=PodKey(pod.pod_id, placed.name),
        node=life.node,
        started_at=life.created_at or life.started_at,
        ended_at=life.finished_at,
        cause=_cause_of(life, live=life is pod),
    )


_POD_ENDS: Final[Mapping[PodPhase, AttemptCause]] = {
    PodPhase.SUCCEEDED: AttemptCause.COMPLETED,
    PodPhase.FAILED: AttemptCause.PROCESS_FAILURE,
}


def _cause_of(life: PodSnapshot, *, live: bool) -> AttemptCause | None:
    if life.evicted:
        return AttemptCause.EVICTED
    return _POD_ENDS.get(life.phase) or (None if live and life.finished_at is None else AttemptCause.UNKNOWN)
