"""How late the event loop of the running service is: the shipped service asks the simulator's static mode, a process of its own.

The service feels its own pulse (`service.pulse`): ten times a second it asks for a turn, and notes how late that came. It is the
metric that `/metrics` shows, with every single value kept. Beside it another process does nothing but the same: what that one finds
is the machine's part.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import anyio
from prometheus_client import Histogram

from bench.realtime import CONFIGURATION, at_share
from bench.server import serving
from bench.tables import Table
from watcher.config.loading import load
from watcher.plugins import discover
from watcher.service.app import assemble, run
from watcher.service.pulse import BEAT_S

_IDLE: Final = """
import sys, threading, time
stop, noted = threading.Event(), []
threading.Thread(target=lambda: (sys.stdin.read(), stop.set()), daemon=True).start()
while not stop.is_set():
    due = time.monotonic() + float(sys.argv[1])
    time.sleep(float(sys.argv[1]))
    noted.append((time.monotonic(), max(0.0, time.monotonic() - due)))
for one in noted:
    print(*one)
"""


@dataclass
class Kept:
    """Stands before a histogram and keeps what it is told: when, and how much."""

    histogram: Histogram
    values: list[tuple[float, float]] = field(default_factory=list)

    def observe(self, value: float) -> None:
        """See `Histogram.observe`."""
        self.values.append((time.monotonic(), value))
        self.histogram.observe(value)


@dataclass(frozen=True)
class Stretch:
    """A part of the run.

    Attributes:
        name: what goes on.
        began, ended: on the monotonic clock.
        cpu_s: what the service used.
        requests: what it asked.
    """

    name: str
    began: float
    ended: float
    cpu_s: float
    requests: float


async def _watch(url: str, jobs: int, rps: float, length_s: float, directory: Path) -> tuple[Kept, list[Stretch]]:
    text = CONFIGURATION.format(url=url, rps=rps, folder=directory)
    loaded = load(text, file="bench.yaml", env={}, kinds=discover(), base_dir=directory)
    stop, stretches = anyio.Event(), list[Stretch]()
    async with assemble(loaded) as service, anyio.create_task_group() as tasks:
        kept: Any = Kept(service.metrics.loop_lag)
        service.metrics.loop_lag = kept

        def asked() -> float:
            samples = (sample for family in service.metrics.requests.collect() for sample in family.samples)
            return sum(sample.value for sample in samples if sample.name.endswith("_total"))

        def seen() -> int:
            return len(service.ledger.fleet.members)

        tasks.start_soon(run, service, stop)
        for name, patience_s in (
            ("all jobs are looked at first", 3 * jobs / rps + 60),
            ("all jobs are known", length_s),
        ):
            began, cpu_s, requests = time.monotonic(), time.process_time(), asked()
            first = not stretches
            while time.monotonic() - began < patience_s and not (first and seen() >= jobs):  # noqa: ASYNC110 - no bell rings
                await anyio.sleep(1)
            stretches.append(Stretch(name, began, time.monotonic(), time.process_time() - cpu_s, asked() - requests))
        stop.set()
    return kept, stretches


def _shares(values: Sequence[float]) -> tuple[float, float, float]:
    return at_share(values, 0.5), at_share(values, 0.99), max(values)


def lag(jobs: int, rps: float, length_s: float, directory: Path) -> Table:
    """Let it watch so many jobs, at so many requests a second, until all have been looked at, and for so long after it."""
    with serving(jobs, 2, directory) as served:
        idle = subprocess.Popen(
            [sys.executable, "-c", _IDLE, str(BEAT_S)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        try:
            url = f"http://{served.authorities['http']}"
            kept, stretches = anyio.run(_watch, url, jobs, rps, length_s, directory)
        finally:
            told, _ = idle.communicate("")
    beside = [tuple(map(float, line.split())) for line in told.splitlines()]
    rows, data = [], []
    for one in stretches:
        ours, others = (
            _shares([value for at, value in values if one.began <= at <= one.ended] or [float("nan")])
            for values in (kept.values, beside)
        )
        length = one.ended - one.began
        cells = [f"{1000 * value:.1f}" for value in (*ours, *others[1:])]
        rows.append((one.name, f"{length:.0f}", f"{one.requests / length:.1f}", *cells, f"{one.cpu_s / length:.0%}"))
        data.append(
            {
                "stretch": one.name, "seconds": length, "requests_per_s": one.requests / length, "cpu": one.cpu_s / length,
                "p50_s": ours[0], "p99_s": ours[1], "most_s": ours[2], "idle_p99_s": others[1], "idle_most_s": others[2],
            }
        )  # fmt: skip
    note = (
        f"{jobs:,} jobs of 2 pods, {rps:g} requests/s at most, SQLite, {datetime.now(UTC):%Y-%m-%d}. Idle: a process that only "
        "asks for its turns. The simulator shares the machine."
    )
    heading = (
        "while", "s", "requests/s", "lag p50 ms", "p99 ms", "most ms", "idle p99 ms", "idle most ms", "CPU of a core",
    )  # fmt: skip
    return Table("lag", "Event loop: how late it gives a turn that is due", heading, rows, (note,), data)
