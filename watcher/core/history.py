"""The way of a job through its statuses, put together from everything that DLC's answers show of it.

An answer names the present status. `StatusHistory` may name the earlier ones: in any order, each with or without its end, the
present one among them or not, one status several times, the oldest cut off. Without it the Gmt times show that a job ran and when
it ended. `follow` merges all of that into what is known already and says what is new; a status that nothing shows is never made up.

One entry of a job into a status is known by *(status, second it began)*. Ids are made from it:

1. Where DLC dates an entry when it is first told, its key is that second. Every watcher that learns of it with its date, however
   often it looks, makes the same id.
2. Where nothing dates it (the history lags behind the status, or there is none), its key is "#n": the n-th entry into this
   status that is known. The same looks make the same id again, and so do others that saw as many entries.
3. When the history dates later what was told undated, or with another time, the entry keeps its key. It gets one correction
   (`JobHistoryCorrected`), which also names the id of rule 1, so that two tellings of one fact can be recognised as one.

What is in doubt:

- Two entries that follow each other in the same status are one (DLC contradicts itself there), unless what lay between is cut off.
- An answer whose history already goes on after the status it names is older in its status than in its history. The rest of the
  history waits for the next answer.
- An answer that ends at an entry we know to be over is an old one as a whole (`reads_backwards`).
- An entry of the history without a StartTime cannot be placed, nor recognised the next time. It is passed over.
- What began before the first sight of a job is old news for good.

Long, because merging is one argument that has to be followed from its first step to its last.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import groupby
from operator import attrgetter
from typing import Final

from watcher.core.model import Course, JobSnapshot, StatusEntry, StatusPeriod
from watcher.core.phases import RESERVED, TERMINAL, Phase, phase_of
from watcher.core.restart_records import counts_no_restarts
from watcher.core.times import CLOCK_LEEWAY, between, second

NEAR: Final = timedelta(seconds=5)
"""So far a Gmt time and the StartTime of the same entry may lie apart without anything that speaks against it."""

MOST_ENTRIES: Final = 100
"""So many entries of one job are remembered. Older ones are old news."""

_Times = tuple[Callable[[JobSnapshot], datetime | None], ...]

_ENTERED_AT: Final[Mapping[Phase, _Times]] = {
    # the Gmt time that belongs to a phase, the surest first; DLC has none for the phases that are not here
    Phase.PENDING: (attrgetter("submitted_at"),),
    Phase.RUNNING: (attrgetter("running_at"),),
    Phase.SUCCEEDED: (attrgetter("succeeded_at"), attrgetter("finished_at")),
    Phase.FAILED: (attrgetter("failed_at"), attrgetter("finished_at")),
    Phase.STOPPED: (attrgetter("stopped_at"), attrgetter("finished_at")),
}

_BEFORE_RUNNING: Final = frozenset({Phase.PENDING, Phase.STARTING})
_AFTER_RUNNING: Final = frozenset({Phase.RESTARTING, Phase.STOPPING}) | RESERVED | TERMINAL

_USUAL_ORDER: Final = (
    "Creating", "Created", "Submitted", "Queuing", "Queued", "Dequeued", "Pending", "Bidding", "Restarting", "EnvPreparing",
    "SanityChecking", "Running", "Stopping",
)  # fmt: skip
"""How statuses of one and the same second follow each other, where nothing else tells. What is not here comes last."""

_LONG_AGO: Final = datetime.min.replace(tzinfo=UTC)
_FOR_EVER: Final = datetime.max.replace(tzinfo=UTC)
_SECOND: Final = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Step:
    """A transition that is new to us.

    Attributes:
        old_status: the status it leaves.
        entry: the entry it makes.
        reason_code: reason that came with the new status.
        reason_message: likewise.
        filled_in: something that happened after it is already known.
    """

    old_status: str
    entry: StatusEntry
    reason_code: str = ""
    reason_message: str = ""
    filled_in: bool = False


@dataclass(frozen=True, slots=True)
class Correction:
    """An entry that was told, before and after DLC's history dated it, and when it began by that."""

    told: StatusEntry
    mended: StatusEntry
    began: datetime


@dataclass(frozen=True, slots=True)
class Progress:
    """What an answer adds.

    Attributes:
        course: what is known from now on.
        steps: the new transitions, in the order in which they happened.
        corrections: entries told earlier that are dated now.
    """

    course: Course
    steps: tuple[Step, ...] = ()
    corrections: tuple[Correction, ...] = ()


def entered_phase_at(job: JobSnapshot) -> datetime | None:
    """When the job entered the phase it is in, if DLC has a Gmt time for that phase."""
    return next((time for read in _ENTERED_AT.get(job.phase, ()) if (time := read(job)) is not None), None)


def dated_periods(job: JobSnapshot) -> tuple[StatusPeriod, ...]:
    """`StatusHistory` in order: what has a status and a start, each entry once."""
    merged: dict[tuple[str, datetime], StatusPeriod] = {}
    for period in sorted(job.status_history, key=_fullness):
        if period.status and period.started_at:
            merged[period.status, period.started_at] = period
    return tuple(sorted(merged.values(), key=lambda period: _place(period, job.status)))


def _fullness(period: StatusPeriod) -> tuple[bool, datetime, str, str]:
    """Of two entries that speak of the same, the one that says more is the last."""
    return (
        period.ended_at is not None,
        period.ended_at or _FOR_EVER,
        period.reason_code,
        period.reason_message,
    )


def _place(period: StatusPeriod, present: str) -> tuple[datetime, datetime, bool, bool, int, str]:
    usual = _USUAL_ORDER.index(period.status) if period.status in _USUAL_ORDER else len(_USUAL_ORDER)
    return (
        period.started_at or _FOR_EVER,
        period.ended_at or _FOR_EVER,
        phase_of(period.status) in TERMINAL,
        period.status == present,
        usual,
        period.status,
    )


def baseline(job: JobSnapshot) -> Course:
    """What is known after the first sight of a job; none of it is told."""
    course = _merge(Course(), None, job).course
    present = course.entries[-1]
    # DLC cuts its times to whole seconds: what it dates to the second of our look may have come after it
    since = present.started_at if present.listed else second(job.observed_at) - _SECOND
    return replace(course, entries=tuple(replace(entry, told=False) for entry in course.entries), since=since)


def follow(course: Course, old: JobSnapshot, new: JobSnapshot) -> Progress:
    """What a new answer adds to what is known.

    Args:
        course: what is known. An empty one begins with `old`.
        old: the answer that is held.
        new: the answer, believed.
    """
    progress = _merge(course if course.entries else baseline(old), old, new)
    if not counts_no_restarts(new):
        return progress
    inferred = sum(step.entry.phase is Phase.RESTARTING for step in progress.steps)
    known = progress.course.restarts_inferred
    return replace(progress, course=replace(progress.course, restarts_inferred=known + inferred))


def reads_backwards(course: Course, answer: JobSnapshot) -> bool:
    """Whether an answer's history ends at an entry that we know to be over: it is older than what is held."""
    if not course.entries:
        return False
    *earlier, present = course.entries
    periods = dated_periods(answer)
    if not periods:  # a history does not go away, but an answer from before its first entry has none
        known = {entry.status for entry in earlier if any(each.listed for each in earlier)} - {present.status}
        return answer.status in known
    newest, start = periods[-1], periods[-1].started_at
    later = [
        entry for entry in course.entries if entry.listed and start and entry.started_at and entry.started_at > start
    ]
    if answer.status != newest.status:  # the history is behind the status, and both are old
        return answer.status != present.status and any(entry.status == answer.status for entry in later)
    if later:
        return True
    if answer.status == present.status or start is None:
        return False
    before_our_time = course.since is not None and start <= course.since
    return newest.ended_at is None if _is_one_of(earlier, newest, periods) else before_our_time


def _is_one_of(earlier: Iterable[StatusEntry], newest: StatusPeriod, periods: Sequence[StatusPeriod]) -> bool:
    """Whether the newest period is an entry that is known to be over, by its date or, where that was never told, by its look."""
    return any(
        (entry.status, entry.started_at) == (newest.status, newest.started_at)
        or (not entry.listed and _period_of(entry, periods, periods, None, None) == (newest.started_at, newest))
        for entry in earlier
    )


# --- merging: while it goes on, an entry that is new has no number yet (nth 0) -----------------------------------------------


def _merge(course: Course, old: JobSnapshot | None, new: JobSnapshot) -> Progress:
    periods = dated_periods(new)
    lists_present = course.lists_present or bool(periods and periods[-1].status == new.status)
    places = {(period.status, period.started_at): place for place, period in enumerate(periods)}
    known = [
        replace(entry, listed=True) if (entry.status, entry.started_at) in places else entry for entry in course.entries
    ]
    corrections = _mend(known, periods)
    line = list(known)
    names = {(entry.status, entry.started_at) for entry in known}
    for (status, start), place in places.items():
        if start is not None and (status, start) not in names and (course.since is None or start > course.since):
            _insert(line, _unnumbered(status, start, old, new, listed=True), place, places)
    line = _without_echoes(line, periods)
    _end_at_present(line, periods, old, new, lists_present=lists_present)
    numbered, steps = _numbered(line, {(period.status, period.started_at): period for period in periods}, new)
    return Progress(_shortened(numbered, replace(course, lists_present=lists_present)), steps, corrections)


def _unnumbered(
    status: str, start: datetime | None, old: JobSnapshot | None, new: JobSnapshot, *, listed: bool = False
) -> StatusEntry:
    seen_after = None if old is None else old.observed_at
    return StatusEntry(status, "", 0, new.observed_at, seen_after, start, listed)


def _mend(known: list[StatusEntry], periods: Sequence[StatusPeriod]) -> tuple[Correction, ...]:
    """Date the entries whose date is missing or may be wrong, in place."""
    names = {(entry.status, entry.started_at) for entry in known}
    free = [period for period in periods if (period.status, period.started_at) not in names]
    corrections = []
    for place, entry in enumerate(known):
        if entry.listed:
            continue
        floor = max((each.started_at for each in known[:place] if each.listed and each.started_at), default=None)
        ceiling = min((each.started_at for each in known[place:] if each.listed and each.started_at), default=None)
        found = _period_of(entry, free, periods, floor, ceiling)
        if found is None:
            continue
        start, period = found
        free.remove(period)
        known[place] = replace(entry, started_at=start, listed=True)
        if entry.told:
            corrections.append(Correction(entry, known[place], start))
    return tuple(corrections)


def _period_of(
    entry: StatusEntry,
    free: Iterable[StatusPeriod],
    periods: Sequence[StatusPeriod],
    floor: datetime | None,
    ceiling: datetime | None,
) -> tuple[datetime, StatusPeriod] | None:
    """The period that an entry is which we saw without its true date.

    It was the present status at one look, and not at the look before: so it is the last period of its status that began before
    that look. Where the clocks differ it may seem to begin after it, but then it is the first one that does.
    """
    earliest = (entry.seen_after or _LONG_AGO + CLOCK_LEEWAY) - CLOCK_LEEWAY
    fitting = [
        (start, period)
        for period in free
        if (start := period.started_at) is not None
        and period.status == entry.status
        and earliest <= start <= entry.seen_by + CLOCK_LEEWAY
        and (floor is None or floor <= start)
        and (ceiling is None or start <= ceiling)
        and _may_mend(entry, start, periods)
    ]
    before = [(start, period) for start, period in fitting if start <= entry.seen_by]
    if before:
        return before[-1]
    starts = [period.started_at for period in periods if period.started_at]
    after = next((place for place, start in enumerate(starts) if start > entry.seen_by), 0)
    return next(((start, period) for start, period in fitting if after and period is periods[after]), None)


def _may_mend(entry: StatusEntry, start: datetime, periods: Sequence[StatusPeriod]) -> bool:
    """Whether the history gets as far as the Gmt time of an entry: one that lags may name an earlier stay in the same status."""
    told, newest = entry.started_at, periods[-1].started_at
    if told is None or entry.phase in TERMINAL or abs(start - told) <= NEAR:
        return True
    return newest is not None and newest >= told


def _insert(
    line: list[StatusEntry], entry: StatusEntry, place: int, places: Mapping[tuple[str, datetime | None], int]
) -> None:
    """Put a dated entry before the first one that has a later date, and after all that cannot have begun later than it."""

    def follows(other: StatusEntry) -> bool:
        floor = _floor(other)
        return floor > _floor(entry) or (
            floor == _floor(entry) and places.get((other.status, other.started_at), -1) > place
        )

    end = next((number for number, other in enumerate(line) if other.started_at and follows(other)), len(line))
    while end and follows(line[end - 1]):
        end -= 1
    line.insert(end, entry)


def _floor(entry: StatusEntry) -> datetime:
    return entry.started_at or second(entry.seen_by)


def _without_echoes(line: Iterable[StatusEntry], periods: Sequence[StatusPeriod]) -> list[StatusEntry]:
    """Of entries into one status that follow each other: those that are known, else the last.

    Where the history now begins after what is known, something is cut off that lay between: then both are true.
    """
    kept: list[StatusEntry] = []
    oldest = periods[0].started_at if periods else None
    for _, run in groupby(line, key=attrgetter("status")):
        entries = list(run)
        known = [entry for entry in entries if entry.nth]
        cut_off = bool(known) and oldest is not None and _floor(known[-1]) < oldest
        kept += [*known, *entries[-1:]] if cut_off and not entries[-1].nth else known or entries[-1:]
    return kept


def _end_at_present(
    line: list[StatusEntry],
    periods: Sequence[StatusPeriod],
    old: JobSnapshot | None,
    new: JobSnapshot,
    *,
    lists_present: bool,
) -> None:
    """Make the present status the last entry: it is there, or what follows it is not due yet, or it is added."""
    if line and line[-1].status == new.status:
        return
    last = max((place for place, entry in enumerate(line) if entry.status == new.status), default=None)
    newest = periods[-1] if periods else None
    goes_on = newest is not None and newest.ended_at is None
    tells_ends = lists_present or any(period.ended_at for period in periods)
    if last is not None and goes_on and tells_ends and not any(entry.nth for entry in line[last + 1 :]):
        del line[last + 1 :]
        return
    if old is not None and not periods:
        line += _ran(line, old, new)
    start = _end_of_forerunner(line, newest) or _own_time(old, new)
    if start is not None and (
        (line and start < _floor(line[-1]) and line[-1].started_at is not None)
        or any((entry.status, entry.started_at) == (new.status, start) for entry in line)
    ):
        start = None
    line.append(_unnumbered(new.status, start, old, new))


def _ran(line: Sequence[StatusEntry], old: JobSnapshot, new: JobSnapshot) -> list[StatusEntry]:
    """A run between two looks that only `GmtRunningTime` shows."""
    began = new.running_at
    if (
        old.phase in _BEFORE_RUNNING
        and new.phase in _AFTER_RUNNING
        and began is not None
        and began != old.running_at
        and between(old.observed_at, began, new.observed_at)
        and _floor(line[-1]) <= began
    ):
        return [_unnumbered("Running", began, old, new)]
    return []


def _end_of_forerunner(line: Sequence[StatusEntry], newest: StatusPeriod | None) -> datetime | None:
    if newest is None or not line or (line[-1].status, line[-1].started_at) != (newest.status, newest.started_at):
        return None
    return newest.ended_at


def _own_time(old: JobSnapshot | None, new: JobSnapshot) -> datetime | None:
    """The Gmt time of the present phase, where it can be that of this entry.

    A time outside the two looks belongs to an earlier stay in the same status, or contradicts itself, as the documentation's
    sample does, whose job succeeded, failed and was stopped at the same second.
    """
    start = entered_phase_at(new)
    ran_since = new.running_at is not None and start is not None and new.running_at >= start
    if new.phase is Phase.PENDING and (new.status == "Bidding" or (old is not None and ran_since)):
        return None  # it is submitted before it bids, and waits again after a restart
    if old is None or start is None:
        return start
    stale = any(read(old) == start for read in _ENTERED_AT[new.phase])
    return start if not stale and between(old.observed_at, start, new.observed_at) else None


def _numbered(
    line: Sequence[StatusEntry], periods: Mapping[tuple[str, datetime | None], StatusPeriod], new: JobSnapshot
) -> tuple[list[StatusEntry], tuple[Step, ...]]:
    """Give the new entries their numbers and keys, and make steps of them."""
    counts: dict[str, int] = {}
    for entry in line:
        counts[entry.status] = max(counts.get(entry.status, 0), entry.nth)
    last_known = max((place for place, entry in enumerate(line) if entry.nth), default=-1)
    numbered: list[StatusEntry] = []
    steps: list[Step] = []
    for place, entry in enumerate(line):
        if entry.nth:
            numbered.append(entry)
            continue
        counts[entry.status] += 1
        nth = counts[entry.status]
        named = replace(entry, nth=nth, key=key_of(entry.started_at, nth), told=True)
        period = periods.get((entry.status, entry.started_at))
        present = place == len(line) - 1
        steps.append(
            Step(
                old_status=numbered[-1].status if numbered else "",
                entry=named,
                reason_code=new.reason_code if present else period.reason_code if period else "",
                reason_message=new.reason_message if present else period.reason_message if period else "",
                filled_in=place < last_known,
            )
        )
        numbered.append(named)
    return numbered, tuple(steps)


def key_of(started_at: datetime | None, nth: int = 1) -> str:
    """What the ids of an entry's events are made from, beside the job and the status."""
    return f"#{nth}" if started_at is None else started_at.astimezone(UTC).isoformat()


def _shortened(entries: Sequence[StatusEntry], course: Course) -> Course:
    """With the last `MOST_ENTRIES` of them, and for the numbers' sake the last one of every status."""
    if len(entries) <= MOST_ENTRIES:
        return replace(course, entries=tuple(entries))
    latest = {entry.status: place for place, entry in enumerate(entries)}
    cut = len(entries) - MOST_ENTRIES
    kept = tuple(entry for place, entry in enumerate(entries) if place >= cut or latest[entry.status] == place)
    floor = max(_floor(entry) for entry in entries[:cut])
    since = floor if course.since is None else max(course.since, floor)
    return replace(course, entries=kept, since=since)
