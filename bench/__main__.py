"""`python -m bench`: polls per second and CPU per poll of dlc-watcher, a plain script and the official SDK, in one run."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import anyio
from rich.console import Console

from bench import measure, report
from bench.peers import BenchFailed, Peer, Site
from bench.peers.official_sdk import OfficialSdk
from bench.peers.ours import Client, Fetch, Service
from bench.peers.plain_httpx import PlainHttpx
from bench.peers.raw_socket import RawSocket
from bench.server import Served, serving
from watcher.service.telemetry import set_up_logging

PEERS = (Service, Client, Fetch, RawSocket, PlainHttpx, OfficialSdk)
BASELINE, SCRIPT = OfficialSdk.name, PlainHttpx.name
MODES = (("https", 16), ("https", 1), ("https", 64), ("http", 16), ("http", 1), ("http", 64))


@dataclass(frozen=True)
class Size:
    """How much is done.

    Attributes:
        jobs: polls in a round.
        rounds: of every peer in every mode, at most.
        seconds: after which no further round begins.
    """

    jobs: int
    rounds: int
    seconds: float


FULL = Size(jobs=320, rounds=9, seconds=150)
QUICK = Size(jobs=16, rounds=2, seconds=4)


async def run_modes(served: Served, size: Size, console: Console) -> list[report.Mode]:
    """Measure all modes, each with its fair share of the time that is left."""
    ends = time.monotonic() + size.seconds
    found = []
    for number, (scheme, concurrent) in enumerate(MODES):
        site = Site(scheme, served.authorities[scheme], served.ca_file, served.job_ids, concurrent)
        async with AsyncExitStack() as stack:
            peers: list[Peer] = []
            for make in PEERS:
                peers.append(make(site))
                stack.push_async_callback(peers[-1].aclose)
            now = time.monotonic()
            share = max(0.0, ends - now) / (len(MODES) - number)
            if console.is_terminal:  # a line, no spinner: that would be a thread whose CPU is charged to the peers
                console.print(f"{scheme}, {concurrent} at once ...")
            rounds = await measure.interleave(peers, size.jobs, size.rounds, now + share)
        found.append(report.mode(scheme, concurrent, rounds, BASELINE, SCRIPT))
    return found


def bench(size: Size, pods: int, console: Console) -> report.Report:
    """One whole run.

    Raises:
        BenchFailed: a poll failed, or saw something else than is there.
    """
    with tempfile.TemporaryDirectory() as directory, serving(size.jobs, pods, Path(directory)) as served:
        modes = anyio.run(run_modes, served, size, console)
    return report.summed_up(served, modes)


def arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="a few hundred polls: does it work? (the numbers mean little)"
    )
    parser.add_argument(
        "--pods", type=int, default=2, metavar="N", help="pods of each job: the size of an answer (default 2)"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the result there, too")
    chosen = parser.parse_args(argv)
    if not 1 <= chosen.pods <= 1000:
        parser.error("--pods is a number from 1 to 1000")
    if chosen.json is not None and not chosen.json.absolute().parent.is_dir():
        parser.error(f"--json: there is no directory for {str(chosen.json)!r}")
    return chosen


def main() -> int:
    """Run, print, and return the exit code: 0, 1 when the run is worthless, 130 when it was interrupted."""
    chosen = arguments()
    set_up_logging("error")
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))  # with all clean-up
    try:
        found = bench(QUICK if chosen.quick else FULL, chosen.pods, Console(stderr=True))
    except BenchFailed as exc:
        print(f"bench: {exc}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    out = Console()
    report.show(found, out if out.is_terminal else Console(width=132))
    if chosen.json is not None:
        chosen.json.write_text(json.dumps(found.as_json(), indent=2) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
