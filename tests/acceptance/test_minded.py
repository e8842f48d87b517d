"""What is still wrong is minded: the real service asks the real simulator over HTTP, on a clock that moves in steps.

A job fails; people are reminded until somebody takes it on, another one that nobody takes on goes to a second receiver, and at nine
in the morning of Shanghai the digest comes once. In between the service is stopped and started again.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import ClassVar
from zoneinfo import ZoneInfo

import anyio
import pytest

from tests.acceptance.stepped import START, SteppedClock, until_listed, until_told
from watcher.config.loading import Loaded, load
from watcher.core.delivery import Receipt
from watcher.core.message import Item, Message
from watcher.plugins import discover
from watcher.ports.notifier import Capabilities, Wire
from watcher.service.app import Service, assemble, run
from watcher.settings import Settings
from watcher.simulator import DEMO_KEY, Scenario, ScriptedJob, Simulator, SimulatorServer
from watcher.simulator.scenario import Step

pytestmark = pytest.mark.anyio

STEP = timedelta(minutes=5)


def life(*steps: tuple[float, str]) -> tuple[Step, ...]:
    return tuple(Step(at=timedelta(minutes=at), status=status) for at, status in steps)


SCRIPT = Scenario(
    made_up=True,
    default_workspace="268",
    jobs=(
        ScriptedJob(
            id="dlc1minded000001",
            name="taken-on",
            user="1",
            submit_at=timedelta(minutes=-10),
            life=life((0, "Queuing"), (5, "Running"), (30, "Failed")),
        ),
        ScriptedJob(
            id="dlc1minded000002",
            name="left-alone",
            user="2",
            submit_at=timedelta(minutes=-10),
            life=life((0, "Queuing"), (5, "Running"), (30, "Failed")),
        ),
    ),
)


class Ear:
    """A receiver that takes everything."""

    kind: ClassVar[str] = "ear"
    Settings: ClassVar[type[Settings]] = Settings
    capabilities: ClassVar[Capabilities] = Capabilities(shows="what the test wants", reaches="mail")
    pace = timedelta(0)

    def __init__(self) -> None:
        self.messages: list[Message] = []

    def render(self, message: Message) -> Wire:
        return {"title": message.title}

    async def send(self, wire: Wire, message: Message) -> Receipt:
        self.messages.append(message)
        return Receipt(reference=message.id)

    async def aclose(self) -> None:
        await anyio.lowlevel.checkpoint()

    def items(self, occasion: str, name: str = "") -> list[Item]:
        return list(self._items(occasion, name))

    def _items(self, occasion: str, name: str) -> Iterator[Item]:
        for message in self.messages:
            for item in message.items:
                if item.occasion == occasion and name in (item.job.title if item.job else ""):
                    yield item


def configuration(folder: Path, url: str) -> Loaded:
    (folder / "key-secret").write_text(DEMO_KEY.secret)
    text = f"""
sources:
  here:
    kind: dlc
    region: cn-hangzhou
    endpoint: "{url}"
    workspaces: ["268"]
    credentials: {{kind: access_key, key_id: "{DEMO_KEY.key_id}", secret_file: key-secret}}
    poll_every: 5m
    discover_every: 5m
    evidence: none
    budget: {{requests_per_second: 1000, concurrency: 8}}
store: {{url: "sqlite:///{folder}/watcher.db"}}
receivers:
  team: {{console: {{}}, digest: {{every: day, at: "09:00", zone: Asia/Shanghai}}}}
  oncall: {{console: {{}}}}
owners:
  ann: {{match: {{user: "1"}}, mail: ann@example.com}}
route:
  receiver: team
  repeat_interval: 1h
  escalate: {{after: 30m, to: oncall}}
  mention: critical
rules: [{{use: job-failed}}]
service: {{http: {{port: null}}}}
"""
    return load(text, file="minded.yaml", env=os.environ, kinds=discover(), base_dir=folder)


class Play:
    """The service over one store, stopped and started at will."""

    def __init__(self, loaded: Loaded, clock: SteppedClock) -> None:
        self.loaded, self.clock = loaded, clock
        self.team, self.oncall = Ear(), Ear()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Service]:
        ends = {"team": self.team, "oncall": self.oncall}
        async with assemble(self.loaded, clock=self.clock, notifiers=ends) as service:
            stop = anyio.Event()
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(run, service, stop)
                await until_listed(service, 2)
                yield service
                stop.set()

    async def pass_time(self, service: Service, length: timedelta) -> None:
        end = self.clock.now() + length
        while self.clock.now() < end:
            self.clock.step(STEP)
            for _ in range(10):  # what wakes wakes others: the poll, the keeper, the dispatcher
                await anyio.sleep(0.01)
                await until_told(service)


async def test_people_are_reminded_until_somebody_is_on_it_and_a_second_receiver_hears_of_the_rest(
    tmp_path: Path,
) -> None:
    clock = SteppedClock()
    async with SimulatorServer(Simulator(SCRIPT, clock=clock)) as server:
        play = Play(configuration(tmp_path, server.url), clock)
        async with play.running() as service:
            await play.pass_time(service, timedelta(minutes=45))
            assert len(play.team.items("news", "taken-on")) == len(play.team.items("news", "left-alone")) == 1
            (mine,) = [one for one in await service.store.troubles() if "0001" in str(one.job)]
            assert await service.store.acknowledge(mine.id, clock.now(), "ann", "restarting it")
            await play.pass_time(service, timedelta(minutes=15))
        async with play.running() as service:
            await play.pass_time(service, timedelta(minutes=100))
        async with play.running() as service:
            await play.pass_time(service, timedelta(minutes=10))
            (still,) = await service.store.troubles()
    assert play.team.items("reminder", "taken-on") == []
    told = [item.headline for item in play.team.items("reminder", "left-alone")]
    assert len(told) == 2
    assert all("nobody is on it: Failed" in headline for headline in told), told
    (second,) = play.oncall.items("escalation")
    assert (second.job and second.job.title, second.notification_id) == ("left-alone", still.id)
    assert dict(second.facts)["Told first"] == "team"
    first = next(message for message in play.team.messages if "taken-on" in message.title)
    assert [person.name for person in first.mentions] == ["ann"]
    strangers = [item for item in play.team.items("news") if item.kind == "owner.unknown"]
    assert [item.headline for item in strangers] == ["Not in the directory of owners: user 2 (alice)"]


async def test_the_digest_comes_at_nine_in_shanghai_once_across_a_restart(tmp_path: Path) -> None:
    nine = (START + timedelta(days=1)).replace(hour=1)
    clock = SteppedClock(nine - timedelta(hours=2))
    async with SimulatorServer(Simulator(SCRIPT, clock=clock)) as server:
        play = Play(configuration(tmp_path, server.url), clock)
        async with play.running() as service:
            await play.pass_time(service, timedelta(minutes=115))
            assert play.team.items("digest") == []
        async with play.running() as service:
            await play.pass_time(service, timedelta(minutes=5))
            await play.pass_time(service, timedelta(minutes=5))
        async with play.running() as service:
            await play.pass_time(service, timedelta(minutes=10))
    (digest,) = play.team.items("digest")
    assert digest.at.astimezone(ZoneInfo("Asia/Shanghai")).hour == 9
    assert digest.headline.startswith("2 jobs ran, 0 succeeded, 2 failed, 2 still open, from ")
    assert "Failed: left-alone" in digest.detail or "Failed: taken-on" in digest.detail
    assert play.oncall.items("digest") == []
