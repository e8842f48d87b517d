"""The service as shipped in a region full of jobs: what happened is set against what was committed, and what is held is weighed.

All of it runs in one thread, so that virtual time knows when everybody sleeps: the store is SQLite as shipped, but its statements
run in the event loop, and it does not wait for the disk, as durability is tested elsewhere.
"""

from __future__ import annotations

import asyncio
import os
import resource
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import ClassVar, TypeVar

import anyio
from anyio.lowlevel import checkpoint
from sqlalchemy import Connection

from tests.shell.service_world import START, VirtualClock
from tests.soak.region import ENDS, Region
from watcher.config.loading import Loaded, load
from watcher.core.delivery import Receipt
from watcher.core.events import Event, JobAppeared, JobStatusChanged, job_of
from watcher.core.message import Message
from watcher.core.model import SourceName
from watcher.plugins import discover
from watcher.ports.notifier import Capabilities, Wire
from watcher.ports.store import Observation
from watcher.service.app import Service, assemble, run
from watcher.settings import Settings
from watcher.sources.dlc import DlcSettings, DlcSource
from watcher.store.commits import Commits
from watcher.store.sql import SqlStore
from watcher.store.sqlite import SqliteDatabase

Result = TypeVar("Result")

CONFIGURATION = """\
sources:
  soak:
    kind: dlc
    endpoint: http://127.0.0.1:9
    credentials: {{kind: access_key, key_id: LTAIsoak, secret: none}}
    budget: {{requests_per_second: {ceiling}, concurrency: 16}}
    created_within: null
    max_pages: 1000
receivers:
  team: {{console: {{}}}}
route: {{receiver: team}}
service: {{retention: {retention}s, http: {{port: null}}}}
"""
_ENDED = {"job.succeeded": "Succeeded", "job.failed": "Failed", "job.stopped": "Stopped"}


@dataclass(slots=True)
class Account:
    """What happened, set against what was committed about it.

    Attributes:
        region: where it happens.
        owed: by job, what happened to it and was not told yet: when, and its new status.
        ends_owed: how those jobs ended whose end is not told yet.
        known: jobs that have appeared.
        wrong: what was told and did not happen, or was told before.
        told: how many events were committed, by kind.
        latest_s: the longest from a change to its commit, of ends and of others.
    """

    region: Region
    owed: dict[str, deque[tuple[float, str]]] = field(default_factory=dict)
    ends_owed: dict[str, str] = field(default_factory=dict)
    known: set[str] = field(default_factory=set)
    wrong: list[str] = field(default_factory=list)
    told: Counter[str] = field(default_factory=Counter)
    latest_s: dict[str, float] = field(default_factory=dict)

    def note(self, event: Event) -> None:
        """An event was committed."""
        self._catch_up()
        self.told[event.kind] += 1
        job = job_of(event)
        job_id = "" if job is None else str(job.job_id)
        match event:
            case JobAppeared():
                if job_id in self.known:
                    self.wrong.append(f"{job_id} appeared twice")
                self.known.add(job_id)
                # What it shows is the beginning: nothing of what was before it is owed but its end, if that is news.
                while (owed := self.owed.get(job_id)) and owed[0][0] <= self._at_s(event.when.observed_at):
                    self._told(job_id, event.status)
            case JobStatusChanged():
                owed = self.owed.get(job_id)
                if not owed or owed[0][1] != event.new_status:
                    self.wrong.append(f"{job_id}: {event.new_status} at {event.when.occurred_at}, owed {owed}")
                else:
                    self._told(job_id, event.new_status)
            case _ if event.kind in _ENDED:
                if self.ends_owed.pop(job_id, None) != _ENDED[event.kind]:
                    self.wrong.append(f"{job_id}: {event.kind} was not owed")
            case _ if event.kind in {"job.vanished", "watch.blind"}:
                self.wrong.append(f"{job_id}: {event.kind}")

    def _told(self, job_id: str, seen: str) -> None:
        at_s, status = self.owed[job_id].popleft()
        if not self.owed[job_id]:
            del self.owed[job_id]
        kind = "ends" if status in ENDS else "others"
        if status == seen:
            self.latest_s[kind] = max(self.latest_s.get(kind, 0.0), self.region.now_s - at_s)

    @staticmethod
    def _at_s(at: datetime) -> float:
        return (at - START).total_seconds()

    def _catch_up(self) -> None:
        happened = self.region.happened
        while happened:
            at_s, job_id, status = happened.popleft()
            self.owed.setdefault(job_id, deque()).append((at_s, status))
            if status in ENDS:
                self.ends_owed[job_id] = status

    def forgive(self, before_s: float) -> None:
        """Nobody is told of a job that had ended by then: that is when it was first seen which jobs there are."""
        self._catch_up()
        for job_id, owed in tuple(self.owed.items()):
            if job_id not in self.known and owed[-1][1] in ENDS and owed[-1][0] < before_s:
                del self.owed[job_id], self.ends_owed[job_id]

    def overdue(self, before_s: float) -> list[str]:
        """Jobs of which something is not told that happened before then."""
        self._catch_up()
        return [job_id for job_id, owed in self.owed.items() if owed[0][0] < before_s]


class InTheLoop(SqliteDatabase):
    """Runs its statements where it is called."""

    async def open(self) -> None:
        await super().open()
        assert self._writer is not None
        connection = self._writer.raw_connection()
        connection.driver_connection.execute("PRAGMA synchronous = OFF")  # type: ignore[union-attr]
        connection.close()

    async def read(self, work: Callable[[Connection], Result]) -> Result:
        await checkpoint()
        return self._run(self._reader, work)

    async def write(self, work: Callable[[Connection], Result]) -> Result:
        await checkpoint()
        return self._run(self._writer, work)


class Watched(SqlStore):
    """The shipped store, in the loop; every event that it committed is noted."""

    def __init__(self, path: Path, account: Account) -> None:
        super().__init__(f"sqlite:///{path}")
        self._database = InTheLoop(path)
        self._commits = Commits(self._database)
        self._account = account

    async def commit(self, observation: Observation) -> None:
        await super().commit(observation)
        for event in observation.events:
            self._account.note(event)


class Deaf:
    """A receiver that takes everything and keeps nothing."""

    kind: ClassVar[str] = "deaf"
    Settings: ClassVar[type[Settings]] = Settings
    capabilities: ClassVar[Capabilities] = Capabilities(shows="nothing")
    pace = timedelta(0)

    def __init__(self) -> None:
        self.heard = 0

    def render(self, message: Message) -> Wire:
        return {"title": message.title}

    async def send(self, wire: Wire, message: Message) -> Receipt:
        self.heard += len(message.items)
        return Receipt(reference=str(self.heard))

    async def aclose(self) -> None:
        await checkpoint()


@dataclass(frozen=True, slots=True)
class Held:
    """What the process holds at a time.

    Attributes:
        hour: since the start.
        memory: resident, in MiB.
        cpu_s: used so far.
        things: how many there are of what could pile up.
    """

    hour: float
    memory: float
    cpu_s: float
    things: dict[str, int]


@dataclass
class Soak:
    """One play.

    Attributes:
        jobs: how many live jobs there are at any time.
        hours: how long it lasts.
        settled: minutes after which nothing is new any more: all have been looked at, lists are known, the rate is found.
        ceiling: the configured requests per second.
        secret: those that the region allows.
        keep: how long ended jobs are kept, and listed.
        held: at every full hour.
        ages: by minute, how old the oldest knowledge of a live job is, and what bound the service promised then, in seconds.
    """

    jobs: int
    hours: int
    settled: int
    seed: int
    folder: Path
    ceiling: float
    secret: float
    median_s: float
    keep: timedelta
    report: Callable[[str], None] = print
    held: list[Held] = field(default_factory=list)
    ages: list[tuple[float, float]] = field(default_factory=list)

    async def play(self) -> None:
        """From the start of the service to its end."""
        self.clock = VirtualClock()
        self.region = Region(
            self.clock, self.jobs, self.seed, per_second=self.secret, latency=timedelta(milliseconds=80),
            keep=self.keep, median_s=self.median_s,
        )  # fmt: skip
        self.account, self.deaf = Account(self.region), Deaf()
        store = Watched(self.folder / "soak.db", self.account)
        async with assemble(self._loaded(), clock=self.clock, store=store, notifiers={"team": self.deaf}) as service:
            self.service, stop = service, anyio.Event()
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(run, service, stop)
                await self.clock.settle()
                self._weigh(0)
                for minute in range(1, self.hours * 60 + 1):
                    await self.clock.advance(timedelta(minutes=1))
                    allotted = service.pollers[0].docket.allotment
                    self.ages.append((self.region.oldest_s(), allotted.bound_s))
                    if minute % 60 == 0:
                        self._weigh(minute // 60)
                    if minute == self.settled:
                        self.region.forget_gaps()
                stop.set()
                await self.clock.settle()
                began_at = service.pollers[0].sight.watching_since
                assert began_at is not None
                self.account.forgive((began_at - START).total_seconds())

    def _loaded(self) -> Loaded:
        text = CONFIGURATION.format(ceiling=self.ceiling, retention=int(self.keep.total_seconds()))
        loaded = load(text, file="soak.yaml", env={}, kinds=discover(), base_dir=self.folder)
        _, settings = loaded.sources["soak"]
        return replace(loaded, sources={"soak": (self._source, settings)})

    def _source(self, name: SourceName, settings: DlcSettings) -> DlcSource:
        source = DlcSource(name, settings, wall=self.clock.now)
        source._client = self.region  # type: ignore[assignment] # stands in for a client
        return source

    def _weigh(self, hour: int) -> None:
        held = Held(hour, resident(), time.process_time(), self._things(self.service))
        self.held.append(held)
        counted = self.region.answered(60 * (hour - 1), 60 * hour)
        age, bound = self.ages[-1] if self.ages else (0.0, 0.0)
        self.report(
            f"hour {hour}: {counted.total()} requests, {counted['throttled']} throttled; {held.memory:.1f} MiB; "
            f"CPU {held.cpu_s:.0f} s; oldest {age:.0f} of {bound:.0f} s; {held.things}"
        )

    @property
    def settled_answers(self) -> Counter[str]:
        """How many requests were answered once all was settled, and how many throttled."""
        return self.region.answered(self.settled, 60 * self.hours)

    @property
    def stalest(self) -> float:
        """How old the oldest knowledge of a live job was at most once all was settled, in bounds."""
        return max(age / bound for age, bound in self.ages[self.settled :])

    @property
    def longest_bound_s(self) -> float:
        """The longest bound that was promised once all was settled."""
        return max(bound for _, bound in self.ages[self.settled :])

    def summary(self) -> str:
        """What it came to."""
        every, settled, account = self.region.answered(0, 60 * self.hours), self.settled_answers, self.account
        asked = {name: (one.times, round(one.longest_s, 1)) for name, one in sorted(self.region.asked.items())}
        return "\n".join(
            (
                f"{self.jobs} jobs, {self.hours} hours, seed {self.seed}, {self.ceiling:g} requests/s, {self.secret:g} allowed",
                f"requests {every.total()}, throttled {every['throttled']}; later {settled['throttled'] / settled.total():.3%}",
                f"oldest knowledge at most {self.stalest:.2f} of the bound; longest bound {self.longest_bound_s:.0f} s",
                f"events {account.told.total()}: {dict(account.told.most_common())}",
                f"latest commit of a change, seconds: {account.latest_s}; not told at the end: {len(account.owed)}",
                f"asked, and longest time between two: {asked}; told {self.deaf.heard} items",
            )
        )

    def _things(self, service: Service) -> dict[str, int]:
        (poller,) = service.pollers
        docket, roster = poller.docket, poller._roster
        return {
            "live": poller.live_jobs,
            "ended": len(roster.ended),
            "digests": len(roster.digests),
            "looks": sum(map(len, docket._looks)),
            "lists": sum(map(len, docket._lists.values())),
            "habits": len(docket._habits),
            "members": len(service.ledger.fleet.members),
            "happenings": len(service.ledger.fleet._happenings),
            "troubles": len(service.ledger.book.troubles),
            "tasks": len(asyncio.all_tasks()),
            "sleepers": self.clock.sleepers,
            "listed": len(self.region.jobs),
        }


def resident() -> float:
    """Resident memory of this process in MiB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


def size_of(name: str, usual: int) -> int:
    """What the environment says, or the usual."""
    return int(os.environ.get(name, usual))
