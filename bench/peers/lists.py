"""Ways to read a page of ListJobs again and again, on which nothing changes."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import anyio
from alibabacloud_pai_dlc20201203.models import ListJobsRequest

from bench.peers import KEY_ID, SECRET, BenchFailed, Site
from bench.peers.official_sdk import OfficialSdk, client_of, patient
from bench.peers.ours import source_of
from bench.peers.plain_httpx import new_client
from bench.peers.raw_socket import RawSocket
from watcher.core.model import JobId
from watcher.errors import Throttled
from watcher.sources.dlc.acs3 import AccessKey, Signer, canonical_query

PAGE = 100
_PATH = "/api/v1/jobs"
_QUERY = canonical_query({"PageNumber": "1", "PageSize": str(PAGE)})
_LEAST, _LEAST_ASYNC = 16, 4
"""Pages that a sweep reads."""


async def _no_wait(refused: Throttled | None = None) -> None:
    if refused is not None:
        raise refused


def _seen(count: int, site: Site) -> None:
    if count != len(site.job_ids):
        raise BenchFailed(f"a list of {len(site.job_ids)} jobs was seen to have {count}")


class _Lists:
    """So many pages in a sweep, each checked to show all jobs.

    Args:
        site: what is asked.
        least: how many pages at least; there is one for each connection.
    """

    def __init__(self, site: Site, least: int = _LEAST) -> None:
        self._site, self._pages = site, max(least, site.concurrent)
        self.asks = self._pages * len(site.job_ids)


class Reading(_Lists):
    """`DlcSource.list_jobs`, which knows nothing: every item is parsed into a `JobSummary`."""

    name = "dlc-watcher, reading all"

    def __init__(self, site: Site) -> None:
        super().__init__(site)
        self._source, _ = source_of(site)

    async def _list(self) -> None:
        _seen(len((await self._source.list_jobs(_no_wait)).jobs), self._site)

    async def _read(self, pages: int) -> None:
        waiting: Iterator[int] = iter(range(pages))

        async def work() -> None:
            for _ in waiting:
                await self._list()

        async with anyio.create_task_group() as tasks:
            for _ in range(self._site.concurrent):
                tasks.start_soon(work)

    async def warm(self) -> None:
        await self._read(self._site.concurrent)

    async def sweep(self) -> int:
        await self._read(self._pages)
        return self.asks

    async def aclose(self) -> None:
        await self._source.aclose()


class Recognising(Reading):
    """The same with the digests of the page before: what says the same must be recognised, and is only named."""

    name = "dlc-watcher, recognising"

    def __init__(self, site: Site) -> None:
        super().__init__(site)
        self._digests: Mapping[JobId, bytes] = {}

    async def _list(self) -> None:
        listing = await self._source.list_jobs(_no_wait, self._digests)
        if self._digests and listing.jobs:
            raise BenchFailed(f"{len(listing.jobs)} items of a list that say the same were not recognised")
        _seen(len(listing.jobs) + len(listing.unchanged), self._site)

    async def warm(self) -> None:
        if not self._digests:
            self._digests = (await self._source.list_jobs(_no_wait)).digests
        await super().warm()


class RawLists(RawSocket):
    """Sockets, a signature, and the ids counted: the floor."""

    action = "ListJobs"

    def __init__(self, site: Site) -> None:
        super().__init__(replace(site, job_ids=[_PATH] * max(_LEAST, site.concurrent)))
        self._listed, self.asks = site, max(_LEAST, site.concurrent) * len(site.job_ids)

    def _poll_all(self, job_ids: Any) -> int:
        at_once = len(self._sockets)
        for first in range(0, len(job_ids), at_once):
            asked = self._sockets[: len(job_ids) - first]
            for on in asked:
                self._ask(on, _PATH, _QUERY)
            for on in asked:
                good, body = self._read(on)
                _seen(body.count(b'"JobId"') if good else 0, self._listed)
        return len(job_ids) * len(self._listed.job_ids)


class ScriptLists(_Lists):
    """`gather` with a limit, pages as dictionaries, each item compared with the one before."""

    name = "plain httpx2 script"

    def __init__(self, site: Site) -> None:
        super().__init__(site)
        self._signer = Signer("ListJobs", site.authority, AccessKey(KEY_ID, SECRET))
        self._limit = asyncio.Semaphore(site.concurrent)
        self._http = new_client(site)
        self._held: dict[str, Any] = {}

    async def _list(self, _number: int) -> None:
        lines = self._signer.lines(datetime.now(UTC), secrets.token_hex(16), _PATH, _QUERY)
        headers = dict(line.split(": ", 1) for line in lines.split("\r\n") if line)
        async with self._limit:
            response = await self._http.get(f"{_PATH}?{_QUERY}", headers=headers)
        response.raise_for_status()
        items = response.json()["Jobs"]
        if any(self._held.setdefault(item["JobId"], item) != item for item in items):
            raise BenchFailed("an item changed that does not")
        _seen(len(items), self._site)

    async def warm(self) -> None:
        await self._http.aclose()  # the far side drops what was idle while others were measured
        self._http = new_client(self._site)
        await asyncio.gather(*map(self._list, range(self._site.concurrent)))

    async def sweep(self) -> int:
        await asyncio.gather(*map(self._list, range(self._pages)))
        return self.asks

    async def aclose(self) -> None:
        await self._http.aclose()


class SdkLists(_Lists):
    """`list_jobs_with_options` in threads."""

    name = "official SDK, threads"

    def __init__(self, site: Site) -> None:
        super().__init__(site)
        self._client, self._runtime = client_of(site), patient()
        self._threads = ThreadPoolExecutor(site.concurrent) if site.concurrent > 1 else None

    def _list(self, _number: int) -> None:
        request = ListJobsRequest(page_number=1, page_size=PAGE)
        answer = self._client.list_jobs_with_options(request, {}, self._runtime)
        _seen(len(answer.body.jobs or ()), self._site)

    def _read(self, pages: int) -> None:
        for _ in self._threads.map(self._list, range(pages)) if self._threads else map(self._list, range(pages)):
            pass

    async def warm(self) -> None:
        self._read(self._site.concurrent)

    async def sweep(self) -> int:
        self._read(self._pages)
        return self.asks

    async def aclose(self) -> None:
        if self._threads:
            self._threads.shutdown()


class AsyncSdkLists(_Lists):
    """`list_jobs_with_options_async` under `gather` with a limit; it keeps no connection."""

    name = "official SDK, async"

    def __init__(self, site: Site) -> None:
        super().__init__(site, _LEAST_ASYNC)
        self._client, self._runtime = client_of(site), patient()
        self._limit = asyncio.Semaphore(site.concurrent)

    async def _list(self, _number: int) -> None:
        request = ListJobsRequest(page_number=1, page_size=PAGE)
        async with self._limit:
            answer = await self._client.list_jobs_with_options_async(request, {}, self._runtime)
        _seen(len(answer.body.jobs or ()), self._site)

    async def warm(self) -> None:
        """It keeps nothing that could be warmed."""

    async def sweep(self) -> int:
        await asyncio.gather(*map(self._list, range(self._pages)))
        return self.asks

    async def aclose(self) -> None:
        """It keeps nothing."""


class SdkPolls(OfficialSdk):
    """GetJob by the SDK in threads, for as many jobs: what a job of a page is compared with."""

    name = "official SDK, a GetJob"

    def __init__(self, site: Site) -> None:
        super().__init__(replace(site, job_ids=site.job_ids[: max(_LEAST, site.concurrent)]))
