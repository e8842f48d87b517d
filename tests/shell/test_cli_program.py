"""The program as a process of its own: signals, restarts, what it imports, and the demo."""

from __future__ import annotations

import contextlib
import functools
import json
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest
from anyio.abc import Process
from prometheus_client.parser import text_string_to_metric_families

from tests.shell.service_cli import CONFIGURATION, DRIVES_A_TERMINAL, HOSTILE, PROGRAM, Ended, environment, program
from watcher.simulator import DEMO_KEY, Fault, FaultKind, Scenario, Simulator, SimulatorServer, SpeedUp

pytestmark = pytest.mark.anyio

JOBS = {
    "made_up": True,
    "jobs": [
        {"id": "dlc1long", "life": [{"at": "0s", "status": "Queuing"}, {"at": "60s", "status": "Running"}]},
        {"id": "dlc2fails", "life": [{"at": "0s", "status": "Running"}, {"at": "100s", "status": "Failed"}]},
    ],
}


class Hands:
    """Scenario time that a test moves."""

    def __init__(self) -> None:
        self.time = SpeedUp(1).origin

    def __call__(self) -> Any:
        return self.time


@dataclass
class Running:
    """`dlc-watcher run`, its log as it comes, and the address of its pages."""

    process: Process
    lines: list[dict[str, Any]] = field(default_factory=list)
    url: str = ""

    async def follow(self) -> None:
        assert self.process.stderr is not None
        rest = b""
        async for chunk in self.process.stderr:
            *whole, rest = (rest + chunk).split(b"\n")
            self.lines += [json.loads(line) for line in whole]

    async def until(self, slug: str, **fields: str) -> dict[str, Any]:
        with anyio.fail_after(20):
            while True:
                for line in self.lines:
                    if line["event"] == slug and all(line.get(name) == value for name, value in fields.items()):
                        return line
                await anyio.sleep(0.02)

    async def stop(self) -> float:
        began = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        with anyio.fail_after(15):
            assert await self.process.wait() == 0
        return time.monotonic() - began


@contextlib.asynccontextmanager
async def running(folder: Path) -> AsyncIterator[Running]:
    async with (
        await anyio.open_process(
            [*PROGRAM, "run"], cwd=folder, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        ) as process,
        anyio.create_task_group() as tasks,
    ):
        one = Running(process)
        tasks.start_soon(one.follow)
        try:
            line = await one.until("listening")
            one.url = f"http://127.0.0.1:{line['port']}"
            yield one
        finally:
            if process.returncode is None:
                process.kill()


async def ask(folder: Path, *args: str) -> Ended:
    return await anyio.to_thread.run_sync(functools.partial(program, *args, cwd=folder))


def configure(folder: Path, url: str) -> None:
    text = CONFIGURATION.format(url=url, key_id=DEMO_KEY.key_id, secret=DEMO_KEY.secret, folder=folder)
    (folder / "dlc-watcher.yaml").write_text(text)


async def test_sigterm_stops_it_with_everything_committed_and_a_restart_goes_on_without_repeat_or_gap(
    tmp_path: Path,
) -> None:
    hands = Hands()
    simulator = Simulator(Scenario.model_validate(JOBS), clock=hands)
    async with SimulatorServer(simulator) as server:
        configure(tmp_path, server.url)
        async with running(tmp_path) as first:
            await first.until("event", kind="job.appeared", job="hz/dlc1long")
            await first.until("event", kind="job.appeared", job="hz/dlc2fails")
            hands.time += _seconds(70)
            await first.until("event", kind="job.status_changed", job="hz/dlc1long")
            await first.until("delivered")
            assert await first.stop() < 10
            assert first.lines[-1]["event"] == "stopped"
        hands.time += _seconds(60)
        async with running(tmp_path) as second:
            await second.until("event", kind="job.failed")
            await second.until("delivered")
            assert await second.stop() < 10
        async with running(tmp_path) as third:
            await third.until("started")
            asked = simulator.counts["GetJob"]
            while simulator.counts["GetJob"] < asked + 5:
                await anyio.sleep(0.02)
            await third.stop()
            news = [line for line in third.lines if line["event"] in {"event", "delivered"}]
            assert [line for line in news if line.get("kind") != "job.resumed"] == []
    events = json.loads((await ask(tmp_path, "events", "--json")).out)
    kinds = Counter(event["kind"] for event in events)
    told_once = {"job.appeared": 2, "job.status_changed": 2, "job.failed": 1}
    assert {kind: kinds[kind] for kind in told_once} == told_once
    deliveries = json.loads((await ask(tmp_path, "deliveries", "list", "--json")).out)
    told = sorted((one["notification"]["rule"], one["notification"]["job"]["job_id"]) for one in deliveries)
    assert told == [("job-failed", "dlc2fails"), ("job-started", "dlc1long"), ("job-started", "dlc2fails")]
    assert {one["state"] for one in deliveries} == {"delivered"}


def _seconds(number: int) -> Any:
    from datetime import timedelta

    return timedelta(seconds=number)


async def test_the_running_service_tells_its_health_and_its_metrics(tmp_path: Path) -> None:
    simulator = Simulator(Scenario.model_validate(JOBS), clock=Hands())
    async with SimulatorServer(simulator) as server:
        configure(tmp_path, server.url)
        async with running(tmp_path) as service, httpx2.AsyncClient(base_url=service.url, trust_env=False) as http:
            await service.until("event", kind="job.appeared", job="hz/dlc1long")
            ready = await http.get("/readyz")
            assert (ready.status_code, ready.json()["sources"]["hz"]["sees"]) == (200, True)
            assert (await http.get("/readyz", headers={"Host": "evil.example"})).status_code == 400
            families = {one.name: one for one in text_string_to_metric_families((await http.get("/metrics")).text)}
            assert {sample.value for sample in families["dlc_watcher_jobs_watched"].samples} == {2}
            assert families["dlc_watcher_store_rows"].samples
            well = await ask(tmp_path, "health", "--ready", "--url", service.url)
            assert (well.code, well.out.strip()) == (0, "well")

            simulator.inject(Fault(kind=FaultKind.FORBIDDEN))
            await service.until("event", kind="watch.blind")
            blind = await http.get("/readyz")
            assert blind.status_code == 503
            assert "not authorized" in blind.json()["sources"]["hz"]["error"]
            ill = await ask(tmp_path, "health", "--ready", "--url", service.url)
            assert ill.code == 1
            assert "not authorized" in ill.text
            assert (await ask(tmp_path, "health", "--url", service.url)).code == 0
            assert DEMO_KEY.secret not in (await http.get("/metrics")).text + blind.text
            assert await service.stop() < 10
        assert DEMO_KEY.secret not in json.dumps(service.lines)


async def test_a_second_watcher_on_the_same_store_is_refused_with_a_sentence(tmp_path: Path) -> None:
    async with SimulatorServer(Simulator(Scenario.model_validate(JOBS), clock=Hands())) as server:
        configure(tmp_path, server.url)
        async with running(tmp_path):
            second = await ask(tmp_path, "once")
    assert second.code == 1
    assert second.err.startswith("dlc-watcher: ")
    assert "Traceback" not in second.err


# --- the demo ---------------------------------------------------------------------------------------------------------------------


def test_the_demo_ends_by_itself_with_a_summary_in_which_nothing_is_lost(tmp_path: Path) -> None:
    ended = program("demo", "--duration", "6s", "--json", "--store", "demo.db", cwd=tmp_path)
    assert ended.code == 0, ended.err
    counts = json.loads(ended.out)
    assert (counts["lost"], counts["waiting"]) == (0, 0)
    assert counts["scripted"]["job.appeared"] == 8
    assert sum(counts["told"].values()) >= 5
    assert counts["requests"]["GetJob"] > 15
    kept = json.loads(
        program("deliveries", "list", "--json", "--limit", "1000", "--store", "demo.db", cwd=tmp_path).out
    )
    assert len(kept) == sum(counts["told"].values())


@pytest.mark.parametrize("form", [(), ("--json",)], ids=["terminal", "json"])
def test_the_demo_shows_a_hostile_name_and_does_not_obey_it(tmp_path: Path, form: tuple[str, ...]) -> None:
    life = [
        {"at": "0s", "status": "Running"},
        {"at": "20m", "status": "Failed", "reason": "JobFailed", "message": HOSTILE},
    ]
    story = {"made_up": True, "jobs": [{"id": "dlc1evil", "name": HOSTILE, "life": life}]}
    (tmp_path / "evil.yaml").write_text(json.dumps(story))
    ended = program("demo", "--scenario", "evil.yaml", "--duration", "5s", *form, cwd=tmp_path)
    assert ended.code == 0, ended.err
    assert "[bold]markup[/bold]" in ended.text
    assert not set(ended.text) & DRIVES_A_TERMINAL
    assert not any(line.startswith("second line") for line in ended.text.splitlines())


# --- what it imports --------------------------------------------------------------------------------------------------------------

HEAVY = frozenset(
    {
        *("alembic", "sqlalchemy", "aiohttp", "aiosmtplib", "httpx2", "slack_sdk", "starlette", "uvicorn"),
        *(
            "alibabacloud_credentials",
            "cel_expr_python",
            "jinja2",
            "prometheus_client",
            "pydantic",
            "ruamel",
            "structlog",
        ),
    }
)

_LOOK = """
import sys
from watcher.cli import main
sys.argv = ["dlc-watcher", *{args!r}]
try:
    main()
except SystemExit as exc:
    assert not exc.code, exc.code
print("\\n".join(sorted({{name.split(".")[0] for name in sys.modules}})), file=sys.stderr)
"""


@pytest.mark.parametrize("args", [["--help"], ["--version"], ["run", "--help"], ["demo", "--help"]], ids=" ".join)
def test_help_imports_nothing_heavy(tmp_path: Path, args: list[str]) -> None:
    done = subprocess.run([sys.executable, "-c", _LOOK.format(args=args)], cwd=tmp_path, env=environment(), capture_output=True,
                          text=True, timeout=60, check=True)  # fmt: skip
    assert done.stdout
    assert "typer" in done.stderr.split()
    own = {"pydantic"} if args != ["--help"] else set()  # typer converts option values with it
    assert set(done.stderr.split()) & HEAVY - own == set()


def said(code: str, folder: Path) -> set[str]:
    """What a program of this code prints, word by word."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return set(done.stdout.split())


def test_the_service_imports_nothing_that_it_may_not_need(tmp_path: Path) -> None:
    loaded = said(
        "import sys, watcher.service.app, watcher.store.sql, watcher.sources.dlc; print(*sys.modules)", tmp_path
    )
    assert {"sqlalchemy", "structlog", "pydantic"} <= loaded
    unneeded = {
        "aiohttp",
        "aiosmtplib",
        "alembic",
        "jinja2",
        "psycopg",
        "rich",
        "slack_sdk",
        "starlette",
        "typer",
        "uvicorn",
    }
    assert loaded & {*unneeded, "sqlalchemy.dialects.postgresql", "watcher.web"} == set()


_SETTING_OUT = """
import sys
from pathlib import Path
from watcher.cli import app, running
from watcher.config.document import parse, read_text
from watcher.config.sources import sources_of
from watcher.plugins import discover
from watcher.service.clock import SystemClock
from watcher.service.outset import Outset
file = Path("dlc-watcher.yaml")
sources = sources_of(parse(read_text(file), file="", env={}), discover(), Path())
assert Outset.of(sources, SystemClock()).sources.keys() == {"hz"}
print(*sys.modules)
"""


def test_first_requests_wait_for_the_imports_of_sources_only(tmp_path: Path) -> None:
    configure(tmp_path, "http://127.0.0.1:9")
    there = said(_SETTING_OUT, tmp_path)
    assert {"watcher.sources.dlc", "watcher.service.asking", "watcher.core.model"} <= there
    later = {
        "config.loading",
        "config.model",
        "core.events",
        "core.rule",
        "core.fleet",
        "ports.store",
        "store",
        "notifiers",
    }
    assert there & {"sqlalchemy", "rules", "rich", "jinja2", *(f"watcher.{name}" for name in later)} == set()


@pytest.mark.parametrize("command", ["run", "once"])
def test_what_is_wrong_beside_the_sources_ends_a_start_with_the_same_sentence_as_a_check(
    tmp_path: Path, command: str
) -> None:
    configure(tmp_path, "http://127.0.0.1:9")
    file = tmp_path / "dlc-watcher.yaml"
    file.write_text(file.read_text().replace("route: {receiver: terminal}", "route: {receiver: nobody}"))
    ended, checked = program(command, cwd=tmp_path), program("check", cwd=tmp_path)
    assert (ended.code, ended.err) == (checked.code, checked.err)
    assert ended.code == 2
    assert ended.err.startswith("dlc-watcher.yaml:14:")
    assert "nobody" in ended.err
    assert "Traceback" not in ended.err


def test_every_command_has_a_help_text_of_its_own(tmp_path: Path) -> None:
    listed = program("--help", cwd=tmp_path).out
    commands = [line.split()[0] for line in listed.partition("Commands:")[2].splitlines() if line.strip()]
    assert len(commands) >= 14
    for command in commands:
        assert listed.count(f"  {command} ") == 1


async def test_simulate_says_where_it_is_and_ends_on_sigterm(tmp_path: Path) -> None:
    async with await anyio.open_process(
        [*PROGRAM, "simulate", "--static", "5", "--port", "0"], cwd=tmp_path, env=environment()
    ) as process:
        assert process.stdout is not None
        with anyio.fail_after(20):
            line = (await process.stdout.receive()).decode()
        assert "5 running jobs" in line
        url = line.split(" on ")[1].split(": ")[0]
        async with httpx2.AsyncClient(base_url=url, trust_env=False) as http:
            listed = (await http.get("/api/v1/jobs", params={"PageSize": 100})).json()
        assert listed["TotalCount"] == 5
        process.send_signal(signal.SIGTERM)
        with anyio.fail_after(10):
            assert await process.wait() == 0
