"""Several sources side by side: of one account they share a budget, of different ones they do not know of each other."""

from __future__ import annotations

import random
from collections.abc import Callable
from itertools import pairwise

import anyio
import pytest

from tests.shell.direct_source import DirectSource
from tests.shell.service_world import START, FlakyStore, VirtualClock, loaded_of, seconds, source_settings
from tests.shell.test_service_feeds import scripted
from watcher.core.model import SourceName
from watcher.core.shares import SHARES, Use
from watcher.errors import AuthRefused, ServerFault, SourceError, Throttled, Unreachable
from watcher.service.budget import SHARE, Account, RequestBudget
from watcher.service.clock import SystemClock
from watcher.service.ledger import Ledger
from watcher.service.outset import accounts_of
from watcher.service.poller import Poller
from watcher.service.telemetry import Metrics
from watcher.simulator.behaviour import Behaviour
from watcher.simulator.scenario import Scenario
from watcher.sources.dlc.settings import DlcSettings
from watcher.sources.dlc.source import DlcSource

pytestmark = pytest.mark.anyio

EAST, WEST = SourceName("east"), SourceName("west")
RATE = 4.0
JOBS = 40


class Pair:
    """Two sources, each with jobs of its own, watched by one service."""

    def __init__(self, *accounts: str) -> None:
        self.clock, self.store = VirtualClock(), FlakyStore()
        self.ledger = Ledger(self.store, loaded_of().book, self.clock, Metrics())
        self.sources: dict[SourceName, DirectSource] = {}
        for name, account in zip((EAST, WEST), accounts, strict=True):
            dice = random.Random(str(name))
            scenario = Scenario(made_up=True, jobs=tuple(scripted(number, dice, length=600) for number in range(JOBS)))
            self.sources[name] = DirectSource(self.clock, scenario, Behaviour(), name=name, account=account)
        told = source_settings(budget={"requests_per_second": RATE, "concurrency": 4}, discover_every="2m")
        shared = accounts_of(self.sources, dict.fromkeys(self.sources, told), self.clock)
        self.pollers = {
            name: Poller(
                source,  # type: ignore[arg-type] # stands in for a source
                told, self.ledger, jitter=random.Random(str(name)).random,
                budget=RequestBudget(shared[name], self.ledger.metrics, name),
            )
            for name, source in self.sources.items()
        }  # fmt: skip

    async def play(self, length: float) -> None:
        await self.ledger.recall()
        async with anyio.create_task_group() as tasks:
            for poller in self.pollers.values():
                await poller.load()
                tasks.start_soon(poller.poll)
            await self.clock.advance(seconds(length))
            tasks.cancel_scope.cancel()

    def asked(self, *names: SourceName) -> list[float]:
        """When requests came, in seconds from the start."""
        return sorted(at for name in names or self.sources for at, _ in self.sources[name].answers)

    async def events_of(self, name: SourceName) -> list[tuple[str, str, float]]:
        """What was told of one source's jobs: the kind, the job, and when it was seen."""
        return [
            (event.kind, str(job.job_id), (event.when.observed_at - START).total_seconds())
            for event in await self.store.events(limit=100_000)
            if (job := getattr(event, "job", None)) is not None and job.source == name
        ]


def most_within(asked: list[float], length: float) -> int:
    """The most requests in any stretch of so many seconds."""
    first = most = 0
    for last, at in enumerate(asked):
        while asked[first] < at - length:
            first += 1
        most = max(most, last - first + 1)
    return most


def once(at: float, error: SourceError) -> tuple[list[float], Callable[[float], SourceError | None]]:
    """A trouble that the first request from then on meets; and the list that says when."""
    met: list[float] = []

    def trouble(elapsed: float) -> SourceError | None:
        if elapsed < at or met:
            return None
        met.append(elapsed)
        return error

    return met, trouble


async def test_two_sources_of_one_account_keep_within_one_budget_and_both_are_seen() -> None:
    pair = Pair("one", "one")
    await pair.play(600)
    asked = pair.asked()
    for length in (1.0, 10.0, 60.0, 600.0):
        assert most_within(asked, length) <= RATE * length + RATE + 1, (
            f"in some {length} s; one second's worth is saved up"
        )
    assert len(asked) > 600 * RATE * 0.9, "and they use it"
    for name, poller in pair.pollers.items():
        assert len(pair.asked(name)) > len(asked) / 3
        assert poller.sight.watching_since is not None
        assert poller.sight.failing_since is None
        appeared = {job for kind, job, _ in await pair.events_of(name) if kind == "job.appeared"}
        assert len(appeared) > JOBS / 2


async def test_a_throttling_that_one_source_meets_holds_its_whole_account_for_as_long_as_the_answer_asks() -> None:
    pair = Pair("one", "one")
    met, trouble = once(100, Throttled("too often", code="Throttling.User", retry_after=seconds(30)))
    pair.sources[EAST].trouble = trouble
    await pair.play(300)
    (at,) = met
    for name in pair.sources:
        before, after = [one for one in pair.asked(name) if one < at], [one for one in pair.asked(name) if one > at]
        assert at - before[-1] < 10, "it was asking"
        assert 30 <= after[0] - at < 40, "nothing is asked for so long, and then it goes on"
    rest = [one for one in pair.asked() if at + 31 < one < at + 61]
    assert len(rest) <= 30 * RATE * 0.75, "more slowly than before: a hold is no quiet time that earns anything back"


OUTAGES = [
    ServerFault("HTTP 503", code="ServiceUnavailable"),
    Unreachable("connection refused"),
    AuthRefused("the key is not known", code="InvalidAccessKeyId.NotFound"),
    Throttled("too often", code="Throttling.User", retry_after=seconds(120)),
]


@pytest.mark.parametrize("outage", OUTAGES, ids=lambda outage: type(outage).__name__)
async def test_what_befalls_one_account_leaves_another_as_if_it_were_alone(outage: SourceError) -> None:
    calm, troubled = Pair("one", "another"), Pair("one", "another")
    troubled.sources[EAST].trouble = lambda elapsed: outage if elapsed > 60 else None
    for pair in (calm, troubled):
        await pair.play(600)
    assert len(troubled.asked(EAST)) < len(calm.asked(EAST)) / 3, "the outage was one"
    assert troubled.pollers[EAST].sight.blind_since is not None
    assert troubled.asked(WEST) == calm.asked(WEST)
    assert await troubled.events_of(WEST) == await calm.events_of(WEST)
    assert all(later - sooner < 5 for sooner, later in pairwise(troubled.asked(WEST)))


def test_sources_of_dlc_share_a_budget_by_key_and_region_and_the_largest_rate_holds() -> None:
    def told(region: str, key_id: str, rate: float) -> DlcSettings:
        return DlcSettings.model_validate(
            {
                "region": region,
                "credentials": {"kind": "access_key", "key_id": key_id, "secret": "none"},
                "budget": {"requests_per_second": rate},
            }
        )

    settings = {
        "prod": told("cn-hangzhou", "LTAIone", 2),
        "test": told("cn-hangzhou", "LTAIone", 7),
        "north": told("cn-beijing", "LTAIone", 3),
        "others": told("cn-hangzhou", "LTAItwo", 5),
    }
    sources = {SourceName(name): DlcSource(SourceName(name), one) for name, one in settings.items()}
    found = accounts_of(sources, settings, SystemClock())
    assert found[SourceName("prod")] is found[SourceName("test")]
    assert len({id(account) for account in found.values()}) == 3
    assert {name: account.pace.rate for name, account in found.items()} == {
        "prod": 7,
        "test": 7,
        "north": 3,
        "others": 5,
    }


@pytest.mark.parametrize("polls", [0, 8])
@pytest.mark.parametrize("rate", [4.0, 9.37])
async def test_asides_get_their_share_even_where_polls_never_leave_anything_over(polls: int, rate: float) -> None:
    clock = VirtualClock()
    budget = RequestBudget(Account(rate, clock), Metrics(), EAST)
    counts = dict.fromkeys((Use.ROUND, Use.ASIDE), 0)

    async def poll() -> None:
        while True:
            await budget.permit(Use.ROUND)
            counts[Use.ROUND] += 1
            await clock.sleep(seconds(0.01))

    async def look_aside() -> None:
        while True:
            await budget.permit_aside()
            counts[Use.ASIDE] += 1

    async with anyio.create_task_group() as tasks:
        for _ in range(polls):
            tasks.start_soon(poll)
        tasks.start_soon(look_aside)
        await clock.advance(seconds(600))
        tasks.cancel_scope.cancel()
    assert SHARES[Use.ASIDE] * 600 * rate <= counts[Use.ASIDE] <= 1 + 600 * rate / SHARE
    assert sum(counts.values()) <= 601 * rate
