"""What a watched job costs in memory, and how long the collector then stops the program: ours, a script's values, SDK objects.

Each is measured in a process of its own (`python -m bench.memory WHO JOBS PODS`), which prints one line of JSON.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from bench.bodies import Bodies, job_id
from bench.children import ENDS_WITH_PARENT
from bench.measure import Spread
from bench.progress import say
from bench.tables import Table, cell

_PAGE: Final = 4096


def resident_bytes() -> int:
    """Memory of this process that is resident now (Linux)."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * _PAGE


class Pauses:
    """How long the garbage collector has stopped the program, at most: in CPU time, so that no other program counts."""

    def __init__(self) -> None:
        self.longest_s = 0.0
        self._began = 0.0
        gc.callbacks.append(self._note)

    def _note(self, phase: str, _info: dict[str, int]) -> None:
        if phase == "start":
            self._began = time.thread_time()
        else:
            self.longest_s = max(self.longest_s, time.thread_time() - self._began)


PAUSES: Final = Pauses()


def ours(jobs: int, pods: int) -> tuple[int, object]:
    """The service's own poller after a start and a look at every job. The store takes no memory: a database is not in ours."""
    from bench.inside import Inside  # noqa: PLC0415 - the process of another peer must not load it
    from watcher.service.settling import short_collections  # noqa: PLC0415
    from watcher.service.telemetry import set_up_logging  # noqa: PLC0415

    set_up_logging("error")
    inside = Inside(Bodies(pods))
    asyncio.run(inside.watch(0))
    gc.collect()
    base = resident_bytes()
    PAUSES.longest_s = 0.0
    running = contextlib.ExitStack()  # as long as what is returned is kept
    running.enter_context(short_collections())
    asyncio.run(inside.watch(jobs))
    return base, (inside, running)


def script(jobs: int, pods: int) -> tuple[int, object]:
    """What a script keeps to see what changed: the last answer of each job, as `response.json()` made it."""
    import httpx2  # noqa: F401, PLC0415 - what the script would have loaded

    bodies = Bodies(pods)
    gc.collect()
    base = resident_bytes()
    return base, {job_id(number): json.loads(bodies.answer(number)) for number in range(jobs)}


def sdk(jobs: int, pods: int) -> tuple[int, object]:
    """The same with the official SDK's objects."""
    from alibabacloud_pai_dlc20201203.models import GetJobResponseBody  # noqa: PLC0415

    bodies = Bodies(pods)
    gc.collect()
    base = resident_bytes()
    return base, {
        job_id(number): GetJobResponseBody().from_map(json.loads(bodies.answer(number))) for number in range(jobs)
    }


WHO: Final[dict[str, Callable[[int, int], tuple[int, object]]]] = {"ours": ours, "script": script, "sdk": sdk}


def _measured(who: str, jobs: int, pods: int) -> dict[str, Any]:
    ran = subprocess.run(
        [sys.executable, "-m", "bench.memory", who, str(jobs), str(pods)],
        check=True,
        capture_output=True,
        text=True,
        preexec_fn=ENDS_WITH_PARENT,
    )
    told: dict[str, Any] = json.loads(ran.stdout)
    return told


def memory(sizes: Sequence[int], most_of_others: int, rounds: int, pods: int) -> Table:
    """Measure everybody at every size, in turns.

    Args:
        sizes: how many jobs.
        most_of_others: what is not ours is measured up to so many, as it needs some fifty kilobytes for each; and the largest once.
        rounds: how often the others are.
        pods: how many pods each job has.
    """
    rows, data = [], []
    for jobs in sizes:
        say(f"memory: {jobs:,} jobs")
        large = jobs > most_of_others
        found: dict[str, list[dict[str, Any]]] = {who: [] for who in _NAMES if who == "ours" or not large}
        for _ in range(1 if large else rounds):
            for who, several in found.items():
                several.append(_measured(who, jobs, pods))
        for who, several in found.items():
            sdk_found = found.get("sdk", ())
            ratios = [a["bytes_per_job"] / b["bytes_per_job"] for a, b in zip(several, sdk_found, strict=not large)]
            spreads = {
                name: Spread.of([one[name] / unit for one in several]) for name, (unit, _digits) in _FIGURES.items()
            }
            cells = (cell(spread, _FIGURES[name][1]) for name, spread in spreads.items())
            rows.append((f"{jobs:,} jobs: {_NAMES[who]}", cell(Spread.of(ratios), 3) if ratios else "", *cells))
            data.append({"who": who, "jobs": jobs, "pods": pods, "rounds": several})
    heading = ("held by", "of the SDK's", "KiB/job", "base MiB", "all MiB", "full collection ms", "longest pause ms")
    return Table("memory", f"Memory for each job of {pods} pods", heading, rows, (_NOTE,), data)


_FIGURES: Final = {
    "bytes_per_job": (2**10, 2),
    "base_bytes": (2**20, 0),
    "resident_bytes": (2**20, 0),
    "full_collection_ms": (1, 1),
    "longest_pause_ms": (1, 1),
}
"""What is told: in which unit, with how many decimals."""
_NAMES: Final = {"ours": "dlc-watcher", "script": "script, dictionaries", "sdk": "official SDK, objects"}
_NOTE: Final = (
    "Each line is a process of its own; resident memory, by Linux. Ours is the poller with all that it and the fleet keep, after a "
    "start and one look at every job; the others keep the last answer of each. Pauses are the collector's, in CPU time."
)


def main() -> None:
    """Measure, and print."""
    who, jobs, pods = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    base, kept = WHO[who](jobs, pods)
    gc.collect()
    after = resident_bytes()
    began = time.thread_time()
    gc.collect()
    full = time.thread_time() - began
    print(
        json.dumps(
            {
                "who": who,
                "jobs": jobs,
                "pods": pods,
                "base_bytes": base,
                "bytes_per_job": (after - base) / jobs,
                "resident_bytes": after,
                "full_collection_ms": full * 1e3,
                "longest_pause_ms": PAUSES.longest_s * 1e3,
            }
        )
    )
    del kept


if __name__ == "__main__":
    main()
