"""From starting `dlc-watcher run` on a full store to its first request, and the memory it has by then.

The far side is a socket of ours that notes when it is first spoken to, and answers nothing. The program is the one that is shipped.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
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
        connection.execute(
            insert(schema.jobs), [dict(rows.watch_row(watch_of(bodies, number), None)) for number in numbers]
        )

    for first in range(0, jobs, _AT_ONCE):
        await store._database.write(partial(put, first=first))  # noqa: SLF001 - a commit for each would take minutes
    await store.aclose()


def first_request(directory: Path, database: Path) -> tuple[float, int]:
    """Seconds from the start of the program to its first request, and its resident bytes then.

    Raises:
        BenchFailed: it sent none.
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
            env={**os.environ, "ALIBABA_CLOUD_ECS_METADATA_DISABLED": "true"},
            text=True,
            preexec_fn=ENDS_WITH_PARENT,  # noqa: PLW1509 - it only calls prctl
        )
        try:
            connection, _ = server.accept()
            took = time.monotonic() - began
            pages = int(Path(f"/proc/{process.pid}/statm").read_text(encoding="ascii").split()[1])
            connection.close()
        except TimeoutError:
            process.kill()
            raise BenchFailed(
                f"the program sent no request within {_PATIENCE_S} s: {process.communicate()[1][-500:]}"
            ) from None
        finally:
            process.send_signal(signal.SIGKILL)  # a start after a crash is what is measured next
            process.communicate()
    return took, pages * os.sysconf("SC_PAGE_SIZE")


def startup(sizes: Sequence[int], rounds: int, pods: int, directory: Path) -> Table:
    """Measure a start at every size, in turns."""
    databases = {jobs: directory / f"jobs{jobs}.db" for jobs in (0, *sizes)}
    for jobs, path in databases.items():
        anyio.run(fill, path, jobs, pods)
    found: dict[int, list[tuple[float, int]]] = {jobs: [] for jobs in databases}
    for _ in range(rounds):
        for jobs, path in databases.items():
            found[jobs].append(first_request(directory, path))
    empty = [took for took, _ in found[0]]
    lines: list[tuple[str, ...]] = []
    data: list[dict[str, Any]] = []
    for jobs, starts in found.items():
        whole = Spread.of([took for took, _ in starts])
        load = Spread.of([took - base for (took, _), base in zip(starts, empty, strict=True)])
        ratio = Spread.of([took / base for (took, _), base in zip(starts, empty, strict=True)])
        resident = Spread.of([resident / 2**20 for _, resident in starts])
        lines.append((f"{jobs:,} stored jobs", cell(ratio, 2), cell(whole, 2), cell(load, 2), cell(resident)))
        data.append(
            {
                "jobs": jobs,
                "of_empty": ratio.__dict__,
                "first_request_s": whole.__dict__,
                "more_than_empty_s": load.__dict__,
                "mib": resident.__dict__,
            }
        )
    note = (
        f"`dlc-watcher run` after kill -9, SQLite, {pods} pods a job, {rounds} starts in turns. Most of an empty start is "
        "importing. What is known completely again is the budget's matter: a look at each job."
    )
    heading = ("start on", "of an empty start", "first request s", "more than empty s", "resident MiB")
    return Table("startup", "From the start of the program to its first request", heading, lines, (note,), data)


__all__ = ["fill", "first_request", "job_id", "startup"]
