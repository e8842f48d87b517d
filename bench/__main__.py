"""`python -m bench`: what dlc-watcher costs and how soon it tells, beside a plain script and the official SDK, in one run.

Parts: polls (CPU and rate of GetJob with nothing changed), lists, detection (in made-up time), realtime (the service as
it runs), memory, startup, commits, sending, large. All of them unless some are named with `--only`.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from importlib import import_module
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
from bench.tables import Table
from watcher.service.telemetry import set_up_logging

PEERS = (Service, Client, Fetch, RawSocket, PlainHttpx, OfficialSdk)
PARTS = ("polls", "lists", "detection", "realtime", "memory", "startup", "commits", "sending", "large")
BASELINE, SCRIPT = OfficialSdk.name, PlainHttpx.name
MODES = (("https", 16), ("https", 1), ("https", 64), ("http", 16), ("http", 1), ("http", 64))


@dataclass(frozen=True)
class Size:
    """How much is done.

    Attributes:
        jobs: polls in a round.
        rounds: of every peer in every mode, at most.
        seconds: after which no further round of polls begins.
        lists: how many jobs are listed, how often.
        fleets: jobs and requests per second for which detection is played.
        seeds: how many fleets of each.
        realtime: jobs, requests per second and seconds of detection in real time.
        memory: for how many jobs memory is measured; and up to how many that of others.
        stored: on how many stored jobs a start is measured; and how often.
        commits: observations in a round; and how many rounds.
        sent: how many events are told.
        large: numbers of pods; and how often.
    """

    jobs: int
    rounds: int
    seconds: float
    lists: tuple[int, int]
    fleets: tuple[tuple[int, float], ...]
    seeds: int
    realtime: tuple[int, float, float]
    memory: tuple[tuple[int, ...], int]
    stored: tuple[tuple[int, ...], int]
    commits: tuple[int, int]
    sent: int
    large: tuple[tuple[int, ...], int]


FULL = Size(
    jobs=320,
    rounds=9,
    seconds=150,
    lists=(1000, 9),
    fleets=tuple((jobs, rps) for jobs in (1_000, 10_000, 100_000) for rps in (10.0, 50.0, 100.0)),
    seeds=3,
    realtime=(1_000, 20.0, 50.0),
    memory=((1_000, 10_000, 100_000), 10_000),
    stored=((10_000, 100_000), 3),
    commits=(400, 5),
    sent=9,
    large=((2_000, 5_000), 9),
)
QUICK = Size(
    jobs=16,
    rounds=2,
    seconds=4,
    lists=(200, 2),
    fleets=((100, 5.0),),
    seeds=1,
    realtime=(100, 20.0, 4.0),
    memory=((200,), 200),
    stored=((200,), 1),
    commits=(40, 1),
    sent=1,
    large=((600,), 2),
)


def _polls(size: Size, pods: int, console: Console, directory: Path) -> Table:
    with serving(size.jobs, pods, directory) as served:
        modes = anyio.run(run_modes, served, size, console)
    return report.summed_up(served, modes).table()


def parts(size: Size, pods: int, console: Console, directory: Path) -> Mapping[str, Callable[[], Table]]:
    """Every part of a run, by name, in order. What a part needs is loaded when it is run."""

    def part(name: str, *given: object, of: str = "") -> Callable[[], Table]:
        def measured() -> Table:
            found: Table = getattr(import_module(f"bench.{name}"), of or name)(*given)
            return found

        return measured

    return {
        "polls": lambda: _polls(size, pods, console, directory),
        "lists": part("lists", *size.lists, directory),
        "detection": part("delays", size.fleets, size.seeds, of="detection"),
        "realtime": part("realtime", *size.realtime, directory),
        "memory": part("memory", *size.memory, 8),
        "startup": part("startup", *size.stored, 8, directory),
        "commits": part("commits", *size.commits, directory),
        "sending": part("sending", size.sent, directory),
        "large": part("large", *size.large),
    }


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


def bench(size: Size, pods: int, console: Console, only: Sequence[str]) -> list[Table]:
    """One whole run, part after part.

    Raises:
        BenchFailed: a part failed, or saw something else than is there.
    """
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        directory.chmod(0o755)  # PostgreSQL runs as a user of its own
        chosen = parts(size, pods, console, directory)
        found = []
        for part in only or chosen:
            if console.is_terminal:
                console.print(f"{part} ...")
            found.append(chosen[part]())
        return found


def arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="a few hundred polls: does it work? (the numbers mean little)"
    )
    parser.add_argument(
        "--pods", type=int, default=2, metavar="N", help="pods of each job: the size of an answer (default 2)"
    )
    parser.add_argument("--only", metavar="PART,...", default="", help="only these parts: " + ", ".join(PARTS))
    parser.add_argument("--markdown", action="store_true", help="print for docs/performance.md")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the result there, too")
    chosen = parser.parse_args(argv)
    if not 1 <= chosen.pods <= 1000:
        parser.error("--pods is a number from 1 to 1000")
    if chosen.json is not None and not chosen.json.absolute().parent.is_dir():
        parser.error(f"--json: there is no directory for {str(chosen.json)!r}")
    chosen.only = [part for part in chosen.only.split(",") if part]
    if unknown := [part for part in chosen.only if part not in PARTS]:
        parser.error(f"--only: there is no part {unknown[0]!r}")
    return chosen


def main() -> int:
    """Run, print, and return the exit code: 0, 1 when the run is worthless, 130 when it was interrupted."""
    chosen = arguments()
    set_up_logging("critical")
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))  # with all clean-up
    try:
        found = bench(QUICK if chosen.quick else FULL, chosen.pods, Console(stderr=True), chosen.only)
    except BenchFailed as exc:
        print(f"bench: {exc}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    if chosen.markdown:
        print(f"{report.machine_line()}\n")
        for table in found:
            print(table.markdown())
    else:
        out = Console()
        wide = out if out.is_terminal else Console(width=132)
        for table in found:
            table.show(wide)
        wide.print(report.machine_line())
    if chosen.json is not None:
        told = {"machine": report.machine(), "versions": report.versions()} | {
            table.name: table.data for table in found
        }
        chosen.json.write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
