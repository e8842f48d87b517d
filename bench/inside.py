"""The service without a network: its own poller and ledger over a source that makes up its answers, and a store full of such jobs.

It is as after a start on a store of so many jobs: nothing has happened to them lately, and none has been looked at yet.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

from bench.bodies import Bodies, job_id
from watcher.core.consequence import Book
from watcher.core.events import CauseId
from watcher.core.fleet import Brief, brief_of
from watcher.core.model import JobId, JobRef, SourceName, Watch
from watcher.core.observation import first_sight
from watcher.core.routing import Route
from watcher.ports.store import Observation
from watcher.service.clock import SpedUpClock
from watcher.service.ledger import Ledger
from watcher.service.poller import Poller
from watcher.service.settling import settled_memory
from watcher.service.telemetry import Metrics
from watcher.simulator import SpeedUp
from watcher.sources.dlc import DlcSettings, DlcSource
from watcher.sources.dlc.wire import snapshot_from_json
from watcher.store.memory import MemoryStore

SOURCE: Final = SourceName("bench")
_LONG_AGO: Final = datetime(2026, 1, 1, tzinfo=UTC)


def watch_of(bodies: Bodies, number: int) -> Watch:
    """What is held about a made-up job."""
    answer = snapshot_from_json(bodies.answer(number), source=SOURCE, observed_at=_LONG_AGO)
    return first_sight(answer, now=_LONG_AGO, cause=CauseId("bench"), watching_since=None).watch


class MadeUp(DlcSource):
    """`DlcSource` from the answer's bytes on: what it reads is made up, how it reads is as shipped."""

    bodies: Bodies

    async def _asked(self, job_id: JobId) -> bytes:
        return self.bodies.answer(int(job_id[-7:]))


class Full(MemoryStore):
    """Holds so many jobs without taking memory for them, as a database does. Nothing new is kept: nothing should be."""

    def __init__(self, bodies: Bodies, jobs: int) -> None:
        super().__init__()
        self._bodies, self._jobs = bodies, jobs
        self.written = 0

    async def briefs(self, *, source: SourceName | None = None) -> tuple[Brief, ...]:  # noqa: ARG002 - the contract's
        """See `Store.briefs`."""
        return tuple(brief_of(watch_of(self._bodies, number)) for number in range(self._jobs))

    async def watch(self, ref: JobRef) -> Watch | None:
        """See `Store.watch`."""
        return watch_of(self._bodies, int(ref.job_id[-7:]))

    async def commit(self, observation: Observation) -> None:
        """See `Store.commit`."""
        self.written += observation.watch is not None


class Inside:
    """The poller of so many jobs.

    Args:
        bodies: what is answered.
        still: whether nothing ever changes.
    """

    def __init__(self, bodies: Bodies, *, still: bool = True) -> None:
        self._bodies, self._still = bodies, still

    async def watch(self, jobs: int) -> None:
        """Put so many jobs under watch, and look at each of them once."""
        told: dict[str, Any] = {
            "endpoint": "http://127.0.0.1:9",
            "credentials": {"kind": "access_key", "key_id": "LTAIbench", "secret": "none"},
            "budget": {"requests_per_second": 1000, "concurrency": 16},
            "select": {"jobs": [job_id(number) for number in range(max(jobs, 1))]},
        }
        settings = DlcSettings.model_validate(told)
        source = MadeUp(SOURCE, settings, wall=lambda: datetime.now(UTC))
        source.bodies = self._bodies
        self.metrics, store = Metrics(), Full(self._bodies, jobs)
        book = Book((), Route(path="route", receiver="nobody"))
        ledger = Ledger(store, book, SpedUpClock(SpeedUp(1000)), self.metrics)
        self.poller = Poller(source, settings, ledger)
        with settled_memory():  # as a start does
            await ledger.recall()
            await self.poller.load()
        if jobs:
            await self.poller.pass_once()
            assert not self._still or store.written == 0, "a job that did not change was written"
