"""How often jobs change, by what is known of them: phase, time in it and since the last change, retries, pods.

Theory. Between two looks a job is a source of changes at a rate that nobody knows, but jobs that are alike have rates alike. What
makes them alike is their `Habit`. The strongest part of it is time: most stays have a falling hazard (what has queued for an hour
will queue on; a run is liveliest as it begins), and changes come in bursts (a restart is a handful of them). These are two things,
so the time in the phase and the time since the last change count apart: one pod that was moved does not make a week-old run a new
one. A fresh change alone makes a job worth more looks as far as changes have been seen to follow each other: the burst of attention
needs no rule of its own.

A rate is learnt from stays: so many changes in so much time. Before there are any, a prior stands in, weighed as if it rested on
`PRIOR_CHANGES` changes (the mean of a gamma posterior). The priors are rough on purpose: an allocation by square roots
(`core.schedule`) forgives a rate that is wrong by half with a few per cent of delay.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Final, NamedTuple

from watcher.core.events import Event, JobAppeared, JobStatusChanged
from watcher.core.model import JobRef, Watch
from watcher.core.phases import TERMINAL, Phase

AGES_S: Final = (60.0, 600.0, 3600.0, 21600.0)
"""Bounds of the bands of time in a phase; beyond the last one is a band of its own."""

STIRRED_S: Final = (60.0, 600.0)
"""Bounds of the bands of time since anything changed within a phase; beyond the last one it is calm again."""

SIZES: Final = (8, 64)
"""Bounds of the bands of pods."""

_NEVER: Final = float("inf")

PRIOR_CHANGES: Final = 3.0
"""How many changes a prior weighs."""


class Habit(NamedTuple):
    """What makes jobs alike in how often they change.

    Attributes:
        phase: the folded status.
        age: band of the time in its phase (`AGES_S`).
        stirred: band of the time since anything changed within the phase (`STIRRED_S`): 2 just now, 1 lately, 0 not, or not lately.
        retried: it has been restarted before.
        size: band of the number of its pods (`SIZES`).
        keen: somebody waits for news of it, as it was selected by name or was told to be in trouble: it counts for more, and does
            not change oftener.
    """

    phase: Phase
    age: int = 0
    stirred: int = 0
    retried: bool = False
    size: int = 0
    keen: bool = False

    @property
    def kin(self) -> Habit:
        """The habit by which rates are learnt."""
        return self._replace(keen=False) if self.keen else self


class Rate(NamedTuple):
    """Changes per second of one job.

    Attributes:
        ends: it ends.
        moves: another change of its status; lists show it, too.
        details: a change that lists may not show: pods, reasons, restarts within a status.
    """

    ends: float = 0.0
    moves: float = 0.0
    details: float = 0.0


class Stay(NamedTuple):
    """A stretch of time in which nothing about a job changed.

    Attributes:
        habit: of its beginning; the bands of time are not looked at, as a stay runs through them.
        lasted_s: how long, or how long by now.
        ended_by: which member of `Rate` the change that ended it counts for; "" while it lasts.
        began_s: seconds in the phase when it began; 0 when it began with the phase, and not with a change within it.
    """

    habit: Habit
    lasted_s: float
    ended_by: str = ""
    began_s: float = 0.0


_PER_AGE: Final[Mapping[Phase, tuple[Rate, ...]]] = MappingProxyType(
    {
        # One row for each band of time since the last change: a minute, ten minutes, an hour, six hours, beyond. One over seconds.
        Phase.PENDING: (
            Rate(1 / 7200, 1 / 40, 1 / 600),
            Rate(1 / 7200, 1 / 500, 1 / 1800),
            Rate(1 / 14400, 1 / 3000, 1 / 7200),
            Rate(1 / 43200, 1 / 14400, 1 / 14400),
            Rate(1 / 86400, 1 / 43200, 1 / 28800),
        ),
        Phase.STARTING: (
            Rate(1 / 3600, 1 / 90, 1 / 30),
            Rate(1 / 3600, 1 / 150, 1 / 120),
            Rate(1 / 7200, 1 / 1200, 1 / 1200),
            Rate(1 / 14400, 1 / 7200, 1 / 7200),
            Rate(1 / 43200, 1 / 28800, 1 / 28800),
        ),
        Phase.RUNNING: (
            Rate(1 / 1800, 1 / 3600, 1 / 60),
            Rate(1 / 5400, 1 / 14400, 1 / 1200),
            Rate(1 / 10800, 1 / 43200, 1 / 5400),
            Rate(1 / 21600, 1 / 86400, 1 / 14400),
            Rate(1 / 64800, 1 / 172800, 1 / 28800),
        ),
        Phase.STOPPING: (
            Rate(1 / 20, 1 / 600, 1 / 20),
            Rate(1 / 120, 1 / 3600, 1 / 120),
            Rate(1 / 1200, 1 / 14400, 1 / 1200),
            Rate(1 / 7200, 1 / 43200, 1 / 7200),
            Rate(1 / 28800, 1 / 86400, 1 / 28800),
        ),
        Phase.RESERVED_SUCCEEDED: (
            Rate(1 / 1800, 1 / 43200, 1 / 300),
            Rate(1 / 1800, 1 / 43200, 1 / 1800),
            Rate(1 / 2400, 1 / 86400, 1 / 7200),
            Rate(1 / 14400, 1 / 86400, 1 / 28800),
            Rate(1 / 43200, 1 / 172800, 1 / 86400),
        ),
    }
)
_LIKE: Final[Mapping[Phase, Phase]] = MappingProxyType(
    {
        Phase.RESTARTING: Phase.STARTING,
        Phase.RESERVED_FAILED: Phase.RESERVED_SUCCEEDED,
        Phase.UNKNOWN: Phase.RUNNING,
    }
)
_RETRIED: Final = 2.0
"""What was restarted once is restarted again rather than others."""
_SIZE_FACTOR: Final = (1.0, 2.0, 4.0)
"""Many pods change oftener than few, if not in proportion."""


def age_of(seconds: float) -> int:
    """The band of a time in a phase."""
    return bisect_left(AGES_S, seconds)


def aged(habit: Habit, in_phase_s: float, calm_s: float) -> Habit:
    """A habit when some time has passed.

    Args:
        habit: whose bands of time may be old.
        in_phase_s: how long the job has been in its phase.
        calm_s: how long nothing about it has changed; as long as it has been in its phase, when nothing has since.
    """
    stirred = len(STIRRED_S) - bisect_left(STIRRED_S, calm_s) if calm_s < in_phase_s else 0
    return habit._replace(age=age_of(in_phase_s), stirred=stirred)


def ahead(habit: Habit, in_phase_s: float, calm_s: float) -> Iterator[tuple[Habit, float, float]]:
    """The habits that a job goes through from now on while nothing happens, and in how many seconds each begins and is over.

    Args:
        habit: the present one, but for its bands of time.
        in_phase_s: how long the job has been in its phase.
        calm_s: how long nothing about it has changed.
    """
    bounds = {bound - in_phase_s for bound in AGES_S}
    if calm_s < in_phase_s:
        bounds |= {bound - calm_s for bound in STIRRED_S}
    begins = 0.0
    for ends in (*sorted(bound for bound in bounds if bound > 0), _NEVER):
        middle = begins + 1 if ends == _NEVER else (begins + ends) / 2
        yield aged(habit, in_phase_s + middle, calm_s + middle), begins, ends
        begins = ends


def size_of(pods: int) -> int:
    """The band of a number of pods."""
    return bisect_left(SIZES, pods)


def prior(habit: Habit) -> Rate:
    """What is assumed of a habit before anything was learnt of it. Of an ended job: nothing more is to come."""
    rows = _PER_AGE.get(_LIKE.get(habit.phase, habit.phase))
    if rows is None:
        return Rate()
    row = rows[min(habit.age, len(STIRRED_S) - habit.stirred) if habit.stirred else habit.age]
    again = _RETRIED if habit.retried else 1.0
    return Rate(row.ends * again, row.moves * again, row.details * again * _SIZE_FACTOR[habit.size])


class Rates:
    """The rates by habit, as learnt so far."""

    def __init__(self) -> None:
        self._seconds: dict[Habit, float] = {}
        self._changes: dict[Habit, Rate] = {}
        self._found: dict[Habit, Rate] = {}

    def learn(self, stays: Iterable[Stay]) -> None:
        """Take stays into account: each is time without a change in every band it ran through, and one change in the last."""
        for stay in stays:
            through = [
                band for band in ahead(stay.habit.kin, stay.began_s, 0.0) if not band[1] or band[1] < stay.lasted_s
            ]
            for habit, begins, ends in through:
                self._seconds[habit] = self._seconds.get(habit, 0.0) + min(ends, stay.lasted_s) - begins
                self._found.pop(habit, None)
            if stay.ended_by:
                counted = self._changes.get(habit, Rate())
                self._changes[habit] = Rate(
                    counted.ends + (stay.ended_by == "ends"),
                    counted.moves + (stay.ended_by == "moves"),
                    counted.details + (stay.ended_by == "details"),
                )

    def of(self, habit: Habit) -> Rate:
        """The rate of a habit."""
        kin = habit.kin
        found = self._found.get(kin)
        if found is None:
            seconds, changes = self._seconds.get(kin, 0.0), self._changes.get(kin, Rate())
            assumed = prior(kin)
            found = self._found[kin] = Rate(
                _posterior(assumed.ends, changes.ends, seconds),
                _posterior(assumed.moves, changes.moves, seconds),
                _posterior(assumed.details, changes.details, seconds),
            )
        return found

    @property
    def learnt_from(self) -> int:
        """On how many changes it rests."""
        return round(sum(sum(changes) for changes in self._changes.values()))


def _posterior(assumed: float, changes: float, seconds: float) -> float:
    return (PRIOR_CHANGES + changes) / (PRIOR_CHANGES / assumed + seconds) if assumed else 0.0


def habit_of(watch: Watch, since: datetime, now: datetime, *, keen: bool = False) -> Habit:
    """The habit of a job.

    Args:
        watch: what is held about it.
        since: when anything about it last changed.
        now: now.
        keen: somebody waits for news of it.
    """
    like = Habit(
        watch.snapshot.phase,
        retried=bool(watch.snapshot.restarts.used),
        size=size_of(len(watch.snapshot.pods or ())),
        keen=keen,
    )
    return aged(like, (now - watch.phase_since).total_seconds(), (now - since).total_seconds())


def stays_in(events: Iterable[Event]) -> Iterator[Stay]:
    """The stays that stored events tell of, oldest first: what happened to each job, cut where anything changed.

    What happened to a job in one second counts once. A job whose phase no event has told yet is passed over.
    """
    known: dict[JobRef, tuple[Phase, datetime, datetime]] = {}  # the phase, since when, and when anything last changed
    for event in events:
        match event:
            case JobAppeared():
                known[event.job] = event.phase, event.when.at, event.when.at
            case JobStatusChanged():
                phase, began, since = known.get(event.job, (event.old_phase, event.when.at, event.when.at))
                if event.when.at > since:
                    ended_by = "ends" if event.new_phase in TERMINAL else "moves"
                    yield Stay(Habit(phase), _seconds(since, event), ended_by, _between(began, since))
                known[event.job] = event.new_phase, event.when.at, event.when.at
            case _ if event.kind.startswith("pod."):
                job: JobRef | None = getattr(event, "job", None)
                if job is not None and job in known and event.when.at > known[job][2]:
                    phase, began, since = known[job]
                    yield Stay(Habit(phase), _seconds(since, event), "details", _between(began, since))
                    known[job] = phase, began, event.when.at
            case _:
                pass


def _seconds(since: datetime, event: Event) -> float:
    return _between(since, event.when.at)


def _between(since: datetime, until: datetime) -> float:
    return (until - since).total_seconds()
