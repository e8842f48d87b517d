"""Measuring: interleaved rounds, and what each of them cost this process."""

from __future__ import annotations

import gc
import resource
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from bench.peers import BenchFailed, Peer

_LEAST = 3
"""Rounds: with fewer there is no middle one."""


@dataclass(frozen=True)
class Round:
    """One sweep of one peer.

    Attributes:
        polls: how many, all of them checked; of lists, how many jobs were seen.
        wall_s: how long it took.
        cpu_s: user and system time of this process meanwhile, all its threads together.
    """

    polls: int
    wall_s: float
    cpu_s: float

    @property
    def per_second(self) -> float:
        return self.polls / self.wall_s

    @property
    def cpu_us(self) -> float:
        """CPU microseconds per poll."""
        return self.cpu_s / self.polls * 1e6


@dataclass(frozen=True)
class Spread:
    """A median with the smallest and the largest value."""

    median: float
    min: float
    max: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        return cls(median(values), min(values), max(values))


def cpu_s() -> float:
    """CPU seconds this process has used, user and system, all threads."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


async def sweep(peer: Peer) -> Round:
    """Warm up, then measure one sweep.

    Raises:
        BenchFailed: a poll failed or saw something else than is there.
    """
    try:
        await peer.warm()
        gc.collect()
        began, used = time.perf_counter(), cpu_s()
        polls = await peer.sweep()
        round_ = Round(polls, time.perf_counter() - began, cpu_s() - used)
    except Exception as exc:
        cause: BaseException = exc
        while isinstance(cause, BaseExceptionGroup):
            cause = cause.exceptions[0]
        said = str(cause) if isinstance(cause, BenchFailed) else f"{type(cause).__name__}: {cause}"
        raise BenchFailed(f"a poll of “{peer.name}” failed, so nothing of this run counts: {said}") from exc
    if polls != peer.asks:
        raise BenchFailed(f"“{peer.name}” polled {polls} jobs of {peer.asks}, so nothing of this run counts")
    return round_


async def interleave(peers: Sequence[Peer], rounds: int, stop_at: float) -> Mapping[str, Sequence[Round]]:
    """Rounds of all peers in turn, a different one first each time, so that a slow moment of the machine meets them alike.

    Args:
        peers: who is measured; each is validated by an uncounted sweep first.
        rounds: how many at most.
        stop_at: no round begins after it, by the monotonic clock, but three are always done.

    Raises:
        BenchFailed: a poll failed or saw something else than is there.
    """
    for peer in peers:
        await sweep(peer)
    # No peer shall pay, in a garbage collection of its own making, for what another one has imported.
    gc.collect()
    gc.freeze()
    done: dict[str, list[Round]] = {peer.name: [] for peer in peers}
    for number in range(rounds):
        if number >= _LEAST and time.monotonic() >= stop_at:
            break
        first = number % len(peers)
        for peer in (*peers[first:], *peers[:first]):
            done[peer.name].append(await sweep(peer))
    return done
