"""Observations that queue up share a transaction, and nothing else."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import anyio
import pytest
from sqlalchemy import Connection

from watcher.core.events import Event, EventId
from watcher.core.model import JobId, JobRef, SourceName
from watcher.errors import StaleObservation, StoreError, StoreUnavailable
from watcher.store.commits import MOST_AT_ONCE
from watcher.store.sql import SqlStore
from watcher.testing.store_contract import a_watch, an_event, an_observation

pytestmark = pytest.mark.anyio

Work = Callable[[Connection], Any]


class Held:
    """A database whose next transaction waits for `go`, so that others queue up behind it; counts transactions."""

    def __init__(self, store: SqlStore) -> None:
        self._database = store._commits._database
        store._commits._database = self
        self.go, self.begun, self.transactions = anyio.Event(), anyio.Event(), 0
        self.fails: list[Exception] = []

    async def write(self, work: Work) -> Any:
        self.transactions += 1
        self.begun.set()
        await self.go.wait()
        if self.fails:
            raise self.fails.pop()
        return await self._database.write(work)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqlStore]:
    store = SqlStore(f"sqlite:///{tmp_path / 'watcher.db'}")
    await store.open()
    yield store
    await store.aclose()


def event(number: int) -> Event:
    return replace(an_event(), id=EventId(f"e{number}"))


async def ids(store: SqlStore) -> list[str]:
    return [one.id for one in await store.events(limit=1000)]


async def test_what_comes_while_a_transaction_runs_is_written_by_the_next_one_in_order(store: SqlStore) -> None:
    held = Held(store)
    async with anyio.create_task_group() as tasks:
        for number in range(MOST_AT_ONCE + 51):
            tasks.start_soon(store.commit, replace(an_observation(), events=(event(number),)))
            if number == 0:
                await held.begun.wait()
        await anyio.wait_all_tasks_blocked()
        held.go.set()
    assert await ids(store) == [f"e{number}" for number in range(MOST_AT_ONCE + 51)]
    assert held.transactions == 3


async def test_one_that_cannot_be_written_takes_no_other_with_it(store: SqlStore) -> None:
    held, failed = Held(store), []

    async def commit(number: int) -> None:
        watch = a_watch(JobRef(SourceName("s"), JobId(f"dlc{number}")))
        if number == 3:  # no rule of ours makes such a thing; a store does not rely on that
            watch = replace(watch, snapshot=replace(watch.snapshot, observed_at=datetime(2026, 3, 1)))  # noqa: DTZ001 - naive on purpose
        observation = replace(an_observation(watch=watch), events=(event(number),), snapshot_changed=True)
        try:
            await store.commit(observation)
        except StoreError:
            failed.append(number)

    async with anyio.create_task_group() as tasks:
        for number in range(6):
            tasks.start_soon(commit, number)
            if number == 0:
                await held.begun.wait()
        await anyio.wait_all_tasks_blocked()
        held.go.set()
    assert failed == [3]
    assert sorted(await ids(store)) == ["e0", "e1", "e2", "e4", "e5"]
    assert {watch.snapshot.ref.job_id for watch in await store.watches()} == {f"dlc{n}" for n in (0, 1, 2, 4, 5)}


async def test_when_the_database_refuses_all_of_a_group_are_told_and_nothing_is_written(store: SqlStore) -> None:
    held, told = Held(store), []

    async def commit(number: int) -> None:
        try:
            await store.commit(replace(an_observation(), events=(event(number),)))
        except StoreUnavailable as exc:
            told.append((number, str(exc)))

    async with anyio.create_task_group() as tasks:
        for number in range(4):
            tasks.start_soon(commit, number)
            if number == 0:
                await held.begun.wait()
        await anyio.wait_all_tasks_blocked()
        held.fails = [StoreUnavailable("the disk is full")]
        held.go.set()
    assert told == [(0, "the disk is full")]
    assert await ids(store) == ["e1", "e2", "e3"]
    held.fails = [StoreUnavailable("the disk is full")]
    held.go, held.begun = anyio.Event(), anyio.Event()
    told.clear()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(commit, 10)
        await held.begun.wait()
        held.fails.append(StoreUnavailable("later"))
        for number in (11, 12):
            tasks.start_soon(commit, number)
        await anyio.wait_all_tasks_blocked()
        held.go.set()
    assert [number for number, _ in told] == [10, 11, 12]
    assert await ids(store) == ["e1", "e2", "e3"]


async def test_whoever_stops_waiting_before_its_turn_is_not_written_and_holds_up_nobody(store: SqlStore) -> None:
    held = Held(store)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(store.commit, replace(an_observation(), events=(event(0),)))
        await held.begun.wait()
        with anyio.move_on_after(0):
            await store.commit(replace(an_observation(), events=(event(1),)))
        tasks.start_soon(store.commit, replace(an_observation(), events=(event(2),)))
        await anyio.wait_all_tasks_blocked()
        held.go.set()
    assert await ids(store) == ["e0", "e2"]


async def test_a_lost_race_is_told_to_the_one_that_lost_it(store: SqlStore) -> None:
    await store.commit(an_observation(watch=a_watch()))
    with pytest.raises(StaleObservation, match="version 0"):
        await store.commit(an_observation(watch=a_watch()))
