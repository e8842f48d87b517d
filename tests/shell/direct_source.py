"""A source that asks the simulator's pure functions, without a network: every switch of its behaviour, in virtual time."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from types import MappingProxyType
from typing import Any

from tests.shell.service_world import SOURCE, START, VirtualClock
from watcher.core.feeds import ListAnswer, ListQuestion
from watcher.core.model import JobId, JobSnapshot, JobSummary, Listing, SourceName
from watcher.errors import SourceError
from watcher.ports.source import NOTHING_KNOWN, Fetched, Permit
from watcher.simulator.answers import Moment, get_job
from watcher.simulator.behaviour import Behaviour
from watcher.simulator.faults import Refusal
from watcher.simulator.life import state_at, states
from watcher.simulator.listing import Asker, list_jobs
from watcher.simulator.records import Refused
from watcher.simulator.scenario import Scenario
from watcher.simulator.throttle import Bucket
from watcher.sources.dlc.asking import EVER, params_of
from watcher.sources.dlc.errors import ErrorBody, error_from
from watcher.sources.dlc.likeness import digest
from watcher.sources.dlc.pages import read_page
from watcher.sources.dlc.wire import snapshot_from_json
from watcher.sources.permitted import permitted

NO_HEADERS: Mapping[str, str] = MappingProxyType({})


class DirectSource:
    """Implements `JobSource` and `ListReader` over a scenario that begins at `START`."""

    scopes = 1

    def __init__(
        self, clock: VirtualClock, scenario: Scenario, behaviour: Behaviour, *, per_second: float | None = None,
        name: SourceName = SOURCE, account: str = "one",
    ) -> None:  # fmt: skip
        self.clock, self.scenario, self.behaviour = clock, scenario, behaviour
        self.name, self.account = name, account
        self.trouble: Callable[[float], SourceError | None] = lambda _elapsed_s: None
        """What a request at so many seconds from the start meets instead of an answer."""
        self._lives = {job.id: (job, states(job)) for job in scenario.jobs}
        self._bucket = None if per_second is None else Bucket.full(per_second, 0.0)
        self.asked: Counter[str] = Counter()
        self.questions: list[tuple[datetime, ListQuestion]] = []
        self.answers: list[tuple[float, bool]] = []
        """When each request came, in seconds from the start, and whether it was throttled."""

    def scope_of(self, workspace_id: str) -> int:
        return 0

    def _enter(self, action: str) -> Moment:
        self.asked[action] += 1
        elapsed = self.clock.now() - START
        wait_s = 0.0
        if self._bucket is not None:
            self._bucket, wait_s = self._bucket.take(elapsed.total_seconds())
        self.answers.append((elapsed.total_seconds(), wait_s > 0))
        if wait_s:
            waits = {"retry-after": str(math.ceil(wait_s))} if self.behaviour.retry_after else {}
            raise self._refused(self.behaviour.throttled, action, headers=waits)
        if trouble := self.trouble(elapsed.total_seconds()):
            raise trouble
        return Moment(START, elapsed, self.behaviour)

    def _refused(
        self, refusal: Refusal, action: str, about_job: str = "", headers: Mapping[str, str] = NO_HEADERS
    ) -> SourceError:
        """What the client makes of an answer other than 200."""
        body = ErrorBody(code=refusal.code, message=refusal.message, request_id="some-request")
        return error_from(refusal.status, headers, body, action=action, now=self.clock.now(), about_job=about_job)

    async def fetch(self, job_id: JobId) -> JobSnapshot:
        told = await self.fetch_if_changed(job_id, b"")
        assert told is not None
        return told.snapshot

    async def fetch_if_changed(self, job_id: JobId, known: bytes) -> Fetched | None:
        moment = self._enter("GetJob")
        job, told = self._lives.get(job_id, (None, ()))
        state = state_at(told, moment.elapsed)
        if job is None or state is None:
            raise self._refused(self.behaviour.not_found, "GetJob", str(job_id))
        body = json.dumps(get_job(job, state, moment)).encode()
        if (said := digest(body)) == known:
            return None
        return Fetched(snapshot_from_json(body, source=self.name, observed_at=self.clock.now()), said)

    def _list(self, params: Mapping[str, str], known: Mapping[JobId, bytes]) -> Any:
        moment = self._enter("ListJobs")
        asker = Asker(self.scenario.caller, self.scenario.workspace)
        try:
            body = list_jobs(tuple(self._lives.values()), params, asker, moment)
        except Refused as exc:
            raise self._refused(exc.refusal, "ListJobs") from None
        return read_page(json.dumps(body).encode(), source=self.name, known=known)

    async def _page(self, number: int, known: Mapping[JobId, bytes]) -> Any:
        return self._list(params_of(ListQuestion(page=number), {}, EVER), known)

    async def list_jobs(self, permit: Permit, known: Mapping[JobId, bytes] = NOTHING_KNOWN) -> Listing:
        jobs: dict[JobId, JobSummary] = {}
        unchanged: dict[JobId, None] = {}
        digests: dict[JobId, bytes] = {}
        for number in range(1, 1000):
            page = await permitted(permit, partial(self._page, number, known))
            jobs |= {job.ref.job_id: job for job in page.jobs}
            unchanged |= dict.fromkeys(page.unchanged)
            digests |= page.digests
            if page.items < 100:
                break
        return Listing(tuple(jobs.values()), True, tuple(unchanged), digests)

    async def list_some(self, question: ListQuestion, known: Mapping[JobId, bytes] = NOTHING_KNOWN) -> ListAnswer:
        self.questions.append((self.clock.now(), question))
        page = self._list(params_of(question, {}, EVER), known)
        return ListAnswer(
            jobs=page.jobs,
            unchanged=page.unchanged,
            digests=page.digests,
            items=page.items,
            more=page.items >= 100,
        )

    async def job_events(self, job_id: JobId, *, since: datetime | None = None, most: int = 200) -> tuple[str, ...]:
        return ()

    async def pod_events(
        self, job_id: JobId, pod_id: str, pod_uid: str = "", *, since: datetime | None = None, most: int = 200
    ) -> tuple[str, ...]:
        return ()

    async def pod_logs(
        self, job_id: JobId, pod_id: str, pod_uid: str = "", *, since: datetime | None = None, most: int = 2000
    ) -> tuple[str, ...]:
        return ()

    def console_url(self, job: JobSnapshot | JobSummary) -> str:
        return ""

    async def aclose(self) -> None:
        """Nothing to let go of."""
