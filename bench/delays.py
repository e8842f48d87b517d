"""How soon changes are seen, in made-up time: this policy (the shipped code), plain GetJob one job after the other, and the bound.

What is played, and what the bound is, stands in `bench.detection`.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import mean

from bench.detection import CLASSES, Policy, measure
from bench.measure import Spread
from bench.tables import Table, cell

_LARGE = 50_000
_POLICIES: tuple[tuple[Policy, str], ...] = (("ours", "dlc-watcher"), ("plain", "plain GetJob"))


def detection(fleets: Sequence[tuple[int, float]], seeds: int) -> Table:
    """Play each fleet so many times; a very large one once, and not for as long."""
    rows, data = [], []
    for jobs, rps in fleets:
        for policy, name in _POLICIES:
            large = jobs > _LARGE
            played = [
                measure(jobs, rps, policy, seed, rounds=0.5 if large else 2.0) for seed in range(1 if large else seeds)
            ]
            ratio = Spread.of([one.ratio for one in played])
            means = {
                kind: Spread.of([mean(one.delays[kind]) for one in played])
                for kind in CLASSES
                if all(one.delays[kind] for one in played)
            }
            oldest = Spread.of([one.oldest for one in played])
            cells = [cell(means[kind], 1) if kind in means else "none" for kind in CLASSES]
            rows.append((f"{jobs:,} jobs, {rps:g}/s: {name}", cell(ratio, 2), *cells, cell(oldest)))
            told = {kind: spread.__dict__ for kind, spread in means.items()}
            data.append({"jobs": jobs, "rps": rps, "policy": policy, "ratio": ratio.__dict__, "mean_s": told})
    heading = ("fleet and budget", "joint / lower bound", *(f"{kind} s" for kind in CLASSES), "oldest s")
    note = f"Means over all changes of a class, made-up time; seeds 0 to {seeds - 1}, of the largest fleets only 0."
    return Table("detection", "Seconds from a change to its detection", heading, rows, (note,), data)
