"""How a request budget is divided: how often to look at each habit of jobs, by GetJob and by lists, and how often to ask each feed.

Theory. Look at job i `f_i` times a second by GetJob, which shows everything, and show it `g_i` times a second in a list, which
shows its status and costs a hundredth, as one list answers for a hundred jobs. A change waits half an interval on average, so the
changes of a second wait together

    sum_i  d_i / 2 f_i  +  m_i / 2 (f_i + g_i)          d: rate of details, m: rate of changes of status

while  sum_i  f_i + c g_i  =  R  requests a second, c = 1/100 (or one over the number of jobs, where there are fewer). Lagrange: at
the optimum every request saves as much waiting as every other one, so with one multiplier u for all

    f_i = sqrt(d_i / 2 u (1 - c)),   f_i + g_i = sqrt(m_i / 2 u c);   where lists do not pay, f_i = sqrt((d_i + m_i) / 2 u), g_i = 0

The square root is the point: a job that changes a hundred times as often is looked at ten times as often. In proportion to the
rate would starve the quiet ones, in turn (round robin) wastes looks on them. `u` is found by bisection: the cost falls as it grows.
Ends count only while no feed tells of them: one that does finds them within its own interval, however many jobs there are.

Bounds. Nobody is looked at oftener than `shortest`. Nobody waits longer than `longest`; where the budget does not even allow that
for all, the bound is `SLACK` times the round that it does allow, which leaves room to tell the lively from the quiet.

Fairness. Let N jobs share R looks a second with intervals T_i, so that  sum_i 1/T_i <= R,  each drawn anew up to a share J
(`JITTER`) early or late, and let L be the longest that can be drawn. On the clock of the rounds (`docket`) a job is due at most L
after its last look, and when it comes, that clock shows no more than the time at which it was due. Meanwhile another job comes at
most L / (1 - J) T_i + 1 times, as it is looked at no sooner than it is due again. All together come at most  L R / (1 - J) + N
times, one every 1/R seconds. So nobody waits longer than  L / (1 - J) + N / R,  and L is chosen so that this is the bound. (Where
there is budget to spare the clock runs with the caller's, and looks take less than R (1 - J) a second, so the same count holds for
every stretch in which somebody is late. Where a request is left unused as the first in line was looked at less than `shortest` ago,
the clock has run faster than the caller's since.) Looks that news call for stand outside of this, and make the next look due later;
they take as much of the budget as they need, up to three looks of four (`NEWS`, `docket.ROUND_EVERY`), and R is what they leave: a
flood makes it four times the bound at most. All this is for a plan and a fleet that stand; both change slowly.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final

from watcher.core.rates import Habit, Rates

PAGE: Final = 100
"""Jobs that one list answers for."""

SLACK: Final = 3.0
"""Where the budget does not allow `longest`: so many times the time of one round."""

LEAST_ROUNDS: Final = 2.25
"""The budget allows `longest` when it is at least so many rounds: with fewer than 1 + (1 + JITTER) / (1 - JITTER) not even equal
intervals keep it."""

FINISH_SHARE: Final = 0.033
BIRTH_SHARE: Final = 0.01
STATUS_SHARE: Final = 0.005
"""Of the budget, to ask what ended, what began, what is in a rare status. Each costs the same however many jobs there are."""

PASS_SHARE: Final = 0.05
"""At most, for full passes over everything listed: they prove absence, and find what the feeds left out."""

NEWS: Final = 0.75
"""At most, for looks that news call for: as many as `docket.ROUND_EVERY` lets them take."""

KEEN: Final = 4.0
"""How many times a job counts that somebody waits for."""

IDLE: Final = 0.5
"""Of what would be left over, so much goes to the feeds."""

JITTER: Final = 0.1
"""Looks are drawn this far around their time, so that jobs first seen together do not stay together; within the bound."""

_DRAWN: Final = (1 - JITTER) / (1 + JITTER)
"""What is left of a wait for the interval around which it is drawn."""

_FULL_LOOK: Final = 6.0
"""Where list items tell as much as GetJob, it is asked this many times more rarely, for what only it tells (RestartRecord)."""

_NEVER: Final = float("inf")
_LEAST_S: Final = 1e-3
_STEPS: Final = 60
_FURTHEST: Final = 1e12


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What is asked of an allotment.

    Attributes:
        shortest: nobody is looked at oftener.
        longest: nobody waits longer for a look, as far as the budget allows.
        list_shortest: nobody is listed oftener.
        feed_shortest: no feed is asked oftener.
        by_id: lists can be asked for jobs by their ids.
        full: list items tell as much as GetJob.
        finish_cost: requests of one turn of the finish feed; 0 where nothing tells what ended.
        birth_cost: requests of one turn of the birth feed; 0 where there is none.
        statuses: single statuses can be asked for.
    """

    shortest: timedelta = timedelta(seconds=15)
    longest: timedelta = timedelta(minutes=10)
    list_shortest: timedelta = timedelta(seconds=5)
    feed_shortest: timedelta = timedelta(seconds=1)
    by_id: bool = True
    full: bool = False
    finish_cost: int = 1
    birth_cost: int = 1
    statuses: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Allotment:
    """How a budget is divided.

    Attributes:
        look_s: by habit, seconds between two looks at one job.
        list_s: by habit, seconds between two lists that show one job; empty when lists are not asked by id.
        sweep_s: seconds between two such lists; 0 when there are none.
        finish_s: seconds between two turns of the finish feed; 0 when there is none, as with the two below.
        birth_s: of the birth feed.
        status_s: of one rare status.
        bound_s: no job waits longer for a look.
        needed: requests per second with which `longest` would hold for all.
        left: requests per second that nobody has a use for.
        division: tells the intervals of habits that nobody had.
    """

    look_s: Mapping[Habit, float]
    list_s: Mapping[Habit, float]
    sweep_s: float
    finish_s: float
    birth_s: float
    status_s: float
    bound_s: float
    needed: float
    left: float
    division: Division

    def intervals(self, habit: Habit) -> tuple[float, float]:
        """Seconds between two looks at a job of this habit, and between two lists that show it; infinite when there are none."""
        look, listed = self.division.frequencies(habit)
        return 1 / look, 1 / listed if listed > 0 else _NEVER


@dataclass(frozen=True, slots=True)
class Division:
    """The optimum for one multiplier.

    Attributes:
        rates: how often jobs change.
        wish: what is asked.
        longest_s: nobody waits longer for a look.
        list_cost: requests that it takes to show one job in a list.
        multiplier: waiting that one more request saves.
    """

    rates: Rates
    wish: Wish
    longest_s: float
    list_cost: float
    multiplier: float = 1.0

    def frequencies(self, habit: Habit) -> tuple[float, float]:
        """Of one habit: looks and lists a second, for each job."""
        found, weight, cost = self.rates.of(habit), KEEN if habit.keen else 1.0, self.list_cost
        details = found.details * weight
        moves = (found.moves + (0.0 if self.wish.finish_cost else found.ends)) * weight
        most, least = 1 / max(self.wish.shortest.total_seconds(), _LEAST_S), 1 / self.longest_s
        most = max(most, least)
        if not self.wish.by_id or cost >= 1:
            return _within(((details + moves) / (2 * self.multiplier)) ** 0.5, least, most), 0.0
        most_listed = 1 / max(self.wish.list_shortest.total_seconds(), _LEAST_S)
        if self.wish.full:
            listed = ((details + moves) / (2 * self.multiplier * cost)) ** 0.5
            return least / _FULL_LOOK, _within(listed, least, max(most_listed, least))
        look = (details / (2 * self.multiplier * (1 - cost))) ** 0.5
        shown = (moves / (2 * self.multiplier * cost)) ** 0.5
        if shown <= look:
            return _within(((details + moves) / (2 * self.multiplier)) ** 0.5, least, most), 0.0
        look = _within(look, least, most)
        return look, max(0.0, min(shown - look, most_listed))

    def cost(self, population: Mapping[Habit, int]) -> float:
        """Requests per second of all."""
        total = 0.0
        for habit, count in population.items():
            look, listed = self.frequencies(habit)
            total += count * (look + listed * self.list_cost)
        return total


def allot(population: Mapping[Habit, int], rates: Rates, rate: float, wish: Wish) -> Allotment:
    """Divide a budget.

    Args:
        population: how many live jobs there are of each habit.
        rates: how often they change.
        rate: requests per second, above 0.
        wish: what is asked of it.
    """
    jobs = sum(population.values())
    asked = {"finish": (wish.finish_cost, FINISH_SHARE), "birth": (wish.birth_cost, BIRTH_SHARE)}
    asked["status"] = int(wish.statuses), STATUS_SHARE
    least_s = max(wish.feed_shortest.total_seconds(), _LEAST_S)
    every = {name: max(least_s, cost / (rate * share)) for name, (cost, share) in asked.items()}
    feeds = sum(cost / every[name] for name, (cost, _) in asked.items())
    news = sum(count * (found.ends + found.moves) for count, found in ((n, rates.of(h)) for h, n in population.items()))
    regular = (rate - feeds) - min(news, (rate - feeds) * NEWS)
    round_s, wanted = jobs / regular, wish.longest.total_seconds()
    longest = wanted if wanted >= LEAST_ROUNDS * round_s else SLACK * round_s
    division = divide(
        population, regular, Division(rates, wish, (longest - round_s) * _DRAWN, 1 / min(PAGE, jobs) if jobs else 1.0)
    )
    idle = max(0.0, regular - division.cost(population))
    every["finish"] = _sooner(every["finish"], wish.finish_cost, idle * IDLE, least_s)
    every["birth"] = _sooner(every["birth"], wish.birth_cost, idle * IDLE / 2, least_s)
    look_s, list_s, shown = {}, {}, 0.0
    for habit, count in population.items():
        look, listed = division.frequencies(habit)
        look_s[habit] = 1 / look
        if listed > 0:
            list_s[habit] = 1 / listed
            shown += count * listed
    return Allotment(
        look_s=look_s,
        list_s=list_s,
        sweep_s=1 / (shown * division.list_cost) if shown else 0.0,
        finish_s=every["finish"] if wish.finish_cost else 0.0,
        birth_s=every["birth"] if wish.birth_cost else 0.0,
        status_s=every["status"] if wish.statuses else 0.0,
        bound_s=longest,
        needed=(LEAST_ROUNDS * jobs / wanted + news) / (1 - feeds / rate),
        left=idle,
        division=division,
    )


def _sooner(every_s: float, cost: int, more: float, least_s: float) -> float:
    """The interval of a feed that may ask so much more a second."""
    return max(least_s, cost / (cost / every_s + more)) if cost else every_s


def divide(population: Mapping[Habit, int], budget: float, division: Division) -> Division:
    """The division with the smallest multiplier whose cost the budget covers; where none does, the one with the least cost."""
    low, high = 1 / _FURTHEST, _FURTHEST
    for _ in range(_STEPS):
        middle = (low * high) ** 0.5
        fits = replace(division, multiplier=middle).cost(population) <= budget
        low, high = (low, middle) if fits else (middle, high)
    return replace(division, multiplier=high)


def _within(value: float, least: float, most: float) -> float:
    return min(max(value, least), most)
