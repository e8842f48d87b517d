"""The status card of a job: how it stands and how it came there, at one glance and free of any channel's form.

Made from what is held about the job and from nothing else, so every end shows the same card. What is not known is None or "", never
a guess: a stretch between two times of which one is missing has no length.

Part of a card runs on by itself: the present stretch, the GPU-hours, the wait in a queue, the time at which all of it was so. That
is no news. `standing` is the card without it: two cards with the same standing say the same, and nobody need be shown the second.

Labels are not here: members are named, and every channel and language has its own words for them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Final

from watcher.core.attempts import JobAttempt, attempts, first_ran_at, timeline, waited
from watcher.core.history import dated_periods
from watcher.core.incarnations import evictions
from watcher.core.model import Course, JobRef, JobSnapshot, PodSnapshot, StatusEntry
from watcher.core.phases import TERMINAL, Phase, PodPhase

MOST_STRETCHES: Final = 12
"""So many stretches are kept, the newest; a job that restarts all night has hundreds."""

_PODS: Final = (PodPhase.RUNNING, PodPhase.PENDING, PodPhase.SUCCEEDED, PodPhase.FAILED, PodPhase.UNKNOWN)
"""The order in which pods are counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """One stretch of the phase bar: an unbroken time in one phase.

    Attributes:
        phase: which.
        status: DLC's own word, the last one within the stretch.
        since: when it began, where that is known.
        length: how long it was, or has been so far; None where it is not known, and for a job's end, which is no stretch of time.
        current: it is the present one.
    """

    phase: Phase
    status: str
    since: datetime | None = None
    length: timedelta | None = None
    current: bool = False


@dataclass(frozen=True, slots=True)
class PodCount:
    """How many pods of one role are in one phase."""

    role: str
    phase: PodPhase
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """A job at one glance.

    Attributes:
        title: what people call it.
        url: a link to its page, or "".
        status: DLC's word.
        phase: what it means.
        gone: DLC does not know the job any more; the rest is how it last stood.
        bar: its phases, oldest first, the present one last; never empty.
        left_out: how many older stretches are not in the bar.
        attempt: which attempt this is.
        attempts: how many there may be; None where DLC sets no limit or does not tell.
        pods: by role, then by phase; empty where no pods are listed.
        evicted: how many pods were taken off their nodes so far.
        gpus: the job's GPUs in all.
        gpu_hours: GPUs times the time it ran, over all attempts.
        gpu_hours_down: GPUs times the time it was down between attempts.
        waited: from its submission until it first ran, or until now while it still waits.
        waiting: it still waits to run for the first time.
        owner: the user's name, else id.
        reason_code: DLC's code for the last reason, or "".
        reason: DLC's text for it, or "".
        as_of: when all of this was so.
    """

    ref: JobRef
    title: str
    url: str = ""
    status: str = ""
    phase: Phase = Phase.UNKNOWN
    gone: bool = False
    bar: tuple[Stretch, ...]
    left_out: int = 0
    attempt: int = 1
    attempts: int | None = None
    pods: tuple[PodCount, ...] = ()
    evicted: int = 0
    gpus: float | None = None
    gpu_hours: float | None = None
    gpu_hours_down: float | None = None
    waited: timedelta | None = None
    waiting: bool = False
    workspace: str = ""
    quota: str = ""
    owner: str = ""
    job_type: str = ""
    reason_code: str = ""
    reason: str = ""
    as_of: datetime

    @property
    def ended(self) -> bool:
        """Nothing more will happen to it."""
        return self.gone or self.phase in TERMINAL

    @property
    def since(self) -> datetime | None:
        """When it entered its present phase, where that is known."""
        return self.bar[-1].since


def status_card(
    job: JobSnapshot,
    course: Course = Course(),  # noqa: B008 - frozen
    *,
    url: str = "",
    as_of: datetime | None = None,
    gone: bool = False,
) -> Card:
    """The card of a job as it is held.

    Args:
        job: the last accepted answer.
        course: the way it went.
        url: a link to it, or "".
        as_of: the last time at which it was seen to be so; that of the answer when not given.
        gone: it is known to be gone.
    """
    now = max(as_of or job.observed_at, job.observed_at)
    lives = attempts(job, course)
    bar = _bar(timeline(job, course), now)
    code, reason = _reason(job)
    wait = waited(job, course, now)
    return Card(
        ref=job.ref,
        title=job.title,
        url=url,
        status=job.status,
        phase=job.phase,
        gone=gone,
        bar=bar[-MOST_STRETCHES:],
        left_out=max(0, len(bar) - MOST_STRETCHES),
        attempt=lives[-1].number,
        attempts=lives[-1].of,
        pods=_pods(job.pods or ()),
        evicted=evictions(job.pods or ()),
        gpus=job.gpus,
        gpu_hours=_gpu_hours(job, lives, now),
        gpu_hours_down=_gpu_hours_down(lives),
        waited=wait,
        waiting=wait is not None and first_ran_at(job, course) is None,
        workspace=job.workspace_name or job.workspace_id,
        quota=job.quota_name or job.quota_id,
        owner=job.user_name or job.user_id,
        job_type=job.job_type,
        reason_code=code,
        reason=reason,
        as_of=now,
    )


def standing(card: Card) -> Card:
    """The card without what runs on by itself: what stays the same until something happens."""
    if card.phase in TERMINAL:
        return replace(card, as_of=_NO_TIME)
    *earlier, present = card.bar
    return replace(
        card,
        bar=(*earlier, replace(present, length=None)),
        gpu_hours=None,
        waited=None if card.waiting else card.waited,
        as_of=_NO_TIME,
    )


_NO_TIME: Final = datetime.min.replace(tzinfo=UTC)


def cells(bar: Sequence[Stretch], width: int) -> tuple[Phase, ...]:
    """The bar as a row of about `width` equal cells, at least one for each stretch, longer stretches with more of them.

    A stretch of unknown length has one cell, so the row is as wide as it must be and hardly ever wider than asked.
    """
    known = [one.length.total_seconds() if one.length else 0.0 for one in bar]
    total, free = sum(known), max(0, width - len(bar))
    row: list[Phase] = []
    for one, length in zip(bar, known, strict=True):
        row += [one.phase] * (1 + (round(free * length / total) if total else 0))
    return tuple(row)


def _bar(entries: Sequence[StatusEntry], now: datetime) -> tuple[Stretch, ...]:
    """The statuses as stretches: what follows in the same phase is one."""
    merged: list[Stretch] = []
    for entry in entries:
        if merged and merged[-1].phase is entry.phase:
            merged[-1] = replace(merged[-1], status=entry.status)
        else:
            merged.append(Stretch(phase=entry.phase, status=entry.status, since=entry.started_at))
    bar = [replace(one, length=_between(one.since, after.since)) for one, after in pairwise(merged)]
    present = merged[-1]
    length = None if present.phase in TERMINAL else _between(present.since, now)
    return (*bar, replace(present, length=length, current=True))


def _between(since: datetime | None, until: datetime | None) -> timedelta | None:
    return None if since is None or until is None or until < since else until - since


def _pods(pods: Iterable[PodSnapshot]) -> tuple[PodCount, ...]:
    counts = Counter((pod.role, pod.phase) for pod in pods)
    ordered = sorted(counts.items(), key=lambda entry: (entry[0][0], _PODS.index(entry[0][1])))
    return tuple(PodCount(role, phase, count) for (role, phase), count in ordered)


def _gpu_hours(job: JobSnapshot, lives: Sequence[JobAttempt], now: datetime) -> float | None:
    """None where the run of an attempt that ran cannot be told."""
    if job.gpus is None or lives[0].number > 1:
        return None
    *earlier, present = lives
    runs = [one.ran for one in earlier]
    if present.end is not None:
        runs.append(present.ran)
    elif present.started_at is not None:
        runs.append(_between(present.started_at, now))
    elif job.phase is Phase.RUNNING:
        return None
    known = [run for run in runs if run is not None]
    return job.gpus * (sum(known, timedelta()) / timedelta(hours=1)) if len(known) == len(runs) else None


def _gpu_hours_down(lives: Sequence[JobAttempt]) -> float | None:
    costs = [one.gpu_hours_down for one in lives if one.gpu_hours_down is not None]
    return sum(costs) if costs else None


def _reason(job: JobSnapshot) -> tuple[str, str]:
    """Code and text of what DLC says now, else of the last status that it gave a reason for."""
    if job.reason_code or job.reason_message:
        return job.reason_code, job.reason_message
    told = [(period.reason_code, period.reason_message) for period in dated_periods(job)]
    return next(((code, text) for code, text in reversed(told) if code or text), ("", ""))
