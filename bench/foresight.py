"""How strict the lower bound of `bench.detection` is: beside it, one for a policy that knows every life beforehand.

The bound of the table weighs a change with the looks of its own class, though a look may come after the job has left it. Here every
life is looked at at the best of all moments for its rates of change: nobody who does not know its end and its restarts does better.
Weak duality (for any price u of a look, the least waiting is at least the sum of  min (waiting + u looks)  less u times the budget)
makes a bound of the sum over all lives, and dynamic programming finds each minimum: over moments a `_PARTS`-th of the best interval
apart, which costs less than a thousandth. One look after the end is part of every life, as the end must be told. Nothing else is
paid, and changes of status wait for nothing; so no policy reaches it.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Iterator, Sequence

from bench.detection import DETAILS, Life, life
from watcher.core.phases import Phase

_PARTS = 16
_REACH = 4 * _PARTS
_PRICES = (0.8, 0.9, 1.0, 1.1)

Stretch = tuple[float, float]
"""A rate of change, and for how long it holds."""


def stretches(one: Life) -> Iterator[Stretch]:
    """A life from its beginning to its end."""
    phase, began = Phase.PENDING, one.born
    for at, kind, new in one.changes:
        if kind == "details":
            continue
        lasted, begun = at - began, 0.0
        for end, rate in DETAILS[phase]:
            if lasted > begun:
                yield rate, min(end, lasted) - begun
            begun = end
        phase, began = new, at


def least_cost(one: Sequence[Stretch], price: float) -> float:
    """The least of waiting seconds and priced looks together, over all choices of moments; the last look is at the end."""
    at, seen, moment = [0.0], [0.0], [0.0]  # the integrals of the rate, and of time times rate
    for rate, lasts in one:
        parts = max(1, round(lasts / ((2 * price / rate) ** 0.5 / _PARTS)))
        begins, before, moved = at[-1], seen[-1], moment[-1]
        for part in range(1, parts + 1):
            now = begins + lasts * part / parts
            at.append(now)
            seen.append(before + rate * (now - begins))
            moment.append(moved + rate * (now * now - begins * begins) / 2)
    cost, best = [0.0] * len(at), len(at) - 1
    for first in range(len(at) - 2, -1, -1):
        # The later the one look, the later the next one: the search begins where that of the moment before ended.
        least, found, worse, then = float("inf"), best, 0, best
        while then > first and worse < _REACH:
            waited = at[then] * (seen[then] - seen[first]) - (moment[then] - moment[first]) + cost[then]
            least, found, worse = (waited, then, 0) if waited < least else (least, found, worse + 1)
            then -= 1
        cost[first], best = least + price, found
    return cost[0]


def bounds(jobs: int, rps: float, lives: int, seed: int) -> tuple[float, float]:
    """Mean seconds that a change waits at least: by classes, and for one who knows every life beforehand."""
    dice = random.Random(seed)
    drawn = [life(dice) for _ in range(lives)]
    per_second = jobs / sum(one.ends for one in drawn)  # ends, and as many submissions
    known = [tuple(stretches(one)) for one in drawn]
    changes = sum(rate * lasts for one in known for rate, lasts in one)
    changes += sum(kind != "details" for one in drawn for _, kind, _ in one.changes)
    roots = per_second * sum(lasts * rate**0.5 for one in known for rate, lasts in one)
    price = roots * roots / (2 * rps * rps)
    best = max(
        per_second * sum(least_cost(one, price * part) for one in known) - price * part * rps for part in _PRICES
    )
    return roots * roots / (2 * rps) / (per_second * changes), best / (per_second * changes)


def main() -> None:
    """Print both, and how they compare."""
    parser = argparse.ArgumentParser(prog="python -m bench.foresight", description=__doc__)
    parser.add_argument("--jobs", type=int, default=10_000)
    parser.add_argument("--rps", type=float, nargs="+", default=[10, 50, 100])
    parser.add_argument("--lives", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    for rps in chosen.rps:
        classes, foresight = bounds(chosen.jobs, rps, chosen.lives, chosen.seed)
        told = f"by classes {classes:.1f} s, with foresight {foresight:.1f} s: {foresight / classes:.3f} of it"
        print(f"{chosen.jobs:,} jobs, {rps:g} requests/s, details only: {told}", flush=True)


if __name__ == "__main__":
    main()
