"""Digests in a running service: at nine in the morning of Shanghai, once for each period, over restarts and after an absence."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import anyio
import pytest

from tests.shell.service_cli import Cli, in_process, stored
from tests.shell.service_world import FakeNotifier, FlakyStore, World, job
from watcher.core.digest import DIGESTER, Schedule
from watcher.core.rule import Occasion
from watcher.errors import StoreUnavailable
from watcher.ports.store import Store
from watcher.service.dispatcher import Dispatcher
from watcher.service.keeper import Keeper

NINE = Schedule(zone=ZoneInfo("Asia/Shanghai"), at=time(9))  # 01:00 UTC; the world begins at 12:00 UTC
RARELY: Mapping[str, Any] = {"poll_every": "5m", "discover_every": "5m"}
"""Days go by, and nothing happens to the jobs."""


class Days:
    """A world that is started and stopped, whose receiver wants a digest."""

    def __init__(self, world: World) -> None:
        self.world, self.end = world, FakeNotifier(world.clock)
        self.schedules = {"team": NINE}

    async def go_on(self, length: timedelta, *, keepers: int = 1) -> None:
        world = self.world = self.world.again()
        sources = {world.source.name: world.source}
        watch = [
            Keeper(world.ledger, sources, None, world.investigator(), schedules=self.schedules)  # type: ignore[arg-type]
            for _ in range(keepers)
        ]
        await world.poller.load()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(world.poller.poll)
            for keeper in watch:
                tasks.start_soon(keeper.keep)
            tasks.start_soon(Dispatcher("team", self.end, world.ledger, {}).dispatch)
            await world.clock.advance(length)
            tasks.cancel_scope.cancel()

    @property
    def told(self) -> list[tuple[datetime, str]]:
        return [
            (item.at, item.headline)
            for message in self.end.taken
            for item in message.items
            if item.occasion is Occasion.DIGEST
        ]


@pytest.mark.anyio
async def test_it_comes_at_nine_in_shanghai_once_whatever_is_restarted_and_however_many_keep_watch() -> None:
    days = Days(World(job("dlc1"), **RARELY))
    await days.go_on(timedelta(hours=12, minutes=59), keepers=2)
    assert days.told == []
    for _ in range(3):
        await days.go_on(timedelta(minutes=1), keepers=2)
    assert [at for at, _ in days.told] == [datetime(2026, 3, 2, 1, tzinfo=UTC)]
    await days.go_on(timedelta(hours=23, minutes=58))
    await days.go_on(timedelta(hours=24))
    assert [at.isoformat() for at, _ in days.told] == [f"2026-03-0{day}T01:00:00+00:00" for day in (2, 3, 4)]
    assert "from 2026-03-03 01:00 UTC to 2026-03-04 01:00 UTC" in days.told[-1][1]
    assert len({message.thread_key for message in days.end.taken}) == len(days.end.taken)


@pytest.mark.anyio
async def test_what_was_missed_while_the_program_was_down_is_told_late_and_once() -> None:
    days = Days(World(job("dlc1"), **RARELY))
    await days.go_on(timedelta(hours=1))
    await days.world.clock.advance(timedelta(days=3))
    await days.go_on(timedelta(minutes=5))
    await days.go_on(timedelta(minutes=5))
    (only,) = days.told
    assert "from 2026-03-01 01:00 UTC to 2026-03-04 01:00 UTC" in only[1]
    (following,) = await days.world.store.deadlines(DIGESTER)
    assert following.at == datetime(2026, 3, 5, 1, tzinfo=UTC)


@pytest.mark.anyio
async def test_a_store_that_refuses_puts_it_off_and_it_is_told_once() -> None:
    store = FlakyStore()
    days = Days(World(job("dlc1"), store=store, **RARELY))
    await days.go_on(timedelta(hours=12, minutes=59))
    store.refuse("due_deadlines", StoreUnavailable("full"))
    store.refuse("commit", StoreUnavailable("full"))
    await days.go_on(timedelta(minutes=10))
    assert len(days.told) == 1


@pytest.mark.anyio
async def test_a_receiver_that_wants_none_any_more_gets_none() -> None:
    days = Days(World(job("dlc1"), **RARELY))
    await days.go_on(timedelta(hours=1))
    days.schedules = {}
    await days.go_on(timedelta(days=2))
    assert days.told == []
    assert await days.world.store.deadlines(DIGESTER) == ()


CONFIGURATION = """\
sources:
  hz: {kind: dlc, region: cn-hangzhou}
store: {url: "sqlite:///watcher.db"}
receivers:
  team: {console: {}, language: zh, digest: {at: "09:00", zone: Asia/Shanghai, match: {name: "prod-*"}}}
  rest: {console: {}}
route: {receiver: team, routes: [{match: {severity: info}, receiver: rest}]}
"""


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Cli:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DLC_WATCHER_CONFIG", raising=False)
    (tmp_path / "dlc-watcher.yaml").write_text(CONFIGURATION)

    async def fill(store: Store) -> None:
        names = ("prod-1", "prod-2", "test-1")
        jobs = [job(f"dlc{number}", name=name) for number, name in enumerate(names)]
        world = World(*jobs, store=store, rules="  - {use: job-failed}\n", budget={"requests_per_second": 1000})  # type: ignore[arg-type]
        await world.poller.load()
        await world.poller.pass_once()
        world.source.put(job("dlc0", "Failed", name="prod-1", reason="OOM", finished_at=world.clock.now()))
        await world.poller.pass_once()

    stored(tmp_path, fill)
    return in_process(monkeypatch, capsys)


def test_the_command_prints_what_a_digest_would_say(cli: Cli) -> None:
    told = cli("digest", "--since", "2026-02-28T00:00")
    assert (told.code, "1 failed, 1 still open, from 2026-02-28 " in told.out) == (0, True)
    assert "  Failed: prod-1 (OOM)\n" in told.out
    found = json.loads(cli("digest", "--receiver", "team", "--since", "2026-02-28T00:00", "--json").out)
    assert [one["title"] for one in found["shares"]] == ["prod-1", "prod-2"]
    assert "失败：prod-1 (OOM)" in cli("digest", "--receiver", "team", "--since", "2026-02-28T00:00").out
    for args in ([], ["--receiver", "rest"], ["--receiver", "team"], ["--since", "7d"]):
        assert cli("digest", *args).code == 0


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["--receiver", "taem"], 'unknown receiver "taem"'),
        (["--since", "soon"], "neither a time nor a length of time"),
        (["--since", "2999-01-01"], "it is still to come"),
    ],
)
def test_a_mistake_is_told(cli: Cli, args: list[str], said: str) -> None:
    told = cli("digest", *args)
    assert (told.code, said in told.err) == (2, True), told.err
