"""CPU per job of a page of ListJobs on which nothing has changed, beside what one GetJob costs the official SDK.

All take turns, round by round, over HTTPS, one page at a time. A round of each peer reads the same pages.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import anyio
import httpx2
from alibabacloud_pai_dlc20201203.models import ListJobsRequest

from bench.measure import Spread, cpu_s
from bench.peers import KEY_ID, SECRET, BenchFailed, Site
from bench.peers.official_sdk import OfficialSdk
from bench.peers.ours import source_of
from bench.server import serving
from bench.tables import Table, cell
from watcher.core.model import JobId
from watcher.sources.dlc.acs3 import AccessKey, Signer, canonical_query

logging.getLogger("httpx2").setLevel(logging.WARNING)
_GET_JOBS = 16
"""GetJob polls of the SDK in a round: what a job of a page is compared with."""
Sweep = Callable[[], Awaitable[int]]


async def _no_wait() -> None:
    return None


class _Peers:
    """Everybody who lists, over one server."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._source, _ = source_of(site)
        self._sdk = OfficialSdk(site)
        self._http = httpx2.AsyncClient(base_url=site.url, timeout=10, verify=site.tls() or True)
        self._signer = Signer("ListJobs", site.authority, AccessKey(KEY_ID, SECRET))
        self._digests: Mapping[JobId, bytes] = {}
        self._held: dict[str, Any] = {}

    def sweeps(self) -> dict[str, Sweep]:
        """By the names of the table's rows."""
        return {
            "dlc-watcher, recognising": self._recognising,
            "dlc-watcher, reading all": self._reading,
            "plain httpx2 script": self._script,
            "official SDK, ListJobs": self._sdk_lists,
            "official SDK, GetJob (per poll)": self._sdk_polls,
            "official SDK, async GetJob (per poll)": self._sdk_async,
        }

    def _all(self, count: int) -> int:
        if count != len(self._site.job_ids):
            raise BenchFailed(f"a list of {len(self._site.job_ids)} jobs was seen to have {count}")
        return count

    async def _recognising(self) -> int:
        listing = await self._source.list_jobs(_no_wait, self._digests)
        if not self._digests:
            self._digests = listing.digests
        elif listing.jobs:
            raise BenchFailed(f"{len(listing.jobs)} items of a list that say the same were not recognised")
        return self._all(len(listing.jobs) + len(listing.unchanged))

    async def _reading(self) -> int:
        return self._all(len((await self._source.list_jobs(_no_wait)).jobs))

    async def _script(self) -> int:
        """Pages as dictionaries, each item compared with the one before."""
        seen = 0
        for number in range(1, len(self._site.job_ids) // 100 + 2):
            query = canonical_query({"PageNumber": str(number), "PageSize": "100"})
            lines = self._signer.lines(datetime.now(UTC), secrets.token_hex(16), "/api/v1/jobs", query)
            headers = dict(line.split(": ", 1) for line in lines.split("\r\n") if line)
            response = await self._http.get(f"/api/v1/jobs?{query}", headers=headers)
            response.raise_for_status()
            for item in response.json()["Jobs"]:
                seen += 1
                if self._held.setdefault(item["JobId"], item) != item:
                    raise BenchFailed("an item changed that does not")
        return self._all(seen)

    async def _sdk_lists(self) -> int:
        seen = 0
        for number in range(1, len(self._site.job_ids) // 100 + 2):
            request = ListJobsRequest(page_number=number, page_size=100)
            seen += len(self._sdk.client.list_jobs_with_options(request, {}, self._sdk.runtime).body.jobs or ())
        return self._all(seen)

    async def _sdk_polls(self) -> int:
        return self._sdk.poll_some(self._site.job_ids[:_GET_JOBS])

    async def _sdk_async(self) -> int:
        return await self._sdk.poll_some_async(self._site.job_ids[:_GET_JOBS])

    async def aclose(self) -> None:
        await self._source.aclose()
        await self._http.aclose()
        await self._sdk.aclose()


async def _rounds(site: Site, rounds: int) -> dict[str, list[float]]:
    peers = _Peers(site)
    sweeps = peers.sweeps()
    found: dict[str, list[float]] = {name: [] for name in sweeps}
    try:
        for sweep in sweeps.values():
            await sweep()
        for _ in range(rounds):
            for name, sweep in sweeps.items():
                used = cpu_s()
                count = await sweep()
                found[name].append((cpu_s() - used) / count * 1e6)
    finally:
        await peers.aclose()
    return found


def lists(jobs: int, rounds: int, directory: Path) -> Table:
    """Measure.

    Raises:
        BenchFailed: somebody saw something else than is there.
    """
    with serving(jobs, 2, directory) as served:
        site = Site("https", served.authorities["https"], served.ca_file, served.job_ids, 16)
        found = anyio.run(_rounds, site, rounds)
    poll = found["official SDK, GetJob (per poll)"]
    rows, data = [], {}
    for name, costs in found.items():
        ratio = Spread.of([a / b for a, b in zip(costs, poll, strict=True)])
        rows.append((name, cell(ratio, 4), cell(Spread.of(costs), 1)))
        data[name] = {"of_an_sdk_poll": ratio.__dict__, "cpu_us": Spread.of(costs).__dict__}
    return Table(
        name="lists",
        title="A page of ListJobs on which nothing changed: CPU per job, HTTPS",
        heading=("read by", "of a GetJob by the SDK", "CPU µs/job"),
        rows=rows,
        notes=(
            f"{jobs} jobs in pages of 100, {rounds} rounds. Sign, send, read, recognise or parse; taking in is not in it.",
        ),
        data=data,
    )
