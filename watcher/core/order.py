"""In which order the events of one look are told.

Two snapshots say what differs, not what came first, and DLC's times are whole seconds at best. So the events of one look are told
in the order of cause and effect, as far as the way DLC works tells it:

1. an eviction takes a pod's machine away, which is why the job restarts, which is why its status and then its sub-status, reason
   and priority read differently; a stage is what a status means and follows it, and the job's size and queue follow its status;
2. a pod's former life ends before the next one begins, and a pod must have appeared before it can be replaced; `core.fold` relies
   on this;
3. only a pod that is there gets a place, changes its status, moves, or is gone;
4. a job's end is the last word about it: nothing that was seen in the same look shall follow "failed".

Where DLC's history shows several changes of status between two looks, each of them is a turn, and this order holds within a turn.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import IntEnum
from typing import Final, NamedTuple

from watcher.core.events import Event


class Rank(IntEnum):
    """The order; see above. What mends the past comes before what is new."""

    CORRECTION = -1
    EVICTION = 0
    JOB_RESTART = 1
    JOB_STATUS = 2
    JOB_STAGE = 3
    JOB_SUB_STATUS = 4
    JOB_REASON = 5
    JOB_PRIORITY = 6
    JOB_SIZE = 7
    JOB_QUEUE = 8
    JOB_SPOT_TYPE = 9
    POD_LIFE_ENDED = 10
    POD_APPEARANCE = 11
    POD_RESTART = 12
    POD_PLACEMENT = 13
    POD_STATUS = 14
    POD_MOVE = 15
    POD_VANISHING = 16
    JOB_END = 17


_DIGITS: Final = re.compile(r"(\d+)")


class Told(NamedTuple):
    """An event and where it belongs.

    Attributes:
        rank: first by this;
        role: then by role,
        pod_id: pod id, numbers in it by value,
        step: and within one pod, or one counter, by the order of happening.
        turn: before all of these: which change of status of this look it belongs to.
        event: what is told.
    """

    rank: Rank
    event: Event
    role: str = ""
    pod_id: str = ""
    step: int = 0
    turn: int = 0


def natural(text: str) -> tuple[str | int, ...]:
    """A sort key that puts worker-2 before worker-10."""
    return tuple(int(part) if place % 2 else part for place, part in enumerate(_DIGITS.split(text)))


def in_order(told: Iterable[Told]) -> tuple[Event, ...]:
    """The events, first to last."""
    ordered = sorted(told, key=lambda each: (each.turn, each.rank, each.role, natural(each.pod_id), each.step))
    return tuple(each.event for each in ordered)
