"""The same peers in every mode: HTTP and HTTPS, few and many at once; each mode with its fair share of the time that is left."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass

from bench import measure
from bench.measure import Round, Spread
from bench.peers import Peer, Site
from bench.progress import say
from bench.server import Served

MODES = (("https", 16), ("https", 1), ("https", 64), ("http", 16), ("http", 1), ("http", 64))


@dataclass(frozen=True)
class Mode:
    """What was found in one mode: the rounds of each peer."""

    scheme: str
    concurrent: int
    rounds: Mapping[str, Sequence[Round]]

    @property
    def name(self) -> str:
        """For people."""
        return f"{self.scheme}, {self.concurrent} at once"

    def cpu(self, peer: str, against: str) -> Spread:
        """CPU for each job, as a share of what another one needs in the same round."""
        pairs = zip(self.rounds[peer], self.rounds[against], strict=True)
        return Spread.of([one.cpu_us / other.cpu_us for one, other in pairs])

    def rate(self, peer: str, against: str) -> Spread:
        """Jobs per second, as a multiple of another one's in the same round."""
        pairs = zip(self.rounds[peer], self.rounds[against], strict=True)
        return Spread.of([one.per_second / other.per_second for one, other in pairs])


async def run_modes(
    served: Served, makers: Sequence[Callable[[Site], Peer]], rounds: int, seconds: float, what: str
) -> list[Mode]:
    """Measure all modes.

    Args:
        served: who is asked.
        makers: who asks.
        rounds: of each peer in each mode, at most.
        seconds: after which no further round begins.
        what: this is, for whoever waits.
    """
    ends, found = time.monotonic() + seconds, []
    for number, (scheme, concurrent) in enumerate(MODES):
        say(f"{what}: {scheme}, {concurrent} at once")
        site = Site(scheme, served.authorities[scheme], served.ca_file, served.job_ids, concurrent)
        async with AsyncExitStack() as stack:
            peers: list[Peer] = []
            for make in makers:
                peers.append(make(site))
                stack.push_async_callback(peers[-1].aclose)
            now = time.monotonic()
            share = max(0.0, ends - now) / (len(MODES) - number)
            found.append(Mode(scheme, concurrent, await measure.interleave(peers, rounds, now + share)))
    return found
