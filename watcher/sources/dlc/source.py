"""`DlcSource`: jobs of one region under one identity, asked with GetJob, ListJobs and, on demand, for events and logs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import ClassVar, Final

from anyio import to_thread

from watcher.core.feeds import ListAnswer, ListQuestion
from watcher.core.model import JobId, JobSnapshot, JobSummary, Listing, SourceName
from watcher.errors import InvalidRequest
from watcher.ports.source import NOTHING_KNOWN, Fetched, Permit
from watcher.sources.dlc.acs3 import DATE_FORMAT, percent_encode
from watcher.sources.dlc.asking import EVER, PAGE_SIZE, params_of
from watcher.sources.dlc.client import SignedClient, WallClock, utc_now
from watcher.sources.dlc.credentials import Keyring
from watcher.sources.dlc.endpoints import job_console_url
from watcher.sources.dlc.likeness import cut, digest, digest_of_cut, recognisable
from watcher.sources.dlc.many_pods import ManyPods
from watcher.sources.dlc.pages import read_page
from watcher.sources.dlc.settings import DlcSettings
from watcher.sources.dlc.wire import ListingPage, lines_from_json, snapshot_from_json
from watcher.sources.permitted import permitted

_JOBS: Final = "/api/v1/jobs"
_LONGEST_ID: Final = 256
_MOST_EVENTS: Final = 10_000
_MOST_LINES: Final = 2_000
"""What DLC takes for MaxEventsNum and MaxLines; of the latter only the default is documented."""
_LARGE_BYTES: Final = 128 * 1024
"""Answers above it (some 300 pods) are read in a thread, so that reading them holds nobody up."""
_LARGE_PAGE_BYTES: Final = 512 * 1024
"""The same of a page of a list: 100 thin items have a third of it and take 2 ms when all of them are read."""


@dataclass(slots=True)
class _Pass:
    """What a pass has found so far. Of a job that is met twice, as pages shift meanwhile, the first item counts."""

    known: Mapping[JobId, bytes]
    found: dict[JobId, JobSummary] = field(default_factory=dict)
    unchanged: dict[JobId, None] = field(default_factory=dict)
    digests: dict[JobId, bytes] = field(default_factory=dict)

    def take(self, page: ListingPage) -> None:
        """Take in a page."""
        self.unchanged |= {job_id: None for job_id in page.unchanged if job_id not in self.found}
        for job in page.jobs:
            job_id = job.ref.job_id
            if job_id not in self.found and job_id not in self.unchanged:
                self.found[job_id] = job
                if job_id in page.digests:
                    self.digests[job_id] = page.digests[job_id]


def job_path(job_id: str) -> str:
    """The encoded path of a job.

    Raises:
        InvalidRequest: no job can have this id (documented: 1 to 256 characters); it would ask for something else.
    """
    return f"{_JOBS}/{_part_of_path(job_id, 'job')}"


def pod_path(job_id: str, pod_id: str) -> str:
    """The encoded path of a pod.

    Raises:
        InvalidRequest: no job or no pod can have this id.
    """
    return f"{job_path(job_id)}/pods/{_part_of_path(pod_id, 'pod')}"


def _part_of_path(name: str, what: str) -> str:
    if not 0 < len(name) <= _LONGEST_ID or "/" in name or name in {".", ".."}:
        raise InvalidRequest(f"{name[:_LONGEST_ID]!r} cannot be a {what} id", fix="Copy the id from the console")
    try:
        return percent_encode(name)
    except UnicodeEncodeError:
        raise InvalidRequest(
            f"a {what} id holds characters that cannot be sent", fix="Copy the id from the console"
        ) from None


def _scopes_of(settings: DlcSettings) -> list[dict[str, str]]:
    """By which parameters each list is asked for."""
    scopes = [{"WorkspaceId": workspace} for workspace in dict.fromkeys(settings.workspaces)]
    if settings.own_jobs_everywhere:
        scopes.append({"FromAllWorkspaces": "true", "ShowOwn": "true"})
    return scopes or [{}]


def _window(since: datetime | None, pod_uid: str = "", **limit: int) -> dict[str, str]:
    params = {name: str(number) for name, number in limit.items()}
    if pod_uid:
        params["PodUid"] = pod_uid
    if since is not None:
        params["StartTime"] = since.astimezone(UTC).strftime(DATE_FORMAT)
    return params


class DlcSource:
    """Implements `watcher.ports.source.JobSource` for Alibaba Cloud PAI-DLC.

    What a pass over ListJobs covers. DLC can sort and filter by creation time, not by change, and by default shows seven days.
    So a pass reads, newest first, the jobs created within `created_within` (30 days unless set), in each configured workspace; in
    the account's default workspace when none is configured. A job older than that is found by its id only. A job that is watched
    is not lost when it grows old: GetJob decides about it, never its absence from a list.
    """

    Settings: ClassVar[type[DlcSettings]] = DlcSettings

    def __init__(
        self,
        name: SourceName,
        settings: DlcSettings,
        *,
        wall: WallClock = utc_now,
    ) -> None:
        """Prepare, without asking anything yet.

        Args:
            name: the source's name in the configuration.
            settings: what the user said.
            wall: the real time, for request dates and for `observed_at`. Not an accelerated clock: servers refuse a wrong date.
        """
        self._name, self._settings, self._wall = name, settings, wall
        self._scopes = _scopes_of(settings)
        self._scope_of = {scope.get("WorkspaceId"): number for number, scope in enumerate(self._scopes)}
        proxy = settings.proxy.get_secret_value() if settings.proxy else None
        self._many_pods = ManyPods()
        self._keyring = Keyring(settings.credentials, wall=wall, proxy=proxy)
        self._client = SignedClient(
            settings.address,
            self._keyring,
            timeout=settings.timeout,
            connect_timeout=settings.connect_timeout,
            max_body_bytes=settings.max_body_bytes,
            connections=settings.budget.concurrency,
            proxy=proxy,
            ca_file=settings.ca_file,
            wall=wall,
        )

    @property
    def name(self) -> SourceName:
        """The name it has in the configuration."""
        return self._name

    def __repr__(self) -> str:
        return f"DlcSource({self._name!r}, {str(self._settings.address)!r})"

    async def fetch(self, job_id: JobId) -> JobSnapshot:
        """Ask for one job (GetJob). See `JobSource.fetch`."""
        body = await self._asked(job_id)
        if len(body) > _LARGE_BYTES:
            return await to_thread.run_sync(self._snapshot, body, job_id)
        return self._snapshot(body, job_id)

    async def fetch_if_changed(self, job_id: JobId, known: bytes) -> Fetched | None:
        """Ask for one job (GetJob), and read the answer if it is news. See `JobSource.fetch_if_changed`."""
        body = await self._asked(job_id)
        if len(body) > _LARGE_BYTES:
            return await to_thread.run_sync(self._read_large_if_changed, body, job_id, known)
        return self._read_if_changed(body, job_id, known)

    async def _asked(self, job_id: JobId) -> bytes:
        return await self._client.get("GetJob", job_path(job_id), {}, about_job=job_id)

    def _read_if_changed(self, body: bytes, job_id: JobId, known: bytes) -> Fetched | None:
        told = digest(body)
        if told and told == known:
            return None
        return Fetched(self._snapshot(body, job_id), told if recognisable(body) else b"")

    def _read_large_if_changed(self, body: bytes, job_id: JobId, known: bytes) -> Fetched | None:
        cut_ = cut(body)
        if cut_ is None:
            return Fetched(self._snapshot(body, job_id), b"")
        told = digest_of_cut(cut_.text)
        if told == known:
            return None
        read = self._many_pods.read(
            cut_, job_id, source=self._name, observed_at=self._wall(), region=self._settings.region_id
        )
        if read is None:
            return Fetched(self._snapshot(body, job_id), told if recognisable(body) else b"")
        return Fetched(read.snapshot, told if read.recognisable else b"")

    def _snapshot(self, body: bytes, job_id: JobId) -> JobSnapshot:
        return snapshot_from_json(
            body, source=self._name, observed_at=self._wall(), region=self._settings.region_id, asked_for=job_id
        )

    async def list_jobs(self, permit: Permit, known: Mapping[JobId, bytes] = NOTHING_KNOWN) -> Listing:
        """One pass over ListJobs. See `JobSource.list_jobs` and the class."""
        pass_ = _Pass(known)
        complete = True
        for scope in self._scopes:
            params = {
                **scope,
                "StartTime": self._listed_since().strftime(DATE_FORMAT),
                "SortBy": "GmtCreateTime",
                "Order": "desc",
                "PageSize": str(PAGE_SIZE),
            }
            complete &= await self._read_pages(params, permit, pass_)
        return Listing(tuple(pass_.found.values()), complete, tuple(pass_.unchanged), pass_.digests)

    @property
    def scopes(self) -> int:
        """How many lists there are. See `ListReader.scopes`."""
        return len(self._scopes)

    @property
    def account(self) -> str:
        """See `ListReader.account`."""
        return self._settings.account

    def scope_of(self, workspace_id: str) -> int:
        """See `ListReader.scope_of`."""
        return 0 if len(self._scopes) == 1 else self._scope_of.get(workspace_id, -1)

    async def list_some(self, question: ListQuestion, known: Mapping[JobId, bytes] = NOTHING_KNOWN) -> ListAnswer:
        """One request to ListJobs. See `ListReader.list_some`."""
        params = params_of(question, self._scopes[question.scope], self._listed_since())
        page = await self._page(await self._client.get("ListJobs", _JOBS, params), known)
        return ListAnswer(
            jobs=page.jobs,
            unchanged=page.unchanged,
            digests=page.digests,
            items=page.items,
            more=page.items >= PAGE_SIZE,
        )

    def _listed_since(self) -> datetime:
        within = self._settings.created_within
        return EVER if within is None else max(self._wall() - within, EVER)

    async def _read_pages(self, params: Mapping[str, str], permit: Permit, pass_: _Pass) -> bool:
        """Read pages into `pass_` until there are no more; return whether that was all there is.

        Jobs made meanwhile push entries to the next page (seen twice, kept once); jobs deleted meanwhile pull them to the page
        just read (not seen): then TotalCount has shrunk and the pass does not count as complete. A short page is the end, unless
        TotalCount says there is more: then pages are read on until one is empty.
        """
        seen, unreadable = 0, 0
        totals: list[int] = []
        ids: set[JobId] = set()
        for number in range(1, self._settings.max_pages + 1):
            asked = partial(self._client.get, "ListJobs", _JOBS, {**params, "PageNumber": str(number)})
            page = await self._page(await permitted(permit, asked), pass_.known)
            before = len(ids)
            ids.update(page.unchanged, (job.ref.job_id for job in page.jobs))
            if len(ids) == before and (
                page.jobs or page.unchanged
            ):  # the same page once more: a server that does not turn pages
                return False
            pass_.take(page)
            seen, unreadable = seen + page.items, unreadable + page.unreadable
            totals.append(page.total or 0)
            if page.items == 0 or (page.items < PAGE_SIZE and seen >= totals[-1]):
                return unreadable == 0 and totals[-1] >= totals[0]
        return False

    async def _page(self, body: bytes, known: Mapping[JobId, bytes]) -> ListingPage:
        if len(body) > _LARGE_PAGE_BYTES:
            return await to_thread.run_sync(partial(read_page, body, source=self._name, known=known))
        return read_page(body, source=self._name, known=known)

    async def job_events(self, job_id: JobId, *, since: datetime | None = None, most: int = 200) -> tuple[str, ...]:
        """Lines of the job's events (GetJobEvents). See `JobSource.job_events`."""
        params = _window(since, MaxEventsNum=min(max(most, 1), _MOST_EVENTS))
        body = await self._client.get("GetJobEvents", f"{job_path(job_id)}/events", params, about_job=job_id)
        return lines_from_json(body, action="GetJobEvents", most=most)

    async def pod_events(
        self, job_id: JobId, pod_id: str, pod_uid: str = "", *, since: datetime | None = None, most: int = 200
    ) -> tuple[str, ...]:
        """Lines of a pod's events (GetPodEvents). See `JobSource.pod_events`."""
        params = _window(since, pod_uid, MaxEventsNum=min(max(most, 1), _MOST_EVENTS))
        body = await self._client.get("GetPodEvents", f"{pod_path(job_id, pod_id)}/events", params, about_job=job_id)
        return lines_from_json(body, action="GetPodEvents", most=most, pod_uid=pod_uid)

    async def pod_logs(
        self, job_id: JobId, pod_id: str, pod_uid: str = "", *, since: datetime | None = None, most: int = 2000
    ) -> tuple[str, ...]:
        """Lines of a pod's log (GetPodLogs). See `JobSource.pod_logs`."""
        params = _window(since, pod_uid, MaxLines=min(max(most, 1), _MOST_LINES))
        body = await self._client.get("GetPodLogs", f"{pod_path(job_id, pod_id)}/logs", params, about_job=job_id)
        return lines_from_json(body, action="GetPodLogs", most=most, pod_uid=pod_uid)

    def console_url(self, job: JobSnapshot | JobSummary) -> str:
        """The job's page in the PAI console, or "" when the region is not known."""
        return job_console_url(self._settings.region_id, job.workspace_id, job.ref.job_id)

    async def aclose(self) -> None:
        """Let go of connections. May be called twice."""
        await self._client.aclose()
