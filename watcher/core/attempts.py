"""Attempts: the lives of a job between its restarts, put together from everything that DLC shows.

Nothing is made up: what is not shown is None, and an attempt of which only the number is known is there with its number alone.

How many. Attempt k begins with restart k-1. `RestartTimes` ("2/10") says how many restarts there were and may be; where it is
absent, the numbers that the records bear; where there are none either, the breaks below. A counter that leaps absurdly far makes no
million attempts: the last `MOST_ATTEMPTS` are told.

Where one ends. A *break* is an entry into Restarting, a fall from running back to waiting or preparing (Restarting was too short to
be seen), or a decided result that the job came alive from. Breaks bear no numbers, so they are taken for the restarts only where
there are as many of them as the counter counts; one more at the very end is a restart that it has not counted yet. Else some left
no trace, and only `RestartRecord`, which bears the number, dates them. The record's own time goes before the time of the break.

What it cost. *Down* is the time from the end of an attempt until the job runs again: measured where both are dated, else the
`RestartDurationInSec` of the record. More cannot be known: DLC does not know of checkpoints, so of the work that was lost we can
only say that it is at most the time the attempt ran (`JobAttempt.ran`).

Why it ended: `core.attempt_causes`.

Longer than most: how many there were, when each ended and what it cost are read off the same breaks.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from watcher.core.attempt_causes import AttemptCause, cause_of_end
from watcher.core.history import baseline, entered_phase_at
from watcher.core.model import Course, JobSnapshot, PodSnapshot, RestartRecord, StatusEntry
from watcher.core.phases import RESERVED, TERMINAL, Phase, PodPhase
from watcher.core.pod_attempts import Placed, PodAttempt, by_attempt, pod_attempts
from watcher.core.restart_records import job_records, of_pod

MOST_ATTEMPTS: Final = 1000
"""So many attempts of one job are told at most: the last ones."""

RELATED: Final = timedelta(minutes=10)
"""A pod lost this long before or after the end of an attempt is taken for its cause."""

_OVER: Final = RESERVED | TERMINAL
_RUN_UP: Final = frozenset({Phase.PENDING, Phase.STARTING})


class AttemptEnd(StrEnum):
    """How an attempt ended."""

    RESTARTED = "restarted"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True, kw_only=True)
class JobAttempt:
    """Attempt `number` of `of`.

    Attributes:
        number: from 1.
        of: how many there may be: the restarts allowed and one; None where DLC sets no limit or does not tell.
        started_at: when it began to run; None while it has not, and where nothing dates it.
        ended_at: when it ended.
        end: how it ended; None while it goes on.
        cause: why it ended; None while it goes on.
        down: how long the job was down before it: from the end of the attempt before to its own start; None for the first.
        gpu_hours_down: the job's GPUs times `down`; None where either is unknown, and after a restart of single pods, as nobody
            knows who waited.
        pods: the pods that began in it, by pod id.
    """

    number: int
    of: int | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    end: AttemptEnd | None = None
    cause: AttemptCause | None = None
    down: timedelta | None = None
    gpu_hours_down: float | None = None
    pods: tuple[PodAttempt, ...] = ()

    @property
    def ran(self) -> timedelta | None:
        """How long it ran; None where start or end is not known. The most work that its end can have cost."""
        return None if self.started_at is None or self.ended_at is None else self.ended_at - self.started_at

    def __str__(self) -> str:
        return str(self.number) if self.of is None else f"{self.number} of {self.of}"


def attempts(job: JobSnapshot, course: Course = Course()) -> tuple[JobAttempt, ...]:  # noqa: B008 - frozen
    """All attempts of a job, in order; the last is the present one. Never empty.

    Args:
        job: the last accepted answer.
        course: the way it went; an empty one begins with the answer and its own history.
    """
    past = _Past.of(job, course)
    found = [past.attempt(number) for number in range(past.first, past.count + 1)]
    found = list(_in_order(found))
    for place in range(1, len(found)):
        down = past.down(found[place - 1], found[place])
        found[place] = replace(found[place], down=down, gpu_hours_down=past.cost(found[place], down))
    # of the lives around several restarts without dates nobody knows which of the restarts they brought about
    vague = sum(one.ended_at is None for one in found[:-1]) > 1
    return tuple(
        replace(one, pods=pod_attempts(lot), cause=past.cause(one, lot, vague=vague))
        for one, lot in zip(found, by_attempt(job, [one.ended_at for one in found]), strict=True)
    )


def first_ran_at(job: JobSnapshot, course: Course = Course()) -> datetime | None:  # noqa: B008 - frozen
    """When the job first ran, as far as DLC or our looks date it."""
    return _Past.of(job, course).start(1)


def waited(job: JobSnapshot, course: Course, now: datetime) -> timedelta | None:
    """From its submission to its first run, or up to now while it has not run; None where that is not known."""
    since, ran = job.submitted_at or job.created_at, first_ran_at(job, course)
    if since is None or (ran is None and (job.restarts.used or job.phase not in _RUN_UP)):
        return None
    return (ran or now) - since


def timeline(job: JobSnapshot, course: Course) -> tuple[StatusEntry, ...]:
    """The statuses a job went through, oldest first, the present one last."""
    return (course if course.entries else baseline(job)).entries


def broken_off(course: Course) -> StatusEntry | None:
    """The entry that ended the attempt before the present one, as the statuses show it: into Restarting, or into a decided result.

    None where they show no earlier attempt.
    """
    breaks = _breaks(course.entries)
    return course.entries[breaks[-1].end] if breaks else None


def revivals(course: Course) -> int:
    """How often the job came alive after its result had been decided. A result is told once for each of its lives."""
    return sum(broken.result for broken in _breaks(course.entries))


# --- what the statuses show ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Break:
    """Where one attempt gives way to the next.

    Attributes:
        end: place of the entry that ended the one.
        begin: place of the first entry of the other.
        result: it was a decided result that the job came alive from.
    """

    end: int
    begin: int
    result: bool = False


def _breaks(entries: Sequence[StatusEntry]) -> tuple[_Break, ...]:
    found: list[_Break] = []
    ran, over = False, -1
    for place, entry in enumerate(entries):
        if entry.phase in _OVER:
            over = place if over < 0 else over
            continue
        if over >= 0:
            found.append(_Break(over, place, result=True))
            ran, over = False, -1
        elif entry.phase is Phase.RESTARTING or (ran and entry.phase in _RUN_UP):
            found.append(_Break(place, place))
            ran = False
        ran = ran or entry.phase is Phase.RUNNING
    return tuple(found)


@dataclass(frozen=True, slots=True)
class _Past:
    """What is known of a job's past, for all questions about its attempts.

    Attributes:
        entries: its statuses.
        count: how many attempts there were.
        breaks: between attempts 1 and 2, 2 and 3, ...; empty where they cannot be told apart.
        records: number of the restart -> its record.
    """

    job: JobSnapshot
    entries: tuple[StatusEntry, ...]
    count: int
    breaks: tuple[_Break, ...]
    records: Mapping[int, RestartRecord]

    @classmethod
    def of(cls, job: JobSnapshot, course: Course) -> _Past:
        entries = timeline(job, course)
        breaks = _breaks(entries)
        used = job.restarts.used
        numbers = _numbered(job.restart_records)
        if used is None:
            used = max(numbers) if numbers and not job.restarts.text else len(breaks)
        uncounted = len(breaks) == used + 1 and not any(
            entry.phase is Phase.RUNNING for entry in entries[breaks[-1].begin :]
        )
        sure = len(breaks) == used or uncounted
        return cls(job, entries, used + 1, breaks[:used] if sure else (), numbers or _in_time(job, used))

    @property
    def first(self) -> int:
        return max(1, self.count - MOST_ATTEMPTS + 1)

    def attempt(self, number: int) -> JobAttempt:
        """What stands by itself, without its neighbours and pods."""
        limit = self.job.restarts.limit
        return JobAttempt(
            number=number,
            of=None if limit is None else limit + 1,
            started_at=self.start(number),
            ended_at=self.ended(number) if number < self.count else self._result_at(),
            end=AttemptEnd.RESTARTED if number < self.count else _ENDS.get(self.job.phase),
        )

    def ended(self, number: int) -> datetime | None:
        """When restart `number` put an end to the attempt of that number."""
        record = self.records.get(number)
        if record is not None and record.occurred_at is not None:
            return record.occurred_at
        if not self.breaks:
            return None
        broken = self.breaks[number - 1]
        entry = self.entries[broken.end]
        if broken.result or entry.phase is Phase.RESTARTING:
            return entry.started_at
        # Restarting was not seen: only the end of the run itself tells when that was
        ran = next(one for one in reversed(self.entries[: broken.end]) if one.phase is Phase.RUNNING)
        return next(
            (
                period.ended_at
                for period in sorted(self.job.status_history, key=str)
                if (period.status, period.started_at) == (ran.status, ran.started_at) and period.ended_at
            ),
            None,
        )

    def start(self, number: int) -> datetime | None:
        """When the attempt of that number began to run."""
        if self.breaks or self.count == 1:
            begin = self.breaks[number - 2].begin if number > 1 else 0
            end = self.breaks[number - 1].end if number <= len(self.breaks) else len(self.entries)
            ran = (entry.started_at for entry in self.entries[begin:end] if entry.phase is Phase.RUNNING)
            found = next(ran, None)
            return self.job.running_at if found is None and self.count == 1 else found
        if number == 1:
            return None
        after = self.ended(number - 1)
        until = self.ended(number) if number < self.count else None
        if after is None or (until is None and number < self.count):
            return None
        return next(
            (
                entry.started_at
                for entry in self.entries
                if entry.phase is Phase.RUNNING
                and entry.started_at is not None
                and after < entry.started_at
                and (until is None or entry.started_at < until)
            ),
            None,
        )

    def _result_at(self) -> datetime | None:
        """When the result was decided; its machines may be held longer."""
        if self.job.phase not in _OVER:
            return None
        decided = None
        for entry in reversed(self.entries):
            if entry.phase not in _OVER:
                break
            decided = entry
        own = None if decided is None or decided.phase is not self.job.phase else entered_phase_at(self.job)
        return own if decided is None or decided.started_at is None else decided.started_at

    def down(self, before: JobAttempt, after: JobAttempt) -> timedelta | None:
        """From the one attempt's end to the other's start."""
        if before.ended_at is not None and after.started_at is not None:
            return after.started_at - before.ended_at
        record = self.records.get(before.number)
        return None if record is None or not record.duration else record.duration

    def cost(self, after: JobAttempt, down: timedelta | None) -> float | None:
        """GPU-hours that stood idle before an attempt."""
        record = self.records.get(after.number - 1)
        gpus = self.job.gpus
        if down is None or gpus is None or (record is not None and of_pod(record)):
            return None
        return gpus * (down / timedelta(hours=1))

    def cause(self, attempt: JobAttempt, pods: Sequence[Placed], *, vague: bool) -> AttemptCause | None:
        """Why an attempt ended."""
        if attempt.end is None:
            return None
        if attempt.end is AttemptEnd.SUCCEEDED:
            return AttemptCause.COMPLETED
        record = self.records.get(attempt.number)
        told = attempt.ended_at is not None or attempt.number == self.count or not vague
        near = [life for _, life, _ in pods if told and _near(life, attempt.ended_at)]
        return cause_of_end(
            texts=self._texts(attempt),
            record=record,
            evicted=any(life.evicted for life in near),
            failed=any(life.phase is PodPhase.FAILED for life in near),
        )

    def _texts(self, attempt: JobAttempt) -> tuple[str, ...]:
        """Reason code and message of the status that ended it."""
        place = len(self.entries) - 1
        if attempt.number < self.count:
            if not self.breaks:
                return ()
            place = self.breaks[attempt.number - 1].end
        entry = self.entries[place]
        texts = [
            text
            for period in sorted(self.job.status_history, key=str)
            if (period.status, period.started_at) == (entry.status, entry.started_at)
            for text in (period.reason_code, period.reason_message)
        ]
        if place == len(self.entries) - 1:
            texts += [self.job.reason_code, self.job.reason_message]
        return tuple(texts)


_ENDS: Final[Mapping[Phase, AttemptEnd]] = {
    Phase.SUCCEEDED: AttemptEnd.SUCCEEDED,
    Phase.RESERVED_SUCCEEDED: AttemptEnd.SUCCEEDED,
    Phase.FAILED: AttemptEnd.FAILED,
    Phase.RESERVED_FAILED: AttemptEnd.FAILED,
    Phase.STOPPED: AttemptEnd.STOPPED,
}


def _in_order(found: Iterable[JobAttempt]) -> Iterator[JobAttempt]:
    """Times that contradict what came before them are taken for unknown."""
    latest: datetime | None = None
    for one in found:
        times: list[datetime | None] = []
        for time in (one.started_at, one.ended_at):
            sound = time if time is None or latest is None or time >= latest else None
            times.append(sound)
            latest = sound or latest
        yield replace(one, started_at=times[0], ended_at=times[1])


def _numbered(records: Iterable[RestartRecord]) -> dict[int, RestartRecord]:
    """By number; a record of the whole job goes before those of single pods, and one that is dated before one that is not."""
    ordered = sorted(records, key=lambda record: (not of_pod(record), record.occurred_at is not None, str(record)))
    return {record.job_restart_count: record for record in ordered if record.job_restart_count}


def _in_time(job: JobSnapshot, used: int) -> dict[int, RestartRecord]:
    """Records that bear no number, by time: where there are exactly as many of the whole job as there were restarts."""
    dated = [record for record in job_records(job) if record.occurred_at]
    return dict(enumerate(dated, start=1)) if len(dated) == used else {}


def _near(life: PodSnapshot, ended: datetime | None) -> bool:
    return ended is None or life.finished_at is None or abs(life.finished_at - ended) <= RELATED
