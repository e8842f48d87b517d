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

_FAMILIES = ("alibabacloud", "credentials", "darabonba", "Tea")


def silence() -> None:
    """Take away the standard-error handlers that the SDK's packages install on import."""
    for name in list(logging.root.manager.loggerDict):
        if name.startswith(_FAMILIES):
            logger = logging.getLogger(name)
            logger.handlers.clear()
            logger.setLevel(logging.WARNING)


silence()


class OfficialSdk:
    """`get_job_with_options` in threads. With one poll at a time there is no thread but the caller's: the SDK's best case."""

    name = "official SDK, threads"

    def __init__(self, site: Site) -> None:
        self._site = site
        self.client = Client(
            Config(
                access_key_id=KEY_ID,
                access_key_secret=SECRET,
                endpoint=site.authority,
                protocol=site.scheme,
                ca=str(site.ca_file) if site.scheme == "https" else None,
            )
        )
        self._request, self.runtime = GetJobRequest(), RuntimeOptions()
        self._threads = ThreadPoolExecutor(site.concurrent) if site.concurrent > 1 else None

    def _poll(self, job_id: str) -> None:
        job = self.client.get_job_with_options(job_id, self._request, {}, self.runtime).body
        expect(job_id, job.job_id, job.status)

    def _poll_all(self, job_ids: Sequence[str]) -> int:
        polls = self._threads.map(self._poll, job_ids) if self._threads else map(self._poll, job_ids)
        return sum(1 for _ in polls)

    def poll_some(self, job_ids: Sequence[str]) -> int:
        """Ask about these, in threads."""
        return self._poll_all(job_ids)

    async def poll_some_async(self, job_ids: Sequence[str]) -> int:
        """Ask about these with the SDK's own coroutines, all at once. It opens a session of its own for every call."""

        async def poll(job_id: str) -> None:
            answer = await self.client.get_job_with_options_async(job_id, self._request, {}, self.runtime)
            expect(job_id, answer.body.job_id, answer.body.status)

        await asyncio.gather(*map(poll, job_ids))
        return len(job_ids)

    async def warm(self) -> None:
        self._poll_all(self._site.first_ids)

    async def sweep(self) -> int:
        # Blocks the event loop on purpose: nothing else runs on it, and the SDK shall not pay for a loop it does not need.
        return self._poll_all(self._site.job_ids)

    async def aclose(self) -> None:
        if self._threads:
            self._threads.shutdown()
