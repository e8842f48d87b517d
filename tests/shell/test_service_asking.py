"""A pass over lists of many pages, some of which are throttled."""

from __future__ import annotations

import itertools
import random
from collections.abc import Collection
from datetime import timedelta

import anyio
import pytest

from tests.shell.direct_source import DirectSource
from tests.shell.service_world import SOURCE, VirtualClock, seconds
from tests.shell.test_service_feeds import scripted
from watcher.core.model import Listing
from watcher.errors import SourceError, Throttled
from watcher.service.asking import MOST_REFUSALS, Asking
from watcher.service.budget import Account, RequestBudget
from watcher.service.telemetry import Metrics
from watcher.simulator.behaviour import Behaviour
from watcher.simulator.scenario import Scenario

pytestmark = pytest.mark.anyio

DICE = random.Random(5)
JOBS = [scripted(number, DICE, length=10.0) for number in range(1200)]
SCENARIO = Scenario(made_up=True, jobs=tuple(job for job in JOBS if job.submit_at < timedelta(0)))
WAIT = 7.0


class Pass:
    """A pass at 10 requests/s of which the requests with these numbers, from 1, are throttled."""

    def __init__(self, throttled: Collection[int]) -> None:
        self.clock, self.metrics, numbers = VirtualClock(), Metrics(), itertools.count(1)
        self.source = DirectSource(self.clock, SCENARIO, Behaviour())

        def trouble(_elapsed_s: float) -> SourceError | None:
            return Throttled("too many", retry_after=seconds(WAIT)) if next(numbers) in throttled else None

        self.source.trouble = trouble
        self.budget = RequestBudget(Account(10.0, self.clock), self.metrics, SOURCE)

    async def outcome(self) -> Listing | SourceError:
        """What comes of it."""
        asking = Asking(self.source, self.budget, self.metrics, self.clock.now())  # type: ignore[arg-type] # a stand-in
        with anyio.fail_after(30):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(asking.ask, {})
                await self.clock.advance(seconds(600))
            return await asking.outcome()

    def counted(self, outcome: str) -> float | None:
        """How often lists were asked with that outcome, by the metrics."""
        labels = {"source": str(SOURCE), "action": "ListJobs", "outcome": outcome}
        return self.metrics.registry.get_sample_value("dlc_watcher_source_requests_total", labels)


async def test_a_pass_goes_on_where_it_was_throttled_and_only_as_fast_as_it_may() -> None:
    undisturbed, disturbed = Pass(()), Pass((2, 4, 5))
    whole, listing = await undisturbed.outcome(), await disturbed.outcome()
    assert isinstance(whole, Listing)
    assert isinstance(listing, Listing)
    assert listing.complete
    assert [job.ref for job in listing.jobs] == [job.ref for job in whole.jobs]
    assert disturbed.source.asked["ListJobs"] == undisturbed.source.asked["ListJobs"] + 3 > 6
    asked = [at for at, _ in disturbed.source.answers]
    assert [later - sooner >= WAIT for sooner, later in itertools.pairwise(asked)][:6] == [
        False,
        True,
        False,
        True,
        True,
        False,
    ]
    assert disturbed.budget.rate < undisturbed.budget.rate == 10.0
    assert (undisturbed.counted("Throttled"), disturbed.counted("Throttled")) == (None, 3)
    assert undisturbed.counted("ok") == disturbed.counted("ok") == undisturbed.source.asked["ListJobs"]


async def test_a_page_that_is_always_throttled_ends_the_pass() -> None:
    broken = Pass(range(3, 1000))
    outcome = await broken.outcome()
    assert isinstance(outcome, Throttled)
    assert broken.source.asked["ListJobs"] == 2 + 1 + MOST_REFUSALS
    assert (broken.counted("ok"), broken.counted("Throttled")) == (2, 1 + MOST_REFUSALS)


async def test_only_refusals_in_a_row_end_a_pass() -> None:
    unlucky = Pass([number for number in range(1, 1000) if number % (1 + MOST_REFUSALS)])
    outcome = await unlucky.outcome()
    assert isinstance(outcome, Listing)
    assert outcome.complete
    assert len(outcome.jobs) == len(SCENARIO.jobs)
