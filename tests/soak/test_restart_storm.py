"""The whole fleet restarts, or loses its pods, within a minute: rounds and ends go on, and all of it is told."""

from __future__ import annotations

import random
from collections import Counter
from datetime import timedelta
from typing import Any

import anyio
import pytest

from tests.shell.direct_source import DirectSource
from tests.shell.service_world import START, FlakyStore, VirtualClock, loaded_of, seconds, source_settings
from watcher.core.events import Event, job_of
from watcher.service.ledger import Ledger
from watcher.service.poller import Poller
from watcher.service.telemetry import Metrics, set_up_logging
from watcher.simulator.behaviour import Behaviour
from watcher.simulator.scenario import Restart, Role, Scenario, ScriptedJob, Step

pytestmark = pytest.mark.anyio

JOBS, STRUCK, ENDING = 300, 150, 30
"""How many there are; how many of them are struck; how many of the others end while the storm is seen through."""

RATE = 3.0
STORM_S, LENGTH_S = 900.0, 2700.0
LATEST_END_S = 60.0
"""An end is told within so much even then: a feed finds it, and one look in four belongs to none of the struck."""


def scripted(number: int, dice: random.Random) -> ScriptedJob:
    """A job that has run for a day. It is struck in the same minute as the others, or ends soon after, or goes on in peace."""
    begun = 86_400.0
    life = [Step(at=seconds(5 * at), status=status) for at, status in enumerate(("Queuing", "EnvPreparing", "Running"))]
    if number < STRUCK:
        at = begun + STORM_S + dice.uniform(0, 60)
        if number % 2:
            restart = Restart(reason="NodeNotReady")
            life += [
                Step(at=seconds(at), status="Restarting", restart=restart),
                Step(at=seconds(at + 90), status="Running"),
            ]
        else:
            life += [
                Step(at=seconds(at), pod="worker-0", status="Failed", sub_status="Evicted"),
                Step(at=seconds(at + 30), replace=("worker-0",)),
            ]
    elif number < STRUCK + ENDING:
        life.append(
            Step(at=seconds(begun + STORM_S + dice.uniform(60, 400)), status=dice.choice(("Succeeded", "Failed")))
        )
    return ScriptedJob(
        id=f"dlc{number:013d}", submit_at=seconds(-begun), roles={"Worker": Role(count=2)}, life=tuple(life)
    )


class Storm:
    """What came of it.

    Attributes:
        ages: every ten seconds from the storm on, how old the oldest knowledge was, in bounds.
    """

    def __init__(self) -> None:
        dice = random.Random(7)
        scenario = Scenario(made_up=True, jobs=tuple(scripted(number, dice) for number in range(JOBS)))
        self.scenario, self.clock, self.store = scenario, VirtualClock(), FlakyStore()
        source: Any = DirectSource(self.clock, scenario, Behaviour(list_items="thin"))
        settings = source_settings(budget={"requests_per_second": RATE, "concurrency": 4}, discover_every="2m")
        rules = "  - {use: job-restarted}\n  - {use: pod-evicted}\n  - {use: storm}\n  - {use: flapping}\n"
        self.ledger = Ledger(self.store, loaded_of(rules).book, self.clock, Metrics())
        self.poller = Poller(source, settings, self.ledger, jitter=dice.random)
        self.ages: list[float] = []

    async def play(self) -> None:
        await self.ledger.recall()
        await self.poller.load()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self.poller.poll)
            await self.clock.advance(seconds(STORM_S))
            for _ in range(int((LENGTH_S - STORM_S) / 10)):
                await self.clock.advance(seconds(10))
                docket = self.poller.docket
                age = self.clock.now().timestamp() - docket.oldest_s()
                self.ages.append(age / docket.allotment.bound_s)
            tasks.cancel_scope.cancel()

    async def told(self, *kinds: str) -> list[Event]:
        found = await self.store.events(kinds=frozenset(kinds), since=START + seconds(STORM_S - 60), limit=100_000)
        return list(found)


@pytest.fixture(scope="module")
def storm() -> Storm:
    set_up_logging("error")
    played = Storm()
    anyio.run(played.play)
    return played


async def test_it_is_told_completely_and_once(storm: Storm) -> None:
    restarted = Counter(str(job_of(event).job_id) for event in await storm.told("job.restarted"))  # type: ignore[union-attr]
    assert restarted == {f"dlc{number:013d}": 1 for number in range(1, STRUCK, 2)}
    evicted = Counter(str(job_of(event).job_id) for event in await storm.told("pod.evicted"))  # type: ignore[union-attr]
    assert evicted == {f"dlc{number:013d}": 1 for number in range(0, STRUCK, 2)}
    changes = Counter(getattr(event, "new_status", "") for event in await storm.told("job.status_changed"))
    assert changes["Restarting"] == changes["Running"] == STRUCK / 2


async def test_ends_are_told_as_soon_as_ever(storm: Storm) -> None:
    delays = [
        event.when.observed_at - event.when.occurred_at
        for event in await storm.told("job.succeeded", "job.failed")
        if event.when.occurred_at is not None
    ]
    assert len(delays) == ENDING
    assert max(delays) < timedelta(seconds=LATEST_END_S)


async def test_the_rounds_go_on(storm: Storm) -> None:
    assert max(storm.ages) < 1.25
