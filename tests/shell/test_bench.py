"""The benchmark runs, checks what it measures, and leaves nothing behind. How fast anything is, is not asked here."""

from __future__ import annotations

import json
import platform
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench import measure
from bench.__main__ import MODES, PARTS, PEERS
from bench.peers import BenchFailed, Site
from bench.server import Served, serving
from watcher.simulator import SimulatorServer, StaticApp

pytestmark = pytest.mark.anyio
ROOT = Path(__file__).parents[2]
RATIOS, NUMBERS = ("cpu_ratio", "rate_ratio"), ("cpu_us", "per_second")


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "bench", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=300, check=False
    )


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(4, 1, tmp_path_factory.mktemp("certificates")) as running:
        yield running


def test_a_quick_run_measures_every_part_and_every_peer_in_every_mode(tmp_path: Path) -> None:
    file = tmp_path / "bench.json"
    done = run("--quick", "--json", str(file))
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    run_ = json.loads(file.read_text())
    assert set(run_) == {"machine", "versions", *PARTS}
    assert all(run_.values())
    told = run_["polls"]
    assert [(mode["scheme"], mode["concurrent"]) for mode in told["modes"]] == list(MODES)
    sweeps = 0
    for mode in told["modes"]:
        assert [row["peer"] for row in mode["rows"]] == [peer.name for peer in PEERS]
        assert mode["rounds"] >= 1
        sweeps += mode["rounds"] * len(mode["rows"])
        for row in mode["rows"]:
            assert row["peer"] in done.stdout
            for name in (*RATIOS, *NUMBERS):
                assert 0 < row[name]["min"] <= row[name]["median"] <= row[name]["max"]
        baseline = mode["rows"][-1]
        assert [baseline[name] for name in RATIOS] == [{"median": 1.0, "min": 1.0, "max": 1.0}] * 2
    assert (
        told["polls"] > sweeps * told["jobs"]
    )  # the server's own count: every measured poll reached it, and the uncounted ones
    assert told["body_bytes"] > 1000
    assert told["machine"]["cores"] >= 1
    for private in (str(ROOT), str(tmp_path), platform.node()):
        assert private not in done.stdout + file.read_text()


@pytest.mark.parametrize(
    "arguments", [("--pods", "0"), ("--json", "no/such/directory/file"), ("--rounds", "3"), ("--only", "nothing")]
)
def test_wrong_use_is_refused_with_two(arguments: tuple[str, ...]) -> None:
    done = run("--quick", *arguments)
    assert done.returncode == 2
    assert arguments[0] in done.stderr
    assert "Traceback" not in done.stderr


def test_some_parts_alone_are_printed_for_the_documentation() -> None:
    done = run("--quick", "--markdown", "--only", "large")
    assert done.returncode == 0, done.stderr
    assert "### Large answers" in done.stdout
    assert "| 600 pods |" in done.stdout
    assert "polled by" not in done.stdout


def site(server: SimulatorServer, jobs: StaticApp | Served, tmp_path: Path) -> Site:
    return Site("http", server.endpoint, tmp_path / "unused", jobs.job_ids, 2)


class Lying(StaticApp):
    """Says of one job what is not so."""

    def __init__(self, old: bytes, new: bytes) -> None:
        super().__init__(4)
        self._lie = old, new

    def respond(self, path: bytes, query: bytes) -> tuple[int, bytes]:
        status, body = super().respond(path, query)
        return (status, body.replace(*self._lie)) if path.endswith(b"3") else (status, body)


class Failing(StaticApp):
    """Has lost one of its jobs."""

    def respond(self, path: bytes, query: bytes) -> tuple[int, bytes]:
        return super().respond(b"/nothing" if path.endswith(b"3") else path, query)


@pytest.mark.parametrize("make", PEERS, ids=lambda peer: peer.__name__)
@pytest.mark.parametrize(
    "app",
    [
        Lying(b'"Status": "Running"', b'"Status": "Failed"'),
        Lying(b"dlcstatic0000003", b"dlcstatic0000002"),
        Failing(4),
    ],
    ids=["another status", "another job", "not found"],
)
async def test_a_peer_that_sees_anything_else_than_is_there_ends_the_run(
    make: Any, app: StaticApp, tmp_path: Path
) -> None:
    async with SimulatorServer(app, thread=True) as server:
        peer = make(site(server, app, tmp_path))
        try:
            with pytest.raises(BenchFailed, match=r"nothing of this run counts"):
                await measure.sweep(peer, len(app.job_ids))
        finally:
            await peer.aclose()


@pytest.mark.parametrize("make", PEERS, ids=lambda peer: peer.__name__)
@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_a_sweep_polls_each_job_once(make: Any, scheme: str, served: Served) -> None:
    peer = make(Site(scheme, served.authorities[scheme], served.ca_file, served.job_ids, 2))
    try:
        for _ in range(2):
            assert (await measure.sweep(peer, len(served.job_ids))).polls == 4
    finally:
        await peer.aclose()


async def test_a_peer_that_skips_jobs_ends_the_run() -> None:
    class Lazy:
        name = "lazy"

        async def warm(self) -> None: ...

        async def sweep(self) -> int:
            return 3

        async def aclose(self) -> None: ...

    with pytest.raises(BenchFailed, match="polled 3 jobs of 4"):
        await measure.sweep(Lazy(), 4)


def test_the_server_ends_with_the_run_and_tells_what_it_did(tmp_path: Path) -> None:
    with serving(1, 1, tmp_path) as running:
        assert running.process.poll() is None
    assert running.process.returncode == 0
    assert running.answers == 0


def test_the_server_ends_with_a_run_that_failed(tmp_path: Path) -> None:
    with pytest.raises(BenchFailed, match="on purpose"), serving(1, 1, tmp_path) as running:
        raise BenchFailed("on purpose")
    assert running.process.returncode == 0
