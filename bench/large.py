"""Jobs of thousands of pods: how long a changed answer is read and compared, and how long nothing else got a turn meanwhile."""

from __future__ import annotations

import itertools
import time

import anyio

from bench.bodies import Bodies
from bench.inside import Inside, watch_of
from bench.measure import Spread, cpu_s
from bench.tables import Table, cell
from watcher.core.model import JobSnapshot

_TICK_S = 0.001


class Restless(Bodies):
    """Its job's last pod changes its address with every answer: the whole answer must be read and compared."""

    def __init__(self, pods: int) -> None:
        super().__init__(pods)
        head, _, tail = super().answer(0).rpartition(b'"Running"')
        self._answers = itertools.cycle([head + status + tail for status in (b'"Failed"', b'"Running"')])

    def answer(self, number: int) -> bytes:  # noqa: ARG002 - there is one job
        """The answer about the job, another one each time."""
        return next(self._answers)


class _Ticks:
    """Wants a turn of the event loop every millisecond, and remembers the longest time without one."""

    def __init__(self) -> None:
        self.longest_s, self._last = 0.0, time.perf_counter()

    async def tick(self) -> None:
        """Until cancelled."""
        self._last = time.perf_counter()
        while True:
            await anyio.sleep(_TICK_S)
            self.note()

    def note(self) -> None:
        now = time.perf_counter()
        self.longest_s, self._last = max(self.longest_s, now - self._last - _TICK_S), now


async def _looks(pods: int, rounds: int) -> tuple[list[float], list[float], list[float]]:
    bodies = Restless(pods)
    held: JobSnapshot = watch_of(bodies, 0).snapshot
    assert held.pods is not None
    assert len(held.pods) == pods
    inside = Inside(bodies, still=False)
    await inside.watch(1)
    took, used, blocked = [], [], []
    for _ in range(rounds):
        ticks = _Ticks()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ticks.tick)
            await anyio.sleep(10 * _TICK_S)
            began, spent = time.perf_counter(), cpu_s()
            await inside.poller.pass_once()
            took.append((time.perf_counter() - began) * 1e3)
            used.append((cpu_s() - spent) * 1e3)
            ticks.note()
            tasks.cancel_scope.cancel()
        blocked.append(ticks.longest_s * 1e3)
    return took, used, blocked


def large(sizes: tuple[int, ...], rounds: int) -> Table:
    """Measure a look at one changed job of each size."""
    rows, data = [], []
    for pods in sizes:
        spreads = [Spread.of(values) for values in anyio.run(_looks, pods, rounds)]
        rows.append((f"{pods:,} pods", *(cell(spread) for spread in spreads)))
        data.append(
            dict(zip(("ms", "cpu_ms", "blocked_ms"), (spread.__dict__ for spread in spreads), strict=True), pods=pods)
        )
    note = (
        f"A whole look, {rounds} times: recognise, unpack, parse, map, compare, conclude, pack; in threads where it is large. "
        "Blocked: the longest time in which another task of the event loop, due every millisecond, got no turn."
    )
    heading = ("one job of", "look ms", "CPU ms", "loop blocked ms")
    return Table("large", "Large answers", heading, rows, (note,), data)
