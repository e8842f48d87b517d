"""The benchmark runs, checks what it measures, and leaves nothing behind. How fast anything is, is not asked here."""

from __future__ import annotations

import json
import platform
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from bench import __main__ as command
from bench import lists, measure
from bench.__main__ import PARTS
from bench.children import ENDS_WITH_PARENT
from bench.modes import MODES
from bench.peers import BenchFailed, Site
from bench.peers.lists import PAGE
from bench.polls import PEERS
from bench.postgres import NoPostgres, serving_postgres
from bench.report import Done, Run
from bench.server import Served, serving
from bench.tables import Table
from watcher.simulator import SimulatorServer, StaticApp

pytestmark = pytest.mark.anyio
PROGRESS = re.compile(r" +\d+:\d\d .+")
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
    file, page = tmp_path / "bench.json", tmp_path / "page.md"
    done = run("--quick", "--json", str(file), "--markdown", str(page))
    assert done.returncode == 0, done.stderr
    assert all(PROGRESS.fullmatch(line) for line in done.stderr.splitlines()), done.stderr
    run_ = json.loads(file.read_text())
    assert set(run_) == {"machine", "versions", "command", "day", "parts", *PARTS}
    assert all(run_.values())
    assert list(run_["parts"]) == list(PARTS)
    assert [line.split()[3] for line in page.read_text().splitlines() if line.startswith("<!-- bench part")] == list(
        PARTS
    )
    assert [(mode["scheme"], mode["concurrent"]) for mode in run_["lists"]["modes"]] == list(MODES)
    for mode in run_["lists"]["modes"]:
        assert [row["peer"] for row in mode["rows"]] == [peer.name for peer in lists.PEERS]
        assert all(row["cpu_us"]["min"] > 0 for row in mode["rows"])
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
    assert run_["machine"]["cores"] >= 1
    for private in (str(ROOT), str(tmp_path), platform.node()):
        assert private not in done.stdout + file.read_text() + page.read_text()


@pytest.mark.parametrize(
    "arguments",
    [
        ("--pods", "0"),
        ("--json", "no/such/directory/file"),
        ("--markdown", "no/such/directory/file"),
        ("--rounds", "3"),
        ("--only", "nothing"),
    ],
)
def test_wrong_use_is_refused_with_two(arguments: tuple[str, ...]) -> None:
    done = run("--quick", *arguments)
    assert done.returncode == 2
    assert arguments[0] in done.stderr
    assert "Traceback" not in done.stderr


def test_some_parts_alone_are_written_for_the_documentation(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    done = run("--quick", "--markdown", str(page), "--only", "large")
    assert done.returncode == 0, done.stderr
    assert "### Large answers" in page.read_text()
    assert "| 600 pods, changed look |" in page.read_text()
    assert "polled by" not in page.read_text() + done.stdout


def ran(part: str, title: str) -> Done:
    return Done(part, Table(part, title, ("row", "figure"), (("one", "1"),)), "", 2.0, 0.5)


def test_a_run_replaces_its_section_of_a_page_and_nothing_else() -> None:
    day, order = date(2026, 1, 2), ("polls", "memory")
    first = Run("", day, [ran("polls", "Old polls"), ran("memory", "Old memory")])
    page = first.into("", order)
    page = f"# Before\n\n{page}\n## After\n"
    whole = Run("", day, [ran("polls", "New polls"), ran("memory", "New memory")]).into(page, order)
    assert whole == page.replace("Old", "New")
    alone = Run("--only memory", day, [ran("memory", "New memory")]).into(page, order)
    assert "Old polls" in alone
    assert "Old memory" not in alone
    assert alone == page.replace("Old memory", "New memory").replace(
        "*Load when it began: 0.50; it took 2 s.*\n\n<!-- bench: end",
        '*By itself: `make bench ARGS="--only memory"`, 2026-01-02. Load when it began: 0.50; it took 2 s.*\n\n<!-- bench: end',
    )


def test_the_page_of_the_documentation_has_a_section_for_a_run() -> None:
    page = (ROOT / "docs" / "performance.md").read_text(encoding="utf-8")
    day, done = date(2026, 1, 2), [ran(part, f"The table of {part}") for part in PARTS]
    written = Run("", day, done).into(page, PARTS)
    assert written.startswith("# Performance\n")
    assert [written.count(f"### The table of {part}\n") for part in PARTS] == [1] * len(PARTS)


def test_a_part_that_fails_keeps_nobody_from_the_tables_of_the_others(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def failing() -> Table:
        raise ExceptionGroup("tasks", [BenchFailed("on purpose")])

    def good() -> Table:
        return Table("memory", "What is left", ("row", "figure"), (("one", "1"),), (), {"one": 1})

    monkeypatch.setattr(command, "parts", lambda *_: {"polls": failing, "memory": good})
    monkeypatch.setattr(sys, "argv", ["bench", "--json", str(tmp_path / "json")])
    assert command.main() == 1
    said = capsys.readouterr()
    assert "What is left" in said.out
    assert said.err.splitlines()[-1] == "bench: polls failed: on purpose"
    told = json.loads((tmp_path / "json").read_text())
    assert told["memory"] == {"one": 1}
    assert "polls" not in told
    assert told["parts"]["polls"]["failed"] == "on purpose"


def test_a_run_that_is_interrupted_tells_what_was_done(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def good() -> Table:
        return Table("polls", "What was done", ("row", "figure"), (("one", "1"),), (), {"one": 1})

    def interrupted() -> Table:
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "parts", lambda *_: {"polls": good, "memory": interrupted})
    monkeypatch.setattr(sys, "argv", ["bench", "--json", str(tmp_path / "json")])
    assert command.main() == 130
    assert "What was done" in capsys.readouterr().out
    assert list(json.loads((tmp_path / "json").read_text())["parts"]) == ["polls"]


@pytest.mark.skipif(ENDS_WITH_PARENT is None, reason="Linux only")
def test_a_child_ends_with_a_parent_that_is_killed() -> None:
    starter = (
        "import subprocess, sys\n"
        "from bench.children import ENDS_WITH_PARENT\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; print(1, flush=True); time.sleep(600)'],\n"
        "                         preexec_fn=ENDS_WITH_PARENT)\n"
        "child.wait()\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", starter], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    assert parent.stdout.readline() == "1\n"  # the child lives, and holds the pipe as its parent does
    parent.kill()
    parent.wait()
    assert parent.stdout.read() == ""  # the end of the pipe: nobody holds it any more
    parent.stdout.close()


def test_a_postgres_ends_with_its_run(tmp_path: Path) -> None:
    place = tmp_path / "pg"
    place.mkdir()
    try:
        with serving_postgres(place) as url:
            assert url.startswith("postgresql://")
            assert (place / "postmaster.pid").exists()
    except NoPostgres as exc:
        pytest.skip(f"no PostgreSQL: {exc}")
    assert not (place / "postmaster.pid").exists()


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


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(PAGE, 1, tmp_path_factory.mktemp("certificates")) as running:
        yield running


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
                await measure.sweep(peer)
        finally:
            await peer.aclose()


@pytest.mark.parametrize("make", PEERS, ids=lambda peer: peer.__name__)
@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_a_sweep_polls_each_job_once(make: Any, scheme: str, served: Served) -> None:
    peer = make(Site(scheme, served.authorities[scheme], served.ca_file, served.job_ids, 2))
    try:
        for _ in range(2):
            assert (await measure.sweep(peer)).polls == peer.asks
    finally:
        await peer.aclose()


@pytest.mark.parametrize("make", lists.PEERS, ids=lambda peer: peer.__name__)
@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_a_sweep_over_lists_sees_every_job_of_each_page(make: Any, scheme: str, pages: Served) -> None:
    peer = make(Site(scheme, pages.authorities[scheme], pages.ca_file, pages.job_ids, 2))
    try:
        for _ in range(2):
            assert (await measure.sweep(peer)).polls == peer.asks
    finally:
        await peer.aclose()


@pytest.mark.parametrize("make", lists.PEERS[:-1], ids=lambda peer: peer.__name__)
async def test_a_list_of_fewer_jobs_ends_the_run(make: Any, tmp_path: Path) -> None:
    app = StaticApp(PAGE)
    async with SimulatorServer(StaticApp(PAGE - 1), thread=True) as server:
        peer = make(site(server, app, tmp_path))
        try:
            with pytest.raises(BenchFailed, match=r"nothing of this run counts.*was seen to have 99"):
                await measure.sweep(peer)
        finally:
            await peer.aclose()


async def test_a_peer_that_skips_jobs_ends_the_run() -> None:
    class Lazy:
        name, asks = "lazy", 4

        async def warm(self) -> None: ...

        async def sweep(self) -> int:
            return 3

        async def aclose(self) -> None: ...

    with pytest.raises(BenchFailed, match="polled 3 jobs of 4"):
        await measure.sweep(Lazy())


def test_the_server_ends_with_the_run_and_tells_what_it_did(tmp_path: Path) -> None:
    with serving(1, 1, tmp_path) as running:
        assert running.process.poll() is None
    assert running.process.returncode == 0
    assert running.answers == 0


def test_the_server_ends_with_a_run_that_failed(tmp_path: Path) -> None:
    with pytest.raises(BenchFailed, match="on purpose"), serving(1, 1, tmp_path) as running:
        raise BenchFailed("on purpose")
    assert running.process.returncode == 0
