"""Jobs of thousands of pods: how long an answer is read and compared, and how long nothing else got a turn meanwhile."""

from __future__ import annotations

import itertools
import re
import time
from datetime import UTC, datetime
from typing import NamedTuple

import anyio

from bench.bodies import Bodies, job_id
from bench.inside import SOURCE, Inside
from bench.measure import Spread, cpu_s
from bench.tables import Table, cell
from watcher.core.events import CauseId
from watcher.core.model import JobId
from watcher.core.observation import first_sight, look
from watcher.sources.dlc.likeness import cut, digest_of_cut
from watcher.sources.dlc.many_pods import ManyPods

_TICK_S = 0.001
_ONE_JOB = JobId(job_id(0))
_DURATION = re.compile(rb'"Duration": [0-9]+')


class Restless(Bodies):
    """With every answer all durations of its job run on, and its last pod changes its status.

    Args:
        pods: how many pods the job has.
        answers: how many different answers there are; then they begin anew.
    """

    def __init__(self, pods: int, answers: int) -> None:
        super().__init__(pods)
        told = super().answer(0)
        self.answers = [_on(told, number) for number in range(answers)]
        self._next = itertools.cycle(self.answers)

    def answer(self, number: int) -> bytes:  # noqa: ARG002 - there is one job
        """The answer about the job, another one each time."""
        return next(self._next)


def _on(answer: bytes, number: int) -> bytes:
    head, _, tail = answer.rpartition(b'"Running"')
    told = head + (b'"Failed"', b'"Running"')[number % 2] + tail
    return _DURATION.sub(lambda found: b'"Duration": %d' % (int(found[0].split()[1]) + number), told)


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


class _Look(NamedTuple):
    """What one look took, in milliseconds.

    Attributes:
        ms: by the clock.
        cpu_ms: of this process, all its threads together.
        blocked_ms: the longest time in which another task, due every millisecond, got no turn.
    """

    ms: float
    cpu_ms: float
    blocked_ms: float


async def _look(inside: Inside) -> _Look:
    ticks = _Ticks()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ticks.tick)
        await anyio.sleep(10 * _TICK_S)
        began, used = time.perf_counter(), cpu_s()
        await inside.poller.pass_once()
        look_ = _Look((time.perf_counter() - began) * 1e3, (cpu_s() - used) * 1e3, 0)
        ticks.note()
        tasks.cancel_scope.cancel()
    return look_._replace(blocked_ms=ticks.longest_s * 1e3)


async def _looks(bodies: Restless, rounds: int) -> tuple[list[_Look], list[_Look]]:
    """At a job of which nothing is known, and at one that changed."""
    first = []
    for _ in range(rounds):
        inside = Inside(bodies, still=False)
        await inside.watch(0)
        first.append(await _look(inside))
    return first, [await _look(inside) for _ in range(rounds)]


def _read_and_compared(bodies: Restless) -> tuple[list[float], list[float]]:
    """CPU milliseconds for recognising, parsing and mapping each of its answers, and for comparing it with the one before."""
    reading, comparing = [], []
    reader, watch = ManyPods(), None
    for body in bodies.answers:
        now = datetime.now(UTC)
        began = time.thread_time()
        pieces = cut(body)
        assert pieces is not None
        assert digest_of_cut(pieces.text)
        read = reader.read(pieces, _ONE_JOB, source=SOURCE, observed_at=now, region="")
        assert read is not None
        reading.append((time.thread_time() - began) * 1e3)
        if watch is None:
            watch = first_sight(read.snapshot, now=now, cause=CauseId("bench"), watching_since=None).watch
            continue
        began = time.thread_time()
        seen = look(watch, read.snapshot, now=now, cause=CauseId("bench"))
        comparing.append((time.thread_time() - began) * 1e3)
        assert len(seen.events) == 1
        watch = seen.watch
    return reading[1:], comparing


def large(sizes: tuple[int, ...], rounds: int) -> Table:
    """Measure looks at one job of each size."""
    rows, data = [], []
    for pods in sizes:
        bodies = Restless(pods, rounds + 1)
        first, changed = anyio.run(_looks, bodies, rounds)
        read, compared = _read_and_compared(bodies)
        both = Spread.of([sum(each) for each in zip(read, compared, strict=True)])
        for name, looks in (("first look", first), ("changed look", changed)):
            ms, cpu, blocked = (Spread.of(values) for values in zip(*looks, strict=True))
            alone = both if looks is changed else None
            rows.append(
                (f"{pods:,} pods, {name}", *map(cell, (ms, cpu, blocked)), "" if alone is None else cell(alone))
            )
            spreads = {"ms": ms, "cpu_ms": cpu, "blocked_ms": blocked, "read_and_compared_ms": alone}
            data.append({"pods": pods, "look": name} | {key: one.__dict__ for key, one in spreads.items() if one})
    looked = (
        f"A whole look, {rounds} times: recognise, parse, map, compare, conclude, hold; in threads where it is large. In a changed "
        "one all durations have run on and one pod has another status. Nothing is known before the first look."
    )
    blocked_ = (
        "Blocked: the longest time in which another task of the event loop, due every millisecond, got no turn. Read and "
        "compared: CPU for recognising, parsing, mapping and comparing alone, one after the other in one thread."
    )
    heading = ("one job of", "look ms", "CPU ms", "loop blocked ms", "read and compared, CPU ms")
    return Table("large", "Large answers", heading, rows, (looked, blocked_), data)
