"""`why` about a failure whose cause was looked for: that it was asked, and what came of it."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import anyio
import pytest

from tests.shell.service_cli import in_process
from tests.shell.service_world import World, job, seconds
from watcher.errors import Forbidden
from watcher.store import open_store


async def _fill(file: Path, *, answered: bool) -> None:
    store = open_store(f"sqlite:///{file}")
    await store.open()
    try:
        world = World(job("dlc1"), rules="  - use: root-cause\n", store=store)  # type: ignore[arg-type]
        world.source.failing["GetJobEvents"] = Forbidden("GetJobEvents is forbidden")
        await world.poller.load()
        await world.poller.pass_once()
        world.source.put(job("dlc1", "Failed", reason="JobFailed"))
        await world.clock.advance(seconds(60))
        await world.poller.pass_once()
        if answered:
            investigator = world.investigator()
            for deadline in await store.due_deadlines(world.clock.now() + timedelta(seconds=1)):
                await investigator.take(deadline)
            await investigator.work_off()
    finally:
        await store.aclose()


@pytest.mark.parametrize(
    ("answered", "outcome"),
    [
        (True, "(answered: Likely cause: unknown; could not read: GetJobEvents is forbidden)"),
        (False, "(not answered yet)"),
    ],
)
def test_what_was_asked_and_what_came_of_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, answered: bool, outcome: str
) -> None:
    database = tmp_path / "watcher.db"
    anyio.run(lambda: _fill(database, answered=answered))
    cli = in_process(monkeypatch, capsys)
    (failed,) = json.loads(cli("events", "--kind", "job.failed", "--store", database, "--json").out)
    told = cli("why", failed["id"], "--store", database).out
    assert "  root-cause  investigates: " in told
    assert outcome in told
    if answered:
        (found,) = json.loads(cli("events", "--kind", "job.cause_found", "--store", database, "--json").out)
        assert f"investigates: {found['id']}" in told
        assert found["explains"] == failed["id"]
        own = cli("why", found["id"], "--store", database).out
        assert "  root-cause  notified: Causes cannot be looked into: paidlc:GetJobEvents is not allowed" in own
