"""From starting `dlc-watcher run` on a full store to its first request: time, CPU time, and the memory it has by then.

The far side is a socket of ours that notes when it is first spoken to, and answers nothing. The program is the one that is shipped,
compiled as an installed one is.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import anyio
from sqlalchemy import Connection, insert

from bench.bodies import Bodies, job_id
from bench.children import ENDS_WITH_PARENT
from bench.inside import SOURCE, watch_of
from bench.measure import Spread
from bench.peers import BenchFailed
from bench.tables import Table, cell
from watcher.store import rows, schema
from watcher.store.sql import SqlStore

_PATIENCE_S: Final = 120
_AT_ONCE: Final = 1000

CONFIGURATION: Final = """\
sources:
  {source}:
    kind: dlc
    endpoint: http://127.0.0.1:{port}
    credentials: {{kind: access_key, key_id: LTAIbench, secret: none}}
receivers:
  terminal: {{console: {{}}}}
rules:
  - use: job-failed
route:
  receiver: terminal
store:
  url: sqlite:///{database}
service:
  http: {{port: null}}
"""


async def fill(path: Path, jobs: int, pods: int) -> None:
    """A store that knows so many running jobs."""
    bodies = Bodies(pods)
    store = SqlStore(f"sqlite:///{path}")
    await store.open()

    def put(connection: Connection, first: int) -> None:
        numbers = range(first, min(first + _AT_ONCE, jobs))
        watches = [watch_of(bodies, number) for number in numbers]
        connection.execute(insert(schema.jobs), [dict(rows.watch_row(watch, None)) for watch in watches])
        connection.execute(insert(schema.briefs), [dict(rows.brief_row(watch)) for watch in watches])

    for first in range(0, jobs, _AT_ONCE):
        await store._database.write(partial(put, first=first))  # noqa: SLF001 - a commit for each would take minutes
    await store.aclose()


@dataclass(frozen=True, slots=True)
class Reached:
    """How the program stood when it had got so far.

    Attributes:
        took_s: seconds since its start.
        cpu_s: seconds of CPU time, to a hundredth: no other program counts.
        resident: bytes of memory.
    """

    took_s: float
    cpu_s: float
    resident: int

    @classmethod
    def now(cls, process: subprocess.Popen[str], began: float) -> Reached:
        """Look (Linux)."""
        proc = Path(f"/proc/{process.pid}")
        told = (proc / "stat").read_text(encoding="ascii").rpartition(")")[2].split()
        pages = int((proc / "statm").read_text(encoding="ascii").split()[1])
        return cls(
            time.monotonic() - began,
            (int(told[11]) + int(told[12])) / os.sysconf("SC_CLK_TCK"),
            pages * os.sysconf("SC_PAGE_SIZE"),
        )


def _environment(directory: Path) -> dict[str, str]:
    """Ours, but compiled modules are kept, in a folder of their own: whoever installs the program has them."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return kept | {
        "ALIBABA_CLOUD_ECS_METADATA_DISABLED": "true",
        "PYTHONPYCACHEPREFIX": str(directory / "compiled"),
    }


def start(directory: Path, database: Path) -> tuple[Reached, Reached]:
    """Start the program: how it stood at its first request, and when it knew what is stored.

    Raises:
        BenchFailed: it did not get there.
    """
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(_PATIENCE_S)
        config = directory / "watcher.yaml"
        port = server.getsockname()[1]
        config.write_text(CONFIGURATION.format(source=SOURCE, port=port, database=database), encoding="utf-8")
        began = time.monotonic()
        process = subprocess.Popen(
            [sys.executable, "-m", "watcher", "run", "--config", str(config)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=_environment(directory),
            text=True,
            preexec_fn=ENDS_WITH_PARENT,  # noqa: PLW1509 - it only calls prctl
        )
        assert process.stderr is not None
        said: list[str] = []
        too_late = threading.Timer(_PATIENCE_S, process.kill)
        too_late.start()
        try:
            connection, _ = server.accept()
            first = Reached.now(process, began)
            while not said or '"started"' not in said[-1]:
                said.append(process.stderr.readline())
                if not said[-1]:
                    raise BenchFailed(f"the program ended: {''.join(said)[-500:]}")
            loaded = Reached.now(process, began)
            connection.close()
        except TimeoutError:
            process.kill()
            raise BenchFailed(
                f"the program sent no request within {_PATIENCE_S} s: {process.communicate()[1][-500:]}"
            ) from None
        finally:
            too_late.cancel()
            process.send_signal(signal.SIGKILL)  # a start after a crash is what is measured next
            process.communicate()
    return first, loaded


def startup(sizes: Sequence[int], rounds: int, pods: int, directory: Path) -> Table:
    """Measure a start at every size, in turns."""
    databases = {jobs: directory / f"jobs{jobs}.db" for jobs in (0, *sizes)}
    for jobs, path in databases.items():
        anyio.run(fill, path, jobs, pods)
    start(directory, databases[0])  # compiles
    found: dict[int, list[tuple[Reached, Reached]]] = {jobs: [] for jobs in databases}
    for _ in range(rounds):
        for jobs, path in databases.items():
            found[jobs].append(start(directory, path))
    lines: list[tuple[str, ...]] = []
    data: list[dict[str, Any]] = []
    for jobs, starts in found.items():
        firsts, loads = zip(*starts, strict=True)
        spreads = {
            "cpu_of_empty": Spread.of(
                [one.cpu_s / base.cpu_s for one, (base, _) in zip(firsts, found[0], strict=True)]
            ),
            "first_request_s": Spread.of([one.took_s for one in firsts]),
            "first_request_cpu_s": Spread.of([one.cpu_s for one in firsts]),
            "loaded_s": Spread.of([one.took_s for one in loads]),
            "loaded_cpu_s": Spread.of([one.cpu_s for one in loads]),
            "loaded_mib": Spread.of([one.resident / 2**20 for one in loads]),
        }
        lines.append(
            (f"{jobs:,} stored jobs", *(cell(spread, 0 if "mib" in name else 2) for name, spread in spreads.items()))
        )
        data.append({"jobs": jobs} | {name: spread.__dict__ for name, spread in spreads.items()})
    note = (
        f"`dlc-watcher run` after kill -9, SQLite, {pods} pods a job, {rounds} starts in turns; modules are compiled, as "
        "installed ones are. The first pass over the lists begins once the sources are known, and is taken in after the "
        "stored jobs are; with no stored job a start is importing. What is known completely again is the budget's matter: "
        "a look at each job."
    )
    heading = (
        "start on",
        "of an empty start",
        "first request s",
        "CPU s by then",
        "all loaded s",
        "CPU s by then",
        "resident MiB",
    )
    return Table(
        "startup",
        "From the start of the program to its first request, and to knowing all that is stored",
        heading,
        lines,
        (note,),
        data,
    )


__all__ = ["fill", "job_id", "start", "startup"]
