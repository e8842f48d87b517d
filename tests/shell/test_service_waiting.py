"""Long work lets others have their turns, and is not broken off."""

from __future__ import annotations

import anyio
import pytest
from anyio.lowlevel import checkpoint

from watcher.core.steps import Steps
from watcher.service.waiting import in_turns

pytestmark = pytest.mark.anyio


async def test_others_have_turns_while_work_is_long() -> None:
    turns, seen = 0, []

    def work() -> Steps[str]:
        for _ in range(100):
            seen.append(turns)
            yield
        return "done"

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await checkpoint()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(others)
        assert await in_turns(work()) == "done"
        tasks.cancel_scope.cancel()
    assert turns > 10
    assert max(seen.count(turn) for turn in seen) < 10


async def test_a_little_work_is_done_in_one_go() -> None:
    turns = 0

    def work() -> Steps[int]:
        yield
        return turns

    async def other() -> None:
        nonlocal turns
        turns += 1

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(other)
        assert await in_turns(work()) == 0


async def test_who_is_cancelled_meanwhile_finishes_it() -> None:
    done = []

    def work() -> Steps[None]:
        for number in range(50):
            done.append(number)
            yield

    with anyio.CancelScope() as scope:
        scope.cancel()
        await in_turns(work())
    assert len(done) == 50
