"""A night of mute, on the real service with a real database: 300 pieces of news over 20 jobs, and a kill in the middle of it.

In the morning each receiver gets one message that names exactly what still matters. Everything else is a row that says why it was
left out and names the message that says how things stand.
"""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio
import pytest

from tests.acceptance.stepped import SteppedClock, until_listed, until_looked
from tests.shell.service_world import FakeNotifier, FakeSource, job, passing, source_settings
from watcher.config.loading import Loaded, load
from watcher.config.receivers import ConfiguredReceiver
from watcher.core.delivery import TERMINAL_STATES, Delivery, DeliveryReason, DeliveryState
from watcher.core.message import Message
from watcher.core.model import JobSnapshot
from watcher.core.rule import Severity
from watcher.plugins import discover
from watcher.service.app import Service, assemble, run
from watcher.settings import Settings

pytestmark = pytest.mark.anyio

EVENING = datetime(2026, 3, 2, 13, 30, tzinfo=UTC)
"""21:30 in Shanghai; the night is from 22:00 to 08:00."""
MORNING = datetime(2026, 3, 3, 0, 0, tzinfo=UTC)
STEP = timedelta(minutes=5)
JOBS = 20
CONFIGURATION = """\
sources: {hz: {kind: dlc, region: cn-hangzhou}}
receivers: {team: {console: {}}, oncall: {console: {}}, boss: {console: {}}}
mute_intervals: {nights: {zone: Asia/Shanghai, from: "22:00", to: "08:00"}}
route:
  receiver: team
  mute: nights
  routes:
    - {receiver: oncall, mute_except: critical, continue: true}
    - {match: {severity: critical}, receiver: boss, continue: true}
    - {receiver: team}
rules: [{use: job-started}, {use: job-failed}, {use: job-restarted}, {use: job-recovered}, {use: job-succeeded}, {use: job-stopped}]
service: {http: {port: null}}
"""


def loaded_with(source: FakeSource, ends: Mapping[str, FakeNotifier]) -> Loaded:
    loaded = load(CONFIGURATION, file="c", env={}, kinds=discover(), base_dir=Path.cwd())
    settings = source_settings(poll_every="60s", discover_every="60s", budget={"requests_per_second": 1000})
    receivers = {
        name: ConfiguredReceiver(lambda _name, _settings, end=end: end, Settings())  # type: ignore[arg-type, misc]
        for name, end in ends.items()
    }
    return replace(loaded, sources={"hz": (lambda _name, _settings: source, settings)}, receivers=receivers)


@asynccontextmanager
async def serving(loaded: Loaded, database: Path, clock: SteppedClock) -> AsyncIterator[Service]:
    store = loaded.store.model_copy(update={"url": f"sqlite:///{database}"})
    async with assemble(replace(loaded, store=store), clock=clock) as service, anyio.create_task_group() as tasks:
        tasks.start_soon(run, service, anyio.Event())
        yield service
        tasks.cancel_scope.cancel()


def crash_image(database: Path, into: Path) -> Path:
    """The database as a process leaves it that is killed at this moment."""
    into.mkdir()
    for file in database.parent.glob(f"{database.name}*"):
        if not file.name.endswith("lock"):
            shutil.copy(file, into / file.name)
    return into / database.name


def state_of(number: int, step: int) -> JobSnapshot:
    """What becomes of each job: a restart in every hour, and an end before the morning; some have another fate."""
    name, since = f"dlc{number}", step + number % 12
    used = since // 12
    fate, at = next(((fate, at) for fate, at in FATES.get(number, ENDS) if step >= at), ("", 0))
    if fate:
        return job(
            name, fate, restarts=f"{used}/100", reason="OOM" * (fate == "Failed"), finished_at=EVENING + at * STEP
        )
    return job(name, "Restarting" if since % 12 == 0 and step else "Running", restarts=f"{used}/100")


ENDS = (("Succeeded", 118),)
FATES: Mapping[int, tuple[tuple[str, int], ...]] = {
    3: (("Failed", 40),),
    4: (("", 60), ("Failed", 40)),  # lives again, and goes on
    5: (("Stopped", 110),),
    6: (("Failed", 117),),
    7: (),
}
"""Job -> (status, from which step on), latest first."""


async def until_all_that_is_due_is_told(service: Service) -> None:
    """Nothing is due, and nothing that was is still on its way: the next step of the clock must not overtake it."""
    with anyio.fail_after(30):
        for dispatcher in service.dispatchers:
            while (due := await service.store.next_due(receiver=dispatcher.name)) and due <= service.clock.now():
                await anyio.sleep(0.002)
        while (await service.store.counts())["deliveries.sending"]:
            await anyio.sleep(0.002)


async def the_night(tmp_path: Path) -> tuple[dict[str, FakeNotifier], tuple[Delivery, ...]]:
    clock = SteppedClock(EVENING)
    source = FakeSource(clock, [state_of(number, 0) for number in range(JOBS)])  # type: ignore[arg-type]
    # The first attempt of the morning fails: it is repeated as it was.
    ends = {name: FakeNotifier(clock) for name in ("team", "oncall", "boss")}  # type: ignore[arg-type]
    database = tmp_path / "first" / "watcher.db"
    database.parent.mkdir()
    loaded = loaded_with(source, ends)
    steps = iter(range(1, 10_000))

    async def pass_time(service: Service, until: datetime) -> None:
        while clock.now() + STEP < until:
            step = next(steps)
            for number in range(JOBS):
                source.put(state_of(number, step))
            since = clock.now() + STEP
            clock.step(STEP)
            await until_looked(service, since)
            await until_all_that_is_due_is_told(service)

    async with serving(loaded, database, clock) as service:
        await until_listed(service, JOBS)
        await pass_time(service, EVENING + timedelta(hours=5))
        killed = crash_image(database, tmp_path / "second")
    async with serving(loaded, killed, clock) as service:
        clock.step(timedelta(seconds=1))
        await until_looked(service, clock.now() - timedelta(seconds=1))
        await pass_time(service, MORNING)
        ends["team"].script.append(passing())
        for end in ends.values():
            end.rendered.clear()
        early = {name: len(end.taken) for name, end in ends.items()}
        clock.step(MORNING - clock.now())
        with anyio.fail_after(30):
            counts = await service.store.counts()
            while any(counts[f"deliveries.{state}"] for state in DeliveryState if state not in TERMINAL_STATES):
                await anyio.sleep(0.01)
                counts = await service.store.counts()
        rows = await service.store.deliveries(limit=10_000)
    for name, end in ends.items():
        end.taken = end.taken[early[name] :]
    return ends, rows


def named(message: Message) -> dict[str, tuple[str, Severity]]:
    return {
        str(item.job.ref.job_id): (item.headline.partition(" (before that")[0], item.severity)
        for item in message.items
        if item.job is not None
    }


SUCCEEDED = ("Succeeded", Severity.INFO)
STILL = {
    **{f"dlc{number}": SUCCEEDED for number in range(JOBS) if number not in FATES},
    "dlc3": ("Failed: OOM", Severity.CRITICAL),
    "dlc4": ("Running again after restart 10 of 100", Severity.INFO),
    "dlc5": ("Stopped", Severity.INFO),
    "dlc6": ("Failed: OOM", Severity.CRITICAL),
    "dlc7": ("Restart 11 of 100", Severity.INFO),
}


async def test_a_night_of_mute_ends_in_one_message_for_each_receiver_that_names_what_still_matters(
    tmp_path: Path,
) -> None:
    ends, rows = await the_night(tmp_path)
    night = EVENING + timedelta(minutes=30)
    held = [row for row in rows if row.created_at >= night]
    assert sum(row.receiver == "team" for row in held) >= 300
    (team,), (oncall,), (boss,) = (ends[name].taken for name in ("team", "oncall", "boss"))
    assert named(team) == STILL
    assert len(team.items) == JOBS
    assert team.title == "Held until now: 383 notices about 20 jobs, still of matter: 2 critical"
    told_at_once = {"dlc3", "dlc6"}
    assert named(oncall) == {name: said for name, said in STILL.items() if name not in told_at_once}
    assert oncall.severity is Severity.INFO
    assert named(boss) == {
        "dlc3": ("Failed: OOM", Severity.CRITICAL),
        "dlc4": ("Failed: OOM; Running by now", Severity.INFO),
        "dlc6": ("Failed: OOM", Severity.CRITICAL),
    }

    # The night was quiet, but for what may pass.
    for name, end in ends.items():
        loud = [message for at, message in end.tried if night <= at < MORNING]
        passed = [{job_id: ("Failed: OOM", Severity.CRITICAL)} for job_id in ("dlc3", "dlc4", "dlc6")]
        assert sorted(map(named, loud), key=str) == (passed if name == "oncall" else []), name

    # The first attempt in the morning failed: it was repeated as it was, under the same id.
    first, second = (message for at, message in ends["team"].tried if at >= MORNING)
    assert replace(first, attempt=2) == second

    # Nothing is lost: each row was told, or says why not and where it is told.
    assert {row.state for row in rows} == {DeliveryState.DELIVERED, DeliveryState.FOLDED}
    said = {row.notification.id: row for row in rows if row.state is DeliveryState.DELIVERED}
    for row in rows:
        if row.state is DeliveryState.FOLDED:
            assert row.reason is DeliveryReason.OVERTAKEN
            (by,) = [one for one in said if f"(notification {one}, message {row.flush_id})" in row.error]
            mine = [one for one in rows if one.receiver == row.receiver and one.notification.id == by]
            assert [one.flush_id for one in mine] == [row.flush_id]
