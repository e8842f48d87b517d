"""What a service has before it has read more of its configuration than its sources: they can be asked for their first lists.

Rules, routes, receivers and a store are nearly half of a start: that is not waited for.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field, replace

import anyio

from watcher.config.sources import ConfiguredSource
from watcher.core.model import SourceName
from watcher.ports.clock import Clock
from watcher.ports.source import JobSource, ListReader
from watcher.service.asking import Asking
from watcher.service.budget import Account, RequestBudget
from watcher.service.clock import SystemClock
from watcher.service.selecting import selection_of
from watcher.service.telemetry import Metrics
from watcher.service.waiting import let_go
from watcher.settings import SourceSettings


@dataclass(frozen=True, slots=True)
class Outset:
    """What a service begins with.

    Attributes:
        clock: its time.
        metrics: what it counts.
        sources: by name.
        budgets: what each may ask.
        ahead: first passes over lists that are under way already.
    """

    clock: Clock
    metrics: Metrics
    sources: Mapping[SourceName, JobSource]
    budgets: Mapping[SourceName, RequestBudget]
    ahead: Mapping[SourceName, Asking] = field(default_factory=dict)

    @classmethod
    def of(cls, configured: Mapping[str, ConfiguredSource], clock: Clock) -> Outset:
        """That of these sources."""
        metrics = Metrics()
        sources = {SourceName(name): kind(SourceName(name), settings) for name, (kind, settings) in configured.items()}
        accounts = accounts_of(sources, {name: settings for name, (_, settings) in configured.items()}, clock)
        budgets = {name: RequestBudget(account, metrics, name) for name, account in accounts.items()}
        return cls(clock, metrics, sources, budgets)

    async def aclose(self) -> None:
        """Let go of the sources."""
        for source in self.sources.values():
            await let_go(source.aclose)


@contextlib.asynccontextmanager
async def setting_out(configured: Mapping[str, ConfiguredSource], clock: Clock | None = None) -> AsyncIterator[Outset]:
    """Ask for the first lists of the sources while the service is put together. It takes in what they show when it can.

    Args:
        configured: the sources.
        clock: real time unless given.

    Raises:
        ExceptionGroup: of what is raised within.
    """
    outset = Outset.of(configured, clock or SystemClock())
    ahead = {
        name: Asking(source, outset.budgets[name], outset.metrics, outset.clock.now())
        for name, source in outset.sources.items()
        if not selection_of(configured[name].settings.select).only_ids
    }
    try:
        async with anyio.create_task_group() as tasks:
            for asking in ahead.values():
                tasks.start_soon(asking.ask, {})
            yield replace(outset, ahead=ahead)
            tasks.cancel_scope.cancel()
    finally:
        await outset.aclose()


def accounts_of(
    sources: Mapping[SourceName, JobSource], settings: Mapping[str, SourceSettings], clock: Clock
) -> dict[SourceName, Account]:
    """The request budget of each source: one for all that belong to the same account and region, as DLC counts them together.

    Where they were given different rates, the largest holds: each says how much the account can bear.
    """
    named = {name: source.account if isinstance(source, ListReader) else name for name, source in sources.items()}
    rates: dict[str, float] = {}
    for name, account in named.items():
        rates[account] = max(rates.get(account, 0.0), settings[name].budget.requests_per_second)
    made = {account: Account(rate, clock) for account, rate in rates.items()}
    return {name: made[account] for name, account in named.items()}
