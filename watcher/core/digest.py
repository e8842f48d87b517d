"""The digest: how a day or a week went, for one receiver, at the time of day it asked for.

Theory. A digest is about a *period*, from one of its times to the next by the clocks of a zone, and its id is made of the receiver
and the end of the period: made twice it is told once. The timer is a deadline. Periods that were missed while nobody was there to
tell them are told late as one, from the beginning of the first to the end of the last.

What it counts is read off the jobs as they are held: their attempts are dated (`core.attempts`), so each job's share of the period
can be measured afterwards, and only once for each job.

| figure            | is                                                                                          |
|-------------------|---------------------------------------------------------------------------------------------|
| ran               | jobs of which an attempt ran at some time of the period                                     |
| GPU-hours used    | GPUs times the time within the period in which their attempts ran                           |
| GPU-hours down    | GPUs times the time within it between the end of an attempt and the start of the next       |
| GPU-hours in vain | of those used, those in attempts that ended in a failure or a restart: the most that was lost |
| waited            | from submission to the first run, of jobs that first ran in the period                      |

Long, because the whole report stands here: its period, its figures and its words.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta, tzinfo
from itertools import pairwise
from typing import Final

from watcher.core.attempts import AttemptEnd, attempts, first_ran_at, waited
from watcher.core.bands import Band
from watcher.core.delivery import Delivery, DeliveryId
from watcher.core.events import CauseId, EventId, deterministic_id
from watcher.core.language import Moment, Said, Text, counted, joined, line_of, say, spoken
from watcher.core.matching import Labels, Matcher, labels_of_job
from watcher.core.model import JobId, JobRef, SourceName, Watch
from watcher.core.muting import first_moment
from watcher.core.phases import Phase
from watcher.core.rule import Facts, Notification, NotificationId, Occasion, RuleDeadline, Severity, Wording
from watcher.core.trouble import Trouble

DIGESTER: Final = "@digester"
"""Owner of the deadlines at which digests are due; their key is the receiver's name."""
RULE: Final = "digest"
KIND: Final = "digest"

_NOBODY: Final = JobRef(SourceName(""), JobId(""))
_DAY: Final = timedelta(days=1)
_HOUR: Final = timedelta(hours=1)
_MOST_NAMES: Final = 10
_MOST_OPEN: Final = 15
_BAD_ENDS: Final = frozenset({AttemptEnd.FAILED, AttemptEnd.RESTARTED})


@dataclass(frozen=True, slots=True)
class Period:
    """A stretch of time: from its begin up to, and without, its end."""

    begin: datetime
    end: datetime

    def holds(self, moment: datetime | None) -> bool:
        """Whether a moment lies in it; one that is not known does not."""
        return moment is not None and self.begin <= moment < self.end

    def shared(self, since: datetime | None, until: datetime | None) -> timedelta:
        """How much of a stretch lies in it; nothing where one of its ends is not known."""
        if since is None or until is None:
            return timedelta(0)
        return max(min(until, self.end) - max(since, self.begin), timedelta(0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """When a receiver wants its digest.

    Attributes:
        zone: by whose clock.
        at: time of day.
        weekday: 0 for Monday to 6 for Sunday, once a week; None: every day.
        match: which jobs it is about, by the labels that a job alone gives.
    """

    zone: tzinfo
    at: time
    weekday: int | None = None
    match: Matcher = Matcher()

    def _times(self, moment: datetime) -> Iterator[datetime]:
        """The times around a moment, in order."""
        today = moment.astimezone(self.zone).date()
        for distance in range(-9, 10):
            day = today + _DAY * distance
            if self.weekday in {None, day.weekday()}:
                yield first_moment(day, self.at, self.zone)

    def last(self, moment: datetime) -> datetime:
        """The newest of its times that is not after a moment."""
        return max(one for one in self._times(moment) if one <= moment)

    def following(self, moment: datetime) -> datetime:
        """The first of its times after a moment."""
        return min(one for one in self._times(moment) if one > moment)

    def before(self, end: datetime) -> Period:
        """The period that ends at one of its times."""
        return Period(self.last(end - timedelta(microseconds=1)), end)


def due(receiver: str, at: datetime) -> RuleDeadline:
    """The deadline at which a receiver's next digest is due."""
    cause = CauseId(deterministic_id("digest", receiver, at.isoformat()))
    return RuleDeadline(rule=DIGESTER, job=_NOBODY, key=receiver, at=at, cause=cause)


def rescheduled(
    schedules: Iterable[tuple[str, Schedule]], there: Iterable[RuleDeadline], now: datetime
) -> tuple[RuleDeadline, ...]:
    """At the start: the deadlines to be set, as none is there or the schedule has changed. One that was missed is left there."""
    times = {one.key: one.at for one in there}
    wanted = ((receiver, schedule.following(now)) for receiver, schedule in schedules)
    return tuple(
        due(receiver, at)
        for receiver, at in wanted
        if receiver not in times or (times[receiver] > now and times[receiver] != at)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """One job's share of a period.

    Attributes:
        end: how it ended in the period; None where it did not.
        reason: DLC's code for that.
        restarts: how many of its attempts were restarted in the period.
        used: GPU-hours in which it ran.
        down: GPU-hours between its attempts.
        in_vain: of `used`, what was in attempts that ended badly.
        waited: how long it waited, where it first ran in the period.
        phase: as it is now; None where DLC does not know it any more.
    """

    job: JobRef
    title: str
    ran: bool
    end: AttemptEnd | None
    reason: str
    restarts: int
    used: float
    down: float
    in_vain: float
    waited: timedelta | None
    phase: Phase | None


def share(watch: Watch, period: Period, now: datetime) -> Share:
    """What one job did in a period."""
    job = watch.snapshot
    lives = attempts(job, watch.course)
    last = lives[-1]
    gpus = job.gpus or 0.0
    runs_on = now if job.phase is Phase.RUNNING and not watch.vanished else None
    spans = [(one, period.shared(one.started_at, one.ended_at or (runs_on if one is last else None))) for one in lives]
    gaps = [period.shared(one.ended_at, after.started_at) for one, after in pairwise(lives)]
    ended_at = last.ended_at or job.finished_at
    return Share(
        job=job.ref,
        title=job.title,
        ran=any(span > timedelta(0) for _, span in spans),
        end=last.end if period.holds(ended_at) else None,
        reason=" ".join(job.reason_code.split()),
        restarts=sum(one.end is AttemptEnd.RESTARTED and period.holds(one.ended_at) for one in lives),
        used=sum(span / _HOUR for _, span in spans) * gpus,
        down=sum(gap / _HOUR for gap in gaps) * gpus,
        in_vain=sum(span / _HOUR for one, span in spans if one.end in _BAD_ENDS) * gpus,
        waited=waited(job, watch.course, now) if period.holds(first_ran_at(job, watch.course)) else None,
        phase=None if watch.vanished else job.phase,
    )


def concerns(watch: Watch, schedule: Schedule, owner: str = "") -> bool:
    """Whether a digest is about this job."""
    labels: Labels = {"source": (watch.snapshot.ref.source,), "job": (watch.snapshot.ref.job_id,)}
    return schedule.match.matches({**labels, **labels_of_job(watch.snapshot, owner)})


@dataclass(frozen=True, slots=True, kw_only=True)
class Digest:
    """How a period went.

    Attributes:
        shares: of all jobs it is about.
        evicted: the jobs whose pods were evicted, once for each pod.
        open: what is still wrong.
    """

    period: Period
    shares: tuple[Share, ...] = ()
    evicted: tuple[JobRef, ...] = ()
    open: tuple[Trouble, ...] = ()

    def ended(self, end: AttemptEnd) -> tuple[Share, ...]:
        """The jobs that ended so."""
        return tuple(one for one in self.shares if one.end is end)

    @property
    def ran(self) -> int:
        """How many jobs ran."""
        return sum(one.ran for one in self.shares)

    @property
    def waits(self) -> tuple[timedelta, ...]:
        """How long jobs waited, the shortest first."""
        return tuple(sorted(one.waited for one in self.shares if one.waited is not None))

    @property
    def wording(self) -> Wording:
        """What it says."""
        return Wording(headline=_headline(self), facts=tuple(_facts(self)), detail=_detail(self))


def _headline(digest: Digest) -> Said:
    return say(
        "{ran} ran, {succeeded} succeeded, {failed} failed, {open} still open, from {begin} to {end}",
        zh="{begin} 至 {end}：运行 {ran}，成功 {succeeded}，失败 {failed}，未了结 {open}",
        ran=counted(digest.ran, "job", "jobs", "个作业"),
        succeeded=len(digest.ended(AttemptEnd.SUCCEEDED)),
        failed=len(digest.ended(AttemptEnd.FAILED)),
        open=len(digest.open),
        begin=digest.period.begin,
        end=digest.period.end,
    )


def _facts(digest: Digest) -> Iterator[tuple[Text, Text]]:
    shares = digest.shares
    stopped = digest.ended(AttemptEnd.STOPPED)
    if stopped:
        yield "Stopped", str(len(stopped))
    if digest.evicted:
        yield (
            "Evicted pods",
            say(
                "{pods} of {jobs}",
                zh="{jobs}的 {pods} 个实例",
                pods=len(digest.evicted),
                jobs=counted(len(set(digest.evicted)), "job", "jobs", "个作业"),
            ),
        )
    restarts = sum(one.restarts for one in shares)
    if restarts:
        yield "Restarts", str(restarts)
    yield "GPU-hours", _hours(sum(one.used for one in shares))
    down, in_vain = sum(one.down for one in shares), sum(one.in_vain for one in shares)
    if down or in_vain:
        yield (
            "GPU-hours lost",
            say(
                "{down} between attempts, at most {in_vain} in attempts that failed or were restarted",
                zh="重启间隔 {down}；失败或被重启的运行中至多 {in_vain}",
                down=_hours(down),
                in_vain=_hours(in_vain),
            ),
        )
    if digest.waits:
        band = Band(digest.waits, "")
        yield (
            "Waited",
            say(
                "median {half}, 95 % within {most}, of {jobs}",
                zh="中位数 {half}，95% 在 {most} 以内，共 {jobs}",
                half=band.at(0.5),
                most=band.at(0.95),
                jobs=counted(len(digest.waits), "job", "jobs", "个作业"),
            ),
        )
    for label, phases in _NOW:
        number = sum(one.phase in phases for one in shares)
        if number:
            yield label, str(number)


_NOW: Final = (
    ("Running now", frozenset({Phase.RUNNING})),
    ("Waiting now", frozenset({Phase.PENDING, Phase.STARTING, Phase.RESTARTING})),
)


def _hours(hours: float) -> str:
    return f"{hours:,.1f}"


def _detail(digest: Digest) -> Text:
    """Who failed, and what is still open, a line for each."""
    failed = digest.ended(AttemptEnd.FAILED)
    parts: list[Text] = []
    if failed:
        names: Facts = tuple((one.title, one.reason) for one in failed)
        told = [f"{title} ({reason})" if reason else title for title, reason in names]
        parts.append(say("Failed: {names}", zh="失败：{names}", names=joined(told, _MOST_NAMES)))
    if digest.open:
        parts.append(say("Still open:", zh="未了结："))
    titles = {one.job: one.title for one in digest.shares}
    for trouble in digest.open[:_MOST_OPEN]:
        about = trouble.source if trouble.job is None else titles.get(trouble.job, trouble.job.job_id)
        taken = say("; {who} is on it", zh="；{who} 处理中", who=trouble.acknowledged_by)
        parts.append(
            say(
                "{since} {about}: {said}{taken}",
                zh="{since} {about}：{said}{taken}",
                since=Moment(trouble.since),
                about=about,
                said=trouble.notification.for_readers.headline,
                taken=taken if trouble.acknowledged_by else "",
            )
        )
    if len(digest.open) > _MOST_OPEN:
        parts.append(say("and {n} more", zh="另有 {n} 项", n=len(digest.open) - _MOST_OPEN))
    return lines_of(parts)


def lines_of(parts: Sequence[Text]) -> Text:
    """Texts, one on each line."""
    names = "\n".join(f"{{line{number}}}" for number in range(len(parts)))
    return Said(names, names, tuple((f"line{number}", part) for number, part in enumerate(parts))) if parts else ""


def told(digest: Digest, receiver: str, now: datetime) -> tuple[Notification, Delivery]:
    """The digest as something to be told to its receiver. The same period makes the same ids."""
    wording = digest.wording
    key = ("digest", receiver, digest.period.end.isoformat())
    said = Notification(
        id=NotificationId(deterministic_id("notification", *key)),
        rule=RULE,
        severity=Severity.INFO,
        headline=line_of(wording.headline),
        facts=tuple((spoken(label), spoken(value)) for label, value in wording.facts),
        detail=spoken(wording.detail),
        event_id=EventId(deterministic_id(*key)),
        kind=KIND,
        at=now,
        observed_at=now,
        job=None,
        cause=CauseId(deterministic_id(*key)),
        labels=(("kind", (KIND,)), ("rule", (RULE,)), ("severity", (Severity.INFO.value,))),
        occasion=Occasion.DIGEST,
        wording=wording,
    )
    group = f"digest {digest.period.end.isoformat(timespec='minutes')}"
    return said, Delivery(
        id=DeliveryId(deterministic_id("delivery", said.id, receiver)),
        receiver=receiver,
        notification=said,
        group_key=group,
        thread_key=f"group:{group}",
        not_before=now,
        created_at=now,
    )
