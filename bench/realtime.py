"""How soon changes are seen in real time: the shipped service asks the simulator, a process of its own, for scripted jobs.

The scenario is played at the speed of life. The simulator tells at the end what truly happened, and when; what the service saw
counts from when it was committed. `bench.detection` says what made-up time says of larger fleets.
"""

from __future__ import annotations

import json
import math
import os
import random
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import anyio

from bench.children import ENDS_WITH_PARENT
from bench.peers import BenchFailed
from bench.tables import Table
from watcher.config.loading import load
from watcher.core.events import JobAppeared, JobStatusChanged
from watcher.plugins import discover
from watcher.ports.store import Observation
from watcher.service.app import assemble, run
from watcher.store.sql import SqlStore

_ENDS: Final = ("Succeeded", "Failed", "Stopped")
_RESTART_S: Final = 8
_AGE_S: Final = 3600
_PATIENCE_S: Final = 60
"""How long after the last scripted change the service may take to have seen every end."""

_SPARE_S: Final = 5
"""Between the simulator's start and the first change: the service starts meanwhile."""

CONFIGURATION: Final = """\
sources:
  bench:
    kind: dlc
    endpoint: {url}
    credentials: {{kind: access_key, key_id: simulatorkeyid, secret: simulatorkeysecret}}
    budget: {{requests_per_second: {rps}}}
store: {{url: "sqlite:///{folder}/realtime.db"}}
receivers:
  terminal: {{console: {{}}}}
rules:
  - use: watch-blind
route:
  receiver: terminal
service: {{http: {{port: null}}}}
"""


class Noting(SqlStore):
    """The shipped store, that also notes when each status was committed with the event that tells it."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.committed: dict[tuple[str, str], float] = {}
        """By job and status, the first time, in seconds since the epoch. What ended before its first look appears as ended."""

    async def commit(self, observation: Observation) -> None:
        await super().commit(observation)
        now = time.time()
        for event in observation.events:
            if isinstance(event, JobStatusChanged):
                self.committed.setdefault((str(event.job.job_id), event.new_status), now)
            elif isinstance(event, JobAppeared):
                self.committed.setdefault((str(event.job.job_id), event.status), now)


def scenario(jobs: int, first_s: float, length_s: float, dice: random.Random) -> dict[str, Any]:
    """Jobs that have run for an hour. In either stretch of time one in twenty ends, and one in forty is restarted later.

    Args:
        jobs: how many.
        first_s: how long every job's first look takes with the budget at hand: the first stretch.
        length_s: the second one.
        dice: draws the times.
    """
    told: list[dict[str, Any]] = []
    lots = list(range(jobs))
    dice.shuffle(lots)
    share = max(1, jobs // 20)
    for number, lot in enumerate(lots):
        life = [
            {"at": f"{5 * at}s", "status": status} for at, status in enumerate(("Queuing", "EnvPreparing", "Running"))
        ]
        if lot < 2 * share:
            at = _SPARE_S + dice.uniform(0, first_s) if lot < share else _SPARE_S + first_s + dice.uniform(0, length_s)
            life.append({"at": f"{_AGE_S + at:.3f}s", "status": dice.choice(_ENDS)})
        elif lot < 2 * share + share // 2:
            at = _AGE_S + _SPARE_S + first_s + dice.uniform(0, length_s)
            life += [
                {"at": f"{at:.3f}s", "status": "Restarting"},
                {"at": f"{at + _RESTART_S:.3f}s", "status": "Running"},
            ]
        told.append(
            {"id": f"dlc{number:013d}", "submit_at": f"-{_AGE_S}s", "roles": {"Worker": {"count": 2}}, "life": life}
        )
    return {"made_up": True, "jobs": told}


@contextmanager
def _simulating(scenario_file: Path) -> Iterator[str]:
    """The simulator, at the speed of life; where it listens."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ALIBABA_CLOUD_")}
    process = subprocess.Popen(
        [
            sys.executable,
            "-u",
            "-m",
            "watcher",
            "simulate",
            "--scenario",
            str(scenario_file),
            "--port",
            "0",
            "--speed",
            "1",
        ],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env=environment,
        preexec_fn=ENDS_WITH_PARENT,  # noqa: PLW1509 - it only calls prctl
    )
    try:
        assert process.stdout is not None
        said = process.stdout.readline()
        if not (told := re.findall(r"http://[0-9.]+:[0-9]+", said)):
            raise BenchFailed("the simulator's process ended before it served anything; what it said stands above")
        yield told[0]
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()


def _changes(url: str) -> list[tuple[float, str, str]]:
    """When each scripted change of a status happened since the simulator's start, of which job, to what."""
    with urllib.request.urlopen(f"{url}/_simulator/truth", timeout=30) as answer:
        told = json.loads(answer.read())
    return [
        (datetime.fromisoformat(one["at"]).timestamp(), one["job_id"], one["new"])
        for one in told
        if one["kind"] == "job.status_changed"
    ]


async def _watch(url: str, rps: float, directory: Path, began: float, length_s: float) -> tuple[Noting, list[Any]]:
    text = CONFIGURATION.format(url=url, rps=rps, folder=directory)
    loaded = load(text, file="bench.yaml", env={}, kinds=discover(), base_dir=directory)
    store = Noting(loaded.store.url)
    stop = anyio.Event()
    async with assemble(loaded, store=store) as service, anyio.create_task_group() as tasks:
        tasks.start_soon(run, service, stop)
        await anyio.sleep(max(0.0, began + length_s - time.time()))
        changes = [one for one in await anyio.to_thread.run_sync(_changes, url) if one[0] > began]
        ends = {(job_id, status) for _, job_id, status in changes if status in _ENDS}
        with anyio.move_on_after(_PATIENCE_S):
            while ends - store.committed.keys():  # noqa: ASYNC110 - the store rings no bell
                await anyio.sleep(0.1)
        stop.set()
    if missing := ends - store.committed.keys():
        raise BenchFailed(
            f"{len(missing)} of {len(ends)} ends were not seen within {_PATIENCE_S} s, {min(missing)[0]} first"
        )
    return store, changes


def at_share(values: Sequence[float], share: float) -> float:
    """The smallest value that so large a share of all does not exceed."""
    return sorted(values)[max(0, math.ceil(len(values) * share) - 1)]


def realtime(jobs: int, rps: float, length_s: float, directory: Path) -> Table:
    """Play so many jobs for the time that their first looks take, and for so long after it.

    Raises:
        BenchFailed: an end was not seen at all.
    """
    first_s = jobs / rps
    file = directory / "realtime.yaml"
    file.write_text(json.dumps(scenario(jobs, first_s, length_s, random.Random(1))), encoding="utf-8")
    with _simulating(file) as url:
        began = time.time()
        store, changes = anyio.run(_watch, url, rps, directory, began, _SPARE_S + first_s + length_s + _RESTART_S)
    steady = began + _SPARE_S + first_s
    kinds: dict[str, list[tuple[float, str, str]]] = {
        "a job ends": [one for one in changes if one[2] in _ENDS and one[0] >= steady],
        "a job ends while all are looked at first": [one for one in changes if one[2] in _ENDS and one[0] < steady],
        "a job restarts": [one for one in changes if one[2] == "Restarting"],
    }
    rows, data = [], []
    for kind, scripted in kinds.items():
        committed = store.committed
        seen = [committed[job_id, status] - at for at, job_id, status in scripted if (job_id, status) in committed]
        p50, p95, worst = (at_share(seen, share) for share in (0.5, 0.95, 1.0)) if seen else (math.nan,) * 3
        rows.append((kind, f"{len(seen)} of {len(scripted)}", f"{p50:.2f}", f"{p95:.2f}", f"{worst:.2f}"))
        data.append(
            {"change": kind, "scripted": len(scripted), "seen": len(seen), "p50_s": p50, "p95_s": p95, "most_s": worst}
        )
    note = (
        f"{jobs:,} jobs of 2 pods, {rps:g} requests/s, SQLite, {datetime.now(UTC):%Y-%m-%d}; first looks take {first_s:g} s, then "
        f"{length_s:g} s are played. The simulator shares the machine."
    )
    heading = ("scripted change", "seen", "p50 s", "p95 s", "most s")
    return Table(
        "realtime", "In real time: from a scripted change to its committed event", heading, rows, (note,), data
    )
