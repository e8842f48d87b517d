"""One pass over ListJobs, from its beginning to what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import anyio

from watcher.core.model import JobId, Listing
from watcher.core.shares import Use
from watcher.errors import SourceError, Throttled
from watcher.ports.source import JobSource
from watcher.service.budget import RequestBudget
from watcher.service.questions import Requests, put_in
from watcher.service.telemetry import Metrics

MOST_REFUSALS: Final = 3
"""So often in a row one request of a pass may be throttled before the pass is broken off. Each halves the rate, if it comes later
than the answers to what was sent before."""

_ACTION: Final = "ListJobs"


@dataclass(slots=True)
class Asking:
    """A pass that somebody asks for, and somebody else may wait for.

    Attributes:
        source: whose lists.
        budget: waited for before each page.
        metrics: where the requests are counted.
        began: what came to be after this time, the pass may not show.
    """

    source: JobSource
    budget: RequestBudget
    metrics: Metrics
    began: datetime
    _refusals: int = 0
    """In a row, of the request that is being sent."""
    _requests: Requests = field(init=False)
    _came: Listing | SourceError = field(default_factory=lambda: SourceError("the pass was broken off"))
    _over: anyio.Event = field(default_factory=anyio.Event)

    def __post_init__(self) -> None:
        self._requests = Requests(self.metrics, self.source.name, _ACTION)

    async def ask(self, digests: Mapping[JobId, bytes]) -> None:
        """Ask for page after page; how it ends, `outcome` tells.

        Args:
            digests: see `JobSource.list_jobs`.
        """
        try:
            self._came = await put_in(self._requests, lambda: self.source.list_jobs(self._permit, digests))
        except SourceError as exc:
            self._came = exc
        finally:
            self._over.set()

    async def _permit(self, refused: Throttled | None = None) -> None:
        """The right to the next request, or to the same once more. See `Permit`."""
        if refused is None:
            self._requests.answered()
            self._refusals = 0
        else:
            self._requests.answered(type(refused).__name__)
            self._refusals += 1
            if self._refusals > MOST_REFUSALS:
                raise refused
            self.budget.throttled(_ACTION, refused)
        await self.budget.permit(Use.PASS)
        self._requests.sent()

    async def outcome(self) -> Listing | SourceError:
        """What came of it, as soon as that is known."""
        await self._over.wait()
        return self._came
