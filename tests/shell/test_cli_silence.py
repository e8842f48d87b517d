"""`silence add`, `list` and `end`: written beside a running watcher, heeded by it, and told by `why`."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from pathlib import Path

import anyio
import pytest

from tests.shell.service_cli import Cli, in_process, stored
from tests.shell.service_world import SOURCE, World, job
from watcher.core.delivery import DeliveryReason
from watcher.ports.store import Store
from watcher.service.keeper import HEED_EVERY, Keeper
from watcher.store import open_store

CONFIGURATION = """\
sources:
  hz: {kind: dlc, region: cn-hangzhou}
store: {url: "sqlite:///watcher.db"}
receivers:
  team: {console: {}}
rules:
  - {use: job-failed, labels: {topic: failures}}
"""


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Cli:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DLC_WATCHER_CONFIG", raising=False)
    (tmp_path / "dlc-watcher.yaml").write_text(CONFIGURATION)

    async def fill(store: Store) -> None:
        world = World(job("dlc1", "Running", name="prod-llm"), store=store, budget={"requests_per_second": 1000})  # type: ignore[arg-type]
        await world.poller.load()
        await world.poller.pass_once()

    stored(tmp_path, fill)
    return in_process(monkeypatch, capsys)


def test_a_silence_is_added_listed_and_ended(cli: Cli) -> None:
    added = cli(
        "silence", "add", "name=prod-*", "severity!=critical", "--for", "2h", "--comment", "drill", "--author", "ann"
    )
    assert added.code == 0, added.err
    (one,) = re.findall(r"^silence ([0-9a-f]{8}) of ann, until \S+: drill$", added.out, re.MULTILINE)
    assert '  it covers: name is "prod-*", severity is not "critical"' in added.out
    (told,) = json.loads(cli("silence", "list", "--json").out)
    assert (told["id"], told["state"], told["author"], told["comment"]) == (one, "in force", "ann", "drill")
    assert one in cli("silence", "list").out
    assert cli("silence", "end", one, "--author", "bob").out == f"silence {one} ended\n"
    assert "No silences in force." in cli("silence", "list").out
    assert "ended by bob" in cli("silence", "list", "--all").out
    again = cli("silence", "end", one)
    assert (again.code, "was ended already, by bob" in again.err) == (1, True)
    nothing = cli("silence", "end", "nothing")
    assert (nothing.code, "there is no silence 'nothing'" in nothing.err) == (1, True)


def test_a_silence_about_a_job_needs_no_time_and_names_the_job(cli: Cli) -> None:
    made = json.loads(cli("silence", "add", "--job", "prod-llm", "rule=job-*", "--json").out)
    assert (made["until"], made["job"]) == (None, {"source": "hz", "job_id": "dlc1"})
    (told,) = json.loads(cli("silence", "list", "--json").out)
    assert told["match"] == 'source is "hz", job is "dlc1", rule is "job-*"'
    assert "hz/dlc1 ends" in cli("silence", "list").out


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (["name=x"], "say either --for or --until"),
        (["name=x", "--for", "1h", "--until", "2030-01-01"], "say either --for or --until"),
        (["name=x", "--for", "soon"], "not a length of time"),
        (["name=x", "--until", "soon"], "not a time"),
        (["name=x", "--until", "2020-01-01T00:00"], "is over already"),
        (["--for", "1h"], "name at least one label, or --job"),
        (["nam=x", "--for", "1h"], 'unknown label "nam"; did you mean "name"?'),
        (["severity=critcal", "--for", "1h"], 'did you mean "critical"?'),
        (["topic=failurs", "--for", "1h", "--store", "watcher.db"], 'unknown label "topc"'),
        (["name=~(", "--for", "1h"], "missing )"),
        (["prod-llm", "--for", "1h"], "is no test on a label"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_is_kept(cli: Cli, given: list[str], told: str) -> None:
    if "topc" in told:
        given = [given[0].replace("topic", "topc"), *given[1:]]
    ended = cli("silence", "add", *given)
    assert ended.code == 2, ended.text
    assert told in " ".join(ended.err.split())
    assert json.loads(cli("silence", "list", "--all", "--json").out) == []


def test_without_a_configuration_a_store_alone_will_do(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "dlc-watcher.yaml").unlink()
    ended = cli("silence", "add", "topic=anything", "--for", "1h", "--store", "watcher.db")
    assert ended.code == 0, ended.err


def test_a_running_watcher_heeds_it_and_why_names_it(cli: Cli) -> None:
    async def run() -> None:
        store = open_store("sqlite:///watcher.db")
        await store.open()
        rules = CONFIGURATION.partition("rules:\n")[2]
        world = World(
            job("dlc1", "Running", name="prod-llm"),
            rules=rules,
            store=store,  # type: ignore[arg-type]
            budget={"requests_per_second": 1000},
        )
        await world.poller.load()
        keeper = Keeper(world.ledger, {SOURCE: world.source}, None, world.investigator())  # type: ignore[dict-item]
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(keeper.keep)
            await world.clock.advance(timedelta(seconds=1))
            beside = open_store("sqlite:///watcher.db", beside=True)
            await beside.open()
            await beside.add_silence(one(world))
            await beside.aclose()
            await world.clock.advance(HEED_EVERY)
            with anyio.fail_after(10):
                while not world.ledger.book.silencings:
                    await anyio.sleep(0.01)
            tasks.cancel_scope.cancel()
        world.source.put(job("dlc1", "Failed", name="prod-llm", finished_at=world.clock.now()))
        await world.poller.pass_once()
        (row,) = await store.deliveries()
        assert row.reason is DeliveryReason.SILENCED
        await store.aclose()

    anyio.run(run)
    told = cli("why", "prod-llm")
    assert "    -> team  withheld (silenced), recorded at " in told.out
    assert ", nothing was sent: silence s1 of ann, until " in told.out
    assert "withheld (silenced)" in cli("story", "prod-llm").out


def one(world: World) -> object:
    from watcher.core.matching import Matcher
    from watcher.core.silencing import Silencing, SilencingId

    now = world.clock.now()
    return Silencing(
        id=SilencingId("s1"),
        match=Matcher.of({"name": "prod-*"}),
        created_at=now,
        until=now + timedelta(hours=1),
        author="ann",
    )
