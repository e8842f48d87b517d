"""A storm against Slack's limits: 500 events of 20 jobs, and HAProxy lets one post a second through to each emulated channel."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest

from tests.acceptance.peers_haproxy import limited
from tests.acceptance.peers_slack import CHANNEL, TOKEN, Emulator, is_card, job_of, slack_emulator
from watcher.config.loading import load
from watcher.core.consequence import consequences
from watcher.core.delivery import DeliveryState, Receipt
from watcher.core.events import CauseId, EventId, JobStatusChanged, When
from watcher.core.model import JobId, JobRef, JobSnapshot, SourceName, Watch
from watcher.core.phases import Phase
from watcher.core.rule import Context
from watcher.errors import NotifierError
from watcher.notifiers.slack import SlackNotifier
from watcher.notifiers.slack_settings import SlackSettings
from watcher.plugins import discover
from watcher.ports.notifier import Wire
from watcher.service.app import Service, assemble
from watcher.service.ledger import observation
from watcher.testing.messages import SAMPLES

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

CHANNELS = ("storm-a", "storm-b", "storm-c", "storm-d")
JOBS, EVENTS = 20, 500
PAUSE_S = 0.4
WITHIN_S = 80

CONFIGURATION = """\
sources:
  hz: {{kind: dlc, region: cn-hangzhou, endpoint: "http://127.0.0.1:9"}}
store: {{url: "sqlite:///{folder}/storm.db"}}
receivers:
{receivers}
route:
  receiver: storm-a
  routes:
{routes}
rules:
  - {{name: told, on: [job.status_changed], summary: "event number {{{{ event.new_status }}}}"}}
"""


class Counting(SlackNotifier):
    """Counts how often it is told to slow down."""

    slowed: int = 0

    async def send(self, wire: Wire, message: Any) -> Receipt:
        return await self._counted(super().send(wire, message))

    async def show_card(self, wire: Wire, view: Any) -> Receipt:
        return await self._counted(super().show_card(wire, view))

    async def _counted(self, work: Any) -> Receipt:
        try:
            receipt: Receipt = await work
        except Exception as exc:
            Counting.slowed += getattr(exc, "code", "") in {"ratelimited", "429"}
            raise
        return receipt


def configuration(folder: Path, base_url: str) -> str:
    slack = "{{slack: {{token: {token}, to: {name}, base_url: '{url}'}}}}"
    receivers = [f"  {name}: {slack.format(token=TOKEN, name=name, url=base_url)}" for name in CHANNELS]
    routes = [f'    - {{match: {{name: "{name}-*"}}, receiver: {name}}}' for name in CHANNELS]
    return CONFIGURATION.format(folder=folder, receivers="\n".join(receivers), routes="\n".join(routes))


def job(number: int, status: str, now: datetime) -> JobSnapshot:
    name = f"{CHANNELS[number % len(CHANNELS)]}-job-{number}"
    ref = JobRef(SourceName("hz"), JobId(f"dlcstorm{number:04d}"))
    return JobSnapshot(ref=ref, observed_at=now, status=status, name=name)


async def happen(service: Service, number: int, nth: int) -> None:
    """The n-th event of a job, committed with its state, as a look at it would be."""
    now, cause = service.clock.now(), CauseId(f"cause-{number}-{nth}")
    snapshot = job(number, ("Restarting", "Running")[nth % 2], now)
    event = JobStatusChanged(
        id=EventId(f"event-{number}-{nth}"),
        when=When(observed_at=now),
        cause=cause,
        job=snapshot.ref,
        old_status="before",
        new_status=str(nth),
        old_phase=Phase.RUNNING,
        new_phase=Phase.RUNNING,
    )
    follows = consequences((event,), Context(now=now, job=snapshot), service.ledger.book, now)
    watch = Watch(snapshot, nth, now, now)
    await service.ledger.commit(
        observation(cause, now, follows, expected_version=nth - 1, watch=watch, snapshot_changed=True)
    )


@asynccontextmanager
async def dispatching(service: Service) -> AsyncIterator[None]:
    async with anyio.create_task_group() as tasks:
        for dispatcher in service.dispatchers:
            tasks.start_soon(dispatcher.dispatch)
        yield
        tasks.cancel_scope.cancel()


async def test_a_storm_of_500_events_arrives_completely_and_in_order_at_one_post_a_second(tmp_path: Path) -> None:
    Counting.slowed = 0
    async with (
        slack_emulator(tmp_path, channels=CHANNELS) as emulator,
        limited(emulator.url, tmp_path) as url,
    ):
        text = configuration(tmp_path, f"{url}/api/")
        loaded = load(text, file="test", env={}, kinds=discover(), base_dir=tmp_path)
        ends = {name: Counting(name, loaded.receivers[name].settings) for name in CHANNELS}
        async with assemble(loaded, notifiers=ends) as service:
            async with dispatching(service):
                for nth in range(1, EVENTS // JOBS + 1):
                    for number in range(JOBS):
                        await happen(service, number, nth)
                    await anyio.sleep(PAUSE_S)
                with anyio.fail_after(WITHIN_S):
                    while await unsettled(service) or await behind(service):
                        await anyio.sleep(0.5)
            await check(service, emulator)
        print(f"{Counting.slowed} times 429")
        assert Counting.slowed <= 2


async def unsettled(service: Service) -> int:
    counts = await service.store.counts()
    return sum(counts.get(f"deliveries.{state}", 0) for state in ("pending", "sending", "retrying"))


async def behind(service: Service) -> int:
    return sum([len(await service.store.cards_behind(name, 100)) for name in CHANNELS])


async def check(service: Service, emulator: Emulator) -> None:
    deliveries = await service.store.deliveries(limit=10_000)
    states = {delivery.state for delivery in deliveries}
    assert len(deliveries) == EVENTS
    assert states <= {DeliveryState.DELIVERED, DeliveryState.FOLDED}, states
    # Every event left in a message; what was said later left in a later one, under the card of its job.
    flushes: dict[str, list[str]] = defaultdict(list)
    for delivery in deliveries:
        about = str(delivery.notification.job)
        assert delivery.flush_id
        if not flushes[about] or flushes[about][-1] != delivery.flush_id:
            flushes[about].append(delivery.flush_id)
    assert len(flushes) == JOBS
    posts = 0
    for channel in CHANNELS:
        threads = await emulator.threads(channel)
        assert len(threads) == JOBS // len(CHANNELS)
        for card, *replies in threads:
            assert is_card(card), card
            number = int(job_of(card).rpartition("-")[2])
            ids = [post["metadata"]["event_payload"]["message_id"] for post in replies]
            assert ids == flushes[f"hz/dlcstorm{number:04d}"], "not in order, or not once each"
            told = [
                int(said)
                for post in replies
                for said in re.findall(r"event number (\d+)", post["text"].split("\n", 1)[-1])
            ]
            assert told == sorted(told)
            assert "Running" in str(card["text"]), "the card shows the newest state"
            posts += len(replies) + 1
    assert posts < EVENTS
    print(f"{EVENTS} events of {JOBS} jobs in {posts} posts")


async def test_who_does_not_keep_the_pace_is_told_to_slow_down(tmp_path: Path) -> None:
    async with slack_emulator(tmp_path) as emulator, limited(emulator.url, tmp_path) as url:
        settings = SlackSettings.model_validate({"token": TOKEN, "to": CHANNEL, "base_url": f"{url}/api/"})
        notifier = SlackNotifier("team", settings)
        refused = []
        for name in ("single", "bare", "while-away"):
            try:
                await notifier.send(notifier.render(SAMPLES[name]), SAMPLES[name])
            except NotifierError as refusal:
                refused.append((refusal.code, refusal.retry_after, refusal.pauses_receiver, refusal.ambiguous))
        await notifier.aclose()
    assert set(refused) == {("ratelimited", timedelta(seconds=1), True, False)}
