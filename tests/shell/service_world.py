"""A small world for the service's tests: time that moves when everybody sleeps, a source and receivers that follow a script."""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import itertools
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar

import anyio

from watcher.config.loading import Loaded, load
from watcher.config.receivers import ConfiguredReceiver
from watcher.config.sources import ConfiguredSource
from watcher.core.delivery import Receipt
from watcher.core.events import Event
from watcher.core.message import Message
from watcher.core.model import (
    JobId,
    JobRef,
    JobSettings,
    JobSnapshot,
    JobSummary,
    Listing,
    RestartCount,
    SourceName,
)
from watcher.errors import JobNotFound, NotifierError, SourceError, StoreError
from watcher.plugins import discover
from watcher.ports.notifier import Capabilities, Wire
from watcher.ports.source import NOTHING_KNOWN, Fetched, Permit
from watcher.ports.store import Observation, Store
from watcher.service.aside import Aside
from watcher.service.investigator import Investigator
from watcher.service.ledger import Ledger
from watcher.service.poller import Poller
from watcher.service.telemetry import Metrics
from watcher.settings import Settings, SourceSettings
from watcher.sources.permitted import permitted
from watcher.store.memory import MemoryStore

START = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
SOURCE = SourceName("hz")


def seconds(number: float) -> timedelta:
    return timedelta(seconds=number)


class VirtualClock:
    """Time that stands still while anything can still run, and then jumps to the first sleeper."""

    def __init__(self, start: datetime = START) -> None:
        self._now = start
        self._sleepers: list[tuple[datetime, int, anyio.Event]] = []
        self._order = itertools.count()
        self._gone: set[int] = set()
        """Sleepers that were woken otherwise."""

    @property
    def sleepers(self) -> int:
        """How many sleep."""
        return len(self._sleepers) - len(self._gone)

    def now(self) -> datetime:
        return self._now

    async def sleep(self, length: timedelta) -> None:
        if length <= timedelta(0):
            await anyio.lowlevel.checkpoint()
            return
        woken, number = anyio.Event(), next(self._order)
        heapq.heappush(self._sleepers, (self._now + length, number, woken))
        try:
            await woken.wait()
        finally:
            if not woken.is_set():
                self._leave(number)

    def _leave(self, number: int) -> None:
        self._gone.add(number)
        if len(self._gone) > 100 + len(self._sleepers) / 2:
            self._sleepers = [place for place in self._sleepers if place[1] not in self._gone]
            heapq.heapify(self._sleepers)
            self._gone.clear()

    async def settle(self) -> None:
        """Let everything run until it sleeps. Only for worlds without threads and sockets."""
        ready: Any = asyncio.get_running_loop()._ready  # type: ignore[attr-defined]
        await asyncio.sleep(0)
        for _ in range(100_000):
            if not ready:
                return
            await asyncio.sleep(0)
        raise AssertionError("somebody spins without sleeping")

    async def advance(self, length: timedelta) -> None:
        """Let so much time pass, waking sleepers one after the other."""
        end = self._now + length
        await self.settle()
        while self._sleepers and self._sleepers[0][0] <= end:
            at, number, woken = heapq.heappop(self._sleepers)
            if number in self._gone:
                self._gone.remove(number)
                continue
            self._now = max(self._now, at)
            woken.set()
            await self.settle()
        self._now = end


def job(
    job_id: str,
    status: str = "Running",
    *,
    name: str = "",
    finished_at: datetime | None = None,
    created_at: datetime | None = None,
    modified_at: datetime | None = None,
    restarts: str = "",
    reason: str = "",
    user_id: str = "",
    tags: Mapping[str, str] | None = None,
) -> JobSnapshot:
    return JobSnapshot(
        ref=JobRef(SOURCE, JobId(job_id)),
        observed_at=START,
        status=status,
        name=name or job_id,
        finished_at=finished_at,
        created_at=created_at,
        modified_at=modified_at,
        restarts=RestartCount.parse(restarts),
        reason_code=reason,
        user_id=user_id,
        settings=JobSettings(tags=tuple((tags or {}).items())),
    )


def summary(snapshot: JobSnapshot) -> JobSummary:
    return JobSummary(
        ref=snapshot.ref,
        status=snapshot.status,
        name=snapshot.name,
        restarts=snapshot.restarts,
        user_id=snapshot.user_id,
        created_at=snapshot.created_at,
        finished_at=snapshot.finished_at,
    )


Told = JobSnapshot | SourceError
Script = Told | Callable[[datetime], Told]


class FakeSource:
    """Jobs as a table that the test writes to; failures by action, by job, or for the next questions only."""

    Settings: ClassVar[type[SourceSettings]] = SourceSettings

    def __init__(
        self, clock: VirtualClock, jobs: Iterable[JobSnapshot] = (), *, takes: timedelta = timedelta(0)
    ) -> None:
        self.clock, self.takes = clock, takes
        self.jobs: dict[str, Script] = {str(one.ref.job_id): one for one in jobs}
        self.listed: list[JobSnapshot] | None = None
        """What lists show, where it differs from `jobs`."""
        self.complete = True
        self.failing: dict[str, SourceError] = {}
        self.next_failures: dict[str, deque[SourceError]] = {"GetJob": deque(), "ListJobs": deque()}
        self.asked: list[tuple[datetime, str, str]] = []
        self.lines: dict[tuple[str, str], tuple[str, ...] | SourceError] = {}
        """What events and logs answer, by action and pod id ("" for the job)."""
        self.under_way = self.most_under_way = 0
        self.closed = self.unread = self.unread_items = 0
        self.lend: dict[str, Any] = {}
        """What lists say beyond what GetJob says."""

    @property
    def name(self) -> SourceName:
        return SOURCE

    def put(self, snapshot: JobSnapshot) -> None:
        self.jobs[str(snapshot.ref.job_id)] = snapshot

    def times(self, action: str, job_id: str = "") -> int:
        return sum(1 for _, what, about in self.asked if what == action and job_id in ("", about))

    async def fetch(self, job_id: JobId) -> JobSnapshot:
        self.asked.append((self.clock.now(), "GetJob", str(job_id)))
        await self._take_time()
        self._fail("GetJob")
        told = self._told(self.jobs.get(str(job_id), JobNotFound("the job is not found", code="NotFound")))
        if isinstance(told, SourceError):
            raise told
        return told

    async def fetch_if_changed(self, job_id: JobId, known: bytes) -> Fetched | None:
        told = await self.fetch(job_id)
        digest = repr(replace(told, observed_at=START, duration=None)).encode()
        self.unread += known == digest
        return None if known == digest else Fetched(told, digest)

    async def list_jobs(self, permit: Permit, known: Mapping[JobId, bytes] = NOTHING_KNOWN) -> Listing:
        async def ask() -> None:
            self.asked.append((self.clock.now(), "ListJobs", ""))
            await self._take_time()
            self._fail("ListJobs")

        await permitted(permit, ask)
        told = [self._told(one) for one in self.jobs.values()] if self.listed is None else self.listed
        items = [replace(summary(one), **self.lend) for one in told if isinstance(one, JobSnapshot)]
        digests = {item.ref.job_id: repr(item).encode() for item in items}
        same = {job_id for job_id, digest in digests.items() if known.get(job_id) == digest}
        self.unread_items += len(same)
        return Listing(
            tuple(item for item in items if item.ref.job_id not in same), self.complete, tuple(same), digests
        )

    async def job_events(self, job_id: JobId, *, since: datetime | None = None, most: int = 200) -> tuple[str, ...]:
        return await self._read("GetJobEvents", str(job_id), "")

    async def pod_events(
        self, job_id: JobId, pod_id: str, pod_uid: str = "", *, since: datetime | None = None, most: int = 200
    ) -> tuple[str, ...]:
        return await self._read("GetPodEvents", str(job_id), pod_id)

    async def pod_logs(
        self, job_id: JobId, pod_id: str, pod_uid: str = "", *, since: datetime | None = None, most: int = 2000
    ) -> tuple[str, ...]:
        return await self._read("GetPodLogs", str(job_id), pod_id)

    async def _read(self, action: str, job_id: str, pod_id: str) -> tuple[str, ...]:
        self.asked.append((self.clock.now(), action, job_id))
        await self._take_time()
        self._fail(action)
        told = self.lines.get((action, pod_id), ())
        if isinstance(told, SourceError):
            raise told
        return told

    async def _take_time(self) -> None:
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        try:
            await self.clock.sleep(self.takes)
        finally:
            self.under_way -= 1

    def _told(self, script: Script) -> Told:
        return script(self.clock.now()) if callable(script) else script

    def _fail(self, action: str) -> None:
        if self.next_failures.get(action):
            raise self.next_failures[action].popleft()
        if action in self.failing:
            raise self.failing[action]

    def console_url(self, job: JobSnapshot | JobSummary) -> str:
        return f"https://console.test/{job.ref.job_id}"

    async def aclose(self) -> None:
        self.closed += 1


class FakeNotifier:
    """Takes everything, except where the script says what happens to the next message, or to those about a job."""

    kind: ClassVar[str] = "fake"
    Settings: ClassVar[type[Settings]] = Settings
    capabilities: ClassVar[Capabilities] = Capabilities(shows="what the test wants")

    def __init__(self, clock: VirtualClock, *script: BaseException | None, pace: timedelta = timedelta(0)) -> None:
        self.clock, self.script, self.pace = clock, deque(script), pace
        self.about: dict[str, BaseException] = {}
        self.tried: list[tuple[datetime, Message]] = []
        self.taken: list[Message] = []
        self.rendered: list[Message] = []
        self.hang = False
        self.render_fails: Callable[[Message], bool] = lambda _message: False

    @property
    def headlines(self) -> list[str]:
        return [item.headline for message in self.taken for item in message.items]

    def render(self, message: Message) -> Wire:
        if self.render_fails(message):
            raise ZeroDivisionError("a stranger's template")
        self.rendered.append(message)
        return {"title": message.title}

    async def send(self, wire: Wire, message: Message) -> Receipt:
        self.tried.append((self.clock.now(), message))
        if self.hang:
            await anyio.sleep_forever()
        failure = self.script.popleft() if self.script else None
        failure = failure or next((exc for job_id, exc in self.about.items() if job_id in message.thread_key), None)
        if failure is not None:
            raise failure
        self.taken.append(message)
        return Receipt(
            reference=f"ref-{len(self.taken)}", thread_reference=message.thread_reference or f"root-{message.id}"
        )

    async def aclose(self) -> None:
        await anyio.lowlevel.checkpoint()


class FlakyStore(MemoryStore):
    """A store that can be told to refuse."""

    def __init__(self) -> None:
        super().__init__()
        self.refusals: dict[str, deque[StoreError]] = {}
        self.commits: list[Observation] = []

    def refuse(self, method: str, *errors: StoreError) -> None:
        self.refusals.setdefault(method, deque()).extend(errors)

    def _refuse(self, method: str) -> None:
        if waiting := self.refusals.get(method):
            raise waiting.popleft()

    async def commit(self, observation: Observation) -> None:
        self._refuse("commit")
        await super().commit(observation)
        self.commits.append(observation)

    async def watch(self, ref: JobRef) -> Any:
        self._refuse("watch")
        return await super().watch(ref)

    async def settle(self, *args: Any, **more: Any) -> None:
        self._refuse("settle")
        await super().settle(*args, **more)

    async def keep_breaker(self, breaker: Any) -> None:
        self._refuse("keep_breaker")
        await super().keep_breaker(breaker)

    async def lease(self, receiver: str, now: datetime, **more: Any) -> Any:
        self._refuse("lease")
        return await super().lease(receiver, now, **more)

    async def due_deadlines(self, now: datetime, limit: int = 100) -> Any:
        self._refuse("due_deadlines")
        return await super().due_deadlines(now, limit)


_TEXT = """\
sources:
  hz: {kind: dlc, region: cn-hangzhou}
receivers:
  team: {console: {}}
route: {receiver: team}
"""


def loaded_of(rules: str = "", *, service: str = "", clock: VirtualClock | None = None, source: FakeSource | None = None,
              settings: Mapping[str, Any] | None = None, receivers: Mapping[str, Any] | None = None) -> Loaded:  # fmt: skip
    """A real configuration; with a clock, its source and receivers are exchanged for those given."""
    text = _TEXT + (f"rules:\n{rules}" if rules else "") + (f"service: {service}\n" if service else "")
    loaded = load(text, file="test.yaml", env={}, kinds=discover(), base_dir=Path.cwd())
    if source is not None:
        kind: Any = lambda _name, _settings: source  # noqa: E731 - a class is called like this
        loaded = replace(loaded, sources={"hz": ConfiguredSource(kind, source_settings(**settings or {}))})
    if receivers is not None:
        ends = {
            name: ConfiguredReceiver(lambda _name, _settings, end=end: end, Settings())
            for name, end in receivers.items()
        }
        loaded = replace(loaded, receivers=ends)
    return loaded


def source_settings(**said: Any) -> SourceSettings:
    return SourceSettings.model_validate({"kind": "fake", **said})


class World:
    """One poller over one fake source, with a ledger on a store in memory."""

    def __init__(self, *jobs: JobSnapshot, rules: str = "", store: MemoryStore | None = None, clock: VirtualClock | None = None,
                 takes: timedelta = timedelta(0), service: str = "", **settings: Any) -> None:  # fmt: skip
        self.clock = clock or VirtualClock()
        self.source = FakeSource(self.clock, jobs, takes=takes)
        self.store = store if store is not None else FlakyStore()
        self.loaded = loaded_of(rules, service=service)
        self.settings = source_settings(**{"poll_every": "10s", "discover_every": "20s", **settings})
        self.metrics = Metrics()
        self.ledger = Ledger(self.store, self.loaded.book, self.clock, self.metrics)
        self.poller = Poller(self.source, self.settings, self.ledger, jitter=lambda: 0.5)

    def investigator(self) -> Investigator:
        aside = Aside(self.source, self.settings, self.poller.budget, self.metrics)
        return Investigator(self.ledger, {self.source.name: aside})

    @contextlib.asynccontextmanager
    async def polling(self) -> AsyncIterator[Poller]:
        await self.poller.load()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self.poller.poll)
            await self.clock.settle()
            yield self.poller
            tasks.cancel_scope.cancel()

    def again(self, *, rules: str = "", **settings: Any) -> World:
        """The same world after a restart of the program: same store, clock and source, everything else new."""
        new = World(store=self.store, clock=self.clock, rules=rules, **settings)
        new.source = self.source
        new.settings = source_settings(**{**self.settings.model_dump(), **settings})
        new.poller = Poller(self.source, new.settings, new.ledger, jitter=lambda: 0.5)
        return new

    async def events(self, *kinds: str) -> tuple[Event, ...]:
        return await self.store.events(kinds=frozenset(kinds), limit=10_000)

    async def kinds(self) -> list[str]:
        return [event.kind for event in await self.events()]

    async def told(self) -> list[str]:
        return [one.notification.headline for one in await self.store.deliveries(limit=10_000)]


def slow_down(retry_after: float | None = None) -> NotifierError:
    return NotifierError(
        "the far side says slow down",
        retry_after=None if retry_after is None else seconds(retry_after),
        pauses_receiver=True,
    )


def refused() -> NotifierError:
    return NotifierError("channel_not_found", permanent=True, fix="Invite the bot to the channel")


def passing(*, ambiguous: bool = False) -> NotifierError:
    return NotifierError("connection lost", ambiguous=ambiguous)


__all__ = [
    "SOURCE",
    "START",
    "FakeNotifier",
    "FakeSource",
    "FlakyStore",
    "Store",
    "VirtualClock",
    "World",
    "job",
    "loaded_of",
    "passing",
    "refused",
    "seconds",
    "slow_down",
    "source_settings",
    "summary",
]
