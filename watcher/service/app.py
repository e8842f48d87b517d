"""The composition root: makes the adapters a configuration names, and runs everything in one task group.

Order at the start: the store first (nothing is asked that cannot be kept), then what the last run left and beside it the first pass
over the lists, then the workers. Order at the end: pollers stop at once, a commit under way is finished, a message under way is
finished and written down within the grace.

Long, because this is where everything meets.
"""

from __future__ import annotations

import contextlib
import signal
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from types import ModuleType
from typing import Any

import anyio
import anyio.to_thread
from prometheus_client import CollectorRegistry

from watcher.config.loading import Loaded
from watcher.core.codec import plain
from watcher.core.language import PLAIN
from watcher.core.model import SourceName
from watcher.errors import StoreError
from watcher.ports.clock import Clock
from watcher.ports.notifier import Notifier
from watcher.ports.source import JobSource
from watcher.ports.store import Store
from watcher.service.answers import Answers
from watcher.service.aside import Aside
from watcher.service.clock import SystemClock
from watcher.service.dispatcher import Dispatcher
from watcher.service.investigator import Investigator
from watcher.service.keeper import Keeper
from watcher.service.ledger import Ledger
from watcher.service.outset import Outset
from watcher.service.poller import Poller
from watcher.service.pulse import feel_pulse
from watcher.service.settling import settled_memory, short_collections
from watcher.service.silencer import Silencer
from watcher.service.taking_on import take_on
from watcher.service.telemetry import Metrics, log
from watcher.service.waiting import let_go
from watcher.settings import fingerprint, reveal
from watcher.store import open_store
from watcher.templates import NONE as NO_TEMPLATES


@dataclass(slots=True)
class Service:
    """Everything that runs, put together. `assemble` makes one."""

    loaded: Loaded
    store: Store
    clock: Clock
    metrics: Metrics
    ledger: Ledger
    sources: Mapping[SourceName, JobSource]
    notifiers: Mapping[str, Notifier]
    pollers: tuple[Poller, ...]
    dispatchers: tuple[Dispatcher, ...]
    keeper: Keeper
    investigator: Investigator
    answers: Answers
    registry: CollectorRegistry = field(init=False)

    def __post_init__(self) -> None:
        self.registry = self.metrics.registry

    async def health(self) -> Mapping[str, Any]:
        """The process turns: it can answer this."""
        return {"ok": True, "at": self.clock.now().isoformat()}

    async def take_on(self, which: str, by: str, comment: str) -> Sequence[Mapping[str, Any]]:
        """Take on what is wrong, as `dlc-watcher ack` does."""
        now = self.clock.now()
        taken = await take_on(self.store, which, at=now, by=by, comment=comment)
        await self.keeper.heed()
        return [{"id": one.id, **plain(one)} for one in taken]

    async def readiness(self) -> Mapping[str, Any]:
        """What works and what does not, in words; refreshes the gauges that are read from the store."""
        store, dead = self.ledger.store_error, dict[str, int]()
        try:
            dead |= await self.store.dead_letters()
            for dispatcher in self.dispatchers:
                self.metrics.dead_letters.labels(dispatcher.name).set(dead.get(dispatcher.name, 0))
            for kind, count in (await self.store.counts()).items():
                self.metrics.rows.labels(kind).set(count)
        except StoreError as exc:
            store = str(exc)
        sources = {
            str(poller.name): {
                "sees": poller.sight.watching_since is not None and poller.sight.blind_since is None,
                "live_jobs": poller.live_jobs,
                "error": poller.sight.error,
            }
            for poller in self.pollers
        }
        receivers = {
            dispatcher.name: {
                "open": not dispatcher.breaker.shut,
                "state": dispatcher.breaker.state.value,
                "since": None if dispatcher.breaker.since is None else dispatcher.breaker.since.isoformat(),
                "error": dispatcher.breaker.error,
                "dead_letters": dead.get(dispatcher.name, 0),
            }
            for dispatcher in self.dispatchers
        }
        ready = not store and all(source["sees"] for source in sources.values())
        return {"ready": ready, "store": store or "ok", "sources": sources, "receivers": receivers}


@contextlib.asynccontextmanager
async def assemble(
    loaded: Loaded,
    *,
    clock: Clock | None = None,
    store: Store | None = None,
    notifiers: Mapping[str, Notifier] | None = None,
    outset: Outset | None = None,
) -> AsyncIterator[Service]:
    """Make the service of a configuration, with its store open and everything closed again at the end.

    Args:
        loaded: the configuration.
        clock: real time unless given.
        store: the configured one unless given.
        notifiers: by receiver name, instead of those the configuration names (the demo's own console).
        outset: what there is of it already, its clock included; whoever made it closes it.

    Raises:
        StoreError: the store cannot be opened.
    """
    async with contextlib.AsyncExitStack() as stack:
        if outset is None:
            outset = Outset.of(loaded.sources, clock or SystemClock())
            stack.push_async_callback(outset.aclose)
        clock, metrics, sources = outset.clock, outset.metrics, outset.sources
        if store is None:
            # In a thread, as what that imports takes long: first requests go out beside it.
            store = await anyio.to_thread.run_sync(open_store, loaded.store.url)
        stack.push_async_callback(let_go, store.aclose)
        await store.open()
        left = await store.release(clock.now())
        if left:
            log.warning("maybe_sent_before", deliveries=left)
        ends = {name: kind(name, settings) for name, (kind, settings, _) in loaded.receivers.items()} | dict(
            notifiers or {}
        )
        locales = {name: receiver.common.locale for name, receiver in loaded.receivers.items()}
        for notifier in ends.values():
            stack.push_async_callback(let_go, notifier.aclose)
        ledger = Ledger(store, loaded.book, clock, metrics)
        pollers = {
            name: Poller(
                source,
                loaded.sources[name][1],
                ledger,
                retention=loaded.service.retention,
                budget=outset.budgets[name],
                ahead=outset.ahead.get(name),
            )
            for name, source in sources.items()
        }
        asides = {
            name: Aside(source, loaded.sources[name][1], pollers[name].budget, metrics)
            for name, source in sources.items()
        }
        investigator = Investigator(ledger, asides)
        yield Service(
            loaded=loaded,
            store=store,
            clock=clock,
            metrics=metrics,
            ledger=ledger,
            sources=sources,
            notifiers=ends,
            pollers=tuple(pollers.values()),
            dispatchers=tuple(
                Dispatcher(
                    name,
                    notifier,
                    ledger,
                    sources,
                    locale=locales.get(name, PLAIN),
                    seen_at=lambda job: pollers[job.source].seen_at(job) if job.source in pollers else None,
                    templates=loaded.receivers[name].common.templates if name in loaded.receivers else NO_TEMPLATES,
                    **_told_of(loaded, name),
                )
                for name, notifier in ends.items()
            ),
            keeper=Keeper(
                ledger,
                sources,
                loaded.service.retention,
                investigator,
                lambda job: job.source not in pollers or pollers[job.source].may_judge(job),
                version_of=lambda job: pollers[job.source].version_of(job) if job.source in pollers else None,
                schedules=loaded.schedules,
            ),
            investigator=investigator,
            answers=Answers(ledger, asides, ends, locales),
        )


def _told_of(loaded: Loaded, receiver: str) -> dict[str, Any]:
    """What the configuration says of a receiver beyond its notifier; one that was handed in is not in it."""
    configured = loaded.receivers.get(receiver)
    if configured is None:
        return {}
    return {"common": configured.common, "target": fingerprint(configured.settings)}


async def run(service: Service, stop: anyio.Event, *, serve_http: bool = True) -> None:
    """Run until `stop` is set, then come to rest within the configured grace.

    Raises:
        ExceptionGroup: of an `OSError` when the address for health and metrics cannot be bound, of a `StoreError` when the store
            could not be read at the start.
    """
    with short_collections():
        await _work(service, stop, serve_http=serve_http)
    await _rest(service)
    log.info("stopped")


async def _work(service: Service, stop: anyio.Event, *, serve_http: bool) -> None:
    async with anyio.create_task_group() as tasks:
        await _load(service)
        for poller in service.pollers:
            tasks.start_soon(poller.poll)
        for dispatcher in service.dispatchers:
            tasks.start_soon(dispatcher.dispatch)
        if serve_http and service.loaded.service.http.port is not None:
            tasks.start_soon(_serve, service, service.loaded.service.http.port)
        elif service.answers.by_http:
            log.warning(
                "buttons_not_heard", fix="set service.http.port, or use Socket Mode (interactive.app_token_file)"
            )
        tasks.start_soon(service.keeper.keep)
        tasks.start_soon(feel_pulse, service.metrics)
        tasks.start_soon(service.answers.work)
        await stop.wait()
        log.info("stopping")
        for dispatcher in service.dispatchers:
            dispatcher.hurry(service.loaded.service.shutdown_grace)
        tasks.cancel_scope.cancel()


async def _load(service: Service) -> None:
    """Take up where the last run stopped."""
    with settled_memory():
        await service.ledger.recall()
        for poller in service.pollers:
            await poller.load()
        await service.keeper.heed()
    log.info(
        "started",
        sources=len(service.pollers),
        receivers=len(service.dispatchers),
        rules=len(service.loaded.rules),
        live_jobs=sum(poller.live_jobs for poller in service.pollers),
    )


async def _serve(service: Service, port: int) -> None:
    """Serve health, metrics and the API. What that needs is imported beside the first requests to DLC, which do not wait for it."""
    web = await anyio.to_thread.run_sync(_web)
    http = service.loaded.service.http
    pages = web.make_app(
        service,
        host=http.host,
        taker=service.answers.posted if service.answers.by_http else None,
        desk=service,
        silencer=Silencer(service.ledger, service.loaded),
        token=None if http.api_token_file is None else partial(reveal, None, http.api_token_file),
    )
    await web.serve(pages, host=http.host, port=port, bound=_listening)


def _web() -> ModuleType:
    from watcher import web  # noqa: PLC0415 - only who is to serve something pays for it

    return web


async def _drain(service: Service) -> None:
    """Send all that is due, and what fallbacks come to be owed by that."""
    while sum([await dispatcher.drain() for dispatcher in service.dispatchers]):
        pass


async def _rest(service: Service) -> None:
    with anyio.move_on_after(2, shield=True):
        for poller in service.pollers:
            await poller.rest()


def _listening(host: str, port: int) -> None:
    log.info("listening", host=host, port=port)


async def run_until_signalled(service: Service) -> None:
    """Run until SIGTERM or SIGINT. A second signal has its usual effect."""
    stop = anyio.Event()
    async with anyio.create_task_group() as tasks:

        async def listen() -> None:
            with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
                async for signum in signals:
                    log.info("signal", name=signal.Signals(signum).name)
                    stop.set()
                    return

        tasks.start_soon(listen)
        await run(service, stop)
        tasks.cancel_scope.cancel()


async def pass_once(service: Service, *, patience: timedelta = timedelta(minutes=5)) -> bool:
    """List, look at every job, send what is due, and be done.

    Returns:
        Whether every source could be seen, and all that was due was sent.
    """
    seen = True
    dead = (await service.store.counts()).get("deliveries.dead", 0)
    # Nobody comes back soon to send what was held, and the whole pass is one look anyway: all is committed before any is sent.
    service.ledger.book = replace(service.ledger.book, patient=False)
    with anyio.move_on_after(patience.total_seconds()) as limit:
        await service.ledger.recall()
        for poller in service.pollers:
            await poller.load()
        await service.keeper.resume()
        for poller in service.pollers:
            seen = await poller.pass_once() and seen
        while await service.keeper.pass_due():
            pass
        await _drain(service)
        if await service.investigator.work_off():  # the news itself did not wait for it
            await _drain(service)
    await _rest(service)
    counts = await service.store.counts()
    unsent = counts.get("deliveries.retrying", 0) + counts.get("deliveries.dead", 0) - dead
    reached = not any(dispatcher.breaker.shut for dispatcher in service.dispatchers)
    return seen and reached and not unsent and not limit.cancelled_caught
