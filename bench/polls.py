"""CPU and rate of GetJob polls with nothing changed: ours, the official SDK, a plain script, and the floor."""

from __future__ import annotations

from pathlib import Path

import anyio

from bench.measure import Spread
from bench.modes import run_modes
from bench.peers.official_sdk import AsyncSdk, OfficialSdk
from bench.peers.ours import Client, Fetch, Service
from bench.peers.plain_httpx import PlainHttpx
from bench.peers.raw_socket import RawSocket
from bench.server import serving
from bench.tables import Table, cell

PEERS = (Service, Client, Fetch, RawSocket, PlainHttpx, AsyncSdk, OfficialSdk)
_SDK, _SCRIPT = OfficialSdk.name, PlainHttpx.name


def polls(jobs: int, rounds: int, seconds: float, pods: int, directory: Path) -> Table:
    """Measure.

    Raises:
        BenchFailed: a poll failed or saw something else than is there.
    """
    with serving(jobs, pods, directory) as served:
        modes = anyio.run(run_modes, served, PEERS, rounds, seconds, "polls")
    rows, told = [], []
    for mode in modes:
        data = []
        for name, found in mode.rounds.items():
            cpu, script, rate = mode.cpu(name, _SDK), mode.cpu(name, _SCRIPT), mode.rate(name, _SDK)
            cost, speed = Spread.of([one.cpu_us for one in found]), Spread.of([one.per_second for one in found])
            cells = (cell(cpu, 2), cell(script, 2), cell(rate, 2), cell(cost), cell(speed))
            rows.append((f"{mode.name}: {name}", *cells))
            data.append(
                {
                    "peer": name,
                    "cpu_ratio": cpu.__dict__,
                    "script_ratio": script.__dict__,
                    "rate_ratio": rate.__dict__,
                    "cpu_us": cost.__dict__,
                    "per_second": speed.__dict__,
                }
            )
        done = len(mode.rounds[_SDK])
        told.append({"scheme": mode.scheme, "concurrent": mode.concurrent, "rounds": done, "rows": data})
    server_us = served.cpu_s / served.answers * 1e6
    note = (
        f"{served.answers:,} polls, every one checked; a round is {jobs} jobs of {pods} pods ({served.body_bytes:,} bytes an "
        f"answer), of the SDK's coroutines a tenth, but 16 and one for each connection at least; rounds: "
        f"{', '.join(str(len(mode.rounds[_SDK])) for mode in modes)}. The server's own process spent {server_us:.0f} µs CPU each."
    )
    return Table(
        name="polls",
        title="GetJob polls with nothing changed: median (min..max) of the rounds",
        heading=("polled by", "CPU / SDK", "CPU / script", "rate / SDK", "CPU µs/poll", "polls/s"),
        rows=rows,
        notes=(note,),
        data={
            "jobs": jobs,
            "pods": pods,
            "body_bytes": served.body_bytes,
            "polls": served.answers,
            "server_cpu_us": server_us,
            "modes": told,
        },
    )
