"""A region full of jobs in virtual time, light enough to be asked a million times: one submission follows each end, for ever.

Jobs live as `bench.detection` has it, and are told of by the simulator's own pure functions (`life.advance`, `answers`), so what
is read is what the simulator says. Unlike the simulator it keeps each job at its present state only, with its encoded answers, and
finds the jobs of a list in order instead of trying all of them.

It stands where the signed client stands: what comes back is an answer's bytes, or the error that the client makes of a refusal.
"""

from __future__ import annotations

import heapq
import json
import random
from bisect import bisect_left
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any, Final

from bench.detection import MEDIAN_S, Life, fleet, life
from tests.shell.service_world import START, VirtualClock
from watcher.core.phases import Phase
from watcher.errors import SourceError
from watcher.simulator.answers import Moment, get_job, list_item
from watcher.simulator.behaviour import Behaviour
from watcher.simulator.faults import Refusal
from watcher.simulator.life import Period, State, advance
from watcher.simulator.scenario import Restart, Role, ScriptedJob, Step
from watcher.simulator.throttle import Bucket
from watcher.sources.dlc.errors import ErrorBody, error_from

ENDS: Final = ("Succeeded", "Failed", "Stopped")
REPLACED_AFTER_S: Final = 40.0
"""An evicted pod has a successor after so long."""

DETAILS_SHARE: Final = 0.15
TIDIED_EVERY_S: Final = 3600.0
_ROLES: Final = {"Worker": Role(count=2, gpu="8")}
_BEGINS: Final = (Step(at=timedelta(0), status="Queuing"),)
_STATUSES: Final = {Phase.STARTING: "EnvPreparing", Phase.RUNNING: "Running", Phase.RESTARTING: "Restarting"}
_REQUEST_ID: Final = "00000000-0000-4000-8000-000000000000"


@dataclass(slots=True)
class Kept:
    """One job as it is now.

    Attributes:
        job: what was submitted.
        state: what is true of it.
        coming: what will happen, the next last.
        told_s: when GetJob last told of it; before that, when it was submitted, or the start.
        body: its encoded answer, while it holds.
        item: the same in lists.
    """

    job: ScriptedJob
    state: State
    coming: list[tuple[float, str, Phase]]
    told_s: float
    body: bytes = b""
    item: bytes = b""


@dataclass(slots=True)
class Asked:
    """How one question was asked: how often, when last, and the longest time between two."""

    times: int = 0
    last_s: float = 0.0
    longest_s: float = 0.0


class Region:
    """Where the jobs are.

    Args:
        clock: virtual time, which stands at `START` now.
        jobs: how many live jobs there are at any time.
        seed: of their lives.
        per_second: the secret rate.
        latency: how long an answer takes.
        keep: how long after its end a job is still listed.
        median_s: of a run.

    Attributes:
        jobs: by id, live ones and those that ended lately.
        happened: what happened since the start and was not fetched yet: when, which job, its new status.
        answers: by minute, how many requests were answered, and how many throttled.
        asked: by question.
    """

    def __init__(
        self, clock: VirtualClock, jobs: int, seed: int, *, per_second: float, latency: timedelta = timedelta(0),
        keep: timedelta = timedelta(hours=6), median_s: float = MEDIAN_S, behaviour: Behaviour | None = None,
    ) -> None:  # fmt: skip
        self.clock, self.latency, self.keep, self._median_s = clock, latency, keep, median_s
        self.behaviour = behaviour or Behaviour(list_items="thin")
        self.jobs: dict[str, Kept] = {}
        self.happened: deque[tuple[float, str, str]] = deque()
        self.answers: dict[int, Counter[str]] = {}
        self.asked: dict[str, Asked] = {}
        self._bucket = Bucket.full(per_second, 0.0)
        self._dice = random.Random(seed)
        self._numbers = count()
        self._next: list[tuple[float, str]] = []
        self._by_status: dict[str, dict[str, None]] = {}
        self._born: list[str] = []
        self._ended: list[str] = []
        self._tidied_s = 0.0
        met = fleet(jobs, self._dice, restless=False, median_s=median_s)
        for one in sorted(met, key=lambda one: one.born):
            self._submit(one)
        self.happened.clear()

    @property
    def now_s(self) -> float:
        return (self.clock.now() - START).total_seconds()

    @property
    def live(self) -> int:
        return len(self._next)

    def oldest_s(self) -> float:
        """How long ago GetJob told of the live job that was told of longest ago."""
        now_s = self.now_s
        self._let_happen(now_s)
        return max(now_s - self.jobs[job_id].told_s for _, job_id in self._next)

    # --- what happens -----------------------------------------------------------------------------------------------------------

    def _submit(self, one: Life) -> None:
        number = next(self._numbers)
        job = ScriptedJob(
            id=f"dlc{number:013d}", name=f"train-{number}", quota="quota-soak", submit_at=timedelta(seconds=one.born),
            roles=_ROLES, life=_BEGINS,
        )  # fmt: skip
        at = job.submit_at
        state = State(at, "Creating", job.priority, periods=(Period("Creating", at, "", ""),))
        # Of what was before the start only statuses leave a trace that anybody asks about.
        coming = [change for change in reversed(one.changes) if change[1] != "details" or self._matters(change)]
        kept = self.jobs[job.id] = Kept(job, advance(job, state, _BEGINS[0]), coming, max(0.0, one.born))
        self._born.append(job.id)
        self._by_status.setdefault(kept.state.status, {})[job.id] = None
        while kept.coming[-1][0] < 0:
            self._change(kept)
        heapq.heappush(self._next, (kept.coming[-1][0], job.id))

    def _matters(self, details: tuple[float, str, Phase]) -> bool:
        """Most that happens to the pods of a job that runs is left out: commits would be all that is played."""
        return details[0] >= 0 and (details[2] is not Phase.RUNNING or self._dice.random() < DETAILS_SHARE)

    def _let_happen(self, until_s: float) -> None:
        while self._next[0][0] <= until_s:
            _, job_id = heapq.heappop(self._next)
            kept = self.jobs[job_id]
            self._change(kept)
            if kept.coming:
                heapq.heappush(self._next, (kept.coming[-1][0], job_id))
            else:
                ended_s = kept.state.at.total_seconds()
                self._ended.append(job_id)
                new = life(self._dice, median_s=self._median_s)
                self._submit(Life(ended_s, [(ended_s + at, kind, phase) for at, kind, phase in new.changes]))
        if until_s - self._tidied_s >= TIDIED_EVERY_S:
            self._tidied_s = until_s
            self._tidy(until_s - self.keep.total_seconds())

    def _tidy(self, before_s: float) -> None:
        gone = bisect_left(self._ended, before_s, key=self._finished_s)
        for job_id in self._ended[:gone]:
            del self._by_status[self.jobs.pop(job_id).state.status][job_id]
        del self._ended[:gone]
        self._born = [job_id for job_id in self._born if job_id in self.jobs]

    def _finished_s(self, job_id: str) -> float:
        finished = self.jobs[job_id].state.finished
        assert finished is not None
        return finished.total_seconds()

    def _change(self, kept: Kept) -> None:
        at_s, kind, phase = kept.coming.pop()
        before = kept.state.status
        step = self._step(kept, timedelta(seconds=at_s) - kept.job.submit_at, kind, phase)
        kept.state = advance(kept.job, kept.state, step)
        kept.body = kept.item = b""
        if kind in {"status", "terminal"}:
            after = kept.state.status
            del self._by_status[before][kept.job.id]
            self._by_status.setdefault(after, {})[kept.job.id] = None
            self.happened.append((at_s, kept.job.id, after))

    def _step(self, kept: Kept, at: timedelta, kind: str, phase: Phase) -> Step:
        dice = self._dice
        if kind == "terminal":
            return Step(at=at, status=dice.choice(ENDS))
        if kind == "status":
            restart = Restart(reason="NodeNotReady") if phase is Phase.RESTARTING else None
            return Step(at=at, status=_STATUSES[phase], restart=restart)
        if kind == "replaced":
            return Step(at=at, replace=("worker-0",))
        if phase is Phase.RUNNING and dice.random() < 0.2:
            self._evict(kept, at + kept.job.submit_at)
            return Step(at=at, pod="worker-0", status="Failed", sub_status="Evicted")
        return Step(at=at, priority=dice.randint(1, 9))

    @staticmethod
    def _evict(kept: Kept, at: timedelta) -> None:
        """A successor of the pod comes soon, unless something else happens to the job first."""
        due_s = at.total_seconds() + REPLACED_AFTER_S
        if kept.coming[-1][0] > due_s:
            kept.coming.append((due_s, "replaced", Phase.RUNNING))

    # --- what is asked ----------------------------------------------------------------------------------------------------------

    async def get(self, action: str, path: str, params: Mapping[str, str], *, about_job: str = "") -> bytes:
        """As `SignedClient.get`."""
        await self.clock.sleep(self.latency)
        now_s = self.now_s
        self._let_happen(now_s)
        counted = self.answers.setdefault(int(now_s // 60), Counter())
        self._bucket, wait_s = self._bucket.take(now_s)
        if wait_s:
            counted["throttled"] += 1
            raise self._refusal(self.behaviour.throttled, action, about_job)
        counted["answered"] += 1
        if action == "ListJobs":
            return self._list(params, now_s)
        if action != "GetJob":
            self._note(action, now_s)
            return b'{"Events":[],"Logs":[]}'
        kept = self.jobs.get(about_job)
        if kept is None:
            raise self._refusal(self.behaviour.not_found, action, about_job)
        self._note(action, now_s)
        kept.told_s = now_s
        if not kept.body:
            told = get_job(kept.job, kept.state, self._moment(now_s))
            kept.body = json.dumps({"RequestId": _REQUEST_ID, **told}).encode()
        return kept.body

    async def aclose(self) -> None:
        """As `SignedClient.aclose`."""

    def _moment(self, now_s: float) -> Moment:
        return Moment(START, timedelta(seconds=now_s), self.behaviour)

    def _refusal(self, refusal: Refusal, action: str, about_job: str) -> SourceError:
        told = ErrorBody(code=refusal.code, message=refusal.message, request_id=_REQUEST_ID)
        return error_from(refusal.status, {}, told, action=action, now=self.clock.now(), about_job=about_job)

    def _note(self, question: str, now_s: float) -> None:
        asked = self.asked.setdefault(question, Asked(last_s=now_s))
        asked.times += 1
        asked.longest_s = max(asked.longest_s, now_s - asked.last_s)
        asked.last_s = now_s

    def answered(self, since_minute: int, until_minute: int) -> Counter[str]:
        """How many requests were answered, and how many throttled, from one minute to another."""
        return sum((self.answers.get(at, Counter()) for at in range(since_minute, until_minute)), Counter())

    def forget_gaps(self) -> None:
        """Count the longest times between questions anew."""
        for asked in self.asked.values():
            asked.longest_s = 0.0

    def _list(self, params: Mapping[str, str], now_s: float) -> bytes:
        since = datetime.fromisoformat(params["StartTime"]).astimezone(UTC)
        since_s = (since - START).total_seconds()
        size, page = int(params["PageSize"]), int(params["PageNumber"])
        if wanted := params.get("JobIds"):
            self._note("sweep", now_s)
            found = [job_id for job_id in wanted.split(",") if job_id in self.jobs]
        elif params.get("TimeRangeField") == "GmtFinishTime":
            self._note("finished", now_s)
            found = self._ended[bisect_left(self._ended, since_s, key=self._finished_s) :][::-1]
        elif status := params.get("Status"):
            self._note(f"status {status}", now_s)
            found = [*self._by_status.get(status, {})]
        else:
            first = bisect_left(self._born, since_s, key=lambda job_id: self.jobs[job_id].job.submit_at.total_seconds())
            self._note("born" if first else "pass", now_s)
            last = len(self._born) - (page - 1) * size
            return self._page(self._born[max(first, last - size) : max(first, last)][::-1], len(self._born) - first)
        return self._page(found[(page - 1) * size : page * size], len(found))

    def _page(self, shown: list[str], total: int) -> bytes:
        items = b",".join([self._item(self.jobs[job_id]) for job_id in shown])
        return b'{"RequestId":"%s","TotalCount":%d,"Jobs":[%s]}' % (_REQUEST_ID.encode(), total, items)

    def _item(self, kept: Kept) -> bytes:
        if not kept.item:
            told: dict[str, Any] = list_item(kept.job, kept.state, self._moment(self.now_s))
            kept.item = json.dumps(told).encode()
        return kept.item
