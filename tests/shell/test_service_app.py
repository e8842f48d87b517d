"""The service put together: one pass, readiness, stopping, and a real simulator behind a real configuration."""

from __future__ import annotations

import json
from pathlib import Path

import anyio
import pytest

from tests.shell.service_world import (
    START,
    FakeNotifier,
    FakeSource,
    FlakyStore,
    VirtualClock,
    job,
    loaded_of,
    passing,
    refused,
    seconds,
    slow_down,
)
from watcher.core.fleet import Brief
from watcher.core.model import SourceName
from watcher.errors import AuthRefused, Forbidden, StoreError, StoreUnavailable, Throttled, WatcherError
from watcher.service.app import assemble, pass_once, run
from watcher.service.clock import SystemClock
from watcher.service.outset import setting_out

pytestmark = pytest.mark.anyio


def fleet(*, count: int = 3, status: str = "Running") -> tuple[VirtualClock, FakeSource, FlakyStore]:
    clock = VirtualClock()
    return clock, FakeSource(clock, [job(f"dlc{n}", status) for n in range(count)]), FlakyStore()


async def one_pass(
    clock: VirtualClock,
    source: FakeSource,
    store: FlakyStore,
    notifier: FakeNotifier | None = None,
    *,
    evidence: str = "none",
) -> tuple[bool, float]:
    """The verdict of one pass, and the virtual seconds it took."""
    receivers = {"team": notifier or FakeNotifier(clock)}
    loaded = loaded_of(source=source, receivers=receivers, settings={"evidence": evidence})
    verdict: list[bool] = []
    began = clock.now()
    async with assemble(loaded, clock=clock, store=store) as service, anyio.create_task_group() as tasks:

        async def go() -> None:
            verdict.append(await pass_once(service))

        tasks.start_soon(go)
        for _ in range(4000):
            await clock.settle()
            if verdict:
                break
            await clock.advance(seconds(0.1))
        tasks.cancel_scope.cancel()
    assert verdict, "the pass did not end"
    return verdict[0], (clock.now() - began).total_seconds()


async def test_one_pass_looks_at_every_job_and_sends_what_is_due() -> None:
    clock, source, store = fleet()
    notifier = FakeNotifier(clock)
    assert (await one_pass(clock, source, store, notifier))[0]
    source.put(job("dlc1", "Failed", finished_at=START))
    assert (await one_pass(clock, source, store, notifier))[0]
    assert [message.items[0].rule for message in notifier.taken] == ["job-failed"]
    assert source.closed == 2


async def test_one_pass_tells_the_failure_and_then_its_cause() -> None:
    clock, source, store = fleet()
    notifier = FakeNotifier(clock)
    await one_pass(clock, source, store)
    source.lines["GetJobEvents", ""] = ("2026-03-01T11:59:00Z Warning OOMKilled w-0 exceeded its memory",)
    source.put(job("dlc1", "Failed", finished_at=START))
    assert (await one_pass(clock, source, store, notifier, evidence="events"))[0]
    assert notifier.headlines == ["Failed", "Likely cause: out of memory"]


@pytest.mark.parametrize("action", ["ListJobs", "GetJob"])
async def test_one_pass_with_wrong_credentials_fails_soon_although_jobs_are_known(action: str) -> None:
    clock, source, store = fleet(count=30)
    assert (await one_pass(clock, source, store))[0]
    source.failing = {action: AuthRefused("the signature does not match", code="SignatureDoesNotMatch")}
    good, took = await one_pass(clock, source, store)
    assert not good
    assert took < 5
    assert [event.kind for event in await store.events(kinds=frozenset({"watch.blind"}))] == ["watch.blind"]


async def test_one_pass_tries_again_what_was_throttled() -> None:
    clock, source, store = fleet(count=4)
    source.next_failures["ListJobs"].append(Throttled("too many"))
    source.next_failures["GetJob"].extend([Throttled("too many"), Throttled("too many")])
    assert (await one_pass(clock, source, store))[0]
    assert len(await store.watches()) == 4


async def test_one_pass_that_is_throttled_throughout_says_that_it_could_not_see() -> None:
    clock, source, store = fleet()
    source.failing = {"ListJobs": Throttled("too many")}
    assert not (await one_pass(clock, source, store))[0]


async def test_private_jobs_do_not_make_a_pass_fail() -> None:
    clock, source, store = fleet(count=10)
    source.listed = [job(f"dlc{n}") for n in range(10)]
    for number in range(6):
        source.jobs[f"dlc{number}"] = Forbidden("no permission on this job")
    assert (await one_pass(clock, source, store))[0]
    assert [event.kind for event in await store.events()] == ["job.appeared"] * 4


@pytest.mark.parametrize("failure", [passing(), refused(), slow_down()], ids=["passing", "permanent", "paused"])
async def test_one_pass_that_could_not_send_says_so(failure: BaseException) -> None:
    clock, source, store = fleet()
    await one_pass(clock, source, store)
    source.put(job("dlc1", "Failed"))
    source.put(job("dlc2", "Failed"))
    assert not (await one_pass(clock, source, store, FakeNotifier(clock, failure)))[0]


async def test_an_old_dead_letter_does_not_make_every_later_pass_fail() -> None:
    clock, source, store = fleet()
    await one_pass(clock, source, store)
    source.put(job("dlc1", "Failed"))
    assert not (await one_pass(clock, source, store, FakeNotifier(clock, refused())))[0]
    assert (await one_pass(clock, source, store))[0]


async def test_readiness_names_what_is_wrong() -> None:
    clock, source, store = fleet()
    loaded = loaded_of(
        source=source, receivers={"team": FakeNotifier(clock, slow_down(3000))}, service="{http: {port: null}}"
    )
    stop = anyio.Event()
    async with assemble(loaded, clock=clock, store=store) as service:
        assert (await service.readiness())["ready"] is False  # nothing has been seen yet
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(run, service, stop)
            await clock.advance(seconds(60))
            assert (await service.readiness())["ready"] is True
            source.failing = dict.fromkeys(("GetJob", "ListJobs"), AuthRefused("the key is not known"))
            await clock.advance(seconds(60))
            told = await service.readiness()
            assert told["ready"] is False
            assert told["sources"]["hz"] == {"sees": False, "live_jobs": 3, "error": "the key is not known"}
            assert told["receivers"]["team"]["open"] is False
            assert "slow down" in told["receivers"]["team"]["error"]
            source.failing = {}
            await clock.advance(seconds(600))
            assert (await service.readiness())["ready"] is True
            store.refuse("commit", *(StoreUnavailable("disk full") for _ in range(9)))
            source.put(job("dlc1", "Failed"))
            await clock.advance(seconds(20))
            told = await service.readiness()
            assert (told["ready"], told["store"]) == (False, "disk full")
            await clock.advance(seconds(120))
            assert (await service.readiness())["ready"] is True
            stop.set()
    assert source.closed == 1


class SlowToRead(FlakyStore):
    """Gives what is stored only once it is told to."""

    def __init__(self, *, error: StoreError | None = None) -> None:
        super().__init__()
        self.may_read, self._error = anyio.Event(), error

    async def briefs(self, *, source: SourceName | None = None) -> tuple[Brief, ...]:
        await self.may_read.wait()
        if self._error is not None:
            raise self._error
        return await super().briefs(source=source)


async def test_the_first_pass_begins_before_what_is_stored_is_read_and_counts_after_that() -> None:
    clock, source, _ = fleet(status="Queuing")
    store, notifier = SlowToRead(), FakeNotifier(clock)
    store.may_read.set()
    await one_pass(clock, source, store)
    asked = source.times("ListJobs")
    source.put(job("dlc1", "Failed", finished_at=clock.now()))
    store.may_read = anyio.Event()
    loaded, stop = loaded_of(source=source, receivers={"team": notifier}, service="{http: {port: null}}"), anyio.Event()
    async with (
        setting_out(loaded.sources, clock) as outset,
        assemble(loaded, store=store, outset=outset) as service,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(run, service, stop)
        await clock.advance(seconds(3))
        assert (source.times("ListJobs"), service.pollers[0].live_jobs) == (asked + 1, 0)
        store.may_read.set()
        await clock.advance(seconds(3))
        assert (source.times("ListJobs"), service.pollers[0].live_jobs) == (asked + 1, 2)
        stop.set()
    assert notifier.headlines == ["Failed"]


async def test_a_first_pass_that_fails_is_told_once_what_is_stored_is_known() -> None:
    clock, source, _ = fleet()
    store = SlowToRead()
    source.failing = dict.fromkeys(("GetJob", "ListJobs"), AuthRefused("the key is not known"))
    stop = anyio.Event()
    loaded = loaded_of(source=source, service="{http: {port: null}}")
    async with (
        setting_out(loaded.sources, clock) as outset,
        assemble(loaded, store=store, outset=outset) as service,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(run, service, stop)
        await clock.advance(seconds(3))
        assert (source.times("ListJobs"), await store.events()) == (1, ())
        store.may_read.set()
        await clock.advance(seconds(3))
        assert [event.kind for event in await store.events()] == ["watch.blind"]
        stop.set()


async def test_a_store_that_cannot_be_read_ends_the_start_and_the_first_pass() -> None:
    clock, source, _ = fleet()
    store = SlowToRead(error=StoreUnavailable("disk gone"))
    source.takes = seconds(3600)
    loaded = loaded_of(source=source)
    store.may_read.set()
    with pytest.raises(ExceptionGroup) as caught, anyio.fail_after(5):
        async with (
            setting_out(loaded.sources, clock) as outset,
            assemble(loaded, store=store, outset=outset) as service,
        ):
            await run(service, anyio.Event())
    assert caught.group_contains(StoreUnavailable, match="disk gone")


async def test_a_send_that_hangs_does_not_keep_the_program_from_stopping() -> None:
    clock = SystemClock()
    source = FakeSource(clock, [job("dlc1", "Queuing")])  # type: ignore[arg-type]
    notifier = FakeNotifier(clock)  # type: ignore[arg-type]
    notifier.hang = True
    rules = "  - {name: all, on: [job.appeared]}\n"
    loaded = loaded_of(
        rules, source=source, receivers={"team": notifier}, service="{http: {port: null}, shutdown_grace: 300ms}"
    )
    stop, store = anyio.Event(), FlakyStore()
    async with assemble(loaded, clock=clock, store=store) as service:
        with anyio.fail_after(5):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(run, service, stop)
                while not notifier.tried:
                    await anyio.sleep(0.01)
                stop.set()
    notifier.hang = False
    async with assemble(loaded, clock=clock, store=store) as service:
        await pass_once(service)
    assert [message.id for message in notifier.taken] == [notifier.tried[0][1].id]


async def test_an_address_that_is_taken_is_named_in_the_error(tmp_path: Path) -> None:
    clock = SystemClock()
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1", local_port=0)
    port = listener.extra(anyio.abc.SocketAttribute.local_port)
    loaded = loaded_of(source=FakeSource(clock), receivers={"team": FakeNotifier(clock)},  # type: ignore[arg-type]
                       service=json.dumps({"http": {"port": port}}))  # fmt: skip
    async with listener, assemble(loaded, clock=clock, store=FlakyStore()) as service:
        with pytest.raises(ExceptionGroup) as caught, anyio.fail_after(5):
            await run(service, anyio.Event())
    assert caught.group_contains(OSError, match=rf"cannot listen on 127\.0\.0\.1 port {port}: Address already in use")


async def test_a_store_of_another_program_stops_the_start(tmp_path: Path) -> None:
    (tmp_path / "watcher.db").write_bytes(b"these are not the bytes of a database" * 100)
    loaded = loaded_of(source=FakeSource(VirtualClock()))
    from dataclasses import replace

    from watcher.config.model import StoreSettings

    loaded = replace(loaded, store=StoreSettings(url=f"sqlite:///{tmp_path}/watcher.db"))
    with pytest.raises(WatcherError):
        async with assemble(loaded):
            pass
