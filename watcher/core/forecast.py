"""How soon changes will be seen: what a budget buys, and what a wanted delay costs. The same arithmetic that divides the budget.

Theory. What is looked at every T seconds shows a change after a time that is uniform between 0 and T. A class of changes is a
mixture of such: of each habit as many as it has jobs times the rate at which they change. A change of status is seen by a list or a
look, whichever is first, an end by the feed; then one look more tells it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from watcher.core.phases import Phase
from watcher.core.rates import Habit, Rates
from watcher.core.schedule import Wish, allot

TYPICAL: Final[Mapping[Habit, float]] = MappingProxyType(
    {
        Habit(Phase.PENDING, 1): 0.03,
        Habit(Phase.PENDING, 2): 0.04,
        Habit(Phase.PENDING, 3): 0.03,
        Habit(Phase.STARTING, 1): 0.01,
        Habit(Phase.RUNNING, 1): 0.02,
        Habit(Phase.RUNNING, 2): 0.12,
        Habit(Phase.RUNNING, 3): 0.30,
        Habit(Phase.RUNNING, 4): 0.45,
    }
)
"""Of which habits the jobs of a fleet are, where nothing is known of it: most of them have been running for hours."""

MOST_RPS: Final = 10_000.0
"""No budget is larger."""

_EXTRA: Final = 2
"""Requests that a look waits for once news call for it: the one under way, and its own."""


@dataclass(frozen=True, slots=True)
class Delay:
    """How long a change is not seen.

    Attributes:
        mean_s: on average.
        p95_s: at most, of nineteen in twenty.
    """

    mean_s: float
    p95_s: float


@dataclass(frozen=True, slots=True)
class Forecast:
    """Delays by class of change.

    Attributes:
        ends: a job ends.
        status: its status changes otherwise.
        details: its pods or the like change.
        oldest_s: no job's last look is older.
    """

    ends: Delay
    status: Delay
    details: Delay
    oldest_s: float


def typical(jobs: int) -> dict[Habit, int]:
    """A fleet of so many jobs, of typical habits."""
    found = {habit: int(jobs * share) for habit, share in TYPICAL.items()}
    found[max(TYPICAL, key=lambda habit: TYPICAL[habit])] += jobs - sum(found.values())
    return {habit: count for habit, count in found.items() if count}


def plain(jobs: int, rate: float) -> Forecast:
    """GetJob for one job after the other: everything is seen when its turn comes."""
    turn = _uniform(jobs / rate)
    return Forecast(turn, turn, turn, jobs / rate)


def forecast(population: Mapping[Habit, int], rates: Rates, rate: float, wish: Wish) -> Forecast:
    """What this policy makes of a budget.

    Args:
        population: how many live jobs there are of each habit.
        rates: how often they change.
        rate: requests per second.
        wish: what is asked of the budget.
    """
    plan = allot(population, rates, rate, wish)
    ends, status, details = [], [], []
    for habit, count in population.items():
        found, look_s = rates.of(habit), plan.look_s[habit]
        list_s = plan.list_s.get(habit)
        seen_s = look_s if list_s is None else 1 / (1 / look_s + 1 / list_s)
        status.append((count * found.moves, seen_s))
        details.append((count * found.details, min(look_s, list_s) if wish.full and list_s is not None else look_s))
        ends.append((count * found.ends, min(seen_s, plan.finish_s) if wish.finish_cost else seen_s))
    extra_s = _EXTRA / rate
    return Forecast(_mixed(ends, extra_s), _mixed(status, extra_s), _mixed(details, 0.0), plan.bound_s)


def rate_within(population: Mapping[Habit, int], rates: Rates, within_s: float, wish: Wish) -> Mapping[str, float]:
    """For each class of changes, the requests per second with which nineteen in twenty are seen in time; infinite when none are."""
    return {name: _cheapest(population, rates, within_s, wish, name) for name in ("ends", "status", "details")}


def _cheapest(population: Mapping[Habit, int], rates: Rates, within_s: float, wish: Wish, name: str) -> float:
    def late(rate: float) -> bool:
        delay: Delay = getattr(forecast(population, rates, rate, wish), name)
        return delay.p95_s > within_s

    if late(MOST_RPS):
        return float("inf")
    low, high = 0.01, MOST_RPS
    while high / low > 1.01:  # noqa: PLR2004 - to a hundredth
        middle = (low * high) ** 0.5
        low, high = (middle, high) if late(middle) else (low, middle)
    return high


def _uniform(every_s: float) -> Delay:
    return Delay(every_s / 2, every_s * 0.95)


def _mixed(parts: list[tuple[float, float]], extra_s: float) -> Delay:
    """Of changes at so many rates, each seen within so many seconds."""
    total = sum(weight for weight, _ in parts)
    if not total:
        return Delay(0.0, 0.0)
    low, high = 0.0, max(every for _, every in parts)
    for _ in range(50):
        middle = (low + high) / 2
        seen = sum(weight * min(1.0, middle / every) for weight, every in parts)
        low, high = (middle, high) if seen < 0.95 * total else (low, middle)
    return Delay(sum(weight * every / 2 for weight, every in parts) / total + extra_s, high + extra_s)
