"""Simulator -> DLC source -> service: a job fails, is told at once, and its cause follows, whatever becomes of the logs."""

from __future__ import annotations

import io
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest
from ruamel.yaml import YAML

from tests.shell.service_world import FakeNotifier, VirtualClock
from watcher.config.loading import load
from watcher.core.message import Message
from watcher.plugins import discover
from watcher.service.app import assemble, run
from watcher.service.clock import SpedUpClock
from watcher.service.telemetry import set_up_logging
from watcher.simulator import DEMO_KEY, Simulator, SimulatorServer, SpeedUp
from watcher.simulator.faults import Fault
from watcher.simulator.scenario import Scenario

pytestmark = pytest.mark.anyio

SECRET = "canary-Tz81-in-a-log"
SCENARIO = f"""
made_up: true
jobs:
  - id: dlc1sweep
    name: sweep
    roles: {{Worker: {{count: 2}}}}
    life:
      - {{at: 0s, status: Creating}}
      - {{at: 10s, status: Running}}
      - {{at: 115s, pod: worker-0, log: "export HF_TOKEN={SECRET}"}}
      - {{at: 118s, pod: worker-0, log: "Traceback (most recent call last):"}}
      - {{at: 118s, pod: worker-0, log: "  File \\"train.py\\", line 7, in <module>"}}
      - {{at: 118s, pod: worker-0, log: "    step(token='{SECRET}')"}}
      - {{at: 119s, pod: worker-0, log: "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB"}}
      - {{at: 119s, pod: worker-0, log: "E1 failed (exitcode: 1) local_rank: 0"}}
      - {{at: 120s, pod: worker-0, status: Failed}}
      - {{at: 121s, pod: master-0, log: "[Rank 0] Watchdog caught collective operation timeout"}}
      - {{at: 130s, status: Failed}}
"""
CAUSE = "Likely cause: CUDA out of memory on dlc1sweep-worker-0 (node "
SPEED = 120.0


def stored_bytes(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in folder.glob("watcher.db*"))


async def course(
    tmp_path: Path, *faults: Mapping[str, Any], until: str = CAUSE, settings: str = ""
) -> tuple[list[Message], list[str], str]:
    """What was told until a headline begins like this, the kinds of events stored, and everything stored or logged."""
    time, log = (
        SpeedUp(SPEED, held=True),
        io.StringIO(),
    )  # the story begins once the job was seen, however slow the start is
    set_up_logging("debug", "json", log)
    scenario = Scenario.model_validate(YAML(typ="safe").load(SCENARIO))
    simulator = Simulator(scenario, clock=time)
    simulator.inject(*(Fault.model_validate(fault) for fault in faults))
    notifier = FakeNotifier(VirtualClock())
    async with SimulatorServer(simulator) as server:
        text = f"""
sources:
  here:
    {{kind: dlc, region: cn-hangzhou, endpoint: "{server.url}", workspaces: ["268"], poll_every: 10s, discover_every: 10s,
     credentials: {{kind: access_key, key_id: "{DEMO_KEY.key_id}", secret: "{DEMO_KEY.secret}"}}, {settings}
     budget: {{requests_per_second: 100}}}}
store: {{url: "sqlite:///{tmp_path}/watcher.db"}}
receivers: {{team: {{console: {{}}}}}}
route: {{receiver: team, group_wait: 0s}}
rules: [{{use: job-failed}}, {{use: root-cause, with: {{least_confidence: low}}}}]
"""
        loaded = load(text, file="test", env={}, kinds=discover(), base_dir=tmp_path)
        async with assemble(loaded, clock=SpedUpClock(time), notifiers={"team": notifier}) as service:
            stop = anyio.Event()
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(lambda: run(service, stop, serve_http=False))
                with anyio.move_on_after(30):
                    while not await service.store.events(limit=1):
                        await anyio.sleep(0.02)
                    time.go()
                    while not any(headline.startswith(until) for headline in notifier.headlines):
                        await anyio.sleep(0.02)
                stop.set()
            events = await service.store.events(limit=100)
            story = await service.store.story(events[-1].job)  # type: ignore[union-attr, arg-type]
    stored = stored_bytes(tmp_path)
    everything = repr(story) + log.getvalue() + stored.decode("latin-1") + repr(notifier.taken)
    return notifier.taken, [event.kind for event in events], everything


async def test_the_failure_comes_first_and_the_cause_in_its_thread(tmp_path: Path) -> None:
    told, kinds, everything = await course(tmp_path)
    first, second = told
    assert first.items[0].headline.startswith("Failed after")
    assert second.items[0].headline.startswith(CAUSE)
    assert second.items[0].headline.endswith("exit code 1")
    assert first.thread_key == second.thread_key
    assert second.thread_reference, "a reply"
    assert "CUDA out of memory. Tried to allocate 2.00 GiB" in second.items[0].detail
    assert dict(second.items[0].facts)["Confidence"].startswith("high")
    assert kinds.count("job.cause_found") == 1
    assert "train.py" in everything
    assert SECRET not in everything, "nothing of a log is logged, stored or told unredacted"


async def test_logs_that_are_unavailable_hold_nothing_up_and_are_read_later(tmp_path: Path) -> None:
    told, kinds, _ = await course(tmp_path, {"kind": "unavailable", "action": "GetPodLogs", "count": 2})
    assert [message.items[0].headline.split(" ")[0] for message in told] == ["Failed", "Likely"]
    assert told[1].items[0].at - told[0].items[0].at >= timedelta(seconds=30)
    assert kinds.count("job.cause_found") == 1


async def test_a_right_that_is_missing_is_named(tmp_path: Path) -> None:
    fault = {"kind": "forbidden", "action": "GetPodLogs"}
    told, kinds, _ = await course(tmp_path, fault, until="Causes cannot be looked into")
    assert told[1].items[0].headline == "Causes cannot be looked into: paidlc:GetPodLogs is not allowed"
    assert "Allow this identity paidlc:GetPodLogs" in told[1].items[0].detail
    assert kinds.count("job.cause_found") == 1


async def test_where_nothing_may_be_read_nothing_is_asked(tmp_path: Path) -> None:
    told, kinds, everything = await course(tmp_path, settings="evidence: none,", until="Failed")
    assert len(told) == 1
    assert "GetPodLogs" not in everything
    assert kinds[-1] in {"job.failed", "job.cause_found"}
