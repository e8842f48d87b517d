"""Nothing is lost between two polls, nor while the service is down: what is emitted is what was scripted.

The real service asks the real simulator over HTTP, on a clock that moves in steps: something happens to each job every minute, and
it is looked at about every half hour. Statuses from before the first sight are a baseline, so each life begins to move after it.
"""

from __future__ import annotations

import os
import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import ClassVar

import anyio
import pytest

from tests.acceptance.stepped import START, SteppedClock, until_listed, until_looked, until_told
from watcher.config.loading import Loaded, load
from watcher.core.delivery import Receipt
from watcher.core.events import (
    CauseId,
    Event,
    JobFailed,
    JobRestarted,
    JobStatusChanged,
    JobStopped,
    JobSucceeded,
    PodEvicted,
    When,
)
from watcher.core.message import Message
from watcher.plugins import discover
from watcher.ports.notifier import Capabilities, Wire
from watcher.service.app import assemble, run
from watcher.settings import Settings
from watcher.simulator import DEMO_KEY, Scenario, ScriptedJob, Simulator, SimulatorServer, truth
from watcher.simulator.scenario import Restart, Role, Step

pytestmark = pytest.mark.anyio

BEFORE = timedelta(hours=1)
"""So long before the first sight the jobs were submitted."""
ROUND = timedelta(minutes=36)
"""From step to step: more than the longest pause between two looks at a job, whatever the jitter."""
ROUNDS = 11
AWAY = 5 * ROUND
"""The stretch for which the service is stopped."""
LIVES = 6
EVIDENCE = (JobStatusChanged, JobRestarted, PodEvicted, JobSucceeded, JobFailed, JobStopped)
"""What DLC's own history shows, however rarely one looks."""


def minutes(number: float) -> timedelta:
    return timedelta(minutes=number)


def life(chance: random.Random, end: str) -> list[Step]:
    """A quiet hour, then something every minute: evictions, restarts of both levels, queues; then an end."""
    steps = [
        Step(at=minutes(at), status=status)
        for at, status in enumerate(("Creating", "Queuing", "EnvPreparing", "Running"))
    ]
    at = BEFORE + minutes(1)
    last = BEFORE + (ROUNDS - 2) * ROUND
    while at < last:
        turn: list[dict[str, object]] = (
            [{"pod": "worker-0", "status": "Failed", "sub_status": "Evicted"}] if chance.random() < 0.6 else []
        )
        reason = chance.choice(("NodeNotReady", "ProcessExited", "Preempted"))
        turn.append({"status": "Restarting", "restart": Restart(level="Job", reason=reason, error_code=reason.upper())})
        turn += [
            {"status": status} for status in ("Queuing", "EnvPreparing", "SanityChecking") if chance.random() < 0.5
        ]
        turn += [{"status": "Running"}, {"priority": chance.randint(1, 9)}]
        for what in turn:
            steps.append(Step(at=at, **what))  # type: ignore[arg-type]
            at += minutes(1)
    steps.append(Step(at=at, status=end))
    return steps


def script() -> Scenario:
    chance = random.Random(7)
    jobs = [
        ScriptedJob(
            id=f"dlc1busy{number:08}",
            name=f"busy-{number}",
            quota="quota-a100",
            submit_at=-BEFORE,
            restarts_max=500,
            roles={"Worker": Role(count=2)},
            life=tuple(life(chance, ("Succeeded", "Failed", "Stopped")[number % 3])),
        )
        for number in range(LIVES)
    ]
    return Scenario(made_up=True, default_workspace="268", jobs=tuple(jobs))


class Listener:
    """A receiver that takes everything."""

    kind: ClassVar[str] = "listener"
    Settings: ClassVar[type[Settings]] = Settings
    capabilities: ClassVar[Capabilities] = Capabilities(shows="what it got, to the test")
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


class Story:
    """One run: the events on record, and what the receiver got."""

    def __init__(self, events: Sequence[Event], messages: list[Message]) -> None:
        self.events = [event for event in events if isinstance(event, EVIDENCE)]
        self.messages = messages


def configuration(folder: Path, url: str) -> Loaded:
    folder.mkdir()
    (folder / "key-secret").write_text(DEMO_KEY.secret)
    text = f"""
sources:
  here:
    kind: dlc
    region: cn-hangzhou
    endpoint: "{url}"
    workspaces: ["268"]
    credentials: {{kind: access_key, key_id: "{DEMO_KEY.key_id}", secret_file: key-secret}}
    poll_every: 30m
    discover_every: 30m
    budget: {{requests_per_second: 1000, concurrency: 8}}
store: {{url: "sqlite:///{folder}/watcher.db"}}
receivers: {{team: {{console: {{}}}}}}
route: {{receiver: team, group_wait: 0s}}
service: {{http: {{port: null}}}}
"""
    return load(text, file="lossless.yaml", env=os.environ, kinds=discover(), base_dir=folder)


async def watched(folder: Path, *, stopped_after: int | None) -> tuple[Story, tuple[datetime, datetime] | None]:
    """Run the service over the script; with `stopped_after`, stop it after so many rounds, for `AWAY`, and start it anew."""
    clock, listener = SteppedClock(), Listener()
    gone = None
    async with SimulatorServer(Simulator(script(), clock=clock)) as server:
        loaded = configuration(folder, server.url)

        async def session(rounds: int) -> Sequence[Event]:
            async with assemble(loaded, clock=clock, notifiers={"team": listener}) as service:
                stop = anyio.Event()
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(run, service, stop)
                    await until_listed(service, LIVES)
                    await until_looked(service, clock.now() - ROUND / 2)
                    await until_told(service)
                    for _ in range(rounds):
                        clock.step(ROUND)
                        await until_looked(service, clock.now())
                        await until_told(service)
                    stop.set()
                return await service.store.events(limit=100_000)

        if stopped_after is None:
            events = await session(ROUNDS)
        else:
            await session(stopped_after)
            left = clock.now()
            clock.step(AWAY)
            gone = (left, clock.now())
            events = await session(ROUNDS - stopped_after - AWAY // ROUND)
    return Story(events, listener.messages), gone


def scripted(origin: datetime) -> dict[str, list[tuple[object, ...]]]:
    told: dict[str, list[tuple[object, ...]]] = defaultdict(list)
    for one in truth(script()):
        if one.at <= timedelta(0):
            continue
        at = origin + one.at
        if one.kind == "job.status_changed":
            told[one.job_id].append(("status", at, one.old, one.new))
        elif one.kind == "job.restarted":
            told[one.job_id].append(("restart", at, int(one.new)))
        elif one.kind == "pod.evicted":
            told[one.job_id].append(("evicted", one.pod, one.new))
    return {job: sorted(facts, key=str) for job, facts in told.items()}


def emitted(story: Story) -> dict[str, list[tuple[object, ...]]]:
    told: dict[str, list[tuple[object, ...]]] = defaultdict(list)
    for event in story.events:
        match event:
            case JobStatusChanged():
                told[event.job.job_id].append(("status", event.when.occurred_at, event.old_status, event.new_status))
            case JobRestarted():
                told[event.job.job_id].append(("restart", event.when.occurred_at, event.used))
            case PodEvicted():
                told[event.job.job_id].append(("evicted", event.pod.pod_id, event.node))
    return {job: sorted(facts, key=str) for job, facts in told.items()}


def timeless(event: Event) -> Event:
    """What happened, without when and by which look we learnt of it, and without how things stood at that look."""
    when = When(observed_at=START, occurred_at=event.when.occurred_at, provenance=event.when.provenance)
    match event:
        case PodEvicted():
            event = replace(event, reason_message="")  # the job's reason at the look
        case JobRestarted():
            event = replace(event, result="", took=None)  # not known before the restart is over
    return replace(event, when=when, cause=CauseId(""))


_STEADY: list[Story] = []


async def watched_throughout(folder: Path) -> Story:
    """The run without a break, made once for both tests."""
    if not _STEADY:
        story, _ = await watched(folder, stopped_after=None)
        _STEADY.append(story)
    return _STEADY[0]


async def test_with_polls_thirty_times_rarer_than_the_transitions_exactly_the_scripted_ones_are_emitted(
    tmp_path: Path,
) -> None:
    story = await watched_throughout(tmp_path / "a")
    wanted, found = scripted(START), emitted(story)
    assert sum(map(len, wanted.values())) > LIVES * ROUNDS * 20
    for job in wanted:
        assert found[job] == wanted[job], job
    assert found.keys() == wanted.keys()
    for job in wanted:
        order = [one.when.at for one in story.events if isinstance(one, JobStatusChanged) and one.job.job_id == job]
        assert order == sorted(order)
    ends = [event.kind for event in story.events if isinstance(event, JobSucceeded | JobFailed | JobStopped)]
    assert sorted(ends) == sorted(["job.succeeded", "job.failed", "job.stopped"] * (LIVES // 3))
    assert not any(event.when.late for event in story.events)


async def test_a_service_that_was_stopped_for_hours_tells_the_same_and_only_the_late_mark_differs(
    tmp_path: Path,
) -> None:
    steady = await watched_throughout(tmp_path / "a")
    broken, gone = await watched(tmp_path / "b", stopped_after=3)
    assert gone is not None
    left, back = gone
    there = {event.id: event for event in steady.events}
    here = {event.id: event for event in broken.events}
    assert here.keys() == there.keys()
    for ident, event in here.items():
        assert timeless(event) == timeless(there[ident])
    dated = [event for event in broken.events if event.when.occurred_at is not None]
    late = {event.id for event in dated if event.when.late}
    assert late == {event.id for event in dated if event.when.occurred_at and left < event.when.occurred_at <= back}
    assert len(late) > LIVES * 50
    folded = [message for message in broken.messages if any(item.away for item in message.items)]
    assert len(folded) == LIVES
    for message in folded:
        (item,) = [item for item in message.items if item.away]
        assert item.headline.startswith(f"While the watcher was away, {left:%H:%M}-{back:%H:%M} UTC: ")
    assert not any(item.away for message in steady.messages for item in message.items)
