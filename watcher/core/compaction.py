"""Net effect: what was held is folded before it is said, so that it tells how things stand and not how they went.

A mute interval, a receiver that was down or a queue that was long leave a backlog: failed, restarted, runs again, evicted,
succeeded. Told one by one in the morning it reads as if it happened now, and hides what still matters. So of each subject only
that is kept which no newer news has overtaken:

| older news                | is overtaken by newer news of the same subject                                          |
|---------------------------|-----------------------------------------------------------------------------------------|
| not critical              | that tells the job's state (started, restarted, failed ...), or comes from the same rule  |
| critical                  | that the job has ended, whichever way; after that nothing before it still holds           |
| critical, of a setback    | that the job runs again, was restarted, is there again; that the source is seen again     |
| critical                  | that is critical, too, and comes from the same rule about the same pod                    |

A job that reads as succeeded, stopped or running by now has got over the same as if that were told last, as far as something is
told of it after that. Everything else stays. So a critical thing is never hidden by anything but news that says it is over or
critical news of the same rule; and what is said last of a subject is always said.

A subject is a job; a source, for news of the watch itself; or the series that a rule names. News across jobs without a series
stands for itself. Two rules that speak about the same event do not overtake each other.

Pure, and a function of the rows alone: it may be asked for a mute that ends, for a flush, for a whole backlog.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Final

from watcher.core.delivery import Delivery, DeliveryReason, DeliveryState, FlushId
from watcher.core.model import JobRef
from watcher.core.phases import Phase
from watcher.core.rule import Notification, Severity

HELD_FOR: Final = timedelta(minutes=10)
"""News that waited for so long is a backlog; what is younger is told as it came."""

ENDED_WELL: Final = frozenset({"job.succeeded", "job.stopped"})
_ENDED: Final = ENDED_WELL | {"job.failed"}
_STATES: Final = _ENDED | {
    "job.appeared",
    "job.status_changed",
    "job.restarted",
    "job.vanished",
    "job.reappeared",
}
"""Kinds of events that tell how a job stands."""

_SETBACKS: Final = frozenset({"job.failed", "job.cause_found", "job.sanity_check_failed", "job.vanished"})
"""What a job that runs again has got over, besides all news of its pods. Not its restarts: a budget that is spent stays spent."""
_RUNS: Final = "running"
_GOT_OVER: Final[Mapping[str, frozenset[str]]] = MappingProxyType(
    {
        _RUNS: _SETBACKS,
        "job.restarted": _SETBACKS | {"job.restarted"},
        "job.reappeared": frozenset({"job.vanished"}),
        "watch.recovered": frozenset({"watch.blind"}),
    }
)
"""Newer news -> kinds of critical news that it shows to be over. `running` is a change of status into that phase."""

_OVER_IN: Final = frozenset({Phase.SUCCEEDED, Phase.STOPPED})


@dataclass(frozen=True, slots=True)
class Overtaken:
    """News that is not told by itself, and the news that says how things stand instead."""

    delivery: Delivery
    by: Delivery


@dataclass(frozen=True, slots=True)
class Compaction:
    """What is told, in the order in which it was given, and what is not."""

    kept: tuple[Delivery, ...]
    overtaken: tuple[Overtaken, ...] = ()


Subject = tuple[str, ...]


def subject_of(said: Notification) -> Subject:
    """What news is about, as far as newer news can overtake it."""
    if said.series:
        return ("series", said.rule, said.series)
    if said.across_jobs or said.over_at is not None:
        return ("itself", said.id)
    if said.job is not None:
        return ("job", str(said.job))
    source = dict(said.labels).get("source", ())
    return ("source", said.rule, *source) if said.kind.startswith("watch.") else ("itself", said.id)


def is_backlog(created_at: datetime, reason: DeliveryReason, now: datetime) -> bool:
    """Whether news that leaves now was held."""
    return reason is DeliveryReason.MUTED or now - created_at >= HELD_FOR


def was_held(deliveries: Iterable[Delivery]) -> bool:
    """Whether what is on its way was held for long: it says so whichever attempt this is."""
    return any(
        one.first_attempt_at is not None and one.first_attempt_at - one.created_at >= HELD_FOR for one in deliveries
    )


def compact(
    deliveries: Sequence[Delivery],
    phases: Mapping[JobRef, Phase] = MappingProxyType({}),
    told: Sequence[Delivery] = (),
) -> Compaction:
    """Fold what is owed to one receiver into what still matters.

    Args:
        deliveries: what is to be told, oldest first.
        phases: how the jobs stand by now, as far as known.
        told: what the receiver was told meanwhile: it overtakes as all news does, and is not told again.
    """
    lines: dict[Subject, list[Delivery]] = {}
    for delivery in sorted((*deliveries, *told), key=lambda one: one.created_at):
        lines.setdefault(subject_of(delivery.notification), []).append(delivery)
    by: dict[str, Delivery] = {}
    for line in lines.values():
        by |= _overtakers(line, phases)
    owed = [one for one in deliveries if one.id in by]
    return Compaction(
        kept=tuple(one for one in deliveries if one.id not in by),
        overtaken=tuple(Overtaken(one, by[one.id]) for one in owed),
    )


def attributed(kept: Sequence[Delivery], folded: Sequence[Delivery]) -> Iterator[tuple[Delivery, Delivery]]:
    """What was folded, in order, each with that of the kept news which tells what came of it.

    The same as `compact` found, asked of the rows alone; what only the state of its job had overtaken is told by the last of its
    subject.
    """
    last = {subject_of(one.notification): one for one in sorted(kept, key=lambda one: one.created_at)}
    saying = {one.id for one in kept}
    again = {one.delivery.id: one.by for one in compact((*folded, *kept)).overtaken if one.by.id in saying}
    for one in folded:
        by = again.get(one.id, last.get(subject_of(one.notification)))
        if by is not None:
            yield one, by


def folded(one: Overtaken, message: FlushId, now: datetime) -> Delivery:
    """The row of news that is not told by itself.

    Args:
        one: the news, and what overtook it.
        message: the flush in which that is told.
        now: now.
    """
    said = one.by.notification
    return replace(
        one.delivery,
        state=DeliveryState.FOLDED,
        reason=DeliveryReason.OVERTAKEN,
        settled_at=now,
        flush_id=message,
        error=f'overtaken by "{said.headline}" (notification {said.id}, message {message})',
    )


def got_over(kind: str, phase: Phase) -> bool:
    """Whether a job that reads so by now has got over what was said of it, however loud it was said."""
    if phase in _OVER_IN:
        return kind not in ENDED_WELL
    return phase is Phase.RUNNING and _is_over(kind, _RUNS)


def _overtakers(line: Sequence[Delivery], phases: Mapping[JobRef, Phase]) -> dict[str, Delivery]:
    """For the news of one subject, oldest first: id -> what overtook it and is itself said."""
    found: dict[str, Delivery] = {}
    for place in reversed(range(len(line) - 1)):
        older = line[place]
        newer = next((one for one in reversed(line[place + 1 :]) if _overtakes(one, older)), None)
        phase = Phase.UNKNOWN if older.notification.job is None else phases.get(older.notification.job, Phase.UNKNOWN)
        if newer is None and got_over(older.notification.kind, phase) and _later(line[-1], older):
            newer = line[-1]
        if newer is not None:
            found[older.id] = found.get(newer.id, newer)
    return found


def _overtakes(newer: Delivery, older: Delivery) -> bool:
    new, old = newer.notification, older.notification
    if not _later(newer, older):
        return False
    if new.series:
        return old.severity is not Severity.CRITICAL or new.severity is Severity.CRITICAL
    if old.severity is not Severity.CRITICAL:
        return new.rule == old.rule or new.kind in _STATES
    if new.kind in _ENDED:
        return True
    if new.severity is Severity.CRITICAL and (new.rule, new.pod_id) == (old.rule, old.pod_id):
        return True
    running = new.kind == "job.status_changed" and Phase.RUNNING.value in dict(new.labels).get("phase", ())
    return _is_over(old.kind, _RUNS if running else new.kind)


def _later(newer: Delivery, older: Delivery) -> bool:
    return newer.notification.event_id != older.notification.event_id


def _is_over(kind: str, by: str) -> bool:
    over = _GOT_OVER.get(by, frozenset())
    return kind in over or (kind.startswith("pod.") and over >= _SETBACKS)
