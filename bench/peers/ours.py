"""dlc-watcher itself, three times: every answer read, the client as the service uses it, and the service's own poller around it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import anyio

from bench.peers import EXPECTED_STATUS, KEY_ID, SECRET, BenchFailed, Site, expect
from watcher.core.consequence import Book
from watcher.core.model import JobId, SourceName
from watcher.core.routing import Route
from watcher.service.clock import SpedUpClock
from watcher.service.ledger import Ledger
from watcher.service.poller import Poller
from watcher.service.telemetry import Metrics
from watcher.simulator import SpeedUp
from watcher.sources.dlc import DlcSettings, DlcSource
from watcher.store.memory import MemoryStore

_SOURCE = SourceName("bench")
_BUDGET_SPEED = 300.0
"""The request budget has its highest setting and a clock that runs so much faster: it reckons for every poll and delays none. Three
thousand polls a second are ten on that clock: what goes by time (plans) is done as often for each poll as at that budget."""


def source_of(site: Site) -> tuple[DlcSource, DlcSettings]:
    """The source as the program makes it."""
    settings = DlcSettings.model_validate(
        {
            "endpoint": site.url,
            "credentials": {"kind": "access_key", "key_id": KEY_ID, "secret": SECRET},
            "budget": {"requests_per_second": 1000, "concurrency": site.concurrent},
            "select": {"jobs": list(site.job_ids)},
            "ca_file": site.ca_file if site.scheme == "https" else None,
        }
    )
    return DlcSource(_SOURCE, settings), settings


async def fetch_all(source: DlcSource, job_ids: Sequence[str], concurrent: int) -> int:
    """Fetch and check every job, so many at once."""
    waiting: Iterator[str] = iter(job_ids)
    done = 0

    async def work() -> None:
        nonlocal done
        for job_id in waiting:
            job = await source.fetch(JobId(job_id))
            expect(job_id, job.ref.job_id, job.status)
            done += 1

    async with anyio.create_task_group() as tasks:
        for _ in range(concurrent):
            tasks.start_soon(work)
    return done


class Fetch:
    """`DlcSource.fetch`: sign, send, read under a cap and a time limit, parse into a `JobSnapshot`."""

    name = "dlc-watcher, reading all"

    def __init__(self, site: Site) -> None:
        self._site, self.asks = site, len(site.job_ids)
        self._source, _ = source_of(site)

    async def warm(self) -> None:
        await fetch_all(self._source, self._site.first_ids, self._site.concurrent)

    async def sweep(self) -> int:
        return await fetch_all(self._source, self._site.job_ids, self._site.concurrent)

    async def aclose(self) -> None:
        await self._source.aclose()


class Client:
    """`DlcSource.fetch_if_changed` with the digest of the answer before: what a poll without news costs the client.

    The first answer about a job is read and checked; the others must be recognised as the same.
    """

    name = "dlc-watcher, client"

    def __init__(self, site: Site) -> None:
        self._site, self.asks = site, len(site.job_ids)
        self._source, _ = source_of(site)
        self._known: dict[str, bytes] = {}

    async def warm(self) -> None:
        await self._poll_all(self._site.first_ids)

    async def sweep(self) -> int:
        return await self._poll_all(self._site.job_ids)

    async def _poll_all(self, job_ids: Sequence[str]) -> int:
        waiting: Iterator[str] = iter(job_ids)
        done = 0

        async def work() -> None:
            nonlocal done
            for job_id in waiting:
                known = self._known.get(job_id, b"")
                fetched = await self._source.fetch_if_changed(JobId(job_id), known)
                if fetched is not None:
                    expect(job_id, fetched.snapshot.ref.job_id, fetched.snapshot.status)
                    if known or not fetched.digest:
                        raise BenchFailed(f"an answer about {job_id} that says the same was not recognised")
                    self._known[job_id] = fetched.digest
                done += 1

        async with anyio.create_task_group() as tasks:
            for _ in range(self._site.concurrent):
                tasks.start_soon(work)
        return done

    async def aclose(self) -> None:
        await self._source.aclose()


class Service:
    """`Poller.pass_once`: budget, fetch, metrics, recognition of what is held, and the decision that there is no news.

    Whether every poll went well is read where an operator would read it: each must have counted as a good GetJob, and must have
    added no event; the first sweep's snapshots, which the others were compared with, must be of the right jobs in the right status.
    """

    name = "dlc-watcher, service"

    def __init__(self, site: Site) -> None:
        self._site, self.asks = site, len(site.job_ids)
        self._source, settings = source_of(site)
        self._store, self._metrics = MemoryStore(), Metrics()
        book = Book((), Route(path="route", receiver="nobody"))
        self._poller = Poller(
            self._source, settings, Ledger(self._store, book, SpedUpClock(SpeedUp(_BUDGET_SPEED)), self._metrics)
        )
        self._events: int | None = None

    def _good_polls(self) -> int:
        labels = {"source": _SOURCE, "action": "GetJob", "outcome": "ok"}
        return int(self._metrics.registry.get_sample_value("dlc_watcher_source_requests_total", labels) or 0)

    async def warm(self) -> None:
        if self._events is not None:
            await fetch_all(self._source, self._site.first_ids, self._site.concurrent)
            return
        await self._poller.load()
        await self._poller.pass_once()
        held = {watch.snapshot.ref.job_id: watch.snapshot.status for watch in await self._store.watches()}
        for job_id in self._site.job_ids:
            expect(job_id, job_id if job_id in held else None, held.get(JobId(job_id)))
        self._events = (await self._store.counts()).get("events", 0)

    async def sweep(self) -> int:
        before = self._good_polls()
        seen = await self._poller.pass_once()
        events = (await self._store.counts()).get("events", 0)
        if not seen or events != self._events:
            raise BenchFailed(f"jobs that are {EXPECTED_STATUS} all the time were not seen so by the service")
        return self._good_polls() - before

    async def aclose(self) -> None:
        await self._source.aclose()
