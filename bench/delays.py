"""How soon changes are seen, in made-up time: this policy (the shipped code), plain GetJob one job after the other, and the bound.

What is played, and what the bound is, stands in `bench.detection`. Each fleet is played in processes of their own, one seed in each
(`python -m bench.delays JOBS SEED ROUNDS RPS...` prints JSON), as many at once as there are cores: nothing here goes by the clock.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from statistics import mean
from typing import Any, Final

import anyio

from bench.children import ENDS_WITH_PARENT
from bench.detection import CLASSES, EAGER, Measured, Policy, measure
from bench.measure import Spread
from bench.peers import BenchFailed
from bench.progress import say
from bench.tables import Table, cell
from watcher.core.schedule import Wish

_LARGE: Final = 50_000
_FEW: Final = 1_000
_ROUNDS: Final = {False: 2.0, True: 0.5}
"""How long is measured, in rounds of plain GetJob, and half an hour at least; of large fleets less."""
_EAGER, _SHIPPED, _PLAIN = "dlc-watcher", "dlc-watcher, poll_every 15s", "plain GetJob"
_POLICIES: Final[Mapping[str, tuple[Policy, Wish]]] = {
    _EAGER: ("ours", EAGER),
    _SHIPPED: ("ours", Wish()),
    _PLAIN: ("plain", EAGER),
}


def _named(jobs: int) -> Iterator[str]:
    """Who plays: where the budget is short, it makes no difference how often one would like to ask."""
    return (name for name in _POLICIES if name != _SHIPPED or jobs <= _FEW)


def _told(measured: Measured) -> dict[str, Any]:
    delays = {kind: found for kind, found in measured.delays.items() if found}
    return {
        "changes": {kind: len(found) for kind, found in measured.delays.items()},
        "mean_s": {kind: mean(found) for kind, found in delays.items()},
        "joint_s": measured.joint,
        "bound_s": measured.bound,
        "ratio": measured.ratio,
        "oldest_s": measured.oldest,
    }


def main() -> None:
    """Play one fleet under every budget and policy, and print what was found."""
    jobs, seed, rounds = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    found = []
    for rps in map(float, sys.argv[4:]):
        for name in _named(jobs):
            policy, wish = _POLICIES[name]
            measured = measure(jobs, rps, policy, seed, wish=wish, rounds=rounds)
            found.append({"jobs": jobs, "rps": rps, "seed": seed, "policy": name, **_told(measured)})
    print(json.dumps(found))


async def _play(found: list[dict[str, Any]], at_once: anyio.CapacityLimiter, jobs: int, seed: int, *rps: float) -> None:
    async with at_once:
        command = [
            sys.executable,
            "-m",
            "bench.delays",
            str(jobs),
            str(seed),
            str(_ROUNDS[jobs > _LARGE]),
            *map(str, rps),
        ]
        process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE, preexec_fn=ENDS_WITH_PARENT)
        try:
            told, _ = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        if process.returncode:
            raise BenchFailed(f"{jobs:,} jobs could not be played; what was said stands above")
    found += json.loads(told)
    say(f"detection: {jobs:,} jobs, seed {seed}")


async def _all(fleets: Sequence[tuple[int, float]], seeds: int) -> list[dict[str, Any]]:
    budgets: dict[int, list[float]] = defaultdict(list)
    for jobs, rps in fleets:
        budgets[jobs].append(rps)
    found: list[dict[str, Any]] = []
    at_once = anyio.CapacityLimiter(os.cpu_count() or 1)
    async with asyncio.TaskGroup() as tasks:
        for jobs in sorted(budgets, reverse=True):  # what takes longest begins first
            for seed in range(1 if jobs > _LARGE else seeds):
                tasks.create_task(_play(found, at_once, jobs, seed, *budgets[jobs]))
    return found


def detection(fleets: Sequence[tuple[int, float]], seeds: int) -> Table:
    """Play each fleet so many times; a very large one once, and not for as long."""
    found = asyncio.run(_all(fleets, seeds))
    rows, data = [], []
    for jobs, rps in fleets:
        for name in _named(jobs):
            played = [one for one in found if (one["jobs"], one["rps"], one["policy"]) == (jobs, rps, name)]

            def spread(value: Callable[[dict[str, Any]], float], of: Sequence[dict[str, Any]] = played) -> Spread:
                return Spread.of([value(one) for one in of])

            means = {
                kind: spread(lambda one, kind=kind: one["mean_s"][kind])  # type: ignore[misc]
                for kind in CLASSES
                if all(kind in one["mean_s"] for one in played)
            }
            ratio, joint, bound, oldest = (
                spread(lambda one, key=key: one[key])  # type: ignore[misc]
                for key in ("ratio", "joint_s", "bound_s", "oldest_s")
            )
            kinds = [_seconds(means[kind]) if kind in means else "none" for kind in CLASSES]
            rows.append(
                (
                    f"{jobs:,} jobs, {rps:g}/s: {name}",
                    cell(ratio, 2),
                    _seconds(joint),
                    _seconds(bound),
                    *kinds,
                    cell(oldest),
                )
            )
            told = {kind: one.__dict__ for kind, one in means.items()}
            data.append(
                {
                    "jobs": jobs,
                    "rps": rps,
                    "policy": name,
                    "ratio": ratio.__dict__,
                    "joint_s": joint.__dict__,
                    "bound_s": bound.__dict__,
                    "mean_s": told,
                    "oldest_s": oldest.__dict__,
                    "seeds": played,
                }
            )
    heading = (
        "live jobs, requests/s",
        "joint / bound",
        "joint s",
        "bound s",
        "ends s",
        "other status s",
        "pods s",
        "oldest s",
    )
    large = [jobs for jobs, _ in fleets if jobs > _LARGE]
    note = (
        f"Means over all changes of a class, in made-up time; medians over seeds 0 to {seeds - 1}. Measured for two rounds of "
        "plain GetJob, half an hour at least"
        + (f"; of {min(large):,} jobs seed 0 only, for half a round, half an hour at least." if large else ".")
        + " `poll_every: 1s` unless said otherwise: where the budget is short, it makes no difference."
    )
    return Table("detection", "Seconds from a change to its detection, in made-up time", heading, rows, (note,), data)


def _seconds(spread: Spread) -> str:
    return cell(spread, 2 if spread.median < 10 else 0 if spread.median >= 100 else 1)


if __name__ == "__main__":
    main()
