"""`owners`: who the stored jobs belong to, and who is missing from the directory."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.shell.service_cli import HOSTILE, Cli, in_process, stored
from tests.shell.service_world import World, job
from watcher.ports.store import Store

CONFIGURATION = """\
sources:
  hz: {kind: dlc, region: cn-hangzhou}
store: {url: "sqlite:///watcher.db"}
receivers:
  team: {console: {}}
owners:
  ann: {match: {user: "1"}, mail: ann@example.com, language: zh, zone: Asia/Shanghai}
  bob: {slack: U012AB3CD}
"""


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Cli:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DLC_WATCHER_CONFIG", raising=False)
    (tmp_path / "dlc-watcher.yaml").write_text(CONFIGURATION)

    async def fill(store: Store) -> None:
        jobs = (
            job("dlc1", user_id="1"),
            job("dlc2", user_id="1"),
            job("dlc3", user_id="1", tags={"dlc-watcher/owner": HOSTILE}),
            job("dlc4", user_id="7"),
            job("dlc5", user_id="7"),
            job("dlc6"),
        )
        world = World(*jobs, store=store, budget={"requests_per_second": 1000})  # type: ignore[arg-type]
        await world.poller.load()
        await world.poller.pass_once()
        world.source.put(job("dlc2", "Failed", user_id="1", finished_at=world.clock.now()))
        await world.poller.pass_once()

    stored(tmp_path, fill)
    return in_process(monkeypatch, capsys)


def test_the_known_come_in_their_order_and_the_missing_by_how_many_jobs_they_have(cli: Cli) -> None:
    found = json.loads(cli("owners", "--json").out)
    assert [(one["name"][:8], one["known"], one["jobs"], one["live"]) for one in found] == [
        ("ann", True, 2, 1),
        ("bob", True, 0, 0),
        ("user 7", False, 2, 2),
        ("", False, 1, 1),
        ("owner ev", False, 1, 1),
    ]
    assert (found[0]["mail"], found[0]["language"], found[0]["zone"]) == ("ann@example.com", "zh", "Asia/Shanghai")
    told = cli("owners")
    assert (told.code, "(the job names nobody)" in told.out, "\x1b[31m" in told.out) == (0, True, False)


def test_only_the_missing_can_be_asked_for(cli: Cli) -> None:
    assert [one["known"] for one in json.loads(cli("owners", "--unknown", "--json").out)] == [False] * 3
