"""Whose turn it is: which deliveries of a receiver may leave next, and when. Pure; every store decides by it.

Law: in a thread, nothing leaves before what is older has been settled. From it follows everything else here.

- A flush that left and came back (RETRYING) goes again as it was, when its time has come.
- A group or a thread with a flush on its way or waiting to be repeated gives nothing newer.
- Two groups of one receiver may share a thread (two routes, one job). Then the older news goes first, and what waits behind it
  makes it due: a critical notice without a group wait is not held up by a note that collects for five minutes; the note goes along
  ahead of it.

- News of many groups that has waited for long is gathered into one (`core.backlog`); what is newer in the threads it came from
  waits for that one.

There is always a turn: whatever is oldest of all waits for nothing but its time. That is its own (`not_before`), and a while after
its group has last spoken (`apart`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from watcher.core.backlog import Backlog, group_of, is_gathered
from watcher.core.compaction import Compaction, folded, is_backlog
from watcher.core.delivery import Delivery, DeliveryId, DeliveryReason, DeliveryState, FlushId
from watcher.core.events import deterministic_id

UNSETTLED: Final = frozenset({DeliveryState.PENDING, DeliveryState.SENDING, DeliveryState.RETRYING})
"""States of a delivery that is still owed."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """What the decision needs of one unsettled delivery."""

    id: DeliveryId
    group_key: str
    thread_key: str
    state: DeliveryState
    not_before: datetime
    flush_id: FlushId | None
    apart: timedelta = timedelta(0)
    spoke_at: datetime | None = None
    """When its group last spoke."""
    created_at: datetime | None = None
    reason: DeliveryReason = DeliveryReason.OWED
    alone: str = ""
    """The person whom alone it is for; "" for whoever reads the receiver."""
    job_thread: str = ""
    """The thread its job has where it speaks for itself; "" for what is about no job."""

    @property
    def threads(self) -> frozenset[str]:
        """The threads that wait for it once it has left: its own; of a backlog also those its news was gathered from."""
        if not is_gathered(self.group_key):
            return frozenset({self.thread_key})
        own = f"{self.job_thread} for {self.alone}" if self.alone else self.job_thread
        return frozenset({self.thread_key, own})

    @property
    def due(self) -> datetime:
        """When it may leave, as far as it alone is concerned. What left before is repeated as it was, at its own time."""
        if self.spoke_at is None or self.flush_id is not None:
            return self.not_before
        return max(self.not_before, self.spoke_at + self.apart)


@dataclass(slots=True)
class Turn:
    """Deliveries that may leave together.

    Attributes:
        position: place of the oldest in the receiver's queue; the lowest position that is due goes first.
        due: when they may leave.
        flush_id: set when they left before.
    """

    position: int
    due: datetime
    flush_id: FlushId | None
    ids: list[DeliveryId] = field(default_factory=list)


def turns(queue: Sequence[Waiting]) -> list[Turn]:
    """All that may leave, now or at some time, oldest first.

    Args:
        queue: every unsettled delivery of one receiver, oldest first.
    """
    out = [waiting for waiting in queue if waiting.flush_id is not None]
    busy_groups = {waiting.group_key for waiting in out}
    busy_threads = {thread for waiting in out for thread in waiting.threads}
    on_the_way = {waiting.flush_id for waiting in out if waiting.state is DeliveryState.SENDING}

    found: dict[tuple[str, str], Turn] = {}  # by flush, or by group
    front: dict[str, str] = {}  # the group that a thread's oldest news belongs to
    cut: set[str] = set()  # threads in which another group's news follows: later news waits for it
    for position, waiting in enumerate(queue):
        if waiting.flush_id is not None:
            if waiting.flush_id not in on_the_way:
                _join(found, ("flush", waiting.flush_id), waiting, position)
            continue
        thread = waiting.thread_key
        if thread in busy_threads:
            continue
        first = front.setdefault(thread, waiting.group_key)
        if first != waiting.group_key or waiting.group_key in busy_groups:
            cut.add(thread)
        if thread not in cut:
            _join(found, ("group", waiting.group_key), waiting, position)
        elif ("group", first) in found:
            turn = found["group", first]
            turn.due = min(turn.due, waiting.due)
    return sorted(found.values(), key=lambda turn: turn.position)


def _join(found: dict[tuple[str, str], Turn], key: tuple[str, str], waiting: Waiting, position: int) -> None:
    turn = found.setdefault(key, Turn(position, waiting.due, waiting.flush_id))
    turn.due = min(turn.due, waiting.due)
    turn.ids.append(waiting.id)


@dataclass(frozen=True, slots=True)
class Gathering:
    """Deliveries of many groups that leave as one.

    Attributes:
        group: the group they join, which is a thread, too.
        ids: which.
    """

    group: str
    ids: tuple[DeliveryId, ...]


def gatherings(queue: Sequence[Waiting], now: datetime, backlog: Backlog) -> list[Gathering]:
    """What is a backlog by now, for each person it is for by itself. What a flush in its thread or its group is ahead of, waits."""
    busy = {key for one in queue if one.flush_id is not None for key in (one.group_key, *one.threads)}
    free = [
        one
        for one in queue
        if one.flush_id is None
        and one.created_at is not None
        and one.due <= now
        and not busy & {one.group_key, one.thread_key}
    ]
    found = []
    for person in dict.fromkeys(one.alone for one in free):
        theirs = [one for one in free if one.alone == person]
        since: dict[str, datetime] = {}
        for one in theirs:
            if one.created_at is not None:
                since.setdefault(one.group_key, one.created_at)
        if backlog.is_one(since, now):
            found.append(Gathering(group_of(min(since.values()), person), tuple(one.id for one in theirs)))
    return found


def was_held(turn: Turn, queue: Iterable[Waiting], now: datetime) -> bool:
    """Whether a turn that leaves for the first time is a backlog, which is compacted."""
    ids = set(turn.ids)
    return turn.flush_id is None and any(
        one.created_at is not None and is_backlog(one.created_at, one.reason, now) for one in queue if one.id in ids
    )


def begin(receiver: str, compaction: Compaction, now: datetime) -> tuple[FlushId, tuple[Delivery, ...]]:
    """The id of the flush that tells what is kept, and the rows of what is not told by itself."""
    flush = flush_id(receiver, (one.id for one in compaction.kept))
    return flush, tuple(folded(one, one.by.flush_id or flush, now) for one in compaction.overtaken)


def next_turn(queue: Sequence[Waiting], now: datetime) -> Turn | None:
    """The turn to take now: of those that are due, the one with the oldest news."""
    return next((turn for turn in turns(queue) if turn.due <= now), None)


def next_due(queue: Sequence[Waiting]) -> datetime | None:
    """When there is something to do next; None when nothing waits or everything waits for a flush on its way."""
    return min((turn.due for turn in turns(queue)), default=None)


def flush_id(receiver: str, ids: Iterable[DeliveryId]) -> FlushId:
    """The id of a new flush. The same deliveries never leave together twice under different ids, so they make it."""
    return FlushId(deterministic_id("flush", receiver, *ids))


def thread_of(deliveries: Iterable[Delivery]) -> str:
    """The thread a flush is told in: that of its first news, as `core.message.compose` sees it."""
    return min(deliveries, key=lambda delivery: delivery.created_at).thread_key
