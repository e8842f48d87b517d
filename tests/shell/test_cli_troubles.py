"""`troubles` and `ack`: what is still wrong, and taking it on beside a running watcher."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import anyio
import pytest

from tests.shell.service_cli import HOSTILE, Cli, in_process, stored
from tests.shell.service_world import SOURCE, World, job
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
  - {use: job-failed}
  - {name: late, on: job.failed, severity: warning}
"""


def world_over(store: Store, status: str) -> World:
    return World(
        job("dlc1", status, name="prod-llm", reason=HOSTILE),
        rules=CONFIGURATION.partition("rules:\n")[2],
        store=store,  # type: ignore[arg-type]
        budget={"requests_per_second": 1000},
    )


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Cli:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DLC_WATCHER_CONFIG", raising=False)
    (tmp_path / "dlc-watcher.yaml").write_text(CONFIGURATION)

    async def fill(store: Store) -> None:
        world = world_over(store, "Running")
        await world.poller.load()
        await world.poller.pass_once()
        world.source.put(job("dlc1", "Failed", name="prod-llm", reason=HOSTILE, finished_at=world.clock.now()))
        await world.poller.pass_once()

    stored(tmp_path, fill)
    return in_process(monkeypatch, capsys)


def test_what_is_still_wrong_is_listed_and_taken_on_as_one_matter(cli: Cli) -> None:
    listed = json.loads(cli("troubles", "--json").out)
    assert sorted((one["notification"]["rule"], one["ongoing"]) for one in listed) == [
        ("job-failed", "failed"),
        ("late", "failed"),
    ]
    assert "hz/dlc1" in cli("troubles").out
    taken = cli("ack", "prod-llm", "--author", "ann", "--comment", "restarting it")
    assert taken.code == 0, taken.err
    assert taken.out.count("ann takes on: hz/dlc1: ") == 2
    assert "Nothing is wrong." in cli("troubles").out
    told = json.loads(cli("troubles", "--all", "--json", "--job", "dlc1").out)
    assert {(one["acknowledged_by"], one["comment"], one["end"]) for one in told} == {
        ("ann", "restarting it", "answered")
    }


def test_only_the_first_answer_counts_and_the_second_is_told_who_was_first(cli: Cli) -> None:
    (first, _) = json.loads(cli("troubles", "--json").out)
    assert len(json.loads(cli("ack", first["id"], "--author", "ann", "--json").out)) == 1
    again = cli("ack", first["id"], "--author", "bob")
    assert (again.code, "was taken on already, by ann at " in again.err) == (1, True)
    by_job = cli("ack", "prod-llm")
    assert (by_job.code, "'prod-llm' was taken on already, by ann at " in by_job.err) == (1, True)
    nothing = cli("ack", "nobody")
    assert (nothing.code, "no job 'nobody' has been seen" in nothing.err) == (1, True)


def test_why_and_story_tell_who_took_it_on_and_how_it_ended(cli: Cli) -> None:
    cli("ack", "prod-llm", "--author", HOSTILE, "--comment", HOSTILE)
    for told in (cli("why", "prod-llm"), cli("story", "prod-llm")):
        assert "goes on: failed (critical, rule job-failed)" in told.out
        assert "took it on: " in told.out
        assert "failed ended (answered)" in told.out
        assert "\x1b[31m" not in told.out
    (failed, *_) = [one for one in json.loads(cli("why", "prod-llm", "--json").out) if one["answers"]]
    steps = [one["step"] for one in failed["answers"][0]["troubles"]]
    assert steps == ["opened", "acknowledged", "ended"]


def test_a_trouble_that_ended_by_itself_needs_nobody(cli: Cli, tmp_path: Path) -> None:
    async def lives_again(store: Store) -> None:
        world = world_over(store, "Running")
        await world.poller.load()
        await Keeper(world.ledger, {SOURCE: world.source}, None, world.investigator()).resume()  # type: ignore[dict-item]
        await world.poller.pass_once()
        await world.poller.pass_once()

    (first, _) = json.loads(cli("troubles", "--json").out)
    stored(tmp_path, lives_again)
    assert "Nothing is wrong." in cli("troubles").out
    late = cli("ack", first["id"])
    assert (late.code, "(over); nothing is left to take on" in late.err) == (1, True)


def test_a_running_watcher_heeds_the_answer(cli: Cli) -> None:
    async def run() -> None:
        store = open_store("sqlite:///watcher.db")
        await store.open()
        world = world_over(store, "Failed")
        keeper = Keeper(world.ledger, {SOURCE: world.source}, None, world.investigator())  # type: ignore[dict-item]
        await keeper.resume()
        assert len(world.ledger.book.troubles) == 2
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(keeper.keep)
            await world.clock.advance(timedelta(seconds=1))
            beside = open_store("sqlite:///watcher.db", beside=True)
            await beside.open()
            (one, _) = await beside.troubles()
            assert await beside.acknowledge(one.id, world.clock.now(), "ann")
            await beside.aclose()
            await world.clock.advance(HEED_EVERY)
            with anyio.fail_after(10):
                while len(world.ledger.book.troubles):
                    await anyio.sleep(0.01)
            tasks.cancel_scope.cancel()
        await store.aclose()

    anyio.run(run)
