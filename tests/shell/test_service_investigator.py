"""The investigator: inquiries are answered once, behind the polls, and hold nothing up."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from typing import Any, ClassVar

import anyio
import pytest

from tests.shell.service_world import START, FlakyStore, World, job, seconds
from watcher.core.consequence import Book
from watcher.core.events import CauseId, Event, JobActivityChecked, JobCauseFound, JobStatusChanged
from watcher.core.inquiry import INVESTIGATOR, Topic
from watcher.core.model import JobId, JobSnapshot, PodSnapshot
from watcher.core.rule import BoundRule, Context, Intent, Investigate, NoOptions, RuleDeadline, RuleOptions, Severity
from watcher.errors import Forbidden, ServerFault, SourceError, StoreUnavailable, Throttled
from watcher.ports.store import Observation
from watcher.service.investigator import LEASE, PUT_OFF
from watcher.service.keeper import Keeper

pytestmark = pytest.mark.anyio

MINUTE = timedelta(minutes=1)
OOM = (
    "step 1",
    "Traceback (most recent call last):",
    '  File "train.py", line 7, in <module>',
    "    loss.backward()",
    "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB. api_key=hunter2hunter2",
)


class IsItAlive:
    """Asks about activity when the job runs."""

    name: ClassVar[str] = "alive"
    on: ClassVar[tuple[type[Event], ...]] = (JobStatusChanged,)
    severity: ClassVar[Severity] = Severity.INFO
    Options: ClassVar[type[RuleOptions]] = NoOptions

    def consider(self, event: Event, context: Context) -> Iterator[Intent]:
        if context.job is not None and context.job.status == "Running":
            yield Investigate(topic=Topic.ACTIVITY, since=context.now - timedelta(hours=1))


def failed(job_id: str = "dlc1", **more: Any) -> JobSnapshot:
    pods = (
        PodSnapshot("w-0", "u0", status="Failed", node="n0", started_at=START, finished_at=START + seconds(70)),
        PodSnapshot("w-1", "u1", status="Failed", node="n1", started_at=START, finished_at=START + seconds(60)),
    )
    return replace(job(job_id, "Failed", finished_at=START + MINUTE), pods=pods, **more)


def world_of(*jobs: JobSnapshot, store: FlakyStore | None = None, rules: Iterable[Any] = (), **settings: Any) -> World:
    world = World(*jobs, store=store, **settings)
    return with_rules(world, rules)


def with_rules(world: World, rules: Iterable[Any] = ()) -> World:
    bound = tuple(BoundRule(name=rule.name, rule=rule) for rule in rules)
    world.ledger.book = Book((*world.loaded.rules, *bound), world.loaded.route)
    return world


async def live(world: World, length: timedelta) -> None:
    investigator = world.investigator()
    keeper = Keeper(world.ledger, {world.source.name: world.source}, None, investigator)
    await world.poller.load()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(world.poller.poll)
        tasks.start_soon(keeper.keep)
        await world.clock.advance(length)
        tasks.cancel_scope.cancel()


async def run_and_fail(world: World, length: timedelta = MINUTE) -> None:
    await live(world, seconds(15))
    world.source.put(failed())
    await live(with_rules(world.again()), length)


async def inquiries(world: World) -> list[RuleDeadline]:
    waiting = await world.store.due_deadlines(world.clock.now() + timedelta(days=9))
    return [one for one in waiting if one.rule == INVESTIGATOR]


async def found(world: World) -> list[JobCauseFound]:
    return [one for one in await world.events("job.cause_found") if isinstance(one, JobCauseFound)]


async def test_the_failure_is_told_first_and_its_cause_follows_in_the_same_thread() -> None:
    world = world_of(job("dlc1"))
    world.source.lines["GetPodLogs", "w-1"] = OOM
    await run_and_fail(world)
    assert await world.told() == ["Failed", "Likely cause: CUDA out of memory on w-1 (node n1)"]
    first, second = await world.store.deliveries()
    assert first.thread_key == second.thread_key
    assert first.created_at <= second.created_at
    (one,) = await found(world)
    assert (one.pod and one.pod.pod_id, one.fault_class, one.confidence) == ("w-1", "out-of-memory-gpu", "high")
    assert "hunter2" not in repr(await world.store.story(one.job)) + repr(second)
    assert world.source.times("GetPodLogs") == 1, "the first log that decides is enough"
    assert await inquiries(world) == []


async def test_what_cannot_be_read_for_a_while_is_read_later() -> None:
    world = world_of(job("dlc1"))
    world.source.lines["GetPodLogs", "w-1"] = OOM
    world.source.next_failures["GetPodLogs"] = deque([ServerFault("HTTP 503")] * 2)
    await live(world, seconds(15))
    world.source.put(failed())
    world = with_rules(world.again())
    await live(world, seconds(30))
    assert await world.told() == ["Failed"], "the news itself waits for nothing"
    assert await found(world) == []
    await live(with_rules(world.again()), timedelta(minutes=3))
    assert (await world.told())[1:] == ["Likely cause: CUDA out of memory on w-1 (node n1)"]
    assert world.source.times("GetPodLogs") == 3


async def test_what_can_never_be_read_is_answered_with_what_is_known() -> None:
    world = world_of(job("dlc1"))
    for action in ("GetPodLogs", "GetPodEvents", "GetJobEvents"):
        world.source.failing[action] = ServerFault("HTTP 503")
    world.source.jobs["dlc1"] = job("dlc1")
    await live(world, seconds(15))
    world.source.put(failed(reason_message="pod w-1 exited with exit code 137"))
    await live(with_rules(world.again()), sum(PUT_OFF, 2 * MINUTE))
    (one,) = await found(world)
    assert (one.fault_class, one.confidence, one.exit_code) == ("out-of-memory-host", "low", 137)
    assert one.unread == "HTTP 503"
    assert world.source.times("GetPodLogs") == 1 + len(PUT_OFF)
    assert await world.told() == ["Failed"]
    assert await inquiries(world) == []


async def test_a_missing_right_is_named_at_once_and_once_for_all_jobs() -> None:
    world = world_of(job("dlc1"), job("dlc2"))
    world.source.failing["GetPodLogs"] = Forbidden(
        "GetPodLogs is forbidden", fix="Allow this identity paidlc:GetPodLogs"
    )
    await live(world, seconds(15))
    world.source.put(failed())
    world.source.put(failed("dlc2"))
    world = with_rules(world.again())
    await live(world, MINUTE)
    told = await world.told()
    assert sorted(told) == ["Causes cannot be looked into: paidlc:GetPodLogs is not allowed", "Failed", "Failed"]
    one, other = await found(world)
    assert one.missing_permission == other.missing_permission == "paidlc:GetPodLogs"
    assert world.source.times("GetPodLogs") == 2, "once for each job, and not again for its other pods"
    assert world.source.times("GetPodEvents") == 2
    assert world.poller.sight.blind_since is None


async def test_a_process_that_dies_on_the_way_leaves_the_question_and_there_is_one_answer() -> None:
    world = world_of(job("dlc1"))
    world.source.lines["GetPodLogs", "w-1"] = OOM
    await live(world, seconds(15))
    world.source.put(failed())
    first = with_rules(world.again())
    first.source.takes = timedelta(seconds=20)
    await live(first, seconds(30))
    assert await found(first) == []
    first.source.takes = timedelta(0)
    await live(with_rules(first.again()), LEASE + seconds(5))
    assert len(await found(first)) == 1
    await live(with_rules(first.again()), 2 * LEASE)
    assert len(await found(first)) == 1
    assert (await first.told()).count("Likely cause: CUDA out of memory on w-1 (node n1)") == 1


async def test_a_commit_that_is_refused_is_made_up_for() -> None:
    store = FlakyStore()
    world = world_of(job("dlc1"), store=store)
    world.source.lines["GetPodLogs", "w-1"] = OOM
    world.source.takes = seconds(1)
    await live(world, seconds(15))
    world.source.put(failed())
    world = with_rules(world.again())

    async def refuse_when_taken() -> None:
        while not any(one.rule == INVESTIGATOR for commit in store.commits for one in commit.deadlines):
            await world.clock.sleep(seconds(0.1))
        await world.clock.sleep(seconds(0.5))
        store.refuse("commit", StoreUnavailable("disk full"))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(refuse_when_taken)
        await live(world, 2 * LEASE + seconds(30))
        tasks.cancel_scope.cancel()
    assert len(await found(world)) == 1


async def test_a_throttled_aside_slows_down_the_whole_account() -> None:
    world = world_of(job("dlc1"))
    world.source.next_failures["GetPodLogs"] = deque([Throttled("slow down")])
    world.source.lines["GetPodLogs", "w-1"] = OOM
    await live(world, seconds(15))
    world.source.put(failed())
    world = with_rules(world.again())
    rates = []
    await live(world, seconds(20))
    rates.append(world.poller.budget.rate)
    assert rates[0] < 5
    await live(with_rules(world.again()), MINUTE)
    assert len(await found(world)) == 1


@pytest.mark.parametrize(
    ("evidence", "asked"),
    [("none", set()), ("events", {"GetPodEvents", "GetJobEvents"}),
     ("events+logs", {"GetPodLogs", "GetPodEvents", "GetJobEvents"})],
)  # fmt: skip
async def test_only_what_is_allowed_is_read(evidence: str, asked: set[str]) -> None:
    world = world_of(job("dlc1"), evidence=evidence)
    await run_and_fail(world)
    assert {action for _, action, _ in world.source.asked} - {"GetJob", "ListJobs"} == asked
    assert len(await found(world)) == 1


async def test_asides_leave_the_polls_their_share() -> None:
    """A failed sweep of many jobs: the polls go on, and asides stay within one in five."""
    count = 20
    jobs = [job(f"dlc{number}") for number in range(count)]
    world = world_of(*jobs, budget={"requests_per_second": 2}, poll_every="5s")
    await live(world, seconds(40))
    for number in range(count):
        world.source.put(failed(f"dlc{number}"))
    world.source.put(job("dlc99"))
    world = with_rules(world.again())
    began = world.clock.now()
    await live(world, 4 * MINUTE)
    times = [at for at, action, _ in world.source.asked if at >= began and action not in {"GetJob", "ListJobs"}]
    assert len(times) > 20
    gaps = [(late - early).total_seconds() for early, late in pairwise(times)]
    assert min(gaps) >= 2.5
    polls = [at for at, action, about in world.source.asked if action == "GetJob" and about == "dlc99"]
    assert max((b - a).total_seconds() for a, b in pairwise(polls)) < 10


async def test_activity_is_told_of_events_and_logs() -> None:
    world = world_of(job("dlc1", "Queuing"), rules=[IsItAlive()])
    await live(world, seconds(15))
    world.source.put(replace(job("dlc1"), pods=(PodSnapshot("m-0", "u0", role="master", status="Running"),)))
    world.source.lines["GetPodLogs", "m-0"] = ("2026-03-01T11:59:00Z step=4",)
    world.source.lines["GetJobEvents", ""] = ("2026-03-01T09:00:00Z Normal Scheduled",)
    await live(with_rules(world.again(), [IsItAlive()]), seconds(30))
    (one,) = await world.events("job.activity_checked")
    assert isinstance(one, JobActivityChecked)
    assert (one.events_read, one.events_seen, one.logs_read, one.logs_seen) == (True, False, True, True)
    assert one.last_log_at == START - MINUTE
    assert one.last_event_at == START - timedelta(hours=3)
    assert one.since is not None


async def test_a_source_that_raises_something_of_its_own_is_a_failure_like_others() -> None:
    class Broken(SourceError):
        pass

    world = world_of(job("dlc1"))
    world.source.lines = None  # type: ignore[assignment]  # a stranger's mistake
    await run_and_fail(world, sum(PUT_OFF, 2 * MINUTE))
    (one,) = await found(world)
    assert one.unread == "GetPodLogs: the source raised AttributeError"


async def test_an_inquiry_that_breaks_does_not_end_the_watch(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError(OOM[-1])

    world = world_of(job("dlc1"))
    world.source.lines["GetPodLogs", "w-1"] = OOM
    monkeypatch.setattr("watcher.service.investigator.find", broken)
    await run_and_fail(world)
    assert await found(world) == await inquiries(world) == []
    assert await world.told() == ["Failed"]


async def test_a_key_that_cannot_be_read_and_an_event_nobody_knows_are_borne() -> None:
    world = world_of(job("dlc1"))
    await live(world, seconds(15))
    ref = job("dlc1").ref
    rows = [
        RuleDeadline(rule=INVESTIGATOR, job=ref, key=key, at=world.clock.now(), cause=CauseId("c"))
        for key in ("of a newer version", "cause 0 - gone attempt 1")
    ]
    await world.store.commit(Observation(cause=CauseId("c"), at=world.clock.now(), deadlines=tuple(rows)))
    await live(with_rules(world.again()), seconds(30))
    assert await inquiries(world) == []
    (one,) = await found(world)
    assert (one.explains, one.fault_class) == ("gone", "unknown")


async def test_an_inquiry_about_a_job_that_is_not_held_ends() -> None:
    world = world_of(job("dlc1"))
    await live(world, seconds(15))
    ref = replace(job("dlc1").ref, job_id=JobId("dlc9"))
    row = RuleDeadline(rule=INVESTIGATOR, job=ref, key="cause 0 - e k", at=world.clock.now(), cause=CauseId("c"))
    await world.store.commit(Observation(cause=CauseId("c"), at=world.clock.now(), deadlines=(row,)))
    await live(with_rules(world.again()), seconds(30))
    assert await inquiries(world) == []
    assert await found(world) == []
