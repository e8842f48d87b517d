"""Which entries of `Pods` and `HistoryPods` are one and the same life of a pod.

A replaced pod keeps its pod id and gets a new uid; its former life goes to `HistoryPods`. DLC may leave the uid empty (a Pending
pod has none yet), may repeat the live entry in the history (the documentation's own sample does), and may leave out times. So two
entries of one pod id are the same incarnation when

- both have a uid and the uids are equal; or
- one has no uid, and the creation times are equal or one of them is unknown.

This is no equivalence (an entry that says nothing is like any other), so wherever several fit, the surest kind of likeness goes
first and each entry is used once. Everything here is linear in the number of entries, apart from entries that say nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
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
        self.times_without_uid: set[datetime | None] = set()

    def add(self, pod: PodSnapshot) -> None:
        self.times.add(pod.created_at)
        if pod.uid:
            self.uids.add(pod.uid)
        else:
            self.times_without_uid.add(pod.created_at)

    def knows(self, pod: PodSnapshot) -> bool:
        """Asked only once something was added."""
        if pod.uid in self.uids:
            return True
        times = self.times_without_uid if pod.uid else self.times
        return pod.created_at in times or None in times or (pod.created_at is None and bool(times))


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


def pair(old: Sequence[PodSnapshot], new: Sequence[PodSnapshot]) -> tuple[PodSnapshot | None, ...]:
    """For each new incarnation the old one that it is, or None when it was not known before."""
    found: list[PodSnapshot | None] = [None] * len(new)
    free = dict(enumerate(old))

    def take(place: int, number: int | None) -> None:
        if number is not None and number in free:
            found[place] = free.pop(number)

    uids = {pod.uid: number for number, pod in free.items() if pod.uid}
    for place, pod in enumerate(new):
        take(place, uids.get(pod.uid))
    rest = [place for place, pod in enumerate(found) if pod is None]
    times: dict[tuple[datetime | None, bool], int] = {
        (pod.created_at, bool(pod.uid)): number for number, pod in free.items() if pod.created_at is not None
    }
    for place in rest:
        for has_uid in (False,) if new[place].uid else (False, True):
            if found[place] is None:
                take(place, times.get((new[place].created_at, has_uid)))
    for place in rest:
        if found[place] is None:
            take(place, next((number for number, pod in free.items() if _may_be(pod, new[place])), None))
    return tuple(found)


def _may_be(one: PodSnapshot, other: PodSnapshot) -> bool:
    return not (one.uid and other.uid) and (one.created_at is None or other.created_at is None)


def pods_by_id(pods: Iterable[PodSnapshot] | None) -> dict[str, PodSnapshot]:
    """The pods of an answer by pod id.

    An entry without a pod id cannot be followed from one answer to the next and is passed over. Of several entries with one id the
    youngest is the live one, the others are its history.
    """
    known: dict[str, PodSnapshot] = {}
    repeated: dict[str, list[PodSnapshot]] = {}
    for pod in pods or ():
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
