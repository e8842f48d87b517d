"""The official SDK as its samples use it: one shared client, the synchronous call, threads for concurrency."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from alibabacloud_pai_dlc20201203.client import Client
from alibabacloud_pai_dlc20201203.models import GetJobRequest
from alibabacloud_tea_openapi.utils_models import Config
from darabonba.runtime import RuntimeOptions

from bench.peers import KEY_ID, SECRET, Site, expect

_LEAST = 16
_FAMILIES = ("alibabacloud", "credentials", "darabonba", "Tea")


def silence() -> None:
    """Take away the standard-error handlers that the SDK's packages install on import."""
    for name in list(logging.root.manager.loggerDict):
        if name.startswith(_FAMILIES):
            logger = logging.getLogger(name)
            logger.handlers.clear()
            logger.setLevel(logging.WARNING)


silence()


def patient() -> RuntimeOptions:
    """Its defaults but for the time limits: a TLS context for each of many calls keeps a busy machine from all else for seconds."""
    return RuntimeOptions(connect_timeout=60_000, read_timeout=60_000)


def client_of(site: Site) -> Client:
    """The client as the SDK's samples make it."""
    config = Config(
        access_key_id=KEY_ID,
        access_key_secret=SECRET,
        endpoint=site.authority,
        protocol=site.scheme,
        ca=str(site.ca_file) if site.scheme == "https" else None,
    )
    return Client(config)


class OfficialSdk:
    """`get_job_with_options` in threads. With one poll at a time there is no thread but the caller's: the SDK's best case."""

    name = "official SDK, threads"

    def __init__(self, site: Site) -> None:
        self._site, self.asks = site, len(site.job_ids)
        self._client = client_of(site)
        self._request, self._runtime = GetJobRequest(), patient()
        self._threads = ThreadPoolExecutor(site.concurrent) if site.concurrent > 1 else None

    def _poll(self, job_id: str) -> None:
        job = self._client.get_job_with_options(job_id, self._request, {}, self._runtime).body
        expect(job_id, job.job_id, job.status)

    def _poll_all(self, job_ids: Sequence[str]) -> int:
        polls = self._threads.map(self._poll, job_ids) if self._threads else map(self._poll, job_ids)
        return sum(1 for _ in polls)

    async def warm(self) -> None:
        self._poll_all(self._site.first_ids)

    async def sweep(self) -> int:
        # Blocks the event loop on purpose: nothing else runs on it, and the SDK shall not pay for a loop it does not need.
        return self._poll_all(self._site.job_ids)

    async def aclose(self) -> None:
        if self._threads:
            self._threads.shutdown()


class AsyncSdk:
    """`get_job_with_options_async` under `gather` with a limit. It opens a session, a connection and a TLS context for every call.

    As a poll takes it some hundred times what it takes others, it asks about a tenth of them, or one for each connection, or 16.
    """

    name = "official SDK, async"

    def __init__(self, site: Site) -> None:
        self._job_ids = site.job_ids[: max(site.concurrent, _LEAST, len(site.job_ids) // 10)]
        self.asks = len(self._job_ids)
        self._client = client_of(site)
        self._request, self._runtime = GetJobRequest(), patient()
        self._limit = asyncio.Semaphore(site.concurrent)

    async def _poll(self, job_id: str) -> None:
        async with self._limit:
            answer = await self._client.get_job_with_options_async(job_id, self._request, {}, self._runtime)
        expect(job_id, answer.body.job_id, answer.body.status)

    async def warm(self) -> None:
        """It keeps nothing that could be warmed."""

    async def sweep(self) -> int:
        await asyncio.gather(*map(self._poll, self._job_ids))
        return self.asks

    async def aclose(self) -> None:
        """It keeps nothing."""
