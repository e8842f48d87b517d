"""How soon changes are seen, in made-up time: the shipped pacing (`core.docket`, `schedule`, `rates`, `shares`) over made-up lives.

`measure(jobs, rps, policy, seed)` plays a fleet of constant size and returns the delays of every change, by class. `lower_bound` is
what no policy can do better on these lives; both are explained in docs/performance.md. No network, no clock, no sleep: requests are
evenly spaced and take no time, so what is measured is the order of questions.
"""

from __future__ import annotations

import argparse
import gc
import heapq
import itertools
import json
import math
import random
import time
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import lru_cache
from statistics import mean, median
from typing import Any, Literal

from watcher.core.docket import Docket, Feed, Rank, Turn
from watcher.core.phases import TERMINAL, Phase
from watcher.core.rates import Habit, Rates, Stay, aged
from watcher.core.schedule import Wish
from watcher.core.shares import Turns, Use, first, served

Policy = Literal["ours", "plain"]
CLASSES = ("terminal", "status", "details")
_LATEST = math.inf


# --- lives --------------------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Life:
    """A job's true changes, in order: when, of which class, and the phase from then on."""

    born: float
    changes: list[tuple[float, str, Phase]]

    @property
    def ends(self) -> float:
        return self.changes[-1][0]


DETAILS: dict[Phase, tuple[tuple[float, float], ...]] = {
    Phase.PENDING: ((math.inf, 1 / 3600),),
    Phase.STARTING: ((60, 1 / 30), (math.inf, 1 / 120)),
    Phase.RUNNING: ((60, 1 / 40), (600, 1 / 900), (3600, 1 / 3600), (math.inf, 1 / 7200)),
    Phase.RESTARTING: ((math.inf, 1 / 30),),
}
"""Rates at which pods and the like change, by phase and time in the phase: up to so many seconds, so many a second."""

MEDIAN_S = 43_200.0
"""Half of all runs are shorter. The mean is 2.3 times that: few long ones make most of a fleet."""

BURST = ((0.5, 30.0), (0.3, 60.0))
"""In restless lives a change of pods brings others with it: how likely, and how soon on average."""


def life(dice: random.Random, *, restless: bool = False, median_s: float = MEDIAN_S, born: float = 0.0) -> Life:
    """One life from its submission: queue, preparation, runs with restarts, an end; and changes of pods in between."""
    return _lived(dice, _stays_of(dice, median_s), born, restless=restless)


def _stays_of(dice: random.Random, median_s: float) -> list[tuple[Phase, float]]:
    """The phases of a life, and how long each lasts."""
    stays: list[tuple[Phase, float]] = [
        (Phase.PENDING, dice.lognormvariate(math.log(180), 1.5)),
        (Phase.STARTING, dice.lognormvariate(math.log(90), 0.6)),
    ]
    left = dice.lognormvariate(math.log(median_s), 1.3)
    while True:
        run = min(left, dice.expovariate(1 / 72_000))
        stays.append((Phase.RUNNING, run))
        left -= run
        if left <= 0:
            return stays
        stays.append((Phase.RESTARTING, dice.lognormvariate(math.log(60), 0.6)))


def _lived(dice: random.Random, stays: Sequence[tuple[Phase, float]], born: float, *, restless: bool) -> Life:
    changes: list[tuple[float, str, Phase]] = []
    at = born
    for number, (phase, lasts) in enumerate(stays):
        if number:
            changes.append((at, "status", phase))
        details = _details(dice, phase, lasts, restless=restless)
        if restless:
            details.sort()
        changes += [(at + when, "details", phase) for when in details]
        at += lasts
    changes.append((at, "terminal", Phase.SUCCEEDED))
    return Life(born, changes)


def _details(dice: random.Random, phase: Phase, lasts: float, *, restless: bool) -> list[float]:
    found: list[float] = []
    begun, draw, log = 0.0, dice.random, math.log
    for end, rate in DETAILS[phase]:
        stop = min(end, lasts)
        at = begun - log(1.0 - draw()) / rate
        while at < stop:
            found.append(at)
            for odds, soon in BURST if restless else ():
                if draw() < odds and (more := at + dice.expovariate(1 / soon)) < lasts:
                    found.append(more)
            at -= log(1.0 - draw()) / rate
        if lasts <= end:
            break
        begun = end
    return found


def fleet(jobs: int, dice: random.Random, *, restless: bool, median_s: float) -> list[Life]:
    """A fleet as one finds it: long lives are met more often, each somewhere on its way."""
    drawn = [_stays_of(dice, median_s) for _ in range(3 * jobs)]
    lengths = [sum(lasts for _, lasts in stays) for stays in drawn]
    met = dice.choices(range(len(drawn)), weights=lengths, k=jobs)
    return [_lived(dice, drawn[one], -dice.random() * lengths[one], restless=restless) for one in met]


# --- the world ----------------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Job:
    """The truth about a job at the present moment, and what of it was not seen yet."""

    number: int
    life: Life
    step: int = 0
    phase: Phase = Phase.PENDING
    phase_since: float = 0.0
    unseen: list[tuple[float, str]] = field(default_factory=list)
    known_phase: Phase = Phase.PENDING


@dataclass(frozen=True)
class Start:
    """A fleet at the moment 0, and what its history tells: the same for every policy and budget.

    Attributes:
        jobs: as they are then; to be copied.
        dice: their state, to draw further lives.
        rates: learnt from what happened before; to be copied.
    """

    jobs: Sequence[Job]
    dice: Any
    rates: Rates


@lru_cache(maxsize=1)
def start(jobs: int, seed: int, *, restless: bool, median_s: float) -> Start:
    """Draw a fleet. The last one is kept, as it is played more than once."""
    dice = random.Random(seed)
    found, rates = [], Rates()
    for number, one in enumerate(fleet(jobs, dice, restless=restless, median_s=median_s)):
        job = Job(number, one, phase_since=one.born)
        for at, kind, phase in one.changes:
            if at >= 0:
                break
            job.phase, job.phase_since = phase, at if kind != "details" else job.phase_since
            job.step += 1
        job.known_phase = job.phase
        found.append(job)
        rates.learn(_stays(job, 0.0))
    gc.freeze()  # millions of values that stay: not to be looked through again and again
    return Start(tuple(found), dice.getstate(), rates)


class World:
    """A fleet of constant size: where one job ends, another one is submitted."""

    def __init__(self, jobs: int, seed: int, *, restless: bool = False, median_s: float = MEDIAN_S) -> None:
        self.seed, self.restless, self.median_s = seed, restless, median_s
        begun = start(jobs, seed, restless=restless, median_s=median_s)
        self.dice = random.Random()
        self.dice.setstate(begun.dice)
        self.now = 0.0
        self.jobs = {one.number: replace(one, unseen=[]) for one in begun.jobs}
        self.restarting = {one.number: None for one in begun.jobs if one.phase is Phase.RESTARTING}
        self.born: list[int] = []
        self.ended: list[int] = []
        self._next: list[tuple[float, int]] = []
        self.delays: dict[str, list[float]] = {kind: [] for kind in CLASSES}
        self.open = 0
        self.window = (_LATEST, _LATEST)
        self.found: dict[tuple[Phase, int], int] = defaultdict(int)
        self.censuses = 0
        self.happened: dict[tuple[Phase, int], dict[str, int]] = defaultdict(lambda: dict.fromkeys(CLASSES, 0))
        for job in self.jobs.values():
            heapq.heappush(self._next, (job.life.changes[job.step][0], job.number))
        self._number = jobs

    def _add(self, job: Job) -> None:
        self.jobs[job.number] = job
        job.phase_since = job.life.born

    def advance(self, until: float) -> None:
        """Let everything happen that happens until then."""
        while self._next and self._next[0][0] <= until:
            at, number = heapq.heappop(self._next)
            job = self.jobs[number]
            _, kind, phase = job.life.changes[job.step]
            counted = self.window[0] <= at < self.window[1]
            if counted:
                self.happened[job.phase, _band(at - job.phase_since)][kind] += 1
                self.open += 1
            job.unseen.append((at, kind) if counted else (-1.0, kind))
            if kind != "details":
                job.phase_since, job.phase = at, phase
                if phase is Phase.RESTARTING:
                    self.restarting[number] = None
                else:
                    self.restarting.pop(number, None)
            job.step += 1
            if kind == "terminal":
                self.ended.append(number)
                new = Job(self._number, life(self.dice, restless=self.restless, median_s=self.median_s, born=at))
                self._number += 1
                self._add(new)
                self.born.append(new.number)
                heapq.heappush(self._next, (new.life.changes[0][0], new.number))
            else:
                heapq.heappush(self._next, (job.life.changes[job.step][0], number))
        self.now = until

    def census(self) -> None:
        """Into the ledger of the lower bound: how many jobs are in each fine class at this moment."""
        for job in self.jobs.values():
            if job.phase not in TERMINAL:
                self.found[job.phase, _band(self.now - job.phase_since)] += 1
        self.censuses += 1

    def look(self, number: int) -> Job:
        """GetJob: all that happened to it is seen."""
        job = self.jobs[number]
        for at, kind in job.unseen:
            if at >= 0:
                self.delays[kind].append(self.now - at)
                self.open -= 1
        job.unseen.clear()
        job.known_phase = job.phase
        return job


CENSUSES = 100
"""How often the true classes of all jobs are counted."""

FINE_S = (15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 10_800.0, 21_600.0, 43_200.0)
"""Bands of the time in a phase, for the lower bound: finer than those the policy knows."""


def _band(seconds: float) -> int:
    return bisect_left(FINE_S, seconds)


# --- policies -----------------------------------------------------------------------------------------------------------------


def _plain(world: World) -> Iterator[None]:
    """GetJob for one job after the other, for ever. What was submitted is known at once, for free."""
    queue = list(world.jobs)
    while True:
        again = []
        for number in queue:
            if world.look(number).phase in TERMINAL:
                del world.jobs[number]
            else:
                again.append(number)
            again += world.born
            world.born.clear()
            yield
        queue = again


FEEDS = {Feed.FINISHED: Use.FINISHED, Feed.BORN: Use.BORN, Feed.STATUS: Use.STATUS, Feed.SWEEP: Use.SWEEP}
_ENDED_BY = {"terminal": "ends", "status": "moves", "details": "details"}


class Ours:
    """The shipped code, asked at each slot what to ask next."""

    def __init__(self, world: World, rps: float, wish: Wish) -> None:
        self.world, self.rps = world, rps
        begun = start(len(world.jobs), world.seed, restless=world.restless, median_s=world.median_s)
        self.rates = deepcopy(begun.rates)  # the store holds what happened before the start
        self.docket: Docket[int] = Docket(self.rates, wish, rps)
        self.turns = Turns()
        self.jitter = random.Random(world.now).random
        self.oldest = 0.0
        for job in world.jobs.values():
            self.docket.enrol(job.number, self._habit(job, None), job.number / rps, rank=Rank.ROUND, now_s=0.0, scope=0)

    def _habit(self, job: Job, turn: Turn[int] | None) -> Habit:
        since = max(job.phase_since, turn.changed_s if turn is not None else -_LATEST)
        if turn is not None:
            turn.phase_s, turn.changed_s = job.phase_since, since
        return aged(Habit(job.phase), self.world.now - job.phase_since, self.world.now - since)

    def slots(self) -> Iterator[None]:
        while True:
            now = self.world.now
            self.docket.plan(now, self.rps)
            use = self._use(now)
            if use is not None:
                self.turns = served(self.turns, use)
                self._ask(use, now)
            yield

    def _use(self, now: float) -> Use | None:
        waiting = {use for feed, use in FEEDS.items() if self.docket.feed_due_s(feed) <= now}
        rank = self.docket.next_rank(now)
        if rank is not None:
            waiting.add(Use.ROUND if rank is Rank.ROUND else Use.NEWS)
        return first(self.turns, waiting) if waiting else None

    def _ask(self, use: Use, now: float) -> None:
        world, docket = self.world, self.docket
        for feed, name in FEEDS.items():
            if name is use:
                docket.asked(feed, now)
        if use is Use.FINISHED:
            for number in world.ended:
                turn = docket.get(number)
                if turn is not None:
                    docket.news(turn, Rank.END, now)
            world.ended.clear()
        elif use is Use.BORN:
            for number in world.born:
                docket.enrol(number, self._habit(world.jobs[number], None), now, now_s=now, scope=0)
            world.born.clear()
        elif use is Use.STATUS:
            self._shown(tuple(world.restarting), now, full=False)
        elif use is Use.SWEEP:
            self._shown(docket.batch(0), now, full=True)
        else:
            self._look(now)

    def _shown(self, numbers: Sequence[int], now: float, *, full: bool) -> None:
        for number in numbers:
            turn, job = self.docket.get(number), self.world.jobs[number]
            if turn is None:
                continue
            if job.phase is not job.known_phase:
                self.docket.news(turn, Rank.END if job.phase in TERMINAL else Rank.CHANGE, now)
            if full:
                self.docket.listed(turn, now)

    def _look(self, now: float) -> None:
        number = self.docket.take(now)
        assert number is not None
        turn = self.docket.get(number)
        assert turn is not None
        self.oldest = max(self.oldest, now - turn.looked_s)
        news = bool(self.world.jobs[number].unseen)
        job = self.world.look(number)
        if news:
            turn.changed_s = (turn.looked_s + now) / 2
        if job.phase in TERMINAL:
            self.docket.drop(number)
            del self.world.jobs[number]
            self.rates.learn(_stays(job))
        else:
            self.docket.looked(turn, self._habit(job, turn), now, self.jitter())


def _stays(job: Job, until: float = _LATEST) -> Iterator[Stay]:
    """What its history tells by then."""
    phase, began, since = Phase.PENDING, job.life.born, job.life.born
    for at, kind, new in job.life.changes:
        if at > until:
            yield Stay(Habit(phase), until - since, began_s=since - began)
            return
        yield Stay(Habit(phase), at - since, _ENDED_BY[kind], since - began)
        since = at
        if kind != "details":
            phase, began = new, at


# --- the measurement ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Measured:
    """Delays in seconds.

    Attributes:
        delays: by class of change.
        bound: the mean delay, all classes together, that nothing can beat on these lives.
        oldest: the longest that any job waited for a look, once the first round was done.
        requests: how many slots there were.
        took_s: real time.
    """

    delays: dict[str, list[float]]
    bound: float
    oldest: float
    requests: int
    took_s: float

    @property
    def joint(self) -> float:
        """The mean over all changes."""
        return mean(delay for delays in self.delays.values() for delay in delays)

    @property
    def ratio(self) -> float:
        """Joint delay over the lower bound."""
        return self.joint / self.bound


def measure(
    jobs: int,
    rps: float,
    policy: Policy,
    seed: int,
    *,
    wish: Wish | None = None,
    rounds: float = 2.0,
    restless: bool = False,
    median_s: float = MEDIAN_S,
) -> Measured:
    """Play a fleet under a policy.

    Args:
        jobs: how many live jobs there are at any time.
        rps: requests per second.
        policy: whose order of questions.
        seed: of the lives.
        wish: what the policy is asked for; the shipped defaults unless given.
        rounds: how long is measured, in times that plain GetJob needs for one round; at least half an hour.
    """
    began = time.perf_counter()
    world = World(jobs, seed, restless=restless, median_s=median_s)
    round_s = jobs / rps
    warm = 1.5 * round_s + 600
    length = max(1800.0, rounds * round_s)
    world.window = (warm, warm + length)
    ours = Ours(world, rps, wish or Wish()) if policy == "ours" else None
    slots = ours.slots() if ours is not None else _plain(world)
    slot = 0
    while world.now < warm + length or (world.open and world.now < warm + length + 6 * round_s + 3600):
        slot += 1
        world.advance(slot / rps)
        if ours is not None and world.now < warm:
            ours.oldest = 0.0
        if warm + world.censuses * length / CENSUSES <= world.now < warm + length:
            world.census()
        next(slots)
    return Measured(
        world.delays,
        lower_bound(world, rps, length),
        ours.oldest if ours is not None else round_s,
        slot,
        time.perf_counter() - began,
    )


def lower_bound(world: World, rps: float, length_s: float) -> float:
    """The least mean delay over all changes that any order of questions could reach on these lives.

    The optimum of a relaxed problem: see docs/performance.md.
    """
    classes = []
    for key, found in world.found.items():
        count, counts = found / world.censuses, world.happened[key]
        seconds = count * length_s
        details = counts["details"] / seconds if world.restless else _details_rate(*key)
        classes.append((count, details, counts["status"] / seconds, counts["terminal"] / seconds))
    changes = sum(count * (d + m + t) for count, d, m, t in classes)
    best = _golden(lambda feed: _waiting(classes, rps, feed), 0.0, 0.5 * rps)
    return best / changes


def _details_rate(phase: Phase, band: int) -> float:
    """The true rate of a fine class: bands of details begin and end where fine bands do."""
    begins = FINE_S[band - 1] if band else 0.0
    return next(rate for end, rate in DETAILS[phase] if begins < end)


_Classes = list[tuple[float, float, float, float]]


def _waiting(classes: _Classes, rps: float, feed: float) -> float:
    """The least total waiting a second when the finish feed is asked so often; the rest is divided by one multiplier."""
    low, high = 1e-9, 1e12
    for _ in range(70):
        middle = (low * high) ** 0.5
        cost = sum(
            count * (f + 0.01 * g) for (count, *_), (f, g) in zip(classes, _split(classes, middle, feed), strict=True)
        )
        low, high = (low, middle) if cost + feed <= rps else (middle, high)
    found = 0.0
    for (count, d, m, t), (f, g) in zip(classes, _split(classes, high, feed), strict=True):
        found += count * (d / (2 * f) + m / (2 * (f + g)) + t / (2 * (f + g + feed)))
    return found


def _split(classes: _Classes, multiplier: float, feed: float) -> list[tuple[float, float]]:
    """Looks and lists of each class. Ends are weighed by what the feed leaves of their waiting."""
    found = []
    for _, d, m, t in classes:
        g = 0.0
        f = _where(d + m, t, feed, multiplier)
        h = _where(m, t, feed, multiplier / 100)
        look = (d / (2 * multiplier * 0.99)) ** 0.5
        if h > look:
            f, g = max(look, 1e-9), h - look
        found.append((max(f, 1e-9), g))
    return found


def _where(changes: float, ends: float, feed: float, value: float) -> float:
    """Where  changes / 2 x^2 + ends / 2 (x + feed)^2  falls to a value.

    It is convex, so Newton's steps from a point left of it come ever nearer and never pass it.
    """
    x = max(math.sqrt(changes / (2 * value)), math.sqrt(ends / (2 * value)) - feed, 1e-9)
    if not changes or not ends:
        return x
    for _ in range(60):
        both = x + feed
        one, other = changes / (x * x), ends / (both * both)
        step = (0.5 * (one + other) - value) / (one / x + other / both)
        x += step
        if step <= 1e-12 * x:
            break
    return x


def _golden(cost: Callable[[float], float], low: float, high: float) -> float:
    """The least value of a convex function."""
    part = (math.sqrt(5) - 1) / 2
    a, b = high - part * (high - low), low + part * (high - low)
    at_a, at_b = cost(a), cost(b)
    for _ in range(25):
        if at_a < at_b:
            high, b, at_b = b, a, at_a
            a = high - part * (high - low)
            at_a = cost(a)
        else:
            low, a, at_a = a, b, at_b
            b = low + part * (high - low)
            at_b = cost(b)
    return min(at_a, at_b)


# --- the command --------------------------------------------------------------------------------------------------------------

EAGER = Wish(shortest=timedelta(seconds=1), list_shortest=timedelta(seconds=1))
"""What is asked for here: nothing but speed."""


def row(jobs: int, rps: float, policy: Policy, seeds: Sequence[int], rounds: float) -> dict[str, float | str]:
    """One line of the table: medians over the seeds, in seconds."""
    runs = [measure(jobs, rps, policy, seed, wish=EAGER, rounds=rounds) for seed in seeds]
    status = [one.delays["terminal"] + one.delays["status"] for one in runs]
    return {
        "jobs": jobs,
        "rps": rps,
        "policy": policy,
        "terminal": median(mean(one.delays["terminal"]) for one in runs),
        "any status": median(mean(delays) for delays in status),
        "details": median(mean(one.delays["details"]) for one in runs),
        "joint": median(one.joint for one in runs),
        "lower bound": median(one.bound for one in runs),
        "joint / bound": median(one.ratio for one in runs),
        "oldest look": median(one.oldest for one in runs),
    }


def main() -> None:
    """Print the table, as Markdown or as JSON."""
    parser = argparse.ArgumentParser(prog="python -m bench.detection", description=__doc__)
    parser.add_argument("--jobs", type=int, nargs="+", default=[1_000, 10_000])
    parser.add_argument("--rps", type=float, nargs="+", default=[10, 50, 100])
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    parser.add_argument("--rounds", type=float, default=2.0, help="how long, in rounds of plain GetJob (default 2)")
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    rows: list[dict[str, float | str]] = []
    policies: tuple[Policy, ...] = ("plain", "ours")
    for jobs, rps, policy in itertools.product(chosen.jobs, chosen.rps, policies):
        told = row(jobs, rps, policy, chosen.seeds, chosen.rounds)
        rows.append(told)
        if not chosen.json:
            print_row(told, first=len(rows) == 1)
    if chosen.json:
        print(json.dumps(rows, indent=2))


def print_row(told: dict[str, float | str], *, first: bool) -> None:
    """One line, the first with its head."""
    if first:
        print("| " + " | ".join(told) + " |\n|" + "---|" * len(told))
    print(
        "| " + " | ".join(f"{cell:.3g}" if isinstance(cell, float) else str(cell) for cell in told.values()) + " |",
        flush=True,
    )


if __name__ == "__main__":
    main()
