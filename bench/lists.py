"""CPU per job of a page of ListJobs on which nothing has changed, beside what others need, and beside one GetJob by the SDK."""

from __future__ import annotations

from pathlib import Path

import anyio

from bench.measure import Spread
from bench.modes import run_modes
from bench.peers.lists import (
    AsyncSdkLists,
    RawLists,
    Reading,
    Recognising,
    ScriptLists,
    SdkLists,
    SdkPolls,
)
from bench.server import serving
from bench.tables import Table, cell

PEERS = (Recognising, Reading, RawLists, ScriptLists, AsyncSdkLists, SdkLists, SdkPolls)
_SDK, _SCRIPT, _POLL = SdkLists.name, ScriptLists.name, SdkPolls.name


def lists(jobs: int, rounds: int, seconds: float, pods: int, directory: Path) -> Table:
    """Measure.

    Raises:
        BenchFailed: somebody saw something else than is there.
    """
    with serving(jobs, pods, directory) as served:
        modes = anyio.run(run_modes, served, PEERS, rounds, seconds, "lists")
    rows, told = [], []
    for mode in modes:
        data = []
        for name, found in mode.rounds.items():
            cpu, script, poll = (mode.cpu(name, other) for other in (_SDK, _SCRIPT, _POLL))
            cost = Spread.of([one.cpu_us for one in found])
            rows.append((f"{mode.name}: {name}", cell(cpu, 2), cell(script, 2), cell(poll, 4), cell(cost, 1)))
            data.append(
                {
                    "peer": name,
                    "cpu_ratio": cpu.__dict__,
                    "script_ratio": script.__dict__,
                    "of_an_sdk_poll": poll.__dict__,
                    "cpu_us": cost.__dict__,
                }
            )
        done = len(mode.rounds[_SDK])
        told.append({"scheme": mode.scheme, "concurrent": mode.concurrent, "rounds": done, "rows": data})
    note = (
        f"Pages of {jobs} jobs, 16 or 64 in a round, of the SDK's coroutines 4, 16 or 64; rounds: "
        f"{', '.join(str(len(mode.rounds[_SDK])) for mode in modes)}. Sign, send, read, recognise or parse; taking in is not in it."
    )
    return Table(
        name="lists",
        title="A page of ListJobs on which nothing changed: CPU per job",
        heading=("read by", "CPU / SDK's list", "CPU / script", "of a GetJob by the SDK", "CPU µs/job"),
        rows=rows,
        notes=(note,),
        data={"modes": told},
    )
