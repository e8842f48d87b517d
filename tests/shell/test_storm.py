"""A storm from end to end: through the core and a store in virtual time, and through the whole service against the simulator."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest

from tests.drive import START, Drive
from tests.shell.installed import installed_kinds
from watcher.config.loading import load
from watcher.core.consequence import Book
from watcher.core.delivery import Delivery, DeliveryReason, DeliveryState, Receipt, settle
from watcher.core.model import JobRef
from watcher.core.rehearsal import compare, rehearse
from watcher.core.rule import RuleReason
from watcher.ports.store import Store
from watcher.service.app import assemble, run
from watcher.service.clock import SpedUpClock
from watcher.simulator import DEMO_KEY, Simulator, SimulatorServer, SpeedUp
from watcher.simulator.reading import load_scenario
from watcher.store import open_store

pytestmark = pytest.mark.anyio

CONFIGURATION = """\
sources: {sim: {kind: dlc, region: cn-hangzhou}}
receivers: {team: {console: {}}, oncall: {console: {}}}
route: {receiver: team, routes: [{receiver: oncall, match: {severity: critical}}]}
rules:
  - {use: pod-evicted}
  - {use: job-restarted}
  - {use: job-failed}
"""
STORM = "  - {use: storm}\n"


def script(jobs: int, *, stagger: str = "10s", failed: str = "") -> str:
    """So many jobs of one quota, each of which loses a pod, goes back into the queue and comes to run again; and who took it."""
    return f"""\
made_up: true
jobs:
  - id: dlc1victim
    name: sweep
    user: ann
    quota: quota-a100
    priority: 3
    roles: {{Worker: {{count: 2, gpu: 8, cpu: 8, memory: 60Gi}}}}
    life:
      - {{at: 0s, status: Creating}}
      - {{at: 1m, status: Running}}
      - {{at: 20m, pod: worker-0, status: Failed, sub_status: Evicted}}
      - {{at: 20m, status: Queuing, reason: Preempted, restart: {{level: Job, reason: PodEvicted, pod: worker-0}}}}
      - {{at: 40m, status: Running}}{failed}
    copies: {jobs}
    stagger: {stagger}
  - id: dlc1preemptor
    name: big-train
    user: eve
    quota: quota-a100
    priority: 9
    roles: {{Worker: {{count: 8, gpu: 8, cpu: 8, memory: 60Gi}}}}
    life:
      - {{at: 0s, status: Creating}}
      - {{at: 19m, status: Running}}
"""


def book(rules: str) -> Book:
    loaded = load(CONFIGURATION + rules, file="c.yaml", env={}, kinds=installed_kinds(), base_dir=Path.cwd())
    return Book(loaded.rules, loaded.route)


@pytest.fixture(params=["memory:", "sqlite"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    opened = open_store(request.param if request.param == "memory:" else f"sqlite:///{tmp_path}/watcher.db")
    await opened.open()
    yield opened
    await opened.aclose()


async def send_all(store: Store, until: datetime) -> None:
    """Deliver whatever is due, at the time at which it is due."""
    for receiver in ("team", "oncall"):
        while (due := await store.next_due(receiver=receiver)) is not None and due <= until:
            lease = await store.lease(receiver, due)
            assert lease is not None
            receipt = Receipt(reference="r")
            settled = settle(receipt, attempt=1, first_attempt_at=due, now=due, jitter=0)
            await store.settle(lease, settled, receipt, due)


async def play(store: Store, text: str, rules: str, until: timedelta = timedelta(hours=1)) -> tuple[Delivery, ...]:
    """What became of every delivery."""
    for seen in Drive(load_scenario(text).jobs, book(rules)).run(until):
        await send_all(store, seen.at - timedelta(microseconds=1))
        await store.commit(seen)
    await send_all(store, START + until)
    return await store.deliveries(limit=10_000)


def told(owed: tuple[Delivery, ...]) -> list[str]:
    return [one.notification.headline for one in owed if one.state is DeliveryState.DELIVERED]


async def test_twelve_jobs_of_one_quota_are_one_notification_and_a_closing_line(store: Store) -> None:
    owed = await play(store, script(12), STORM)

    assert told(owed) == [
        "12 jobs of quota quota-a100 evicted within 1 m 50 s",
        "Over: 12 jobs of quota quota-a100 evicted within 1 m 50 s; 12 not running yet",
    ]
    begun = next(one.notification for one in owed if one.notification.rule == "storm")
    facts = dict(begun.facts)
    assert facts["Jobs"].endswith("2 more")
    assert facts["Owners"] == "ann (12)"
    assert facts["GPUs"] == "192"
    assert facts["Likely pre-emptor"] == (
        "big-train (eve, priority 9, above theirs, 64 GPUs), started on the same quota, 1 m before the first"
    )


async def test_every_member_of_a_storm_has_rows_that_say_where_its_news_went(store: Store) -> None:
    owed = await play(store, script(12), STORM)

    begun = next(one.notification for one in owed if one.notification.rule == "storm")
    folded = [one for one in owed if one.state is DeliveryState.FOLDED]
    assert {one.reason for one in folded} == {DeliveryReason.PART_OF_STORM}
    assert {one.error for one in folded} == {f"told as part of notification {begun.id}"}
    per_job: Counter[Any] = Counter((one.notification.job, one.notification.rule) for one in folded)
    assert len(per_job) == 24, "each of twelve jobs: its eviction and its restart"
    assert not [one for one in owed if one.state not in {DeliveryState.FOLDED, DeliveryState.DELIVERED}]
    for job in {one.notification.job for one in folded}:
        assert job is not None
        story = await store.story(job)
        spoke = [line.data["rule"] for line in story if line.data.get("reason") == RuleReason.NOTIFIED]
        assert {"pod-evicted", "job-restarted"} <= set(spoke), (
            "the rules did speak; the deliveries say what became of it"
        )


async def test_four_jobs_are_four_jobs(store: Store) -> None:
    owed = await play(store, script(4), STORM)
    assert not [one for one in owed if one.state is not DeliveryState.DELIVERED]
    rules = Counter(one.notification.rule for one in owed)
    assert rules == {"pod-evicted": 4, "job-restarted": 4}


async def test_without_the_rule_nothing_is_held_and_nothing_is_folded(store: Store) -> None:
    owed = await play(store, script(12), "")
    assert Counter(one.state for one in owed) == {DeliveryState.DELIVERED: 24}
    assert {one.not_before - one.created_at for one in owed} == {timedelta(0)}


async def test_the_hold_is_short_and_for_the_absorbed_rules_only(store: Store) -> None:
    owed = await play(store, script(4), "  - {use: storm, with: {hold: 20s, absorbs: [pod-evicted]}}\n")
    waited = {(one.notification.rule, one.not_before - one.created_at) for one in owed}
    assert waited == {("pod-evicted", timedelta(seconds=20)), ("job-restarted", timedelta(0))}


async def test_what_was_sent_before_the_storm_is_known_stays_sent(store: Store) -> None:
    owed = await play(store, script(12), "  - {use: storm, with: {hold: 0s}}\n")
    states = Counter((one.notification.rule, one.state) for one in owed)
    assert states["pod-evicted", DeliveryState.DELIVERED] == 4
    assert states["pod-evicted", DeliveryState.FOLDED] == 8
    assert states["storm", DeliveryState.DELIVERED] == 2


async def test_a_final_failure_in_a_storm_is_told_by_itself_unless_the_storm_is_named_by_its_reason(
    store: Store,
) -> None:
    later = "\n      - {at: 22m, status: Failed, reason: BadCommand}"
    text = script(12).replace("\n      - {at: 40m, status: Running}", later)
    owed = await play(store, text, STORM)
    failed = [one for one in owed if one.notification.rule == "job-failed"]
    assert [one.state for one in failed] == [DeliveryState.DELIVERED] * 12
    assert {one.receiver for one in failed} == {"oncall"}


async def test_failures_with_the_reason_that_names_the_storm_are_part_of_it(store: Store) -> None:
    text = script(12).replace("quota: quota-a100\n    priority: 3\n", "priority: 3\n")
    start = text.index("      - {at: 20m, pod")
    end = text.index("    copies")
    text = text[:start] + "      - {at: 20m, status: Failed, reason: ImagePullFailed}\n" + text[end:]
    owed = await play(store, text, "  - {use: storm, with: {by: [reason]}}\n")
    states = Counter((one.notification.rule, one.state) for one in owed)
    assert states["job-failed", DeliveryState.DELIVERED] == 4, "critical news is never held"
    assert states["job-failed", DeliveryState.FOLDED] == 8
    assert "12 jobs with reason ImagePullFailed failed within 1 m 50 s" in told(owed)


async def test_a_storm_is_seen_through_a_restart_of_the_watcher(store: Store) -> None:
    """The fleet is forgotten in the middle and filled from the store, as `Ledger.recall` does it."""
    drive = Drive(load_scenario(script(12)).jobs, book(STORM))
    middle = START + timedelta(minutes=20, seconds=35)
    forgot = False
    for seen in drive.run(timedelta(hours=1)):
        if seen.at >= middle and not forgot:
            forgot = True
            # What this look brought is in the drive's fleet already; it is told again from its observation.
            drive.book = book(STORM)
            fresh = drive.book.new_fleet()
            watches = await store.watches(live_only=False)
            for watch in watches:
                fresh.note(watch, (), seen.at)
            happened = await store.events(since=seen.at - fresh.keep, limit=20_000)
            fresh.recall(happened, {watch.snapshot.ref: watch.snapshot for watch in watches}, seen.at)
            fresh.note(seen.watch, seen.events, seen.at)
            drive.fleet = fresh
        await send_all(store, seen.at - timedelta(microseconds=1))
        await store.commit(seen)
    await send_all(store, START + timedelta(hours=1))
    owed = await store.deliveries(limit=10_000)
    assert told(owed) == [
        "12 jobs of quota quota-a100 evicted within 1 m 50 s",
        "Over: 12 jobs of quota quota-a100 evicted within 1 m 50 s; 12 not running yet",
    ]


async def test_a_rehearsal_of_the_same_finds_no_difference_and_without_the_rule_it_finds_the_flood(
    store: Store,
) -> None:
    owed = await play(store, script(12), STORM)
    events = await store.events(limit=10_000)
    snapshots: dict[JobRef, list[Any]] = {}
    for seen in Drive(load_scenario(script(12)).jobs, book(STORM)).run(timedelta(hours=1)):
        if seen.watch is not None and seen.snapshot_changed:
            snapshots.setdefault(seen.watch.snapshot.ref, []).append(seen.watch.snapshot)
    assert compare(owed, rehearse(events, snapshots, book(STORM))).same
    flood = compare(owed, rehearse(events, snapshots, book("")))
    assert (len(flood.removed), len(flood.added)) == (2, 24)


# --- the whole service --------------------------------------------------------------------------------------------------------

FAST = """\
made_up: true
jobs:
  - id: dlc1victim
    name: sweep
    user_name: ann
    quota: quota-a100
    quota_name: research
    roles: {Worker: {count: 1, gpu: 8, cpu: 8, memory: 60Gi}}
    life:
      - {at: 0s, status: Creating}
      - {at: 1m, status: Running}
      - {at: 3m, pod: master-0, status: Failed, sub_status: Evicted}
      - {at: 3m, status: Queuing, reason: Preempted, restart: {level: Job, reason: PodEvicted, pod: master-0}}
      - {at: 4m, status: Running}
    copies: 12
    stagger: 2s
"""
SERVICE = """\
sources:
  sim:
    kind: dlc
    region: cn-hangzhou
    endpoint: "{url}"
    workspaces: ["268"]
    credentials: {{kind: access_key, key_id: {key_id}, secret: {secret}}}
    poll_every: 5s
    discover_every: 5s
    budget: {{requests_per_second: 50, concurrency: 16}}
store: {{url: "sqlite:///{folder}/watcher.db"}}
receivers: {{team: {{console: {{}}}}}}
service: {{http: {{port: null}}}}
rules:
  - {{use: pod-evicted}}
  - {{use: job-restarted}}
  - {{use: storm, with: {{within: 2m}}}}
"""
SPEED = 60.0


async def test_the_running_service_tells_a_storm_of_simulated_jobs_once_and_its_end(tmp_path: Path) -> None:
    time = SpeedUp(SPEED)
    simulator = Simulator(load_scenario(FAST), clock=time)
    async with SimulatorServer(simulator) as server:
        text = SERVICE.format(url=server.url, key_id=DEMO_KEY.key_id, secret=DEMO_KEY.secret, folder=tmp_path)
        loaded = load(text, file="c.yaml", env={}, kinds=installed_kinds(), base_dir=tmp_path)
        async with assemble(loaded, clock=SpedUpClock(time)) as service:
            stop = anyio.Event()
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(run, service, stop)
                with anyio.move_on_after(60):
                    while not any(said.startswith("Over") for said in told(await service.store.deliveries())):
                        await anyio.sleep(0.1)
                stop.set()
            owed = await service.store.deliveries(limit=1000)

    begun, over = told(owed)
    assert begun.startswith("12 jobs of quota research evicted within ")
    assert over.startswith("Over: 12 jobs of quota research evicted within ")
    assert over.endswith("; 12 running")
    folded = [one for one in owed if one.state is DeliveryState.FOLDED]
    assert len({one.notification.job for one in folded}) == 12
    assert len(folded) == len(owed) - 2
