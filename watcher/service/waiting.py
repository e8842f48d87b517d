"""Waiting for a time or for news, whichever comes first."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta

import anyio


async def sleep_or(sleep: Callable[[timedelta], Awaitable[None]], length: timedelta, *rung: anyio.Event) -> None:
    """Sleep for that long on the given clock, or until one of the events is set."""
    async with anyio.create_task_group() as tasks:

        async def wake(event: anyio.Event) -> None:
            await event.wait()
            tasks.cancel_scope.cancel()

        for event in rung:
            tasks.start_soon(wake, event)
        await sleep(length)
        tasks.cancel_scope.cancel()
