"""What a run found, as a table for people and as plain data."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from typing import Any

from bench.measure import Round, Spread
from bench.server import Served
from bench.tables import Table, cell

_LIBRARIES = ("dlc-watcher", "alibabacloud-pai-dlc20201203", "httpx2", "httptools", "pydantic")


@dataclass(frozen=True)
class Row:
    """One peer in one mode. Ratios are taken within each round, against the SDK's sweep of the same round.

    Attributes:
        cpu_ratio: CPU per poll as a share of the SDK's; less is better.
        script_ratio: CPU per poll as a share of the plain script's.
        rate_ratio: polls per second as a multiple of the SDK's; more is better.
        cpu_us: CPU microseconds per poll.
        per_second: polls per second.
    """

    peer: str
    cpu_ratio: Spread
    script_ratio: Spread
    rate_ratio: Spread
    cpu_us: Spread
    per_second: Spread


@dataclass(frozen=True)
class Mode:
    """One scheme at one concurrency."""

    scheme: str
    concurrent: int
    rounds: int
    rows: Sequence[Row]


@dataclass(frozen=True)
class Report:
    """Everything a run found."""

    machine: Mapping[str, Any]
    versions: Mapping[str, str]
    jobs: int
    pods: int
    body_bytes: int
    polls: int
    server_cpu_us: float
    modes: Sequence[Mode]

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    def table(self) -> Table:
        """As a part of a run. Ratios come first."""
        rows = [
            (
                f"{one.scheme}, {one.concurrent} at once: {row.peer}",
                cell(row.cpu_ratio, 2),
                cell(row.script_ratio, 2),
                cell(row.rate_ratio, 2),
                cell(row.cpu_us),
                cell(row.per_second),
            )
            for one in self.modes
            for row in one.rows
        ]
        rounds = sorted({one.rounds for one in self.modes})
        note = (
            f"{self.polls} polls, every one checked; a round is {self.jobs} jobs of {self.pods} pods ({self.body_bytes} bytes an "
            f"answer), rounds: {', '.join(map(str, rounds))}. The server's own process spent {self.server_cpu_us:.0f} µs CPU each."
        )
        heading = ("polled by", "CPU / SDK", "CPU / script", "rate / SDK", "CPU µs/poll", "polls/s")
        title = "GetJob polls with nothing changed: median (min..max) of the rounds"
        return Table("polls", title, heading, rows, (note,), self.as_json())


def machine() -> dict[str, Any]:
    """What the numbers depend on; nothing that says whose machine it is."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "cores": os.cpu_count(),
        "memory_gib": round(memory, 1),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "system": f"{platform.system()} {platform.machine()}",
    }


def versions() -> dict[str, str]:
    """Of what is measured."""
    return {name: version(name) for name in _LIBRARIES}


def mode(scheme: str, concurrent: int, found: Mapping[str, Sequence[Round]], baseline: str, script: str) -> Mode:
    """Sum up the rounds of one mode."""
    against, scripts = found[baseline], found[script]
    rows = [
        Row(
            peer=name,
            cpu_ratio=Spread.of([a.cpu_us / b.cpu_us for a, b in zip(rounds, against, strict=True)]),
            script_ratio=Spread.of([a.cpu_us / b.cpu_us for a, b in zip(rounds, scripts, strict=True)]),
            rate_ratio=Spread.of([a.per_second / b.per_second for a, b in zip(rounds, against, strict=True)]),
            cpu_us=Spread.of([a.cpu_us for a in rounds]),
            per_second=Spread.of([a.per_second for a in rounds]),
        )
        for name, rounds in found.items()
    ]
    return Mode(scheme, concurrent, len(against), rows)


def summed_up(served: Served, modes: Sequence[Mode]) -> Report:
    """The whole report of a run whose server has ended."""
    return Report(
        machine=machine(),
        versions=versions(),
        jobs=len(served.job_ids),
        pods=served.pods,
        body_bytes=served.body_bytes,
        polls=served.answers,
        server_cpu_us=served.cpu_s / served.answers * 1e6,
        modes=modes,
    )


def machine_line() -> str:
    """Machine and versions in a sentence."""
    facts = machine()
    names = ", ".join(f"{name} {number}" for name, number in versions().items())
    return f"{facts['cores']} cores, {facts['memory_gib']} GiB, {facts['python']}, {facts['system']}; {names}."
