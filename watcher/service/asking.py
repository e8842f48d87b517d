"""One pass over ListJobs, from its beginning to what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

import anyio

from watcher.core.model import JobId, Listing
from watcher.core.shares import Use
from watcher.errors import SourceError
from watcher.ports.source import JobSource
from watcher.service.budget import RequestBudget
from watcher.service.questions import put
from watcher.service.telemetry import Metrics


@dataclass(slots=True)
class Asking:
    """A pass that somebody asks for, and somebody else may wait for.

    Attributes:
        source: whose lists.
        budget: waited for before each page.
        metrics: where the question is counted.
        began: what came to be after this time, the pass may not show.
    """

    source: JobSource
    budget: RequestBudget
    metrics: Metrics
    began: datetime
    _came: Listing | SourceError = field(default_factory=lambda: SourceError("the pass was broken off"))
    _over: anyio.Event = field(default_factory=anyio.Event)

    async def ask(self, digests: Mapping[JobId, bytes]) -> None:
        """Ask for page after page; how it ends, `outcome` tells.

        Args:
            digests: see `JobSource.list_jobs`.
        """
        permit = partial(self.budget.permit, Use.PASS)
        try:
            self._came = await put(
                self.metrics, self.source.name, "ListJobs", lambda: self.source.list_jobs(permit, digests)
            )
        except SourceError as exc:
            self._came = exc
        finally:
            self._over.set()

    async def outcome(self) -> Listing | SourceError:
        """What came of it, as soon as that is known."""
        await self._over.wait()
        return self._came
