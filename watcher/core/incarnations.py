"""Which entries of `Pods` and `HistoryPods` are one and the same life of a pod, and what each life is called.

A replaced pod keeps its pod id and gets a new uid; its former life goes to `HistoryPods`. DLC may leave the uid empty (a Pending
pod has none yet) or repeat it for the next life, may repeat the live entry in the history (the documentation's own sample does),
and may leave out times. So two entries of one pod id are the same incarnation when neither their uids nor their creation times
contradict each other: each is equal, or one of the two is not told.

This is no equivalence (an entry that says nothing is like any other), so wherever several fit, the surest kind of likeness goes
first and each entry is used once. Everything here is linear in the number of entries, apart from entries that say nothing.

A life is called by its uid, or by its creation time when it has no uid. Where one uid is borne by several lives, the oldest is
called by the uid alone and the others by uid and creation time, so that no two lives of a pod share a name.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from watcher.core.model import PodSnapshot

_LONG_AGO: Final = datetime.min.replace(tzinfo=UTC)


def _age(pod: PodSnapshot) -> tuple[datetime, datetime, str, str, str, str, str, str]:
    """Oldest first; what bears no time counts as oldest. The rest only makes the order independent of how DLC listed them."""
    return (
        pod.created_at or pod.started_at or pod.finished_at or _LONG_AGO,
        pod.finished_at or _LONG_AGO,
        pod.uid,
        pod.status,
        pod.sub_status,
        pod.node,
        pod.ip,
        pod.role,
    )


class _Seen:
    """Answers whether an entry is the same incarnation as any that was added."""

    def __init__(self) -> None:
        self.uids: set[str] = set()
        self.times: set[datetime | None] = set()
        self.both: set[tuple[str, datetime | None]] = set()

    def add(self, pod: PodSnapshot) -> None:
        self.uids.add(pod.uid)
        self.times.add(pod.created_at)
        self.both.add((pod.uid, pod.created_at))

    def knows(self, pod: PodSnapshot) -> bool:
        """Asked only once something was added."""
        uid, time = pod.uid, pod.created_at
        if uid and time is not None:
            return not self.both.isdisjoint(((uid, time), (uid, None), ("", time), ("", None)))
        if uid:
            return not self.uids.isdisjoint((uid, ""))
        return time is None or not self.times.isdisjoint((time, None))


def lives(pod: PodSnapshot) -> tuple[PodSnapshot, ...]:
    """The incarnations of one pod, each once, oldest first; the live one is the last."""
    if not pod.history:
        return (pod,)
    seen = _Seen()
    seen.add(pod)
    newest_first = [pod]
    for entry in sorted(pod.history, key=_age, reverse=True):
        if not seen.knows(entry):
            seen.add(entry)
            newest_first.append(entry)
    return tuple(reversed(newest_first))


_Free = dict[int, PodSnapshot]
_Find = Callable[[PodSnapshot], Iterable[int | None]]


def _exactly(free: _Free) -> _Find:
    """Uid and creation time are equal."""
    index = {(pod.uid, pod.created_at): number for number, pod in free.items() if pod.uid}
    return lambda pod: (index.get((pod.uid, pod.created_at)),)


def _by_uid(free: _Free) -> _Find:
    """The uids are equal, and one of them bears no time."""
    latest = {pod.uid: number for number, pod in free.items() if pod.uid}
    timeless = {pod.uid: number for number, pod in free.items() if pod.uid and pod.created_at is None}
    return lambda pod: ((latest if pod.created_at is None else timeless).get(pod.uid),)


def _by_time(free: _Free) -> _Find:
    """The times are equal, and one of them bears no uid."""
    index: dict[tuple[datetime | None, bool], int] = {
        (pod.created_at, bool(pod.uid)): number for number, pod in free.items() if pod.created_at is not None
    }
    return lambda pod: (index.get((pod.created_at, has_uid)) for has_uid in ((False,) if pod.uid else (False, True)))


def _by_default(free: _Free) -> _Find:
    """They do not contradict each other."""
    return lambda pod: (number for number, other in free.items() if _may_be(other, pod))


_LIKENESSES: Final = (_exactly, _by_uid, _by_time, _by_default)
"""The surest first."""


def pair(old: Sequence[PodSnapshot], new: Sequence[PodSnapshot]) -> tuple[PodSnapshot | None, ...]:
    """For each new incarnation the old one that it is, or None when it was not known before."""
    found: list[PodSnapshot | None] = [None] * len(new)
    free = dict(enumerate(old))
    for likeness in _LIKENESSES:
        rest = [place for place, was in enumerate(found) if was is None]
        if not (rest and free):
            break
        find = likeness(free)
        for place in rest:
            number = next((number for number in find(new[place]) if number in free), None)
            if number is not None:
                found[place] = free.pop(number)
    return tuple(found)


def _may_be(one: PodSnapshot, other: PodSnapshot) -> bool:
    """The definition of the module's head, word by word."""
    uids_agree = one.uid == other.uid or not one.uid or not other.uid
    times_agree = one.created_at == other.created_at or one.created_at is None or other.created_at is None
    return uids_agree and times_agree


def names(chain: Sequence[PodSnapshot], known: Sequence[str] = ()) -> tuple[str, ...]:
    """What the lives of one pod are called (`PodKey.incarnation`), no two alike.

    Args:
        chain: its lives, oldest first, as `lives` gives them.
        known: for each of them the name it goes by already, or "" for none; nothing where none has one.
    """
    if len(chain) == 1 and not known:
        return (chain[0].key.incarnation,)
    known = known or ("",) * len(chain)
    taken = {name for name in known if name}
    called = []
    for life, name in zip(chain, known, strict=True):
        own = name or life.key.incarnation
        if not name and own in taken:
            own = f"{own}@{life.created_at}"
        taken.add(own)
        called.append(own)
    return tuple(called)


def pods_by_id(pods: Collection[PodSnapshot] | None) -> dict[str, PodSnapshot]:
    """The pods of an answer by pod id.

    An entry without a pod id cannot be followed from one answer to the next and is passed over. Of several entries with one id the
    youngest is the live one, the others are its history.
    """
    pods = pods or ()
    known = {pod.pod_id: pod for pod in pods}
    if "" not in known and len(known) == len(pods):  # as always; the rest of this is for what is odd
        return known
    known = {}
    repeated: dict[str, list[PodSnapshot]] = {}
    for pod in pods:
        if not pod.pod_id:
            continue
        if pod.pod_id in known:
            repeated.setdefault(pod.pod_id, [known[pod.pod_id]]).append(pod)
        known[pod.pod_id] = pod
    for pod_id, entries in repeated.items():
        *former, live = sorted(entries, key=_age)
        past = (entry for pod in former for entry in (*pod.history, replace(pod, history=())))
        known[pod_id] = replace(live, history=(*live.history, *past))
    return known


def evictions(pods: Collection[PodSnapshot]) -> int:
    """How many of all the lives of these pods ended in an eviction."""
    return sum(life.evicted for pod in pods_by_id(pods).values() for life in lives(pod))
