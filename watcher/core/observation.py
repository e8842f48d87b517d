"""Which reading is believed, and what is held afterwards.

Theory. DLC's reads are eventually consistent: an answer may be older than the one before, leave out what an earlier one told, or
deny for a moment a job that is there. A false "failed", "gone" or "restarted" wakes people, while a true one that is told one poll
later harms nobody. So what would be alarming and cannot be taken back needs a second look before it is believed (`Doubts`), and
what an answer does not speak of stays as it was (`core.carry_over`):

| reading                                        | becomes                                                          |
|------------------------------------------------|------------------------------------------------------------------|
| an older `GmtModifiedTime` than held           | stale: counted, otherwise ignored                                |
| an answer that ends at an entry known to be over | stale, up to twice running                                     |
| an ended job that reads otherwise              | doubted once, believed the second time running                   |
| not found                                      | doubted; believed when repeated later and absent from a full list |
| a pod id left out                              | doubted once, `PodVanished` the second time running              |
| an earlier incarnation of a pod as the live one | the later one stays                                              |
| no pods, no restart counter, no priority, names that only lists tell | carried over                               |
| a restart counter that went down               | the higher count stays                                           |
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import takewhile
from typing import Final

from watcher.core.carry_over import carry_over, differ
from watcher.core.diff import diff, job_end
from watcher.core.events import (
    CauseId,
    Event,
    EventId,
    JobAppeared,
    JobReappeared,
    JobVanished,
    Provenance,
    When,
    deterministic_id,
)
from watcher.core.fleet import Member
from watcher.core.history import Progress, baseline, entered_phase_at, follow, reads_backwards
from watcher.core.model import Course, Doubts, JobRef, JobSnapshot, JobSummary, Listed, Watch
from watcher.core.phases import TERMINAL

APART: Final = timedelta(seconds=10)
"""Two not-found answers closer together than this may come from one hiccup."""

BACKWARDS: Final = 2
"""So many answers in a row that tell of an earlier state are taken for old ones; the next is believed."""


@dataclass(frozen=True, slots=True)
class Observed:
    """What follows from one answer about one job.

    Attributes:
        watch: what is held from now on; its version is one higher (1 at first sight).
        events: what happened, in order.
        changed: anything but a running clock differs from what was held: worth a row in the history of snapshots.
        stale: the answer was older than what is held and was not believed.
    """

    watch: Watch
    events: tuple[Event, ...] = ()
    changed: bool = False
    stale: bool = False


def first_sight(answer: JobSnapshot, *, now: datetime, cause: CauseId, watching_since: datetime | None) -> Observed:
    """A job that was not known. A live one appears; one that ended before we began to watch says nothing.

    Args:
        answer: the first answer about it.
        now: now.
        cause: the id that the events carry.
        watching_since: when this source first answered. A job that ended later was born and ended between two looks of ours, and
            its end is told. None: everything that has ended is old.
    """
    course = baseline(answer)
    watch = Watch(
        snapshot=answer,
        version=1,
        phase_since=first_phase_since(answer, course),
        first_seen_at=now,
        course=course,
    )
    if not watch.live and not _ended_since(answer, watching_since):
        return Observed(watch, changed=True)
    appeared = JobAppeared(
        id=EventId(deterministic_id("job.appeared", answer.ref)),
        when=When(observed_at=answer.observed_at),
        cause=cause,
        job=answer.ref,
        status=answer.status,
        phase=answer.phase,
    )
    end_at = course.entries[-1].started_at
    provenance = Provenance.REPORTED if end_at else Provenance.OBSERVED
    when = When(observed_at=answer.observed_at, occurred_at=end_at, provenance=provenance)
    end = job_end(answer, when=when, cause=cause, key=course.entries[-1].key)
    return Observed(watch, (appeared,) if end is None else (appeared, end), changed=True)


def _ended_since(answer: JobSnapshot, watching_since: datetime | None) -> bool:
    ended_at = answer.finished_at or answer.created_at
    return watching_since is not None and ended_at is not None and ended_at >= watching_since


def look(watch: Watch, answer: JobSnapshot, *, now: datetime, cause: CauseId) -> Observed:
    """An answer about a job that is known.

    Args:
        watch: what is held.
        answer: what DLC says.
        now: now.
        cause: the id that the events carry.
    """
    held = watch.snapshot
    heard = replace(
        watch,
        version=watch.version + 1,
        vanished=False,
        doubts=replace(watch.doubts, not_found_since=None, not_found_count=0),
    )
    returned = (_reappeared(watch, answer, now, cause),) if watch.vanished else ()
    if held.modified_at and answer.modified_at and answer.modified_at < held.modified_at:
        return Observed(heard, returned, stale=True)
    if reads_backwards(watch.course, answer) and watch.doubts.backwards < BACKWARDS:
        doubts = replace(heard.doubts, backwards=watch.doubts.backwards + 1)
        return Observed(replace(heard, doubts=doubts), returned, stale=True)
    if held.phase in TERMINAL and answer.phase is not held.phase and not watch.doubts.live_again:
        return Observed(replace(heard, doubts=replace(heard.doubts, live_again=True)), returned)
    believed, missing = carry_over(held, answer, watch.doubts.missing_pods)
    progress = follow(watch.course, held, believed)
    events = diff(held, believed, ordinal=watch.version, cause=cause, progress=progress, since=watch.first_seen_at)
    new = replace(
        heard,
        snapshot=believed,
        phase_since=phase_since(watch.phase_since, progress),
        doubts=Doubts(missing_pods=missing),
        course=progress.course,
    )
    return Observed(new, (*returned, *events), changed=differ(held, believed))


def first_phase_since(answer: JobSnapshot, course: Course) -> datetime:
    """When a job that is seen for the first time entered its phase, as far as DLC tells; else the time of the look."""
    return course.entries[-1].started_at or entered_phase_at(answer) or answer.observed_at


def phase_since(before: datetime, progress: Progress) -> datetime:
    """When the first of the entries began that make up the present stay in a phase; as before, while nothing speaks of it."""
    stay = takewhile(lambda entry: entry.phase is progress.course.entries[-1].phase, reversed(progress.course.entries))
    first = list(stay)[-1]
    news = {(step.entry.status, step.entry.nth) for step in progress.steps}
    news |= {(correction.mended.status, correction.mended.nth) for correction in progress.corrections}
    return (first.started_at or first.seen_by) if (first.status, first.nth) in news else before


@dataclass(frozen=True, slots=True)
class ListPass:
    """A full pass over ListJobs.

    Attributes:
        began: when.
        jobs: all that it named.
    """

    began: datetime
    jobs: frozenset[JobRef]


def absent(watch: Watch, last: ListPass | None) -> bool:
    """Whether a full pass that began after the first not-found answer left the job out."""
    since = watch.doubts.not_found_since
    return last is not None and since is not None and last.began >= since and watch.snapshot.ref not in last.jobs


def not_found(
    watch: Watch, *, now: datetime, cause: CauseId, absent_from_list: bool, apart: timedelta = APART
) -> Observed:
    """DLC says it does not know a job that we know. A job that has ended, or is known to be gone, is not asked after again.

    Args:
        watch: what is held.
        now: when it said so.
        cause: the id that the event carries.
        absent_from_list: a full pass over ListJobs did not name it either.
        apart: least time between the first not-found answer and the one that convinces.
    """
    heard = replace(watch, version=watch.version + 1)
    if not watch.live:
        return Observed(heard)
    since = watch.doubts.not_found_since or now
    count = watch.doubts.not_found_count + 1
    if count == 1 or now - since < apart or not absent_from_list:
        doubts = replace(watch.doubts, not_found_since=since, not_found_count=count)
        return Observed(replace(heard, doubts=doubts))
    ref = watch.snapshot.ref
    vanished = JobVanished(
        id=EventId(deterministic_id("job.vanished", ref, watch.version)),
        when=When(observed_at=now, not_before=watch.snapshot.observed_at),
        cause=cause,
        job=ref,
        last_status=watch.snapshot.status,
    )
    return Observed(replace(heard, vanished=True, doubts=Doubts()), (vanished,))


def merge_summary(answer: JobSnapshot, summary: JobSummary | Listed | None) -> JobSnapshot:
    """An answer, completed by what only lists tell.

    `GmtModifiedTime` is left out: the list was read at another moment than this answer and says nothing about its age.
    """
    if summary is None:
        return answer
    return replace(
        answer,
        user_name=answer.user_name or summary.user_name,
        quota_name=answer.quota_name or summary.quota_name,
        template_id=answer.template_id or summary.template_id,
        max_running_time=answer.max_running_time or summary.max_running_time,
    )


def summary_differs(held: Member, summary: JobSummary | Listed) -> bool:
    """Whether a list item shows that something happened, so that GetJob is due now. What the item does not tell counts as equal.

    Of a job that has ended only its phase counts, and one that had vanished is news by being listed.
    """
    if held.vanished:
        return True
    if not held.live:
        return summary.phase is not held.phase
    return (
        summary.status != held.status
        or summary.sub_status not in ("", held.sub_status)
        or summary.reason_code not in ("", held.reason_code)
        or summary.restarts.used not in (None, held.restarts)
    )


def _reappeared(watch: Watch, answer: JobSnapshot, now: datetime, cause: CauseId) -> JobReappeared:
    return JobReappeared(
        id=EventId(deterministic_id("job.reappeared", answer.ref, watch.version)),
        when=When(observed_at=now, not_before=watch.snapshot.observed_at),
        cause=cause,
        job=answer.ref,
        status=answer.status,
        phase=answer.phase,
    )
