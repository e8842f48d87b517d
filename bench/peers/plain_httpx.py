"""What a competent engineer writes in an afternoon: httpx2, a signer, `gather` with a limit, the answer as a dictionary.

It has what is easy to have: kept connections, a time limit per read, an error for every status but 2xx. It lacks what takes longer:
typed and checked answers, a cap on the body, a time limit on the whole request, classified errors, key rotation, clock correction.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import httpx2

from bench.peers import KEY_ID, SECRET, Site, expect
from watcher.sources.dlc.acs3 import AccessKey, signed_headers


def new_client(site: Site) -> httpx2.AsyncClient:
    """The script's HTTP client."""
    return httpx2.AsyncClient(base_url=site.url, timeout=10, verify=site.tls() or True)


class PlainHttpx:
    """The script."""

    name = "plain httpx2 script"

    def __init__(self, site: Site) -> None:
        self._site, self.asks = site, len(site.job_ids)
        self._key = AccessKey(KEY_ID, SECRET)
        self._limit = asyncio.Semaphore(site.concurrent)
        self._http = new_client(site)

    async def _get_job(self, job_id: str) -> Any:
        path = f"/api/v1/jobs/{job_id}"
        headers = signed_headers(
            "GetJob", self._site.authority, self._key, datetime.now(UTC), secrets.token_hex(16), path=path
        )
        async with self._limit:
            response = await self._http.get(path, headers=headers)
        response.raise_for_status()
        return response.json()

    async def _poll_all(self, job_ids: Sequence[str]) -> int:
        jobs = await asyncio.gather(*map(self._get_job, job_ids))
        for job_id, job in zip(job_ids, jobs, strict=True):
            expect(job_id, job.get("JobId"), job.get("Status"))
        return len(jobs)

    async def warm(self) -> None:
        await self._http.aclose()  # the far side drops what was idle while others were measured
        self._http = new_client(self._site)
        await self._poll_all(self._site.first_ids)

    async def sweep(self) -> int:
        return await self._poll_all(self._site.job_ids)

    async def aclose(self) -> None:
        await self._http.aclose()
