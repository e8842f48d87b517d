"""Inhibition in the running service: over a restart, and at each receiver by itself."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.shell.service_world import World, job, seconds
from watcher.core.delivery import DeliveryReason
from watcher.core.model import JobSnapshot, PodSnapshot

pytestmark = pytest.mark.anyio

RULES = "  - {use: job-failed}\n  - {use: pod-evicted}\n"


def with_pods(snapshot: JobSnapshot, *evicted: str) -> JobSnapshot:
    pods = (
        PodSnapshot(
            f"w-{n}",
            uid=f"u{n}",
            status="Failed" if f"w-{n}" in evicted else "Running",
            sub_status="Evicted" * (f"w-{n}" in evicted),
        )
        for n in range(3)
    )
    return replace(snapshot, pods=tuple(pods))


async def look(world: World) -> list[tuple[str, DeliveryReason]]:
    await world.poller.load()
    await world.poller.pass_once()
    return [(row.notification.kind, row.reason) for row in await world.store.deliveries(limit=100)]


async def test_what_pods_of_a_failed_job_do_is_recorded_and_not_told_whatever_is_restarted_meanwhile() -> None:
    world = World(with_pods(job("dlc1")), rules=RULES)
    await look(world)
    world.source.put(with_pods(job("dlc1", "Failed", finished_at=world.clock.now()), "w-0"))
    told = await look(world)
    assert sorted(told) == [("job.failed", DeliveryReason.OWED), ("pod.evicted", DeliveryReason.INHIBITED)]
    again = world.again(rules=RULES)
    await again.ledger.recall()
    assert [one.inhibit.name for one in again.ledger.book.inhibiting] == ["failed-job", "failed-job-told-late"]
    await world.clock.advance(timedelta(hours=2))
    late = world.again(rules=RULES)
    await late.ledger.recall()
    assert late.ledger.book.inhibiting == ()


async def test_the_pods_of_a_job_that_lives_are_told() -> None:
    world = World(with_pods(job("dlc1")), rules=RULES)
    await look(world)
    await world.clock.advance(seconds(30))
    world.source.put(with_pods(job("dlc1"), "w-0"))
    assert await look(world) == [("pod.evicted", DeliveryReason.OWED)]
