"""A night of mute: 300 pieces of news over 20 jobs are one message for each receiver in the morning; critical ones pass."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.shell.service_world import SOURCE
from watcher.config import load
from watcher.core.consequence import Book, consequences
from watcher.core.delivery import DeliveryReason, FlushId
from watcher.core.events import CauseId, EventId, JobFailed, PodEvicted, When
from watcher.core.message import compose
from watcher.core.model import JobId, JobRef, PodKey
from watcher.core.rule import Context
from watcher.plugins import discover
from watcher.ports import Observation, Store
from watcher.store import open_store

pytestmark = pytest.mark.anyio

TEN_AT_NIGHT = datetime(2026, 3, 2, 14, 0, tzinfo=UTC)  # 22:00 in Shanghai
MORNING = TEN_AT_NIGHT + timedelta(hours=10)
CONFIGURATION = """\
sources: {hz: {kind: dlc, region: cn-hangzhou}}
receivers: {team: {console: {}}, archive: {console: {}}}
mute_intervals: {nights: {zone: Asia/Shanghai, from: "22:00", to: "08:00"}}
route:
  receiver: team
  mute: nights
  mute_except: critical
  routes:
    - {receiver: archive, continue: true, mute_except: []}
    - {receiver: team}
rules:
  - {name: evictions, on: pod.evicted, severity: warning, summary: "evicted"}
  - {name: failures, on: job.failed, severity: critical, summary: "failed"}
"""


@pytest.fixture(params=["memory:", "sqlite"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    store = open_store(f"sqlite:///{tmp_path}/watcher.db" if request.param == "sqlite" else request.param)
    await store.open()
    yield store
    await store.aclose()


async def night(store: Store, book: Book) -> None:
    for number in range(300):
        at = TEN_AT_NIGHT + timedelta(minutes=2) * number
        job = JobRef(SOURCE, JobId(f"dlc{number % 20}"))
        common: dict[str, Any] = {"when": When(observed_at=at), "cause": CauseId("c"), "job": job}
        event = (
            JobFailed(id=EventId(f"e{number}"), status="Failed", **common)
            if number == 150
            else PodEvicted(id=EventId(f"e{number}"), pod=PodKey(f"w-{number}", "u"), **common)
        )
        follows = consequences((event,), Context(now=at), book, at)
        await store.commit(
            Observation(
                cause=CauseId("c"),
                at=at,
                events=(event,),
                notifications=follows.notifications,
                deliveries=follows.deliveries,
            )
        )


async def test_it_is_one_message_for_each_receiver_in_the_morning_and_critical_news_passes(store: Store) -> None:
    loaded = load(CONFIGURATION, file="c", env={}, kinds=discover(), base_dir=Path.cwd())
    await night(store, Book(loaded.rules, loaded.route))
    early = MORNING - timedelta(microseconds=1)
    loud = await store.lease("team", early)
    assert loud is not None
    assert [owed.notification.headline for owed in loud.deliveries] == ["failed"]
    assert await store.lease("team", early) is None
    assert await store.lease("archive", early) is None
    assert await store.next_due(receiver="archive") == MORNING
    for receiver, count in (("team", 299), ("archive", 300)):
        lease = await store.lease(receiver, MORNING)
        assert lease is not None
        assert len(lease.deliveries) == count
        assert {owed.reason for owed in lease.deliveries} == {DeliveryReason.LEASED}
        assert await store.lease(receiver, MORNING) is None
        message = compose(lease.deliveries, {}, flush_id=FlushId("f"), attempt=1, thread_reference="")
        assert len(message.items) == count
        assert message.title == f"{count} notices about 20 jobs"
